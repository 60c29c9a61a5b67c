"""Examiner: a process of a bundle that is not in force yet, which looks at the documents the old code still works on.

It reads a few documents to a snapshot, so that none is held for long (engine C4); the server asks for one after another
and knows how far it has come. It writes nothing: what migrations made of documents goes back to the server.
"""

from __future__ import annotations

import traceback
from pathlib import Path
from time import monotonic  # taken before the guards replace it
from typing import TYPE_CHECKING

from reactor.clock import SystemClock
from reactor.database.database import Database
from reactor.database.snapshot import Snapshot
from reactor.database.stored import Stored
from reactor.execution import frames
from reactor.execution.caller import FunctionCaller
from reactor.execution.examination import Examination
from reactor.execution.frames import Examine, Examined, Offence
from reactor.execution.guard import Guard
from reactor.execution.pipe import Pipe
from reactor.execution.process import ENGINE_FAILED, OUT_OF_MEMORY
from reactor.limits import Limits
from reactor.values.value import encode

if TYPE_CHECKING:
    from reactor.database.catalog import TableInfo
    from reactor.execution.bundle import Bundle

_SNAPSHOT = 0.05  # seconds a snapshot is held
_COMMITS = 2000  # of the log, looked at in one snapshot


class Examiner:
    """One examiner process."""

    def __init__(self, pipe: Pipe, bundle: Bundle, limits: Limits) -> None:
        self._pipe = pipe
        self._examination = Examination(
            bundle, FunctionCaller(bundle, limits, SystemClock(), guard=Guard.of_process(limits)), limits
        )
        self._limits = limits
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
        except BaseException:  # noqa: BLE001  # an error of ours: the push is refused
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
                case Examine() as asked:
                    self._pipe.send(self._examine(asked))
                case frames.CountDocuments(table=name):
                    with self._database.snapshot() as snapshot:
                        table = snapshot.catalog.table(name)
                        found = 0 if table is None else self._database.count(table)
                    self._pipe.send(frames.Counted(found))
                case frame:
                    raise AssertionError(frame)

    def _examine(self, asked: Examine) -> Examined:
        with self._database.snapshot() as snapshot:
            table = snapshot.catalog.table(asked.table)
            if table is None:
                return Examined(snapshot.ts, 0, None, [])
            if asked.since is not None:
                return self._changed(snapshot, table, asked, asked.since)
            documents, more = self._database.documents(table, asked.after, asked.limit)
            seen, offences, rows, changed = self._look_at(snapshot, documents, asked)
            at_end = seen == len(documents) and not more
            after = None if at_end else documents[seen - 1].id
            return Examined(snapshot.ts, seen, after, offences, rows, changed=changed)

    def _changed(self, snapshot: Snapshot, table: TableInfo, asked: Examine, since: int) -> Examined:
        changes = self._database.changes(snapshot, table, since, _COMMITS)
        documents: list[Stored] = []
        gone: list[str] = []
        for own_id in changes.ids:
            found = snapshot.documents.get(table.place, own_id)
            if found is None:
                gone.append(own_id)
            else:
                documents.append(Stored(own_id, table.name, found.creation_time, found.data))
        seen, offences, rows, changed = self._look_at(snapshot, documents, asked, whole=True)
        return Examined(
            changes.until,
            seen,
            None,
            offences,
            rows,
            gone,
            more=changes.more,
            forgotten=changes.forgotten,
            changed=changed,
        )

    def _look_at(
        self, snapshot: Snapshot, documents: list[Stored], asked: Examine, *, whole: bool = False
    ) -> tuple[int, list[Offence], list[tuple[str, float, bytes]], int]:
        """The first of the documents, at least one, as many as fit into the time; with `whole` all of them."""
        deadline = monotonic() + _SNAPSHOT
        offences: list[Offence] = []
        rows: list[tuple[str, float, bytes]] = []
        seen = changed = 0
        for stored in documents:
            if seen and not whole and monotonic() > deadline:
                break
            seen += 1
            if not asked.migrations:
                offence = self._examination.offence(stored, snapshot.catalog)
                if offence is not None:
                    offences.append(offence)
                continue
            found = self._examination.migrate(stored, asked.migrations, snapshot.for_call())
            if isinstance(found, Offence):
                offences.append(found)
            else:
                rows.append((found.id, found.creation_time, encode(found.fields)))
                changed += found.changed
        return seen, offences, rows, changed
