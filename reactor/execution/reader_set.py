"""ReaderSet: the server's side of the readers. Each runs one batch of queries at a time; who dies is replaced.

The set keeps no queue: what no reader can take now, and what a reader gave back or died before, is the caller's to
queue. It only promises that each call of a batch is either answered or given back, exactly once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from reactor.execution import frames
from reactor.execution.blame import blame, crashed
from reactor.execution.frames import AnyFrame, Call, Failure, Outcome
from reactor.execution.nursery import Nursery
from reactor.execution.runner import Runner
from reactor.limits import Limits

_log = logging.getLogger("reactor.execution")

_DEATHS = 5  # of readers in a row with nobody to blame: then the batch itself is to blame
_BACKOFF = 0.02  # seconds before a reader is replaced that died for no reason; doubles


class ReaderOwner(Protocol):
    """Who hears of results. Called on the loop, never awaits."""

    def queries_done(self, batch_id: int, ts: int, calls: Sequence[Call], outcomes: Sequence[Outcome]) -> None:
        """These calls of the batch are answered, true at `ts`."""
        ...

    def queries_unrun(self, batch_id: int, calls: Sequence[Call]) -> None:
        """These calls of the batch were not run."""
        ...

    def reader_idle(self) -> None:
        """A reader can take a batch."""
        ...


@dataclass(frozen=True, slots=True)
class _Batch:
    id: int
    min_ts: int
    calls: Sequence[Call]


class ReaderSet:
    """`switch` to a nursery starts them; `submit` gives one work."""

    def __init__(self, database: Path, limits: Limits, owner: ReaderOwner) -> None:
        self._database = database
        self._limits = limits
        self._owner = owner
        self._nursery: Nursery | None = None  # whose readers these are; set by switch()
        self._idle: list[Runner] = []  # last in, first out: the warmest
        self._busy: dict[Runner, _Batch] = {}
        self._retired: set[Runner] = set()  # of another nursery, or stale: end with what they run now
        self._deaths = 0  # with nobody to blame, since the last answered batch
        self.held = False  # between hold() and resume()
        self._quiet: asyncio.Future[None] | None = None  # hold() waits on it

    @property
    def idle(self) -> int:
        """How many batches could be submitted now."""
        return 0 if self.held else len(self._idle)

    @property
    def running(self) -> list[Runner]:
        """The readers that run something, retired ones included."""
        return list(self._busy)

    def submit(self, batch_id: int, calls: Sequence[Call], min_ts: int, *, whole: bool = False) -> bool:
        """Run the calls in one snapshot not older than `min_ts`, all of them if `whole`. False when no reader is free."""
        if self.held or not self._idle:
            return False
        runner = self._idle.pop()
        self._busy[runner] = _Batch(batch_id, min_ts, calls)
        runner.send(frames.Queries(batch_id, min_ts, list(calls), whole))
        return True

    # ── who reads ─────────────────────────────────────────────────────────────────────────────────────────────────

    def switch(self, nursery: Nursery) -> None:
        """Readers of this nursery from now on; those there are end when they have answered."""
        if nursery is self._nursery:
            return
        self._nursery = nursery
        leaving, self._idle = self._idle, []
        self._retired.update(self._busy, leaving)
        for runner in self._retired:
            runner.send(frames.Drain())  # read after the batch it has
        self._fill()

    def _fill(self) -> None:
        """Launch what is missing."""
        while self._nursery is not None and self._nursery.alive and self._serving < self._limits.readers:
            runner = self._nursery.launch("reader", self)
            runner.send(frames.OpenReader(str(self._database)))
            self._free(runner)

    @property
    def _serving(self) -> int:
        return len(self._idle) + sum(runner not in self._retired for runner in self._busy)

    def _fill_later(self, delay: float) -> None:
        asyncio.get_running_loop().call_later(delay, self._fill)

    def _free(self, runner: Runner) -> None:
        self._idle.append(runner)
        if not self.held:
            self._owner.reader_idle()

    async def hold(self) -> None:
        """Start no batch until resume(), and wait until none runs (engine C4)."""
        self.held = True
        if self._busy:
            self._quiet = asyncio.get_running_loop().create_future()
            try:
                await self._quiet
            finally:  # waited no longer: nobody to tell
                self._quiet = None

    def resume(self) -> None:
        """End of hold()."""
        self.held = False
        for _ in self._idle:
            self._owner.reader_idle()

    async def stop(self) -> None:
        """End all of them and wait. What they ran is given back."""
        self._nursery = None
        runners = [*self._idle, *self._busy, *self._retired]
        self._retired.update(runners)
        self._idle.clear()
        for runner in runners:
            runner.kill()
        await asyncio.gather(*(runner.gone() for runner in runners))

    # ── what they say, and their death ────────────────────────────────────────────────────────────────────────────

    def runner_said(self, runner: Runner, frame: AnyFrame) -> None:
        """RunnerOwner: a batch is done, or could not be run."""
        if runner not in self._busy:
            runner.babbled(type(frame).__name__)
            return
        batch = self._take(runner)
        match frame:
            case frames.QueriesDone(ts=ts, outcomes=outcomes):
                self._deaths = 0
                try:
                    self._owner.queries_done(batch.id, ts, batch.calls[: len(outcomes)], outcomes)
                    if len(outcomes) < len(batch.calls):
                        self._owner.queries_unrun(batch.id, batch.calls[len(outcomes) :])
                finally:  # whatever became of the answers, the reader can work
                    if runner not in self._retired:
                        self._free(runner)
            case frames.StaleBundle():
                # Replaced, not asked again: its nursery's successor is about to switch the set.
                if runner not in self._retired:
                    self._retired.add(runner)
                    runner.send(frames.Drain())
                    self._fill_later(_BACKOFF)
                self._owner.queries_unrun(batch.id, batch.calls)
            case _:
                raise AssertionError(frame)

    def _take(self, runner: Runner) -> _Batch:
        batch = self._busy.pop(runner)
        if not self._busy and self._quiet is not None and not self._quiet.done():
            self._quiet.set_result(None)
        return batch

    def runner_ended(self, runner: Runner) -> None:
        """RunnerOwner: replace it; the guilty query is answered, the others of its batch given back."""
        expected = runner in self._retired
        self._retired.discard(runner)
        if runner in self._idle:
            self._idle.remove(runner)
        batch = self._take(runner) if runner in self._busy else None
        guilty = blame(runner, self._limits)
        self._deaths = 0 if guilty or expected else self._deaths + 1
        if not expected:
            _log.warning("reader died", extra={"status": runner.status, "guilty": list(guilty), "deaths": self._deaths})
            self._fill_later(_BACKOFF * 2 ** min(self._deaths, 8) if self._deaths > 1 else 0.0)
        if batch is not None:
            if self._deaths >= _DEATHS:
                assert runner.status is not None
                guilty = {call.id: crashed(runner.status) for call in batch.calls}
            self._settle(batch, guilty)

    def _settle(self, batch: _Batch, guilty: dict[int, Failure]) -> None:
        failed = [call for call in batch.calls if call.id in guilty]
        if failed:
            outcomes = [Outcome(call.id, None, guilty[call.id], ts=batch.min_ts) for call in failed]
            self._owner.queries_done(batch.id, batch.min_ts, failed, outcomes)
        if len(failed) < len(batch.calls):
            self._owner.queries_unrun(batch.id, [call for call in batch.calls if call.id not in guilty])
