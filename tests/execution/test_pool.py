"""Real processes, really killed. Each test provokes a failure of engine.md A1-A4 or B1-B3 and says what must hold."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reactor.definitions.manifest import Manifest
from reactor.errors import BundleBroken, ReactorError, SchemaViolation, StorageLocked
from reactor.execution.action_pool import ActionPool
from reactor.execution.frames import ActionDone, AnyFrame, Call, Failure, OpenReader, Outcome, Queries, StaleBundle
from reactor.execution.runner import Runner
from tests.execution.pools import LIMITS, SCHEMA, Pool, running_pool, until, value_of

POISON = """
    import builtins, os
    from reactor import MutationCtx, mutation

    @mutation
    def pour(ctx: MutationCtx, how: str) -> None:
        if how == "descriptors":
            os.closerange(3, 100)
        else:
            builtins.len = lambda thing: 0
"""

ENDLESS = ["loop", "swallow", "inside_c", "asleep"]
DEADLY = ["leave", "crash", "devour"]


def assert_failed_as(failure: Failure | None, how: str) -> None:
    assert failure is not None
    if how in ENDLESS:
        assert failure.code == "FunctionTimeout"
        assert failure.text.startswith("Function execution timed out (maximum duration: ")
    else:
        status = {"leave": "3", "crash": "-11", "devour": "71"}[how]
        assert failure.code == "FunctionCrashed"
        assert failure.text.startswith(f"The process that ran this function died (exit status {status}): ")


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


# ── the ordinary ──────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_mutations_queries_and_actions_run_and_see_each_other(tmp_path: Path) -> None:
    async with running_pool(tmp_path) as pool:
        added = await pool.mutate("notes:add", text="a")
        assert value_of(added) == "a"
        assert added.ts == pool.head
        asked = await pool.ask("notes:texts")
        assert value_of(asked) == ["a"]
        assert asked.ts == pool.head
        assert asked.reads
        assert len(asked.digest) == 16
        assert value_of(await pool.act("notes:add_two", text="b")) == 3


async def test_calls_that_are_waiting_share_a_commit_and_are_answered_after_it(tmp_path: Path) -> None:
    async with running_pool(tmp_path) as pool:
        answers = [pool.mutate("notes:add", text=str(number)) for number in range(200)]
        await asyncio.gather(*answers)
        assert len(pool.batches) < 100
        assert sum(len(batch.commits) for batch in pool.batches) == 200
        assert await pool.texts() == [str(number) for number in range(200)]


async def test_a_call_sees_what_the_call_before_it_in_the_batch_wrote(tmp_path: Path) -> None:
    async with running_pool(tmp_path) as pool:
        first, second = await asyncio.gather(
            pool.mutate("notes:add_unique", text="a"), pool.mutate("notes:add_unique", text="a")
        )
        assert value_of(first) == "a"
        assert second.failure is not None
        assert second.failure.data == b'"taken"'


async def test_queries_of_a_batch_are_all_true_at_one_timestamp(tmp_path: Path) -> None:
    async with running_pool(tmp_path) as pool:
        for _round in range(20):
            pool.mutate("notes:add", text="a")
            outcomes = await asyncio.gather(*pool.ask_together(*[("notes:count", {})] * 5))
            assert len({(outcome.ts, outcome.value) for outcome in outcomes}) == 1


async def test_a_reader_starts_no_further_query_when_its_batch_has_taken_long(tmp_path: Path) -> None:
    async with running_pool(tmp_path, replace(LIMITS, reader_batch_time=0.0, readers=1)) as pool:
        answers = pool.ask_together(*[("notes:one", {})] * 4)
        await asyncio.gather(*answers)
        assert len(pool.unrun) == 3 + 2 + 1, "each batch ran one and gave the rest back"


async def test_a_set_that_is_of_use_only_whole_is_run_whole(tmp_path: Path) -> None:
    async with running_pool(tmp_path, replace(LIMITS, reader_batch_time=0.0)) as pool:
        pairs = [pool._call("query", "notes:one", {}) for _ in range(5)]
        assert pool.pool.submit_queries(1, [call for call, _ in pairs], pool.head, whole=True)
        outcomes = await asyncio.gather(*(answer for _, answer in pairs))
        assert pool.unrun == []
        assert len({outcome.ts for outcome in outcomes}) == 1


async def test_a_busy_reader_is_not_given_more_and_says_when_it_is_free(tmp_path: Path) -> None:
    async with running_pool(tmp_path) as pool:
        assert pool.pool.readers_idle == LIMITS.readers
        answers = [pool.ask("notes:one") for _ in range(LIMITS.readers + 3)]
        assert pool.pool.readers_idle == 0
        assert not pool.pool.submit_queries(0, [], 0)
        await asyncio.gather(*answers)


async def test_actions_share_processes_one_after_another_and_wait_when_there_are_too_many(tmp_path: Path) -> None:
    async with running_pool(tmp_path, replace(LIMITS, action_runners=2)) as pool:
        pids = {value_of(outcome) for outcome in await asyncio.gather(*(pool.act("notes:process") for _ in range(10)))}
        assert len(pids) == 2


# ── what user code can do to its process ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("how", ENDLESS + DEADLY)
async def test_a_bad_query_fails_alone(tmp_path: Path, how: str) -> None:
    async with running_pool(tmp_path, replace(LIMITS, readers=1)) as pool:
        before, bad, after = pool.ask_together(("notes:one", {}), ("bad:as_query", {"how": how}), ("notes:one", {}))
        assert_failed_as((await bad).failure, how)
        assert value_of(await before) == 1
        assert value_of(await after) == 1
        assert value_of(await pool.mutate("notes:add", text="a")) == "a"


@pytest.mark.parametrize("how", ENDLESS + DEADLY)
async def test_a_bad_mutation_fails_alone_and_leaves_no_trace(tmp_path: Path, how: str) -> None:
    async with running_pool(tmp_path) as pool:
        before, bad, after = (
            pool.mutate("notes:add", text="before"),
            pool.mutate("bad:as_mutation", how=how),
            pool.mutate("notes:add", text="after"),
        )
        assert_failed_as((await bad).failure, how)
        assert value_of(await before) == "before"
        assert value_of(await after) == "after"
        assert await pool.texts() == ["before", "after"]


@pytest.mark.parametrize("how", [*ENDLESS, "leave", "crash"])  # a MemoryError in an action is its own to catch
async def test_a_bad_action_fails_alone(tmp_path: Path, how: str) -> None:
    async with running_pool(tmp_path) as pool:
        bad, good = await asyncio.gather(pool.act("bad:as_action", how=how), pool.act("notes:add_two", text="a"))
        assert_failed_as(bad.failure, how)
        assert value_of(good) == 2


async def test_many_bad_mutations_in_one_batch_are_each_blamed_once(tmp_path: Path) -> None:
    async with running_pool(tmp_path) as pool:
        answers = [
            pool.mutate("bad:as_mutation", how="leave")
            if number % 3 == 0
            else pool.mutate("notes:add", text=str(number))
            for number in range(12)
        ]
        outcomes = await asyncio.gather(*answers)
        assert [outcome.failure is not None for outcome in outcomes] == [number % 3 == 0 for number in range(12)]
        assert await pool.texts() == [str(number) for number in range(12) if number % 3]
        assert not pool.pool.failed.done(), "guilty calls do not count as the writer's own deaths"


async def test_an_action_that_leaves_a_task_behind_is_answered_and_its_process_not_used_again(tmp_path: Path) -> None:
    async with running_pool(tmp_path, replace(LIMITS, action_wall=10.0)) as pool:
        left = value_of(await pool.act("bad:leaves_a_task"))
        assert value_of(await pool.act("notes:process")) != left


async def test_what_a_dead_action_started_dies_with_it(tmp_path: Path) -> None:
    async with running_pool(tmp_path) as pool:
        outcome = await pool.act("bad:leaves_a_process")
        assert outcome.failure is not None
        child = int((pool.faults / "child").read_text())
        await until(lambda: not is_running(child))


async def test_cancelling_an_action_ends_its_process(tmp_path: Path) -> None:
    async with running_pool(tmp_path, replace(LIMITS, action_wall=60.0)) as pool:
        running = asyncio.create_task(pool.act("bad:as_action", how="asleep"))
        await until(lambda: bool(pool.pool._actions.running))
        (runner,) = pool.pool._actions.running
        running.cancel()
        await runner.gone()
        assert running.cancelled() or await asyncio.gather(running, return_exceptions=True)


# ── the writer dies (A1-A4) ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("session", [None, "client"])
@pytest.mark.parametrize("place", ["before commit", "after commit", "BEGIN IMMEDIATE"])
async def test_a_writer_killed_around_its_commit_loses_nothing_and_doubles_nothing(
    tmp_path: Path, place: str, session: str | None
) -> None:
    async with running_pool(tmp_path) as pool:
        pool.session = session
        await pool.mutate("notes:add", text="first")
        pool.strike_at(place)
        answers = [pool.mutate("notes:add", text=str(number)) for number in range(50)]
        outcomes = await asyncio.gather(*answers)
        assert not (pool.faults / place).exists(), "the writer was to die there"
        assert [value_of(outcome) for outcome in outcomes] == [str(number) for number in range(50)]
        assert await pool.texts() == ["first"] + [str(number) for number in range(50)]


async def assert_each_took_effect_once(pool: Pool, texts: list[str], answers: list[asyncio.Future[Outcome]]) -> None:
    """Every `add` is answered, and the notes are what the answers say. A killed process may take one call with it."""
    outcomes = await asyncio.gather(*answers)
    failures = [outcome.failure for outcome in outcomes if outcome.failure is not None]
    assert {failure.code for failure in failures} <= {"FunctionCrashed"}
    kept = [text for text, outcome in zip(texts, outcomes, strict=True) if outcome.failure is None]
    assert await pool.texts() == kept, "lost, doubled, or out of order"


async def test_a_writer_killed_at_any_moment_loses_nothing_and_doubles_nothing(tmp_path: Path) -> None:
    chance = random.Random(7)
    async with running_pool(tmp_path) as pool:
        texts: list[str] = []
        answers: list[asyncio.Future[Outcome]] = []
        kills = 0
        while kills < 25:
            for _ in range(chance.randrange(1, 120)):
                texts.append(str(len(texts)))
                answers.append(pool.mutate("notes:add", text=texts[-1]))
            await asyncio.sleep(chance.random() * 0.008)  # where in its work it is hit is the point
            runner = pool.pool._lane.runner
            if not answers[-1].done() and runner is not None and runner.pid is not None:
                os.kill(runner.pid, signal.SIGKILL)
                kills += 1
            await assert_each_took_effect_once(pool, texts, answers)
        assert not pool.pool.failed.done()


async def test_a_mutation_that_was_running_when_its_writer_was_killed_is_not_run_again(tmp_path: Path) -> None:
    async with running_pool(tmp_path, replace(LIMITS, mutation_wall=60.0)) as pool:
        answer = pool.mutate("bad:as_mutation", how="asleep")
        await until(lambda: (runner := pool.pool._lane.runner) is not None and runner.occupant is not None)
        os.kill(pool.writer_pid, signal.SIGKILL)
        failure = (await answer).failure
        assert failure is not None
        assert failure.text == "The process that ran this function died (exit status -9): SIGKILL"
        assert await pool.texts() == []


async def test_a_writer_that_dies_again_and_again_with_nobody_to_blame_ends_the_pool(tmp_path: Path) -> None:
    async with running_pool(tmp_path) as pool:

        def strike_again() -> None:
            pool.strike_at("before commit")
            loop.call_later(0.002, strike_again)

        loop = asyncio.get_running_loop()
        strike_again()
        pool.mutate("notes:add", text="a")
        with pytest.raises(Exception, match=r"in a row|exit status"):
            await pool.pool.failed


async def test_when_the_disk_is_full_in_one_call_nothing_is_answered_and_all_run_again(tmp_path: Path) -> None:
    """SQLite may have undone the whole batch, so its earlier calls are not safe either (engine A1)."""
    async with running_pool(tmp_path) as pool:
        answers = [pool.mutate("notes:add", text=str(number)) for number in range(10)]
        (pool.faults / "full").touch()
        answers += [pool.mutate("notes:add", text=str(number)) for number in range(10, 50)]
        outcomes = await asyncio.gather(*answers)
        assert not (pool.faults / "full").exists()
        assert [value_of(outcome) for outcome in outcomes] == [str(number) for number in range(50)]
        assert await pool.texts() == [str(number) for number in range(50)]


async def test_while_the_disk_is_full_queries_go_on_and_what_was_sent_is_done_when_there_is_room(
    tmp_path: Path,
) -> None:
    async with running_pool(tmp_path) as pool:
        assert value_of(await pool.mutate("notes:add", text="before")) == "before"
        (pool.faults / "stays full").touch()
        waiting = [pool.mutate("notes:add", text=str(number)) for number in range(5)]
        await until(lambda: not pool.pool.writable)
        assert await pool.texts() == ["before"]
        assert not any(answer.done() for answer in waiting)
        (pool.faults / "stays full").unlink()
        assert [value_of(outcome) for outcome in await asyncio.gather(*waiting)] == ["0", "1", "2", "3", "4"]
        assert pool.pool.writable
        assert await pool.texts() == ["before", "0", "1", "2", "3", "4"]


@pytest.mark.parametrize("how", ["descriptors", "builtins"])
async def test_a_mutation_that_breaks_its_writer_afterwards_is_found_out(tmp_path: Path, how: str) -> None:
    """The slot is empty when such a writer dies: only sending one call at a time tells whose doing it was."""
    async with running_pool(tmp_path) as pool:
        pool.write("functions/poison.py", POISON)
        await pool.pool.switch(await pool.pool.load(pool.root))
        before = [pool.mutate("notes:add", text=f"a{number}") for number in range(5)]
        poison = pool.mutate("poison:pour", how=how)
        after = [pool.mutate("notes:add", text=f"b{number}") for number in range(5)]
        outcomes = await asyncio.gather(*before, *after)
        assert [value_of(outcome) for outcome in outcomes] == [f"{row}{n}" for row in "ab" for n in range(5)]
        failure = (await poison).failure  # none where its batch was committed before the writer broke
        assert failure is None or failure.code in ("FunctionCrashed", "ForbiddenHere")
        assert await pool.texts() == [f"{row}{n}" for row in "ab" for n in range(5)]
        assert not pool.pool.failed.done()


async def test_a_second_pool_on_the_same_database_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.execution.pools.LIMITS", LIMITS)
    async with running_pool(tmp_path / "one") as pool:
        (tmp_path / "two").mkdir()
        (tmp_path / "two" / "data.db").symlink_to(tmp_path / "one" / "data.db")
        second = Pool(tmp_path / "two", LIMITS, None)
        second.pool._lane._ledger = pool.pool._lane._ledger
        nursery = await second.pool.load(second.root)
        with pytest.raises(StorageLocked):
            await second.pool.start(nursery)
        await second.pool.stop()
        assert value_of(await pool.mutate("notes:add", text="a")) == "a"


# ── readers are told when not to answer (A6, C4, D6) ──────────────────────────────────────────────────────────────────


class Witness:
    """Owner of a runner launched by a test: keeps what it says."""

    def __init__(self) -> None:
        self.said: asyncio.Queue[AnyFrame] = asyncio.Queue()

    def runner_said(self, runner: Runner, frame: AnyFrame) -> None:
        self.said.put_nowait(frame)

    def runner_ended(self, runner: Runner) -> None:
        pass


async def test_code_that_is_not_the_databases_runs_nothing(tmp_path: Path) -> None:
    async with running_pool(tmp_path) as pool:
        await pool.mutate("notes:add", text="a")
        pool.write("functions/loud.py", LOUD)
        other = await pool.pool.load(pool.root)  # and not pushed
        witness = Witness()
        reader = other.launch("reader", witness)
        reader.send(OpenReader(str(tmp_path / "data.db")))
        reader.send(Queries(7, 0, [Call(1, "query", "loud:texts", b"{}")]))
        assert await witness.said.get() == StaleBundle(7, pool.nursery.bundle)


async def test_a_reader_that_sees_less_than_was_told_to_clients_does_not_answer(tmp_path: Path) -> None:
    async with running_pool(tmp_path) as pool:
        await pool.mutate("notes:add", text="a")
        call, answer = pool._call("query", "notes:one", {})
        assert pool.pool.submit_queries(0, [call], min_ts=pool.head + 1)
        assert value_of(await answer) == 1, "asked again without the impossible wish"
        assert pool.unrun == [call.id]


async def test_the_write_ahead_log_stays_small_while_readers_are_busy(tmp_path: Path) -> None:
    wal = tmp_path / "data.db-wal"
    async with running_pool(tmp_path, replace(LIMITS, wal_soft=6 << 20, wal_hard=8 << 20)) as pool:
        largest = 0
        for number in range(300):
            asking = [pool.ask("notes:one") for _ in range(4)]
            await asyncio.gather(*(pool.mutate("notes:add", text=f"{number}{'x' * 50_000}") for _ in range(5)), *asking)
            largest = max(largest, wal.stat().st_size)
        assert (tmp_path / "data.db").stat().st_size > 60 << 20
        assert largest < 60 << 20, "three times the data would be here without checkpoints"


# ── nursery and family (B3) ───────────────────────────────────────────────────────────────────────────────────────────


async def test_when_the_nursery_dies_everything_is_made_anew(tmp_path: Path) -> None:
    async with running_pool(tmp_path) as pool:
        await pool.mutate("notes:add", text="before")
        os.kill(pool.nursery._process.pid, signal.SIGKILL)
        texts = ["before"] + [str(number) for number in range(20)]
        answers = [pool.mutate("notes:add", text=text) for text in texts[1:]]
        await asyncio.gather(*answers)
        kept = [text for text, answer in zip(texts[1:], answers, strict=True) if answer.result().failure is None]
        assert await pool.texts() == ["before", *kept]
        assert len(kept) >= len(answers) - 1, "at most the call that was running"
        assert value_of(await pool.act("notes:add_two", text="b")) == len(kept) + 3


@pytest.mark.parametrize("save", ["broken", "gone", "other"])
async def test_a_nursery_that_dies_comes_back_with_the_code_it_had(tmp_path: Path, save: str) -> None:
    async with running_pool(tmp_path) as pool:
        await pool.mutate("notes:add", text="before")
        match save:
            case "broken":
                pool.write("functions/notes.py", "def add(:")
                pool.write("pyproject.toml", "[tool")
            case "gone":
                (pool.root / "functions" / "notes.py").unlink()
            case _:
                pool.write("functions/notes.py", "")
        for _ in range(2):  # what came back is as good as the first
            os.kill(pool.pool._nursery._process.pid, signal.SIGKILL)  # type: ignore[union-attr]
            while (await pool.mutate("notes:add", text="after")).failure is not None:
                pass  # it ran in the moment of death
        assert (await pool.texts())[-1] == "after"
        assert value_of(await pool.act("notes:add_two", text="b")) >= 5
        assert pool.pool._nursery is not pool.nursery
        pool.write("functions/notes.py", "")
        pool.write("pyproject.toml", "")
        await pool.pool.switch(await pool.pool.load(pool.root))
        failure = (await pool.mutate("notes:add", text="after")).failure
        assert failure is not None
        assert failure.code == "FunctionNotFound"
        await until(lambda: not list(pool.runtime.glob("code-*")))


async def test_a_runner_holds_no_socket_of_another(tmp_path: Path) -> None:
    async with running_pool(tmp_path) as pool:
        await pool.act("notes:process")
        await pool.ask("notes:one")
        pids = [pool.writer_pid, *(runner.pid for runner in pool.pool._readers._idle + pool.pool._actions._idle)]
        owners: dict[str, int | None] = {}
        for pid in pids:
            for descriptor in os.listdir(f"/proc/{pid}/fd"):
                target = os.readlink(f"/proc/{pid}/fd/{descriptor}")
                if target.startswith("socket:") and int(descriptor) > 2:
                    assert target not in owners, f"{pid} and {owners[target]} share {target}"
                    owners[target] = pid


async def test_no_process_outlives_a_server_that_is_killed(tmp_path: Path) -> None:
    script = (
        "import asyncio, pathlib, sys\n"
        "from tests.execution.pools import running_pool\n"
        "async def main():\n"
        "    async with running_pool(pathlib.Path(sys.argv[1])) as pool:\n"
        "        await pool.act('notes:process')\n"
        "        pids = [pool.nursery._process.pid, pool.writer_pid]\n"
        "        pids += [r.pid for r in pool.pool._readers._idle + pool.pool._actions._idle]\n"
        "        print(*pids, flush=True)\n"
        "        pool.mutate('bad:as_mutation', how='asleep')\n"
        "        await asyncio.sleep(100)\n"
        "asyncio.run(main())\n"
    )
    server = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, str(tmp_path), stdout=asyncio.subprocess.PIPE
    )
    assert server.stdout is not None
    pids = [int(pid) for pid in (await asyncio.wait_for(server.stdout.readline(), 20)).split()]
    assert len(pids) == 5
    assert all(map(is_running, pids))
    server.kill()
    await server.wait()
    async with asyncio.timeout(10):
        await until(lambda: not any(map(is_running, pids)))


async def test_code_that_does_not_import_is_reported_with_its_traceback(tmp_path: Path) -> None:
    async with running_pool(tmp_path) as pool:
        pool.write("functions/broken.py", "import no_such_module\n")
        with pytest.raises(BundleBroken) as caught:
            await pool.pool.load(pool.root)
        assert "no_such_module" in caught.value.traceback
        pool.write("functions/broken.py", "import os\nos._exit(1)\n")
        with pytest.raises(BundleBroken):
            await pool.pool.load(pool.root)
        assert value_of(await pool.ask("notes:one")) == 1


async def test_an_import_that_never_ends_is_ended(tmp_path: Path) -> None:
    async with running_pool(tmp_path, replace(LIMITS, import_wall=5.0)) as pool:
        pool.write("functions/broken.py", "while True: pass\n")
        with pytest.raises(BundleBroken, match="import_wall"):
            await pool.pool.load(pool.root)


async def test_code_that_starts_a_thread_when_imported_is_spawned_with_a_warning(tmp_path: Path) -> None:
    async with running_pool(tmp_path) as pool:
        pool.write(
            "functions/threaded.py",
            "import threading, time\n"
            "from reactor import QueryCtx, query\n"
            "ticks = []\n"
            "def tick():\n"
            "    while True:\n"
            "        ticks.append(1)\n"
            "        time.sleep(0.01)\n"
            "threading.Thread(target=tick, name='ticker', daemon=True).start()\n"
            "@query\n"
            "def alive(ctx: QueryCtx) -> bool:\n"
            "    return any(thread.name == 'ticker' for thread in threading.enumerate())\n",
        )
        nursery = await pool.pool.load(pool.root)
        assert "ticker" in nursery.warnings[0]
        await pool.pool.switch(nursery)
        assert value_of(await pool.ask("threaded:alive")) is True, "a fork would not have it"


# ── push (D6) ─────────────────────────────────────────────────────────────────────────────────────────────────────────

LOUD = """
from reactor import QueryCtx, query
from schema import Note

@query
def texts(ctx: QueryCtx) -> list[str]:
    return [note.text.upper() for note in ctx.db.query(Note).collect()]
"""


async def test_a_push_changes_the_code_in_one_commit_and_loses_no_call(tmp_path: Path) -> None:
    async with running_pool(tmp_path) as pool:
        pool.write("functions/loud.py", LOUD)
        nursery = await pool.pool.load(pool.root)
        answers = [pool.mutate("notes:add", text=f"a{number}") for number in range(50)]
        switching = asyncio.create_task(pool.pool.switch(nursery))
        while not switching.done():
            if len(answers) < 2000:  # on a slow machine the switch lasts longer than one query may read
                answers.append(pool.mutate("notes:add", text=f"a{len(answers)}"))
            await asyncio.sleep(0)
        await switching
        outcomes = await asyncio.gather(*answers)
        assert all(outcome.failure is None for outcome in outcomes)
        assert await pool.texts() == [f"a{number}" for number in range(len(answers))]
        assert value_of(await pool.ask("loud:texts"))[0] == "A0"
        pushes = [batch for batch in pool.batches if any(commit.source == "push" for commit in batch.commits)]
        assert len(pushes) == 1


async def test_a_push_whose_schema_stored_documents_do_not_fit_changes_nothing(tmp_path: Path) -> None:
    async with running_pool(tmp_path) as pool:
        await pool.mutate("notes:add", text="a")
        pool.write("schema.py", SCHEMA.replace("text: str", "text: str\n    must: int"))
        pool.write(
            "functions/notes.py",
            (pool.root / "functions/notes.py").read_text().replace("text=text", "text=text, must=1"),
        )
        nursery = await pool.pool.load(pool.root)
        with pytest.raises(SchemaViolation, match='table "notes"'):
            await pool.pool.switch(nursery)
        assert value_of(await pool.mutate("notes:add", text="b")) == "b"
        assert await pool.texts() == ["a", "b"]


async def test_a_push_whose_nursery_is_killed_is_refused_like_any_other(tmp_path: Path) -> None:
    """Whoever pushes catches ReactorError: anything else would end the server."""
    async with running_pool(tmp_path) as pool:
        pool.write("functions/loud.py", LOUD)
        nursery = await pool.pool.load(pool.root)
        os.kill(nursery._process.pid, signal.SIGKILL)
        with pytest.raises(ReactorError):
            await pool.pool.switch(nursery)
        assert value_of(await pool.mutate("notes:add", text="a")) == "a"
        assert await pool.texts() == ["a"]
        assert not pool.pool.failed.done()


async def test_a_running_action_ends_in_the_code_it_began_with(tmp_path: Path) -> None:
    async with running_pool(tmp_path, replace(LIMITS, action_wall=60.0)) as pool:
        running = asyncio.create_task(pool.act("bad:as_action", how="asleep"))
        await until(lambda: bool(pool.pool._actions.running))
        pool.write("functions/loud.py", LOUD)
        await pool.pool.switch(await pool.pool.load(pool.root))
        assert not running.done()
        assert value_of(await pool.act("notes:add_two", text="a")) == 2
        running.cancel()


async def test_a_writer_killed_in_its_push_leaves_old_or_new_and_the_push_succeeds(tmp_path: Path) -> None:
    for place in ("before commit", "after commit"):
        async with running_pool(tmp_path / place.replace(" ", "-")) as pool:
            pool.write("functions/loud.py", LOUD)
            nursery = await pool.pool.load(pool.root)
            await pool.mutate("notes:add", text="a")
            switching = asyncio.create_task(pool.pool.switch(nursery))
            await until(lambda pool=pool: pool.pool._lane._reply is not None)  # type: ignore[misc]
            pool.strike_at(place)
            await switching
            assert value_of(await pool.ask("loud:texts")) == ["A"]
            assert value_of(await pool.mutate("notes:add", text="b")) == "b"


# ── without fork ──────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_push_that_failed_goes_back_even_if_the_old_nursery_died_meanwhile(tmp_path: Path) -> None:
    async with running_pool(tmp_path) as pool:
        await pool.pool._lane.close()
        os.kill(pool.nursery._process.pid, signal.SIGKILL)
        await pool.nursery.ended()
        await pool.pool._go_back()
        assert not pool.pool.failed.done()
        assert value_of(await pool.mutate("notes:add", text="a")) == "a"


async def test_everything_works_with_spawned_runners_too(tmp_path: Path) -> None:
    async with running_pool(tmp_path, start_method="spawn") as pool:
        answers = [pool.mutate("notes:add", text=str(number)) for number in range(20)]
        bad = pool.mutate("bad:as_mutation", how="leave")
        await asyncio.gather(*answers)
        assert_failed_as((await bad).failure, "leave")
        assert value_of(await pool.act("notes:add_two", text="b")) == 22
        assert_failed_as((await pool.ask("bad:as_query", how="crash")).failure, "crash")


async def test_spawned_runners_run_the_bundle_that_was_loaded_whatever_is_saved_later(tmp_path: Path) -> None:
    async with running_pool(tmp_path, start_method="spawn") as pool:
        pool.write("functions/notes.py", "this is no Python")
        os.kill(pool.writer_pid, signal.SIGKILL)
        assert value_of(await pool.mutate("notes:add", text="a")) == "a"


# ── time ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_slow_mutation_does_not_hold_back_the_answers_of_calls_before_it(tmp_path: Path) -> None:
    """Once known to be slow, a function starts in a batch of its own (engine A5)."""
    async with running_pool(tmp_path, replace(LIMITS, mutation_wall=60.0, function_cpu=0.3)) as pool:
        await pool.mutate("bad:as_mutation", how="loop")
        quick = pool.mutate("notes:add", text="a")
        slow = pool.mutate("bad:as_mutation", how="loop")
        began = time.monotonic()
        await quick
        assert time.monotonic() - began < 0.2
        assert not slow.done()
        await slow


# ── runners that make no sense ────────────────────────────────────────────────────────────────────────────────────────

MEDDLING = """
import asyncio, builtins, os, time
from reactor import ActionCtx, MutationCtx, QueryCtx, action, mutation, query
from functions import meddling
from schema import Note

@query
def breaks_len(ctx: QueryCtx) -> None:
    builtins.len = lambda thing: 7

@action
async def outer(ctx: ActionCtx) -> str:
    await asyncio.sleep(0.1)  # until all of them have a runner
    return await ctx.run_action(meddling.inner)

@action
async def inner(ctx: ActionCtx) -> str:
    return "inner"

@action
async def endless(ctx: ActionCtx) -> None:
    await ctx.run_action(meddling.endless)
"""


def meddle(pool: Pool) -> None:
    pool.write("functions/meddling.py", MEDDLING)


async def test_a_query_that_breaks_its_process_is_answered_and_the_reader_replaced(tmp_path: Path) -> None:
    async with running_pool(tmp_path, prepare=meddle) as pool:
        for _ in range(3):  # more than there are readers
            failure = (await pool.ask("meddling:breaks_len")).failure
            assert failure is not None
            assert "died" in failure.text
        assert value_of(await pool.ask("notes:one")) == 1


class PretendRunner:
    """A runner handle whose process says what the test wants."""

    def __init__(self) -> None:
        self.sent: list[AnyFrame] = []
        self.senseless: list[str] = []

    def send(self, frame: AnyFrame) -> None:
        self.sent.append(frame)

    def babbled(self, what: str) -> None:
        self.senseless.append(what)

    def kill(self) -> None:
        pass


class PretendNursery:
    alive = True
    manifest = Manifest((), ()).to_bytes()

    def __init__(self) -> None:
        self.runner = PretendRunner()

    def launch(self, role: str, owner: object) -> PretendRunner:
        return self.runner


async def test_an_action_gets_no_answer_but_its_own() -> None:
    """A fork of an earlier action, say, returned from it as well, on the socket it inherited."""
    nursery = PretendNursery()
    pool: Any = ActionPool(LIMITS)
    pool.switch(nursery)
    answer = asyncio.create_task(pool.run(Call(2, "action", "m:f", b"{}"), None))
    await asyncio.sleep(0)
    pool.runner_said(nursery.runner, ActionDone(Outcome(1, b"1")))
    assert nursery.runner.senseless == ["the end of call 1"]
    assert not answer.done()
    pool.runner_said(nursery.runner, ActionDone(Outcome(2, b"2")))
    assert (await answer).value == b"2"
    pool.runner_said(nursery.runner, ActionDone(Outcome(2, b"3")))
    assert len(nursery.runner.senseless) == 2


async def test_actions_that_wait_for_actions_do_not_use_up_the_runners(tmp_path: Path) -> None:
    async with running_pool(tmp_path, replace(LIMITS, action_runners=2, action_wall=10.0), prepare=meddle) as pool:
        began = time.monotonic()
        outcomes = await asyncio.gather(*(pool.act("meddling:outer") for _ in range(6)))
        assert [value_of(outcome) for outcome in outcomes] == ["inner"] * 6
        assert time.monotonic() - began < 5.0


async def test_actions_that_call_each_other_without_end_are_ended(tmp_path: Path) -> None:
    async with running_pool(tmp_path, replace(LIMITS, action_runners=2, action_wall=10.0), prepare=meddle) as pool:
        failure = (await pool.act("meddling:endless")).failure
        assert failure is not None
        assert "LimitExceeded" in failure.text
        assert "nested_calls" in failure.text


async def test_a_pool_stops_while_a_checkpoint_waits_for_a_query(tmp_path: Path) -> None:
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, complaint: complaints.append(complaint))
    async with running_pool(tmp_path, replace(LIMITS, wal_soft=1, wal_hard=1, query_wall=30.0)) as pool:
        pool.ask("bad:as_query", how="asleep")
        pool.ask("bad:as_query", how="asleep")
        await pool.mutate("notes:add", text="a")
        await until(lambda: pool.pool._readers.held)
        async with asyncio.timeout(5):
            await pool.pool.stop()
    assert complaints == []


PAGES = """
from typing import Any
from reactor import MutationCtx, PaginationOpts, QueryCtx, mutation, query
from schema import Note

def next_page(ctx: QueryCtx, cursor: str | None) -> tuple[list[str], str]:
    page = ctx.db.query(Note.by_text).paginate(PaginationOpts(num_items=1, cursor=cursor))
    return [note.text for note in page.page], page.continue_cursor

@query
def read(ctx: QueryCtx, cursor: str | None = None) -> list[Any]:
    return [*next_page(ctx, cursor)]

@mutation
def write(ctx: MutationCtx, cursor: str | None = None) -> list[Any]:
    return [*next_page(ctx, cursor)]
"""


@pytest.mark.parametrize("start_method", ["fork", "spawn"])
async def test_a_cursor_of_one_process_is_good_in_all_of_them(tmp_path: Path, start_method: str) -> None:
    prepare = lambda pool: pool.write("functions/pages.py", PAGES)  # noqa: E731
    async with running_pool(tmp_path, start_method=start_method, prepare=prepare) as pool:
        for text in ("a", "b"):
            await pool.mutate("notes:add", text=text)
        read, written = value_of(await pool.ask("pages:read")), value_of(await pool.mutate("pages:write"))
        assert read == written
        assert read[0] == ["a"]
        assert value_of(await pool.mutate("pages:write", cursor=read[1]))[0] == ["b"]
        assert value_of(await pool.ask("pages:read", cursor=written[1]))[0] == ["b"]
