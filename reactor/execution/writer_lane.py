"""WriterLane: the server's side of the one writer. Mutations go in, batches and answers come out, whatever dies.

States of the lane:

    CLOSED   no writer: not started, or between two of a push, or stopped         → submitted calls wait
    OPENING  a writer was launched and has not said Hello                         → submitted calls wait
    OPEN     calls are sent as they come, those of one loop turn in one frame
    CLOSING  Drain was sent: the writer finishes what it has, is reaped → CLOSED  → submitted calls wait

A writer that dies in OPEN is replaced by the lane itself; death in OPENING is tried again; death in CLOSING is CLOSED.
In every case the calls it left are settled by what the next writer read (recovery.py), never by guessing.

Trouble with nobody to blame. After the second such death the lane is *careful*: it sends one call at a time, until a
batch succeeds. A writer that dies again then had only one call, which is to blame after all: it broke the process in a
way that showed later. A writer that cannot even open because the files cannot be written (the disk is full) makes the
storage *unavailable*: calls wait, new ones are refused with a time to come back, and opening is tried again until it
succeeds. Queries go on all the while. What remains, a writer that dies with nothing to do, ends the server: `failed`
says why.
"""

from __future__ import annotations

import asyncio
import enum
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import msgspec

from reactor.errors import (
    BundleBroken,
    ForeignCommit,
    NotPrepared,
    SchemaViolation,
    StaleWriter,
    StorageError,
    StorageLocked,
    TransferRefused,
    WriterDied,
)
from reactor.execution import frames
from reactor.execution.blame import blame, crashed
from reactor.execution.frames import AnyFrame, Batch, Call, Failure, Outcome, ToWriter, WriterHello
from reactor.execution.nursery import Nursery
from reactor.execution.process import UNAVAILABLE
from reactor.execution.recovery import settle
from reactor.execution.repetition import is_kept
from reactor.execution.runner import Runner
from reactor.limits import Limits

_log = logging.getLogger("reactor.execution")

_DEATHS = 5  # in a row, with nobody to blame, before giving up
_CAREFUL = 2  # such deaths from which on calls are sent one at a time
_PATIENCE = 1.0  # seconds between attempts to open storage that cannot be written
_BACKOFF = 0.0125  # seconds, doubled with every death: 0.05 after the second
_UNPREPARED = frames.Prepared()
_REFUSALS: dict[str, type[StorageError]] = {kind.__name__: kind for kind in (StorageLocked, StaleWriter, ForeignCommit)}


class State(enum.Enum):
    """See the module's docstring."""

    CLOSED = enum.auto()
    OPENING = enum.auto()
    OPEN = enum.auto()
    CLOSING = enum.auto()


@dataclass(frozen=True, slots=True)
class Ledger:
    """Which database, and who asks: what each writer is told first."""

    database: Path
    boot: str


class LaneOwner(Protocol):
    """Who hears of the lane's news. Called on the loop, never awaits, except `living_nursery`."""

    def batch_done(self, batch: Batch, outcomes: Sequence[Outcome]) -> None:
        """A batch is durable, and these are its answers. In commit order."""
        ...

    def pushed(self, nursery: Nursery, batch: Batch | None) -> None:
        """The database belongs to this nursery's bundle now. None: it did before the writer opened."""
        ...

    async def living_nursery(self) -> Nursery:
        """The nursery to take the next writer from, after the last one died."""
        ...


class WriterLane:
    """One per pool. `open`, then `submit`; `close` and `open` with another nursery for a push."""

    def __init__(self, ledger: Ledger, limits: Limits, owner: LaneOwner) -> None:
        self.head = 0  # end of the newest batch the owner knows of; moves with each batch and each opening
        self.state = State.CLOSED
        self._loop = asyncio.get_running_loop()
        self.failed: asyncio.Future[None] = self._loop.create_future()  # only ever gets an exception: see fail()
        self._ledger = ledger
        self._limits = limits
        self._owner = owner
        self._runner: Runner | None = None  # the current writer; None in CLOSED
        self._outstanding: dict[int, Call] = {}  # in order of submission, until answered
        self._unsent: list[Call] = []  # of those, not yet sent to the current writer
        self._received: list[int] = []  # answered since the writer was last told
        self._guilty: dict[int, Failure] = {}  # calls that killed a writer, until the next Hello
        self._deaths = 0  # without a guilty call, since the last batch
        self.available = True  # False while a writer cannot open because the files cannot be written
        self._last_status = 0  # how the last writer ended
        self._flushing = False  # a flush is due at the end of this loop turn
        self._reply: asyncio.Future[AnyFrame] | None = None  # to the lane's own request; one at a time
        self._turn = asyncio.Lock()  # one opening, closing or checkpoint at a time
        self._reopening: asyncio.Task[None] | None = None  # from a death in OPEN until another writer serves

    # ── mutations ─────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def outstanding(self) -> int:
        """Calls submitted and not answered."""
        return len(self._outstanding)

    @property
    def _in_flight(self) -> int:
        return len(self._outstanding) - len(self._unsent)

    @property
    def runner(self) -> Runner | None:
        """The writer's process, while there is one."""
        return self._runner

    def submit(self, call: Call) -> None:
        """Have the mutation run; the answer comes with batch_done, exactly once."""
        self._outstanding[call.id] = call
        self._unsent.append(call)
        self._flush_soon()

    def _flush_soon(self) -> None:
        if not self._flushing and self.state is State.OPEN:
            self._flushing = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        if self.state is not State.OPEN or not self._unsent:
            return
        assert self._runner is not None
        sending = self._unsent
        if self._deaths >= _CAREFUL:
            if self._in_flight:
                return
            sending = sending[:1]
        calls, self._unsent = frames.Mutations(sending), self._unsent[len(sending) :]
        if self._received:
            received, self._received = frames.Acknowledged(self._received), []
            self._runner.send(received, calls)
        else:
            self._runner.send(calls)

    # ── opening and closing ───────────────────────────────────────────────────────────────────────────────────────

    async def open(
        self, nursery: Nursery, *, new_epoch: bool = False, prepared: frames.Prepared | None = _UNPREPARED
    ) -> WriterHello:
        """Start a writer, settle what an earlier one left, push the nursery's bundle if the database has another.

        Returns the Hello, as it would read after the push. `prepared` is what the push need not do; with None there is
        no push: only `_system/push:` calls can be run then, until `push`.
        Raises StorageError when the database cannot be used, SchemaViolation when documents break the new schema,
        NotPrepared when too much changed since, WriterDied when no writer lives long enough. The lane is CLOSED then,
        and every call still waits.
        """
        async with self._turn:
            self._deaths = 0
            return await self._open(nursery, new_epoch, prepared)

    async def push(self, nursery: Nursery, prepared: frames.Prepared, *, tell: bool = True) -> None:
        """Push with the writer that was opened without. Raises as `open`; the lane stays OPEN."""
        async with self._turn:
            if self.state is not State.OPEN:
                raise WriterDied
            await self._push(nursery, prepared, tell=tell)

    async def _open(self, nursery: Nursery, new_epoch: bool, prepared: frames.Prepared | None) -> WriterHello:
        while True:
            try:
                return await self._attempt(nursery, new_epoch, prepared)
            except WriterDied:
                self._deaths += 1
                if self._deaths >= _DEATHS:
                    raise
                await asyncio.sleep(_BACKOFF * 2**self._deaths)

    async def _attempt(self, nursery: Nursery, new_epoch: bool, prepared: frames.Prepared | None) -> WriterHello:
        assert self.state is State.CLOSED, self.state
        self.state = State.OPENING
        self._runner = nursery.launch("writer", self)
        try:
            hello = await self._ask(
                frames.OpenWriter(
                    database=str(self._ledger.database),
                    boot=self._ledger.boot,
                    head=self.head,
                    outstanding=[msgspec.structs.replace(call, args=b"") for call in self._outstanding.values()],
                    new_epoch=new_epoch,
                )
            )
            assert isinstance(hello, WriterHello), hello
            self._settle(hello)
            if hello.bundle != nursery.bundle:
                if prepared is not None:
                    head = await self._push(nursery, prepared, tell=not new_epoch)
                    hello = msgspec.structs.replace(hello, head=head, bundle=nursery.bundle)
            else:
                self._owner.pushed(nursery, None)
        except BaseException:
            await self._end_writer()
            raise
        self._unsent = list(self._outstanding.values())
        self.state = State.OPEN
        self._flush_soon()
        return hello

    def _settle(self, hello: WriterHello) -> None:
        settlement = settle(list(self._outstanding.values()), hello, self._guilty)
        self._guilty.clear()
        for answered in settlement.answers:
            self._answer(answered.batch, answered.outcomes)
        self.head = hello.head

    async def _push(self, nursery: Nursery, prepared: frames.Prepared, *, tell: bool) -> int:
        reply = await self._ask(frames.Push(nursery.bundle, prepared))
        match reply:
            case frames.PushDone(batch=batch):
                self.head = batch.ts
                self._owner.pushed(nursery, batch if tell else None)
                return batch.ts
            case frames.PushRefused(text=text, again=again):
                raise NotPrepared(text) if again else SchemaViolation(text)
            case _:
                raise AssertionError(reply)

    async def close(self) -> None:
        """Let the writer finish what it was sent, and wait until its process is reaped. Calls wait from now on."""
        async with self._turn:
            await self._end_writer()

    async def _end_writer(self) -> None:
        if (runner := self._runner) is not None:
            self.state = State.CLOSING
            runner.send(frames.Drain())
            await runner.gone()

    async def checkpoint(self) -> int:
        """Move the WAL into the database; its size afterwards. Raises WriterDied. Only while OPEN."""
        async with self._turn:
            if self.state is not State.OPEN:
                raise WriterDied
            reply = await self._ask(frames.Checkpoint())
            assert isinstance(reply, frames.Checkpointed), reply
            return reply.wal_bytes

    async def take_staged(self, staging: Path, record: str) -> int:
        """Have the writer take over what was staged; how many documents. Raises TransferRefused: nothing has changed.

        Raises WriterDied when what became of it is to be read in the record.
        """
        async with self._turn:
            if self.state is not State.OPEN:
                raise TransferRefused("The data cannot be written just now. Import again later.")
            reply = await self._ask(frames.Import(str(staging), record))
            if isinstance(reply, frames.ImportRefused):
                raise TransferRefused(reply.text)
            assert isinstance(reply, frames.ImportDone), reply
            return reply.count

    async def _ask(self, frame: ToWriter) -> AnyFrame:
        if self._runner is None:
            raise WriterDied
        self._reply = self._loop.create_future()
        self._runner.send(frame)
        try:
            return await self._reply
        finally:
            self._reply = None

    # ── what the writer says, and its death ───────────────────────────────────────────────────────────────────────

    def runner_said(self, runner: Runner, frame: AnyFrame) -> None:
        """RunnerOwner: a frame of the writer's."""
        match frame:
            case frames.BatchDone(batch=batch, outcomes=outcomes):
                self._deaths = 0
                self.head = batch.ts
                self._answer(batch, outcomes)
                self._flush_soon()
            case frames.ImportDone(batch=batch):
                self.head = batch.ts  # now: answers to mutations may stand right behind it
                self._answer(batch, [])
                if self._reply is not None and not self._reply.done():
                    self._reply.set_result(frame)
            case frames.WriterRefused(code=code, text=text):
                error = _REFUSALS.get(code, StorageError)(text)
                if self._reply is not None and not self._reply.done():
                    self._reply.set_exception(error)
                elif not isinstance(error, StorageLocked):  # that may pass: the next writer tries again
                    self.fail(error)
            case frames.StaleBundle():
                _log.error("another bundle took the database over", extra={"bundle": frame.bundle})
                runner.kill()
            case _:
                if self._reply is not None and not self._reply.done():
                    self._reply.set_result(frame)

    def _answer(self, batch: Batch, outcomes: Sequence[Outcome]) -> None:
        answers = []
        for outcome in outcomes:
            call = self._outstanding.pop(outcome.call, None)
            if call is not None:
                answers.append(outcome)
                if not is_kept(call, outcome):
                    self._received.append(call.id)
        self._owner.batch_done(batch, answers)

    def runner_ended(self, runner: Runner) -> None:
        """RunnerOwner: the writer is dead."""
        before, self.state = self.state, State.CLOSED
        self._runner = None
        assert runner.status is not None
        self._last_status = runner.status
        guilty = blame(runner, self._limits) or (self._only_suspect() if before is State.OPEN else {})
        self._guilty.update(guilty)
        if guilty:
            self._deaths = 0
        if self._reply is not None and not self._reply.done():
            self._reply.set_exception(WriterDied(f"exit status {runner.status}"))
        if before is State.OPEN and not self.failed.done():
            self._deaths += not guilty
            _log.warning("writer died", extra={"status": runner.status, "guilty": list(guilty), "deaths": self._deaths})
            self._reopening = self._loop.create_task(self._reopen())

    def _only_suspect(self) -> dict[int, Failure]:
        """Of a writer that died with nobody to blame while the lane was careful: the one call it had."""
        if self._deaths < _CAREFUL or self._in_flight != 1:
            return {}
        unsent = {call.id for call in self._unsent}
        (suspect,) = (call for call in self._outstanding if call not in unsent)
        return {suspect: crashed(self._last_status)}

    async def _reopen(self) -> None:
        async with self._turn:
            if self.state is not State.CLOSED:  # a push came first and opened another
                return
            try:
                if self._deaths >= _DEATHS:
                    raise WriterDied(f"{self._deaths} times in a row, with no call to blame")
                if self._deaths > 1:
                    await asyncio.sleep(_BACKOFF * 2**self._deaths)
                await self._open_when_possible()
            except (WriterDied, StorageError, SchemaViolation, BundleBroken) as error:
                self.fail(error)

    async def _open_when_possible(self) -> None:
        """Open another writer; wait while the files cannot be written."""
        while True:
            deaths = self._deaths
            try:
                await self._open(await self._owner.living_nursery(), new_epoch=False, prepared=_UNPREPARED)
            except WriterDied:
                if self._last_status != UNAVAILABLE:
                    raise
                self._deaths = deaths
                if self.available:
                    _log.error("the data folder cannot be written: mutations wait, queries go on")
                self.available = False
                await asyncio.sleep(_PATIENCE)
            else:
                if not self.available:
                    _log.warning("the data folder can be written again")
                self.available = True
                return

    def fail(self, error: Exception) -> None:
        """No mutation can run any more: say so once."""
        _log.critical("the writer cannot go on", exc_info=error)
        if not self.failed.done():
            self.failed.set_exception(error)
            self.failed.exception()  # whoever waits gets it; nobody waiting is no second error

    async def stop(self) -> None:
        """Close for good."""
        if self._reopening is not None:
            self._reopening.cancel()
            await asyncio.gather(self._reopening, return_exceptions=True)
        await self.close()
