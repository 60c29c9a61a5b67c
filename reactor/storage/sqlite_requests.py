"""What must not be done twice, in SQLite: clients' requests (engine A13).

A session is known by a number that grows with time, so that its rows stand together at the end of the tree: with random
session keys the same row costs twice as much. Still every session's rows are a page of their own, and each page that a
batch changes is written whole. So the requests of a batch are first kept together, in one row of `_recent_requests`,
and in memory; some hundred at a time they are filed under their sessions.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from reactor.limits import DEFAULT_LIMITS
from reactor.storage.sqlite_connection import SqliteConnection
from reactor.storage.storage import RequestRow

TRIM_EVERY = 100  # requests of a session between two trims: a delete per request would cost more than it frees
FILED_AT_ONCE = 256  # requests: enough that a busy session's page is written for several of them
_FILED_SIZE = 1 << 20  # bytes of outcomes: all that is not filed is in memory, and read whole by the next writer
_REMEMBERED_SESSIONS = 10_000
_DAY_NS = 86_400 * 10**9  # how exact "last used" has to be for a retention of days


_Filed = tuple[int, int, int, bytes, bytes]  # a row of _session_requests
_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(list[_Filed]).decode


@dataclass(slots=True)
class _Session:
    number: int
    last: int  # as stored; moved by add() at most once a day
    newest: int  # no request above it is stored; raised by add(), stays when that is rolled back
    since_trim: int = 0


class SqliteRequests:
    """Implements storage.Requests."""

    def __init__(self, connection: SqliteConnection, kept: int = DEFAULT_LIMITS.session_requests) -> None:
        self._connection = connection
        self._kept = kept
        # Grows in find() and add(); emptied when a rollback may have undone one
        self._sessions: dict[str, _Session] = {}
        # (session number, request) → its row, as long as it is not filed; read from the database at first use
        self._recent: dict[tuple[int, int], _Filed] | None = None
        self._size = 0  # bytes of their outcomes; moves with it
        self._added: list[_Filed] = []  # of those, the ones of this batch; emptied when it ends
        self._is_filed = False  # something was filed in this batch; False again when it ends
        self._long: set[int] = set()  # numbers of sessions to be trimmed; emptied when that is done
        self._changed = False  # a session's row was written in this batch; False again in keep_changes(), abandoned()

    def find(self, session: str, request: int) -> RequestRow | None:
        known = self._session(session)
        if known is None or request > known.newest:  # a client counts its requests upward
            return None
        recent = self._unfiled().get((known.number, request))
        if recent is not None:
            return RequestRow(*recent[2:])
        rows = self._connection.rows(
            "SELECT ts, binding, outcome FROM _session_requests WHERE session = ? AND request = ?",
            (known.number, request),
        )
        return RequestRow(*rows[0]) if rows else None

    def add(self, session: str, request: int, row: RequestRow) -> None:
        known = self._session(session)
        if known is None:
            self._changed = True
            number = self._connection.rows(
                "INSERT INTO _sessions (session, last) VALUES (?, ?) RETURNING number", (session, row.ts)
            )[0][0]
            known = self._sessions[session] = _Session(number, row.ts, request)
        elif row.ts - known.last > _DAY_NS:
            self._changed = True
            known.last = row.ts
            self._connection.run("UPDATE _sessions SET last = ? WHERE number = ?", (row.ts, known.number))
        filed = (known.number, request, *row)
        self._unfiled()[known.number, request] = filed
        self._size += len(row.outcome)
        self._added.append(filed)
        known.newest = max(known.newest, request)
        known.since_trim += 1
        if known.since_trim >= TRIM_EVERY:
            known.since_trim = 0
            self._long.add(known.number)

    def write(self) -> None:
        """Part of a commit: keep what was added since the last one."""
        if not self._added:
            return
        if len(self._unfiled()) >= FILED_AT_ONCE or self._size >= _FILED_SIZE:
            self._file()
        else:
            # In order, and no timestamp: that of a call which wrote nothing is its predecessor's
            self._connection.run("INSERT INTO _recent_requests VALUES (NULL, ?)", (_pack(self._added),))

    def expire(self, before: int, limit: int) -> None:
        rows = self._connection.rows(
            "SELECT number, session FROM _sessions WHERE last < ? ORDER BY last LIMIT ?", (before, limit)
        )
        if rows:
            self._file()
        for number, session in rows:
            self._sessions.pop(session, None)
            self._connection.run("DELETE FROM _session_requests WHERE session = ?", (number,))
            self._connection.run("DELETE FROM _sessions WHERE number = ?", (number,))

    def keep_changes(self) -> None:
        """The batch is committed: what is remembered here is true."""
        self._changed = self._is_filed = False
        self._added.clear()

    def rolled_back(self) -> None:
        """A savepoint was undone: sessions numbered in this batch may be gone."""
        if self._changed:
            self._sessions.clear()

    def abandoned(self) -> None:
        """The whole batch was undone."""
        self.rolled_back()
        if self._is_filed:
            self._recent = None  # as it is in the database
        elif self._recent is not None:
            for filed in self._added:
                del self._recent[filed[:2]]
                self._size -= len(filed[4])
        self._added.clear()
        self._changed = self._is_filed = False

    def _session(self, session: str) -> _Session | None:
        known = self._sessions.get(session)
        if known is None:
            rows = self._connection.rows(
                "SELECT number, last, (SELECT coalesce(max(request), 0) FROM _session_requests AS r "
                "WHERE r.session = s.number) FROM _sessions AS s WHERE s.session = ?",
                (session,),
            )
            if rows:
                if len(self._sessions) >= _REMEMBERED_SESSIONS:
                    self._sessions.clear()
                number, last, newest = rows[0]
                unfiled = max((request for each, request in self._unfiled() if each == number), default=newest)
                known = self._sessions[session] = _Session(number, last, max(newest, unfiled))
        return known

    def _unfiled(self) -> dict[tuple[int, int], _Filed]:
        if self._recent is None:
            rows = self._connection.rows("SELECT requests FROM _recent_requests ORDER BY number")
            self._recent = {(filed[0], filed[1]): filed for (requests,) in rows for filed in _unpack(requests)}
            self._size = sum(len(filed[4]) for filed in self._recent.values())
        return self._recent

    def _file(self) -> None:
        """Put what is recent under its sessions, this batch's included."""
        recent = self._unfiled()
        self._connection.run_many(
            "INSERT OR REPLACE INTO _session_requests VALUES (?, ?, ?, ?, ?)", sorted(recent.values())
        )
        self._connection.run("DELETE FROM _recent_requests")
        recent.clear()
        self._size = 0
        self._added.clear()
        self._is_filed = True
        for number in self._long:
            self._trim(number)
        self._long.clear()

    def _trim(self, number: int) -> None:
        self._connection.run(
            "DELETE FROM _session_requests WHERE session = ?1 AND request <= "
            "(SELECT request FROM _session_requests WHERE session = ?1 ORDER BY request DESC LIMIT 1 OFFSET ?2)",
            (number, self._kept),
        )
