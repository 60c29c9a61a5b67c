"""Writer: the process that owns the write connection. Runs mutations one after another, many to a COMMIT.

Theory of operation (engine A1-A4). The loop takes what has arrived, begins a batch, and runs calls serially, each in a
savepoint of its own, until nothing more is waiting or the batch is long enough. One COMMIT makes it durable, the calls'
outcomes with it; only then is anything said about any of them.

An error of user code is an outcome. Any other error (the disk is full, SQLite gave up, memory is gone) may have undone
more than its own savepoint, so nothing is answered and the process ends: the server starts another writer, which reads
what became of the calls. Not here: the decision what to send again (recovery.py) and the deadlines (watchdog.py).
"""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from pathlib import Path
from time import monotonic, sleep  # taken before the guards replace it: the slot wants the real one
from typing import TYPE_CHECKING, assert_never

import msgspec

from reactor.clock import SystemClock
from reactor.database.batch import CommittedBatch
from reactor.database.database import Database
from reactor.database.importing import carry_out
from reactor.errors import NotPrepared, SchemaViolation, StorageError, StorageLocked, TransferRefused
from reactor.execution import frames
from reactor.execution.call_queue import CallQueue
from reactor.execution.caller import FunctionCaller
from reactor.execution.cron_rows import write_crons
from reactor.execution.frames import Outcome, ToWriter
from reactor.execution.guard import Guard
from reactor.execution.pipe import Pipe
from reactor.execution.process import ENGINE_FAILED, OUT_OF_MEMORY, UNAVAILABLE
from reactor.execution.push import SchemaPush
from reactor.execution.repetition import is_kept, repeated, request_of
from reactor.execution.slot import Slot
from reactor.execution.system_names import PREFIX
from reactor.execution.transfer_rows import finish_import
from reactor.limits import Limits
from reactor.storage.staging import StagingReader
from reactor.storage.storage import BatchFailed

if TYPE_CHECKING:
    from reactor.execution.bundle import Bundle

DRAINED = 0
SERVER_GONE = 0
REFUSED = 73  # EX_CANTCREAT: the database cannot be opened or written

_LOCK_PATIENCE = 5.0  # seconds for an orphaned writer of a killed server to end (engine A10)
_LOCK_POLL = 0.02
_SLOW = 0.05  # a function that took so long is started with nothing unanswered before it (engine A5)

# SQLite's codes for "the world around me failed": the call that met one is not to blame, and may be run again.
_ENVIRONMENT = {5, 6, 7, 8, 10, 11, 13, 14, 15, 26}


class Writer:
    """One writer process."""

    def __init__(self, pipe: Pipe, slot: Slot, bundle: Bundle, limits: Limits) -> None:
        self._pipe = pipe
        self._slot = slot
        self._bundle = bundle
        self._limits = limits
        self._clock = SystemClock()
        self._guard = Guard.of_process(limits)
        self._caller = FunctionCaller(bundle, limits, self._clock, guard=self._guard)
        self._queue = CallQueue()  # arrived, not run; filled by Mutations frames
        self._received: list[int] = []  # calls whose stored outcomes the server has; forgotten by the next batch
        self._slow: dict[str, float] = {}  # path → how long its last run took, when that was long
        self._foreign = False  # the database belongs to another bundle; set by each batch
        self._boot = ""  # set by OpenWriter, with the database
        self._database: Database

    def run(self) -> int:
        """Serve until Drain or the server's end. Returns the exit status."""
        try:
            return self._serve()
        except BatchFailed as error:  # engine A1: end, answering nothing
            traceback.print_exc()
            if _environmental(error):
                self._slot.end()
                return UNAVAILABLE
            return OUT_OF_MEMORY if isinstance(error.__cause__, MemoryError) else ENGINE_FAILED
        except StorageError as error:
            traceback.print_exc()
            self._slot.end()
            if _environmental(error):
                return UNAVAILABLE
            self._pipe.send(frames.WriterRefused(type(error).__name__, str(error)))
            return REFUSED
        except (BrokenPipeError, ConnectionResetError):
            return SERVER_GONE
        except MemoryError:
            traceback.print_exc()
            return OUT_OF_MEMORY
        except BaseException as error:  # noqa: BLE001  # a bug of ours, or memory is gone: the same
            traceback.print_exc()
            return UNAVAILABLE if _environmental(error) else ENGINE_FAILED

    def _serve(self) -> int:
        while True:
            if self._queue:
                self._run_batch()
                continue
            frame = self._pipe.receive()
            match frame:
                case None:
                    return SERVER_GONE
                case frames.Drain():
                    self._database.close()
                    return DRAINED
                case _:
                    self._handle(frame)  # type: ignore[arg-type]

    def _handle(self, frame: ToWriter) -> None:
        match frame:
            case frames.OpenWriter():
                self._open(frame)
            case frames.Mutations():
                self._queue.extend(frame.calls)
            case frames.Push():
                self._push(frame)
            case frames.Import():
                self._import(frame)
            case frames.Acknowledged():
                self._received.extend(frame.calls)
            case frames.Checkpoint():
                self._pipe.send(frames.Checkpointed(self._database.checkpoint()))
            case frames.Drain():
                raise AssertionError("handled by the loop: it comes after all that was sent before it")
            case _:
                assert_never(frame)

    # ── opening ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _open(self, frame: frames.OpenWriter) -> None:
        self._boot = frame.boot
        self._database = self._wait_for_lock(Path(frame.database))
        head = self._database.head
        self._pipe.send(
            frames.WriterHello(
                head=head.ts,
                epoch=head.epoch,
                bundle=head.bundle,
                batches=[_batch_frame(batch) for batch in self._database.commits_after(frame.head)]
                if frame.head
                else [],
                outcomes=_dated(self._found(frame.outstanding), head.ts),
            )
        )

    def _found(self, calls: Sequence[frames.Call]) -> list[Outcome]:
        """What those of the calls came to that were committed (engine A3)."""
        recorded = self._database.recorded_calls(self._boot, [call.id for call in calls])
        found = [frames.unpack_outcome(data) for _, data in sorted(recorded.items())]
        for call in calls:
            request = request_of(call)
            if request is not None and (kept := self._database.recorded_request(*request)) is not None:
                found.append(repeated(call, kept))
        return found

    def _wait_for_lock(self, path: Path) -> Database:
        deadline = monotonic() + _LOCK_PATIENCE
        while True:
            try:
                return Database.open_writer(path, clock=self._clock, boot=self._boot, limits=self._limits)
            except StorageLocked:
                if monotonic() > deadline:
                    raise
                sleep(_LOCK_POLL)

    # ── batches ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _run_batch(self) -> None:
        batch = self._database.begin()
        # Before its push, a writer of new code runs what prepares for it, and nothing of the user's.
        self._foreign = batch.head.bundle != self._bundle.hash
        if self._foreign and not self._queue.next.path.startswith(PREFIX):
            batch.abandon()
            self._queue.clear()
            self._pipe.send(frames.StaleBundle(batch=0, bundle=batch.head.bundle))
            return
        if self._received:
            batch.forget_calls(self._boot, self._received)
        outcomes: list[Outcome] = []
        began = monotonic()
        now = began
        with self._guard.series():
            while self._more(len(outcomes), now - began):
                call = self._queue.pop()
                self._slot.begin(call.id, now)
                outcome = self._caller.run_mutation(batch, call)
                self._slot.end()
                outcomes.append(outcome)
                if not is_kept(call, outcome):
                    batch.record_call(self._boot, call.id, frames.pack_outcome(outcome))
                started, now = now, monotonic()
                self._note_duration(call.path, now - started)
        committed = batch.commit()
        self._received.clear()
        self._pipe.send(frames.BatchDone(_batch_frame(committed), _dated(outcomes, committed.ts)))

    def _more(self, done: int, elapsed: float) -> bool:
        """Whether the next waiting call belongs into this batch."""
        if done and (done >= self._limits.batch_calls or elapsed >= self._limits.batch_time):
            return False
        if self._queue.only_jobs:  # or nothing: somebody may be waiting who goes before the next job
            frame = self._pipe.peek()
            if isinstance(frame, frames.Mutations | frames.Acknowledged):
                self._handle(self._pipe.take())  # type: ignore[arg-type]
                return self._more(done, elapsed)
        if not self._queue or (self._foreign and not self._queue.next.path.startswith(PREFIX)):
            return False
        return not (done and self._queue.next.path in self._slow)

    def _note_duration(self, path: str, duration: float) -> None:
        if duration > _SLOW:
            self._slow[path] = duration
        elif self._slow:
            self._slow.pop(path, None)

    # ── push ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _push(self, frame: frames.Push) -> None:
        batch = self._database.begin()
        try:
            push = SchemaPush(batch, self._bundle, self._caller, frame.prepared)
            replaced = push.carry_out(self._clock.now_ns() / 1e6)
        except (SchemaViolation, NotPrepared) as refusal:
            batch.abandon()
            self._pipe.send(frames.PushRefused(str(refusal), again=isinstance(refusal, NotPrepared)))
            return
        batch.retain(None)
        batch.set_bundle(self._bundle.hash, self._bundle.parts, everybody=replaced)
        crons = batch.transaction("crons")
        write_crons(crons, self._bundle.crons, self._clock.now_ns() / 1e6)
        crons.release()
        self._pipe.send(frames.PushDone(_batch_frame(batch.commit())))

    def _import(self, frame: frames.Import) -> None:
        try:
            reader = StagingReader(Path(frame.staging))
        except StorageError as error:
            self._pipe.send(frames.ImportRefused(str(error)))
            return
        with reader as staged:
            batch = self._database.begin()
            try:
                plan = carry_out(batch, staged)
            except TransferRefused as refusal:
                batch.abandon()
                self._pipe.send(frames.ImportRefused(str(refusal)))
                return
            transaction = batch.transaction("import")
            finish_import(transaction, frame.record, plan.count)
            transaction.release()
            committed = batch.commit()
        self._pipe.send(frames.ImportDone(_batch_frame(committed), plan.count))


def _environmental(error: BaseException | None) -> bool:
    """Whether SQLite failed for a reason outside the call it struck."""
    while error is not None:
        code = getattr(error, "sqlite_errorcode", None)
        if isinstance(code, int):
            return code & 0xFF in _ENVIRONMENT
        error = error.__cause__ or error.__context__
    return False


def _dated(outcomes: list[Outcome], end: int) -> list[Outcome]:
    """Give outcomes of calls that wrote nothing the timestamp of the batch's end (engine A8)."""
    return [outcome if outcome.ts else msgspec.structs.replace(outcome, ts=end) for outcome in outcomes]


def _batch_frame(batch: CommittedBatch) -> frames.Batch:
    return frames.Batch(ts=batch.ts, prev_ts=batch.prev_ts, commits=batch.commits)
