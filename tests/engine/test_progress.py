"""Under commits that never stop, every client still moves (engine C2, C3)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from reactor.application import Application
from reactor.execution.frames import Failure, Outcome
from tests.engine.pretend import Browser, PretendPool


class Stage:
    """One browser, and a writer that commits between any two steps of a reader."""

    def __init__(self) -> None:
        self.pool = PretendPool()
        self.application = Application(Path("/nowhere"), Path("/nowhere"))
        self.engine = self.application._engine
        self.engine.attach(self.pool)  # type: ignore[arg-type]
        self.engine.opened(100)
        self.value = 0

    async def commit(self, by: Browser, *cells: int) -> None:
        """One batch that changes all of these."""
        self.value += 1
        for cell in cells:
            by.mutate(cell, self.value)
        self.pool.commit()
        batch, outcomes = self.pool.batches.pop(0)
        self.engine.batch_done(batch, outcomes)
        await asyncio.sleep(0)

    async def read(self, by: Browser, *cells: int) -> None:
        """A reader takes what is asked first; a commit changes `cells` after it has run, before it answers."""
        self.pool.run(0)
        await self.commit(by, *cells)
        batch, ts, calls, outcomes = self.pool.ran.pop(0)
        self.engine.queries_done(batch, ts, calls, outcomes)
        await asyncio.sleep(0)


@pytest.fixture
def browsers() -> Iterator[list[Browser]]:
    opened: list[Browser] = []
    yield opened
    for browser in opened:
        browser.worker.closed()


async def test_a_query_met_by_every_commit_is_delivered_once_per_run(browsers: list[Browser]) -> None:
    stage = Stage()
    reader, writer = (Browser(n, stage.application, stage.pool) for n in range(2))
    browsers += [reader, writer]
    reader.watch(0, 1)
    await asyncio.sleep(0)
    for _ in range(20):
        before = reader.transitions
        await stage.read(writer, 1)
        assert reader.transitions == before + 1


async def test_two_queries_that_are_never_run_in_one_snapshot_still_arrive_together(browsers: list[Browser]) -> None:
    """Two readers out of step, and a commit that meets both queries between any two runs: no result of the one ever
    agrees with one of the other. Only a run of the whole set in one snapshot does."""
    stage = Stage()
    reader, writer = (Browser(n, stage.application, stage.pool) for n in range(2))
    browsers += [reader, writer]
    reader.watch(0, 1)
    await asyncio.sleep(0)
    reader.watch(1, 2)
    await asyncio.sleep(0)
    assert [len(calls) for _, calls, _ in stage.pool.asked] == [1, 1]
    transitions = []
    for _ in range(60):
        await stage.commit(writer, 1, 2)
        await stage.read(writer, 1, 2)
        transitions.append(reader.transitions)
    assert transitions[-1] >= 5
    stalled = max(transitions.count(seen) for seen in set(transitions[10:]))
    assert stalled <= 12, "a client was left behind for many rounds"


async def test_a_watched_query_whose_process_died_is_run_again(
    browsers: list[Browser], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its last answer before silence must not be the failure: the machine may have killed the process, not the query."""
    monkeypatch.setattr("reactor.engine.engine.FIRST_RETRY", 0.001)
    stage = Stage()
    (reader,) = browsers[:] = [Browser(0, stage.application, stage.pool)]
    reader.watch(0, 1)
    await asyncio.sleep(0)
    batch, calls, _ = stage.pool.asked.pop(0)
    failure = Failure("FunctionCrashed", "The process that ran this function died")
    died = [Outcome(call.id, None, failure, digest=b"died") for call in calls]
    reader.expects_failures = True
    stage.engine.queries_done(batch, stage.engine.head, calls, died)
    async with asyncio.timeout(5):
        while not stage.pool.asked:  # noqa: ASYNC110  the pretend pool tells nobody
            await asyncio.sleep(0.001)
    reader.expects_failures = False
    stage.pool.run(0)
    stage.engine.queries_done(*stage.pool.ran.pop(0))
    await asyncio.sleep(0)
    assert reader.results == {0: [0, "-"]}
