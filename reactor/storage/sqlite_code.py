"""The hashes of the deployed code's parts in SQLite."""

from __future__ import annotations

from reactor.storage.sqlite_connection import SqliteConnection


class SqliteCode:
    """Implements storage.Code."""

    def __init__(self, connection: SqliteConnection) -> None:
        self._connection = connection

    def parts(self) -> dict[str, str]:
        return dict(self._connection.rows("SELECT part, hash FROM _code"))

    def set(self, part: str, hash: str) -> None:
        self._connection.run("INSERT OR REPLACE INTO _code VALUES (?, ?)", (part, hash))

    def remove(self, part: str) -> None:
        self._connection.run("DELETE FROM _code WHERE part = ?", (part,))
