"""Jobs: written with the data, run exactly once, told of in `_scheduled_functions`."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reactor.footprint.read_set import ReadSet
from reactor.limits import DEFAULT_LIMITS
from reactor.testing import ManualClock, TestBackend
from tests.execution.backends import backend, failure_text

FUNCTIONS = """
    @mutation
    def add(ctx: MutationCtx, text: str) -> Id[Note]:
        return ctx.db.insert(Note(text=text))

    @internal_mutation
    def add_and_fail(ctx: MutationCtx) -> None:
        ctx.db.insert(Note(text="lost"))
        raise ValueError("boom")

    @internal_mutation
    def see_oneself(ctx: MutationCtx) -> None:
        (job,) = ctx.db.query(ScheduledFunction).filter(lambda job: job.name == "m.js:seeOneself").collect()
        user = ctx.auth.get_user_identity()
        ctx.db.insert(Note(text=f"{job.state.kind} {user}"))

    @internal_mutation
    def too_much(ctx: MutationCtx) -> None:
        for _ in range(99):
            ctx.db.insert(Note(text="x"))

    @internal_mutation
    def again(ctx: MutationCtx, left: int) -> None:
        ctx.db.insert(Note(text=str(left)))
        if left:
            ctx.scheduler.run_after(60, again, left=left - 1)

    @internal_action
    async def act(ctx: ActionCtx, text: str) -> None:
        await ctx.run_mutation(add, text=text)

    @internal_action
    async def schedule_from_afar(ctx: ActionCtx, text: str) -> None:
        await ctx.scheduler.run_after(0, add, text=text)
        await ctx.run_mutation(schedule, name="add", args={"text": text + " in a mutation"})

    @query
    def hidden(ctx: QueryCtx, table: str) -> int:
        return len(ctx.db.query(table).collect())

    @mutation
    def tamper(ctx: MutationCtx, id: Id[ScheduledFunction]) -> None:
        ctx.db.delete(id)

    @internal_action
    async def act_and_fail(ctx: ActionCtx) -> None:
        raise ValueError("boom")

    @query
    def nothing(ctx: QueryCtx) -> None: ...

    @mutation
    def schedule(ctx: MutationCtx, name: str, delay: float = 0, args: dict[str, Any] = {}) -> str:
        return ctx.scheduler.run_after(delay, f"m:{name}", **args)

    @mutation
    def schedule_by_object(ctx: MutationCtx) -> str:
        return ctx.scheduler.run_at(ctx.now + timedelta(minutes=1), act, text="typed")

    @mutation
    def schedule_after_timedelta(ctx: MutationCtx) -> str:
        return ctx.scheduler.run_after(timedelta(minutes=1), add, "positional")

    @mutation
    def schedule_naive(ctx: MutationCtx) -> str:
        return ctx.scheduler.run_at(ctx.now.replace(tzinfo=None), add, text="x")

    @mutation
    def schedule_many(ctx: MutationCtx, count: int) -> None:
        for number in range(count):
            ctx.scheduler.run_after(0, add, text="x" * 10)

    @mutation
    def schedule_long(ctx: MutationCtx, count: int, length: int = 400) -> None:
        for number in range(count):
            ctx.scheduler.run_after(0, add, text="x" * length)

    @mutation
    def cancel(ctx: MutationCtx, id: str) -> None:
        ctx.scheduler.cancel(id)

    @query
    def texts(ctx: QueryCtx) -> list[str]:
        return [note.text for note in ctx.db.query(Note)]

    @query
    def job(ctx: QueryCtx, id: Id[ScheduledFunction]) -> ScheduledFunction | None:
        return ctx.db.get(id)
"""
START = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def running(tmp_path: Path, clock: ManualClock) -> Iterator[TestBackend]:
    limits = dataclasses.replace(
        DEFAULT_LIMITS,
        documents_written=40,
        functions_scheduled=20,
        scheduled_arguments_size=1000,
        scheduled_argument_size=600,
    )
    with backend(tmp_path, FUNCTIONS, clock=clock, limits=limits) as running:
        yield running


def schedule(running: TestBackend, name: str, delay: float = 0, **args: Any) -> str:
    job: str = running.mutation("m:schedule", {"name": name, "delay": delay, "args": args})
    return job


def state(running: TestBackend, job: str) -> dict[str, Any]:
    found: dict[str, Any] = running.query("m:job", {"id": job})["state"]
    return found


def test_a_job_is_a_document_of_the_official_form(running: TestBackend) -> None:
    job = schedule(running, "add", 60, text="hello")
    document = running.query("m:job", {"id": job})
    assert document == {
        "_id": job,
        "_creationTime": document["_creationTime"],
        "name": "m.js:add",
        "args": [{"text": "hello"}],
        "scheduledTime": START.timestamp() * 1000 + 60_000,
        "state": {"kind": "pending"},
    }


def test_a_job_runs_when_its_time_has_come_and_once(running: TestBackend, clock: ManualClock) -> None:
    job = schedule(running, "add", 60, text="hello")
    assert running.run_due() == 0
    clock.advance(dt.timedelta(minutes=1))
    assert (running.run_due(), running.run_due()) == (1, 0)
    assert running.query("m:texts") == ["hello"]
    document = running.query("m:job", {"id": job})
    assert document["state"] == {"kind": "success"}
    assert document["completedTime"] == pytest.approx((START + dt.timedelta(minutes=1)).timestamp() * 1000)


def test_a_job_delivered_twice_runs_once(running: TestBackend) -> None:
    job = schedule(running, "add", text="once")
    for _ in range(2):
        running.outcome("mutation", "m:add", {"text": "once"}, internal=True, job=job)
    assert running.query("m:texts") == ["once"]


def test_jobs_start_in_due_order_and_may_schedule_more(running: TestBackend, clock: ManualClock) -> None:
    schedule(running, "again", 30, left=2)
    schedule(running, "add", 20, text="first")
    clock.advance(dt.timedelta(seconds=30))
    assert running.run_due() == 2
    clock.advance(dt.timedelta(hours=1))
    running.run_due()
    clock.advance(dt.timedelta(hours=1))
    running.run_due()
    assert running.query("m:texts") == ["first", "2", "1", "0"]


def test_a_failed_job_leaves_only_the_word_of_it(running: TestBackend) -> None:
    job = schedule(running, "add_and_fail")
    running.run_due()
    assert running.query("m:texts") == []
    found = state(running, job)
    assert found["kind"] == "failed"
    assert found["error"].startswith("Uncaught ValueError: boom\n    at add_and_fail")


def test_a_job_that_passed_a_limit_is_failed_too(running: TestBackend) -> None:
    job = schedule(running, "too_much")
    running.run_due()
    assert state(running, job)["kind"] == "failed"
    assert "Too many writes" in state(running, job)["error"]
    assert running.query("m:texts") == []


def test_a_job_whose_function_is_gone_is_failed(running: TestBackend) -> None:
    job = schedule(running, "add", text="x")
    running.outcome("mutation", "m:renamed", {"text": "x"}, internal=True, job=job)
    assert state(running, job)["kind"] == "failed"
    assert "Could not find function for 'm:renamed'" in state(running, job)["error"]


def test_a_job_sees_itself_in_progress_and_nobody_signed_in(running: TestBackend) -> None:
    schedule(running, "see_oneself")
    running.run_due()
    assert running.query("m:texts") == ["inProgress None"]


def test_actions_are_jobs_too(running: TestBackend, clock: ManualClock) -> None:
    typed = running.mutation("m:scheduleByObject")
    failing = schedule(running, "act_and_fail", 60)
    clock.advance(dt.timedelta(minutes=1))
    assert running.run_due() == 2
    assert running.query("m:texts") == ["typed"]
    assert state(running, typed) == {"kind": "success"}
    assert state(running, failing)["kind"] == "failed"


def test_delays_are_seconds_or_timedeltas(running: TestBackend, clock: ManualClock) -> None:
    running.mutation("m:scheduleAfterTimedelta")
    clock.advance(dt.timedelta(minutes=1))
    running.run_due()
    assert running.query("m:texts") == ["positional"]


def test_a_cancelled_job_does_not_run(running: TestBackend) -> None:
    job = schedule(running, "add", text="never")
    running.mutation("m:cancel", {"id": job})
    assert running.run_due() == 0
    assert state(running, job) == {"kind": "canceled"}
    outcome = running.outcome("mutation", "m:add", {"text": "never"}, internal=True, job=job)
    assert (outcome.value, running.query("m:texts")) == (b"null", [])


def test_cancelling_what_is_done_changes_nothing(running: TestBackend) -> None:
    job = schedule(running, "add", text="x")
    running.run_due()
    running.mutation("m:cancel", {"id": job})
    assert state(running, job) == {"kind": "success"}


@pytest.mark.parametrize(
    ("name", "delay", "args", "words"),
    [
        ("gone", 0, {}, "Attempted to schedule function at nonexistent path: m:gone"),
        ("nothing", 0, {}, "is a query"),
        ("add", -1, {"text": "x"}, "a delay from 0"),
        ("add", 6 * 366 * 86_400, {"text": "x"}, "five years"),
        ("add", 0, {}, "missing a required argument: 'text'"),
        ("add", 0, {"text": 5}, "ArgumentValidationError"),
    ],
)
def test_what_cannot_be_scheduled(running: TestBackend, name: str, delay: float, args: Any, words: str) -> None:
    assert words in failure_text(running, "m:schedule", {"name": name, "delay": delay, "args": args})


def test_further_mistakes(running: TestBackend) -> None:
    assert "a datetime with a time zone" in failure_text(running, "m:scheduleNaive")
    note = running.mutation("m:add", {"text": "x"})
    assert "is not the id of a scheduled function" in failure_text(running, "m:cancel", {"id": note})


def test_a_mutation_schedules_only_so_many_and_so_much(running: TestBackend) -> None:
    running.mutation("m:scheduleMany", {"count": 20})
    assert "Too many functions scheduled" in failure_text(running, "m:scheduleMany", {"count": 21})
    assert "Too large total size" in failure_text(running, "m:scheduleLong", {"count": 3})
    assert running.run_due() == 20


def test_the_arguments_of_one_job_are_only_so_large_also_from_an_action(running: TestBackend) -> None:
    """Reference §4.6: 4 MiB of arguments each."""
    assert "Too large arguments" in failure_text(running, "m:scheduleLong", {"count": 1, "length": 700})
    fits = schedule(running, "schedule_from_afar", text="x" * 500)
    running.run_due()
    assert state(running, fits) == {"kind": "success"}
    call = running._call("action", "m:schedule_from_afar", {"text": "x" * 700}, None, internal=True)
    outcome = asyncio.run(running._act(call))
    assert outcome.failure is not None
    assert outcome.failure.code == "ScheduledFunctionsArgumentsTooLarge"


def test_what_a_cancelled_action_schedules_is_born_cancelled(running: TestBackend) -> None:
    """Reference §4.7: cancelling a running action cancels what it schedules afterwards, through its mutations too."""
    job = schedule(running, "schedule_from_afar", text="x")
    system(running, "mutation", "scheduler:claim", id=job)
    running.mutation("m:cancel", {"id": job})
    call = running._call("action", "m:schedule_from_afar", {"text": "x"}, None, internal=True, job=job)
    outcome = asyncio.run(running._act(call))
    assert outcome.failure is None
    assert running.run_due() == 0
    assert running.query("m:texts") == []
    assert system(running, "mutation", "scheduler:finish", id=job, error=None) is False
    assert state(running, job) == {"kind": "canceled"}


def test_nobody_but_the_system_writes_jobs_and_nobody_sees_its_other_rows(running: TestBackend) -> None:
    job = schedule(running, "add", text="x")
    assert "is written by the system only" in failure_text(running, "m:tamper", {"id": job})
    assert running.query("m:hidden", {"table": "_scheduled_functions"}) == 1
    for table in ("_crons", "_cron_runs", "_anything"):
        assert "There is no table" in failure_text(running, "m:hidden", {"table": table}, kind="query")


# ── the engine's own functions ────────────────────────────────────────────────────────────────────────────────────────


def system(running: TestBackend, kind: Any, name: str, **args: Any) -> Any:
    return running._system(kind, name, args)


def test_pending_tells_what_is_due_and_the_next_few_in_due_order(running: TestBackend) -> None:
    jobs = [schedule(running, "add", delay, text=str(delay)) for delay in (30, 10, 20, *range(40, 60))]
    now = START.timestamp() * 1000 + 10_000
    told = system(running, "query", "scheduler:pending", now=now)
    assert [job["_id"] for job in told] == [jobs[1], jobs[2], jobs[0], *jobs[3:9]]
    assert told[0]["args"] == [{"text": "10"}]


def test_a_job_far_away_does_not_wake_the_scheduler(running: TestBackend) -> None:
    for delay in range(10):
        schedule(running, "add", 100 + delay, text="x")
    outcome = running.outcome("query", "_system/scheduler:pending", internal=True)
    reads = ReadSet.from_wire(outcome.reads)
    schedule(running, "add", 1000, text="far")
    assert not reads.meets(running._database.commits_after(0)[-1].commits[-1].keys)
    schedule(running, "add", 1, text="near")
    assert reads.meets(running._database.commits_after(0)[-1].commits[-1].keys)


def test_an_action_job_is_claimed_once_and_finished_once(running: TestBackend) -> None:
    job = schedule(running, "act", text="x")
    assert system(running, "mutation", "scheduler:claim", id=job) is True
    assert system(running, "mutation", "scheduler:claim", id=job) is False
    assert state(running, job) == {"kind": "inProgress"}
    assert system(running, "mutation", "scheduler:finish", id=job, error="lost") is True
    assert system(running, "mutation", "scheduler:finish", id=job, error=None) is False
    assert state(running, job) == {"kind": "failed", "error": "lost"}


def test_a_mutation_job_that_killed_its_process_is_marked_failed(running: TestBackend) -> None:
    job = schedule(running, "add", text="x")
    system(running, "mutation", "scheduler:finish", id=job, error="died")
    assert state(running, job) == {"kind": "failed", "error": "died"}
    assert running.run_due() == 0


def test_at_start_up_interrupted_actions_are_failed(running: TestBackend) -> None:
    interrupted, pending = schedule(running, "act", text="x"), schedule(running, "act", text="y")
    system(running, "mutation", "scheduler:claim", id=interrupted)
    assert system(running, "mutation", "scheduler:sweep") == 1
    assert state(running, interrupted) == {"kind": "failed", "error": "Transient error while executing action"}
    assert state(running, pending) == {"kind": "pending"}


def test_the_head_can_be_moved_past_what_a_client_has_seen(running: TestBackend) -> None:
    before = running._database.head.ts
    outcome = running.outcome("mutation", "_system/head:advance", {"to": str(before + 5000)}, internal=True)
    assert outcome.ts == running._database.head.ts == before + 5001
    assert running.outcome("mutation", "m:add", {"text": "x"}).ts > before + 5001


def test_an_unknown_system_function_is_an_outcome(running: TestBackend) -> None:
    for kind in ("query", "mutation"):
        outcome = running.outcome(kind, "_system/nothing:here", internal=True)
        assert outcome.failure is not None
    outcome = running.outcome("query", "_system/scheduler:claim", internal=True)
    assert outcome.failure is not None


def test_jobs_are_forgotten_a_while_after_their_end(running: TestBackend, clock: ManualClock) -> None:
    """Reference §4.7: kept for 7 days after completion."""
    done, waiting = schedule(running, "add", text="x"), schedule(running, "add", 3 * 86_400, text="y")
    cancelled = schedule(running, "add", 365 * 86_400, text="z")
    running.mutation("m:cancel", {"id": cancelled})
    running.run_due()
    now = clock.now_ns() / 1e6
    assert system(running, "mutation", "scheduler:clean", before=now - 1) is False
    assert running.query("m:hidden", {"table": "_scheduled_functions"}) == 3
    assert system(running, "mutation", "scheduler:clean", before=now + 1) is False
    assert [running.query("m:job", {"id": job}) is None for job in (done, waiting, cancelled)] == [True, False, True]


def test_a_claimed_action_that_could_not_begin_waits_again(running: TestBackend) -> None:
    job = schedule(running, "act", text="x")
    assert system(running, "mutation", "scheduler:giveBack", id=job) is False
    system(running, "mutation", "scheduler:claim", id=job)
    assert system(running, "mutation", "scheduler:giveBack", id=job) is True
    assert state(running, job) == {"kind": "pending"}
    assert running.run_due() == 1


def test_time_can_be_let_pass_over_many_jobs_each_at_its_own_time(running: TestBackend, clock: ManualClock) -> None:
    schedule(running, "again", 30, left=3)
    assert running.advance(dt.timedelta(minutes=3)) == 3
    assert running.query("m:texts") == ["3", "2", "1"]
    assert clock.now_ns() == pytest.approx((START + dt.timedelta(minutes=3)).timestamp() * 1e9)


def test_without_a_clock_of_its_own_a_backend_can_be_set_forward_too(tmp_path: Path) -> None:
    with backend(tmp_path, FUNCTIONS) as running:
        job = schedule(running, "act", 3600, text="x")
        assert running.advance(dt.timedelta(minutes=59)) == 0
        assert running.advance(dt.timedelta(minutes=2)) == 1
        assert state(running, job) == {"kind": "success"}
