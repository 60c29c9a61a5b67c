"""Reader: a process that runs queries, a batch at a time, each batch in one snapshot.

The snapshot's timestamp and bundle are read inside it: results of old code on a database a newer bundle owns would be
recorded as true for ever (engine D6). A batch that has taken long starts no further query; what it did not start goes
back to the server (engine C4). A client's whole set may take as long as one query may: cut, it would be of no use.
"""

from __future__ import annotations

import traceback
from pathlib import Path
from time import monotonic  # taken before the guards replace it: the slot wants the real one
from typing import TYPE_CHECKING

from reactor.clock import SystemClock
from reactor.database.database import Database
from reactor.database.snapshot import Snapshot
from reactor.execution import frames
from reactor.execution.caller import FunctionCaller
from reactor.execution.frames import Outcome, Queries
from reactor.execution.guard import Guard
from reactor.execution.pipe import Pipe
from reactor.execution.process import ENGINE_FAILED, OUT_OF_MEMORY
from reactor.execution.slot import Slot
from reactor.limits import Limits

if TYPE_CHECKING:
    from reactor.execution.bundle import Bundle


class SnapshotTooOld(Exception):
    """The database showed less than the server has already told its clients (engine A6): never answer from it."""


class Reader:
    """One reader process."""

    def __init__(self, pipe: Pipe, slot: Slot, bundle: Bundle, limits: Limits) -> None:
        self._pipe = pipe
        self._slot = slot
        self._bundle = bundle
        self._limits = limits
        self._guard = Guard.of_process(limits)
        self._caller = FunctionCaller(bundle, limits, SystemClock(), guard=self._guard)
        self._database: Database  # opened by OpenReader

    def run(self) -> int:
        """Serve until Drain or the server's end. Returns the exit status."""
        try:
            self._serve()
        except (BrokenPipeError, ConnectionResetError):
            pass
        except MemoryError:
            traceback.print_exc()
            return OUT_OF_MEMORY
        except BaseException:  # noqa: BLE001  # an error of ours: the server starts another reader
            traceback.print_exc()
            return ENGINE_FAILED
        return 0

    def _serve(self) -> None:
        while True:
            match self._pipe.receive():
                case None | frames.Drain():
                    return
                case frames.OpenReader(database=path):
                    self._database = Database.open_reader(Path(path), limits=self._limits)
                case Queries() as queries:
                    self._run_batch(queries)
                case frame:
                    raise AssertionError(frame)

    def _run_batch(self, queries: Queries) -> None:
        with self._database.snapshot() as snapshot:
            if snapshot.bundle != self._bundle.hash:
                answer: frames.QueriesDone | frames.StaleBundle = frames.StaleBundle(queries.batch, snapshot.bundle)
            else:
                if snapshot.ts < queries.min_ts:
                    raise SnapshotTooOld(f"{snapshot.ts} < {queries.min_ts}")
                with self._guard.series():
                    outcomes = self._run(snapshot, queries)
                answer = frames.QueriesDone(queries.batch, snapshot.ts, outcomes)
        self._pipe.send(answer)

    def _run(self, snapshot: Snapshot, queries: Queries) -> list[Outcome]:
        outcomes: list[Outcome] = []
        now = monotonic()
        deadline = now + (self._limits.query_wall if queries.whole else self._limits.reader_batch_time)
        for call in queries.calls:
            if now > deadline:
                break
            self._slot.begin(call.id, now)
            outcomes.append(self._caller.run_query(snapshot, call))
            self._slot.end()
            now = monotonic()
        return outcomes
