"""The log of function calls in a SQLite file of its own, bounded in size and age.

A file apart from the data: losing its last second in a power cut is no loss, so nothing waits for the disk; and whoever
writes it, the server, never opens the database (engine A10).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from reactor.storage.call_log import CallRecord, StoredCall

_pack = msgspec.json.Encoder().encode
_lines = msgspec.json.Decoder(list[str]).decode
_TRIMMED_AT_ONCE = 10  # a tenth of the rows goes when the file is too large


class SqliteCallLog:
    """One connection, for one thread at a time. Every method raises sqlite3.Error when the file cannot be used."""

    def __init__(self, path: Path) -> None:
        """Open or create it. A file that is damaged, or not ours, is put aside as `<name>.damaged`."""
        try:
            self._db = _open(path)
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):  # locked, or a folder we may not write in
                raise
            path.replace(path.with_name(f"{path.name}.damaged"))
            self._db = _open(path)
        self._execute = self._db.execute

    def append(self, records: Iterable[CallRecord]) -> None:
        """Add records, all or none."""
        rows = [
            (record.at, record.kind, record.path, record.request, record.seconds, _pack(record.lines), record.error)
            for record in records
        ]
        with self._db:
            self._db.executemany(
                "INSERT INTO calls (at, kind, path, request, seconds, lines, error) VALUES (?, ?, ?, ?, ?, ?, ?)",
                rows,
            )

    def since(self, number: int, limit: int) -> list[StoredCall]:
        """The first `limit` records from this number on, in order."""
        return self._read("SELECT * FROM calls WHERE number >= ? ORDER BY number LIMIT ?", number, limit)

    def last(self, limit: int) -> list[StoredCall]:
        """The last `limit` records, in order."""
        return self._read("SELECT * FROM calls ORDER BY number DESC LIMIT ?", limit)[::-1]

    def end(self) -> int:
        """The number of the last record ever written; 0 before the first."""
        rows = self._execute("SELECT seq FROM sqlite_sequence WHERE name = ?", ("calls",)).fetchall()
        return int(rows[0][0]) if rows else 0

    def trim(self, before: float, most_bytes: int) -> None:
        """Forget what ended before that moment, and the oldest of what is more than so many bytes."""
        with self._db:
            self._execute("DELETE FROM calls WHERE at < ?", (before,))
        while self.size() > most_bytes:
            first, last = self._execute("SELECT min(number), max(number) FROM calls").fetchone()
            if first is None:
                return
            with self._db:
                until = first + max(1, (last - first) // _TRIMMED_AT_ONCE)
                self._execute("DELETE FROM calls WHERE number < ?", (until,))

    def size(self) -> int:
        """Bytes the records take, as pages of the file; free pages are used again."""
        pages, free, size = (
            self._execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
        )
        return int((pages - free) * size)

    def close(self) -> None:
        """Let the file go."""
        self._db.close()

    def _read(self, sql: str, *parameters: Any) -> list[StoredCall]:
        return [
            StoredCall(number, CallRecord(at, kind, path, request, seconds, _lines(lines), error))
            for number, at, kind, path, request, seconds, lines, error in self._execute(sql, parameters).fetchall()
        ]


def _open(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, check_same_thread=False)
    try:
        for setting in (
            "journal_mode = WAL",
            "synchronous = OFF",
            "cache_size = -2048",
            "journal_size_limit = 1048576",
        ):
            connection.execute(f"PRAGMA {setting}").fetchall()
        with connection:
            connection.execute(
                "CREATE TABLE IF NOT EXISTS calls (number INTEGER PRIMARY KEY AUTOINCREMENT, at REAL NOT NULL, "
                "kind TEXT NOT NULL, path TEXT NOT NULL, request TEXT NOT NULL, seconds REAL NOT NULL, "
                "lines BLOB NOT NULL, error TEXT)"
            )
            connection.execute("CREATE INDEX IF NOT EXISTS calls_by_at ON calls (at)")
            connection.execute(f"CREATE VIEW IF NOT EXISTS readable AS {_READABLE}")
    except BaseException:
        connection.close()
        raise
    return connection


_READABLE = (
    "SELECT number, datetime(at / 1000, 'unixepoch') AS at, kind, path, request, seconds, CAST(lines AS TEXT) AS lines, "
    "error FROM calls"
)
