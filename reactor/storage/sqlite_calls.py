"""Outcomes of the server's own call ids in SQLite (engine A3)."""

from __future__ import annotations

from collections.abc import Iterable

from reactor.storage.sqlite_connection import SqliteConnection


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
