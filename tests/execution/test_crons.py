"""Crons: declared in functions/crons.py, kept as rows by the push, run as jobs, one at a time (reference §4.8)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from reactor.definitions.manifest import Manifest
from reactor.errors import BundleBroken
from reactor.testing import ManualClock, TestBackend
from tests.execution.backends import NOTES
from tests.support import Project

START = dt.datetime(2026, 3, 1, 12, 0, 30, tzinfo=dt.UTC)
HOUR, MINUTE = dt.timedelta(hours=1), dt.timedelta(minutes=1)

JOBS = """
    from reactor import ActionCtx, MutationCtx, QueryCtx, ScheduledFunction, internal_action, internal_mutation, query
    from schema import Note

    @internal_mutation
    def tick(ctx: MutationCtx, text: str = "tick") -> None:
        ctx.db.insert(Note(text=f"{text} {ctx.now:%d %H:%M:%S} {ctx.auth.get_user_identity()}"))

    @internal_mutation
    def fail(ctx: MutationCtx) -> None:
        ctx.db.insert(Note(text="lost"))
        raise ValueError("boom")

    @internal_action
    async def act(ctx: ActionCtx, text: str) -> None:
        await ctx.run_mutation(tick, text=text)

    @query
    def look(ctx: QueryCtx) -> None: ...

    @query
    def texts(ctx: QueryCtx) -> list[str]:
        return [note.text for note in ctx.db.query(Note)]

    @query
    def scheduled(ctx: QueryCtx) -> int:
        return len(ctx.db.query(ScheduledFunction).collect())
"""


def crons_file(*lines: str) -> str:
    head = (
        "from datetime import time, timedelta",
        "from reactor import Crons",
        "from functions import jobs",
        "crons = Crons()",
    )
    return "\n".join([*head, *lines]) + "\n"


INTERVAL = crons_file("crons.interval('beat', timedelta(minutes=5), jobs.tick, text='beat')")


class Deployments:
    """One database, pushed to again and again."""

    def __init__(self, folder: Path, clock: ManualClock) -> None:
        self.project = Project(folder / "app", schema=NOTES, functions={"jobs": JOBS})
        self.data = folder / "data"
        self.clock = clock

    @contextmanager
    def push(self, crons: str) -> Iterator[TestBackend]:
        self.project.write_function("crons", crons)
        with TestBackend(self.project.root, data=self.data, clock=self.clock) as backend:
            yield backend


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def deployments(tmp_path: Path, clock: ManualClock) -> Deployments:
    return Deployments(tmp_path, clock)


def times(backend: TestBackend) -> list[str]:
    return [text.split(" ", 2)[2].removesuffix(" None") for text in backend.query("jobs:texts")]


def rows(backend: TestBackend, table: str = "_crons") -> list[dict[str, Any]]:
    with backend._database.snapshot() as snapshot:
        return [{"_id": stored.id, **stored.fields()} for stored in snapshot.for_call().scan(table)]


def test_an_interval_runs_right_at_deployment_and_then_after_each_interval(deployments: Deployments) -> None:
    with deployments.push(INTERVAL) as backend:
        backend.run_due()
        assert times(backend) == ["12:00:30"]
        assert backend.advance(12 * MINUTE) == 2
        assert backend.query("jobs:texts") == [f"beat 01 {at} None" for at in ("12:00:30", "12:05:30", "12:10:30")]


def test_every_kind_runs_at_its_times(deployments: Deployments) -> None:
    lines = (
        "crons.hourly('hourly', 30, jobs.tick, 'hourly')",
        "crons.daily('daily', time(3, 15), jobs.act, 'daily')",
        "crons.weekly('weekly', 'tuesday', time(3, 20), jobs.tick, text='weekly')",
        "crons.monthly('monthly', 2, time(3, 25), jobs.tick, text='monthly')",
        "crons.cron('cron', '40 12-13 * * *', jobs.tick, text='cron')",
    )
    with deployments.push(crons_file(*lines)) as backend:
        backend.advance(16 * HOUR)
        found = [text.removesuffix(" None") for text in backend.query("jobs:texts") if not text.startswith("hourly")]
        assert found == ["cron 01 12:40:00", "cron 01 13:40:00", "daily 02 03:15:00", "monthly 02 03:25:00"]
        assert sum(text.startswith("hourly") for text in backend.query("jobs:texts")) == 16
        backend.advance(24 * HOUR)
        assert "weekly 03 03:20:00 None" in backend.query("jobs:texts")


def test_missed_runs_are_one_run(deployments: Deployments, clock: ManualClock) -> None:
    """Reference §4.8: missed runs are collapsed, not replayed."""
    with deployments.push(INTERVAL) as backend:
        backend.run_due()
        clock.advance(72 * MINUTE)
        assert (backend.run_due(), backend.run_due()) == (1, 0)
        backend.advance(5 * MINUTE)
        assert times(backend) == ["12:00:30", "13:12:30", "13:15:30"]


def test_an_unchanged_cron_keeps_its_next_time_through_a_push(deployments: Deployments, clock: ManualClock) -> None:
    """Reference §4.8."""
    with deployments.push(INTERVAL) as backend:
        backend.run_due()
    clock.advance(2 * MINUTE)
    with deployments.push(INTERVAL + "crons.hourly('other', 0, jobs.tick)\n") as backend:
        backend.advance(4 * MINUTE)
        assert times(backend) == ["12:00:30", "12:05:30"]


def test_other_arguments_do_not_move_a_cron(deployments: Deployments, clock: ManualClock) -> None:
    with deployments.push(INTERVAL) as backend:
        backend.run_due()
    clock.advance(2 * MINUTE)
    with deployments.push(INTERVAL.replace("text='beat'", "text='drum'")) as backend:
        assert backend.run_due() == 0
        backend.advance(4 * MINUTE)
        assert backend.query("jobs:texts")[-1] == "drum 01 12:05:30 None"


def test_a_cron_of_another_schedule_is_as_new(deployments: Deployments, clock: ManualClock) -> None:
    with deployments.push(INTERVAL) as backend:
        backend.run_due()
    clock.advance(2 * MINUTE)
    with deployments.push(INTERVAL.replace("minutes=5", "minutes=1")) as backend:
        backend.advance(1.5 * MINUTE)
        assert times(backend) == ["12:00:30", "12:02:30", "12:03:30"]


def test_a_removed_cron_leaves_nothing(deployments: Deployments, clock: ManualClock) -> None:
    with deployments.push(INTERVAL) as backend:
        backend.run_due()
        clock.advance(HOUR)
        backend._system("mutation", "crons:start", {"now": backend._now_ms})  # a run is written and not begun
    with deployments.push(crons_file()) as backend:
        assert backend.advance(24 * HOUR) == 0
        assert (rows(backend), rows(backend, "_cron_runs")) == ([], [])


def test_a_run_that_is_under_way_is_not_joined_by_another(deployments: Deployments, clock: ManualClock) -> None:
    """Reference §4.8: one run at a time."""
    with deployments.push(crons_file("crons.interval('slow', timedelta(minutes=5), jobs.act, 'slow')")) as backend:
        backend._system("mutation", "crons:start", {"now": backend._now_ms})
        (run,) = rows(backend, "_cron_runs")
        assert backend._system("mutation", "scheduler:claim", {"id": run["_id"]}) is True
        clock.advance(17 * MINUTE)
        assert backend.run_due() == 0
        backend._system("mutation", "scheduler:finish", {"id": run["_id"], "error": None})
        assert backend.advance(5 * MINUTE) == 1
        assert times(backend) == ["12:20:30"]


def test_the_next_time_is_written_by_the_commit_that_starts_a_run(deployments: Deployments, clock: ManualClock) -> None:
    """Engine D8: so that a server that dies between neither loses nor doubles the run."""
    with deployments.push(INTERVAL) as backend:
        backend._system("mutation", "crons:start", {"now": backend._now_ms})
        (batch,) = backend._database.commits_after(0)[-1:]
        assert len(batch.commits) == 1
    with deployments.push(INTERVAL) as backend:  # the next server finds the run
        assert (backend.run_due(), backend.run_due()) == (1, 0)


def test_a_failing_cron_goes_on_and_its_newest_run_tells_why(deployments: Deployments) -> None:
    with deployments.push(crons_file("crons.interval('bad', timedelta(minutes=5), jobs.fail)")) as backend:
        assert backend.advance(11 * MINUTE) == 3
        assert backend.query("jobs:texts") == []
        (run,) = rows(backend, "_cron_runs")
        assert run["cron"] == "bad"
        assert run["state"]["kind"] == "failed"
        assert run["state"]["error"].startswith("Uncaught ValueError: boom")


def test_user_code_does_not_meet_the_rows_of_crons(deployments: Deployments) -> None:
    with deployments.push(INTERVAL) as backend:
        backend.run_due()
        assert backend.query("jobs:scheduled") == 0


def test_a_clock_set_back_a_day_stops_no_cron(deployments: Deployments, clock: ManualClock) -> None:
    with deployments.push(INTERVAL) as backend:
        clock.set(START + 24 * HOUR)
        backend.run_due()
        clock.set(START)
        assert backend.run_due() == 0
        assert backend.advance(6 * MINUTE) == 1


def test_the_manifest_tells_of_crons(deployments: Deployments) -> None:
    with deployments.push(INTERVAL) as backend:
        (cron,) = Manifest.from_bytes(backend.bundle.manifest.to_bytes()).crons
        assert (cron.name, cron.path, cron.args) == ("beat", "jobs.js:tick", {"text": "beat"})
        assert cron.schedule == {"kind": "interval", "seconds": 300}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (crons_file("crons.interval('a', timedelta(minutes=5), jobs.tick, text=5)"), 'The cron "a": '),
        (crons_file("crons.interval('a', timedelta(minutes=5), jobs.act)"), "missing a required argument: 'text'"),
        (crons_file("crons.interval('a', timedelta(minutes=5), jobs.look)"), "a query: use a mutation or an action"),
        (crons_file("crons.interval('a', timedelta(minutes=5), print)"), "is no function of this project"),
        (crons_file("crons.hourly('a', 1, jobs.tick)", "crons.hourly('a', 2, jobs.tick)"), "is declared twice"),
        (crons_file("crons.hourly('', 1, jobs.tick)"), "a name of printable characters"),
        ("crons = None\n", "write `crons = Crons()`"),
        ("from reactor import Crons\nmine = Crons()\n", "write `crons = Crons()`"),
    ],
)
def test_crons_that_cannot_be_are_refused_at_load(deployments: Deployments, text: str, words: str) -> None:
    with pytest.raises(BundleBroken) as caught, deployments.push(text):
        pass
    assert words in caught.value.traceback


def test_crons_belong_into_their_file(deployments: Deployments) -> None:
    deployments.project.write_function("other", "from reactor import Crons\nmine = Crons()\n")
    with pytest.raises(BundleBroken, match=r"declared in functions/crons\.py"), deployments.push(INTERVAL):
        pass
