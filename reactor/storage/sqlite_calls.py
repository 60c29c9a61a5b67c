"""What must not be done twice, in SQLite: clients' requests (engine A13) and the server's calls (A3).

A session is known by a number that grows with time, so that its rows stand together at the end of the tree: with random
session keys the same row costs twice as much.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from reactor.limits import DEFAULT_LIMITS
from reactor.storage.sqlite_connection import SqliteConnection
from reactor.storage.storage import RequestRow

TRIM_EVERY = 100  # requests of a session between two trims: a delete per request would cost more than it frees
_REMEMBERED_SESSIONS = 10_000
_DAY_NS = 86_400 * 10**9  # how exact "last used" has to be for a retention of days


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
        self._changed = False  # a session's row was written in this batch; False again in keep_changes(), abandoned()

    def find(self, session: str, request: int) -> RequestRow | None:
        known = self._session(session)
        if known is None or request > known.newest:  # a client counts its requests upward
            return None
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
        self._connection.run(
            "INSERT OR REPLACE INTO _session_requests VALUES (?, ?, ?, ?, ?)",
            (known.number, request, row.ts, row.binding, row.outcome),
        )
        known.newest = max(known.newest, request)
        known.since_trim += 1
        if known.since_trim >= TRIM_EVERY:
            known.since_trim = 0
            self._trim(known.number)

    def expire(self, before: int, limit: int) -> None:
        rows = self._connection.rows(
            "SELECT number, session FROM _sessions WHERE last < ? ORDER BY last LIMIT ?", (before, limit)
        )
        for number, session in rows:
            self._sessions.pop(session, None)
            self._connection.run("DELETE FROM _session_requests WHERE session = ?", (number,))
            self._connection.run("DELETE FROM _sessions WHERE number = ?", (number,))

    def keep_changes(self) -> None:
        """The batch is committed: what is remembered here is true."""
        self._changed = False

    def rolled_back(self) -> None:
        """A savepoint was undone: sessions numbered in this batch may be gone."""
        if self._changed:
            self._sessions.clear()

    def abandoned(self) -> None:
        """The whole batch was undone."""
        self.rolled_back()
        self._changed = False

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
                known = self._sessions[session] = _Session(*rows[0])
        return known

    def _trim(self, number: int) -> None:
        self._connection.run(
            "DELETE FROM _session_requests WHERE session = ?1 AND request <= "
            "(SELECT request FROM _session_requests WHERE session = ?1 ORDER BY request DESC LIMIT 1 OFFSET ?2)",
            (number, self._kept),
        )


class SqliteCalls:
    """Implements storage.Calls."""

    def __init__(self, connection: SqliteConnection) -> None:
        self._connection = connection

    def add(self, outcomes: Iterable[tuple[int, bytes]]) -> None:
        self._connection.run_many("INSERT OR REPLACE INTO _calls VALUES (?, ?)", outcomes)

    def find(self, ids: Iterable[int]) -> dict[int, bytes]:
        found: dict[int, bytes] = {}
        for call in ids:
            for (outcome,) in self._connection.rows("SELECT outcome FROM _calls WHERE call = ?", (call,)):
                found[call] = outcome
        return found

    def forget(self, ids: Iterable[int]) -> None:
        self._connection.run_many("DELETE FROM _calls WHERE call = ?", [(call,) for call in ids])

    def clear(self) -> None:
        self._connection.run("DELETE FROM _calls")
