"""Staging: documents that are to come into a database at once, with all their index rows, in a file of their own.

Whoever writes it has time; the writer of the database reads it and only copies. A file that was not finished has no
plan, and nobody takes it.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import orjson

from reactor.errors import StorageError
from reactor.storage.storage import FactRow

# ruff: noqa: S608 -- tables are named by numbers

_CHUNK = 2000  # rows read at once


class DuplicateId(StorageError):
    """Two documents of one id."""

    def __init__(self, id: str) -> None:
        super().__init__(f"Two documents have the id {id}.")
        self.id = id


class StagedRow(NamedTuple):
    """A document, ready to be stored."""

    id: str
    creation_time: float
    data: str


class StagingWriter:
    """A context manager; `finish` makes what was written so far of use."""

    def __init__(self, path: Path) -> None:
        """`path` must not exist."""
        path.touch(0o600, exist_ok=False)
        self._db = sqlite3.connect(path, isolation_level=None)
        for setting in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -65536", "temp_store = MEMORY"):
            self._db.execute(f"PRAGMA {setting}").fetchall()
        self._db.execute("CREATE TABLE plan (told TEXT NOT NULL)")
        self._db.execute("BEGIN")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._db.close()

    def begin_table(self, table: int, ordered: Iterable[str], searched: Iterable[str]) -> None:
        """Room for a table's documents, and for rows of its indexes by name."""
        self._db.execute(
            f"CREATE TABLE d{table} (id TEXT PRIMARY KEY, created REAL NOT NULL, doc TEXT NOT NULL) WITHOUT ROWID"
        )
        for name in ordered:
            self._db.execute(f'CREATE TABLE "k{table}_{name}" (key BLOB NOT NULL, id TEXT NOT NULL)')
        for name in searched:
            self._db.execute(
                f'CREATE TABLE "f{table}_{name}" (id TEXT NOT NULL, created REAL NOT NULL, fact BLOB NOT NULL)'
            )

    def add(
        self, table: int, row: StagedRow, keys: Iterable[tuple[str, bytes]], facts: Iterable[tuple[str, bytes]]
    ) -> None:
        """A document and its index rows. Raises DuplicateId."""
        try:
            self._db.execute(f"INSERT INTO d{table} VALUES (?, ?, ?)", row)
        except sqlite3.IntegrityError:
            raise DuplicateId(row.id) from None
        for name, key in keys:
            self._db.execute(f'INSERT INTO "k{table}_{name}" VALUES (?, ?)', (key, row.id))
        for name, fact in facts:
            self._db.execute(f'INSERT INTO "f{table}_{name}" VALUES (?, ?, ?)', (row.id, row.creation_time, fact))

    def finish(self, plan: Any) -> None:
        """All is written; `plan` is JSON for whoever takes it."""
        self._db.execute("INSERT INTO plan VALUES (?)", (orjson.dumps(plan).decode(),))
        self._db.execute("COMMIT")


class StagingReader:
    """A finished file. A context manager."""

    def __init__(self, path: Path) -> None:
        """Raises StorageError for a file that is none."""
        try:
            self._db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
            ((told,),) = self._db.execute("SELECT told FROM plan").fetchall()
        except (sqlite3.Error, ValueError) as error:
            raise StorageError(f"{path} holds nothing that could be imported: {error}.") from error
        self.plan: Any = orjson.loads(told)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._db.close()

    def documents(self, table: int) -> Iterator[tuple[str, float, str]]:
        """By id."""
        return self._rows(f"SELECT id, created, doc FROM d{table} ORDER BY id")

    def keys(self, table: int, index: str) -> Iterator[tuple[bytes, str]]:
        """By key."""
        return self._rows(f'SELECT key, id FROM "k{table}_{index}" ORDER BY key')

    def facts(self, table: int, index: str) -> Iterator[FactRow]:
        """In order of creation."""
        return (FactRow(*row) for row in self._rows(f'SELECT * FROM "f{table}_{index}" ORDER BY created'))

    def _rows(self, sql: str) -> Iterator[Any]:
        with contextlib.closing(self._db.execute(sql)) as cursor:
            while rows := cursor.fetchmany(_CHUNK):
                yield from rows
