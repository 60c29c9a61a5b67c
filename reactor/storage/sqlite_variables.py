"""The deployment's environment variables in SQLite: a table that no log, view or export shows."""

from __future__ import annotations

from reactor.storage.sqlite_connection import SqliteConnection
from reactor.storage.storage import VariableRow


class SqliteVariables:
    """Implements storage.Variables."""

    def __init__(self, connection: SqliteConnection) -> None:
        self._connection = connection

    def get(self, name: str) -> VariableRow | None:
        rows = self._connection.rows("SELECT value, ts FROM _environment WHERE name = ?", (name,))
        return VariableRow(*rows[0]) if rows else None

    def all(self) -> dict[str, VariableRow]:
        rows = self._connection.rows("SELECT name, value, ts FROM _environment ORDER BY name")
        return {name: VariableRow(value, ts) for name, value, ts in rows}

    def names(self) -> list[str]:
        return [name for (name,) in self._connection.rows("SELECT name FROM _environment ORDER BY name")]

    def set(self, name: str, row: VariableRow) -> None:
        self._connection.run("INSERT OR REPLACE INTO _environment VALUES (?, ?, ?)", (name, *row))

    def remove(self, name: str) -> None:
        self._connection.run("DELETE FROM _environment WHERE name = ?", (name,))
