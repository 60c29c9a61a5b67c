"""Text indexes in SQLite: a table of words per index, and an FTS5 index over it, which takes part in savepoints.

The table is FTS5's external content, so what FTS5 is told to forget is what it was told before, whatever a later release
makes of the same text. Its rows are numbered by creation time: FTS5 gives the newest first without sorting, and stops
early. Values of filter fields are words too, of a column of their own, so that FTS5 intersects the lists of a frequent
word and of an owner instead of reading either. Ranking is not done here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple

from reactor.errors import StorageError
from reactor.footprint.fact import unpack
from reactor.storage.sqlite_connection import SqliteConnection
from reactor.storage.storage import FactRow, TextRow

if TYPE_CHECKING:
    import sqlite_utils

# ruff: noqa: S608 -- places are made by sqlite_schema.slug; SQL cannot bind names

_STEPS_PER_MS = 1024  # of a creation time: what two documents of one transaction differ by
_FARTHEST = 1 << 62  # a number SQLite can hold, whatever creation time an import brings


class _Sql(NamedTuple):
    find: str
    last: str
    add: str
    post: str
    drop: str
    unpost: str
    match: str
    read: str

    @classmethod
    def of(cls, place: str) -> _Sql:
        return cls(
            f'SELECT number, filters, words FROM "{place}" WHERE id = ?',
            f'SELECT max(number) FROM "{place}" WHERE number >= ? AND number < ?',
            f'INSERT INTO "{place}" (number, id, created, filters, words) VALUES (?, ?, ?, ?, ?)',
            f'INSERT INTO "{place}_fts" (rowid, filters, words) VALUES (?, ?, ?)',
            f'DELETE FROM "{place}" WHERE number = ?',
            f'INSERT INTO "{place}_fts" ("{place}_fts", rowid, filters, words) VALUES (\'delete\', ?, ?, ?)',
            f'SELECT rowid FROM "{place}_fts" WHERE "{place}_fts" MATCH ? ORDER BY rowid DESC LIMIT ?',
            f'SELECT number, id, created, CAST(words AS BLOB) FROM "{place}" WHERE number IN (SELECT value FROM json_each(?))',
        )


class SqliteTexts:
    """Implements storage.Texts."""

    def __init__(self, connection: SqliteConnection) -> None:
        self._connection = connection
        self._run = connection.run
        self._rows = connection.rows
        self._sql: dict[str, _Sql] = {}  # by place; never shrinks

    def create(self, db: sqlite_utils.Database, place: str) -> None:
        if not self._rows("SELECT 1 FROM pragma_module_list WHERE name = 'fts5'"):
            raise StorageError(
                "This Python's SQLite is built without FTS5, which search indexes need. Use another build."
            )
        db.execute(
            f'CREATE TABLE "{place}" (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, created REAL NOT NULL, '
            "filters TEXT NOT NULL, words TEXT NOT NULL)"
        )
        # columnsize=0: lengths are only for FTS5's own ranking. Words come ready made: `ascii` just splits at spaces.
        db.execute(
            f'CREATE VIRTUAL TABLE "{place}_fts" USING fts5(filters, words, content="{place}", content_rowid=number, '
            "columnsize=0, prefix='1 2', tokenize=ascii)"
        )

    def drop(self, db: sqlite_utils.Database, place: str) -> None:
        db.table(f"{place}_fts").drop()
        db.table(place).drop()

    def change(self, place: str, id: str, creation_time: float, old: bytes | None, new: bytes | None) -> None:
        sql = self._of(place)
        number = None
        if old is not None:  # while the index is being filled, it may not have come to this document yet
            for number, filters, words in self._rows(sql.find, (id,)):
                self._run(sql.unpost, (number, filters, words))
                self._run(sql.drop, (number,))
        if new is not None:
            self._add(sql, number or self._free(sql, creation_time), FactRow(id, creation_time, new))

    def fill(self, place: str, rows: Iterable[FactRow]) -> None:
        sql = self._of(place)
        for row in rows:
            if not self._rows(sql.find, (row.id,)):
                self._add(sql, self._free(sql, row.creation_time), row)

    def matches(
        self, place: str, filters: Sequence[tuple[int, bytes]], terms: Sequence[bytes], limit: int
    ) -> list[int]:
        expression = " AND ".join((*(f"filters : {_filter_word(*each)}" for each in filters), *map(_phrase, terms)))
        return [number for (number,) in self._rows(self._of(place).match, (expression, limit))]

    def rows(self, place: str, numbers: Iterable[int]) -> list[TextRow]:
        listed = f"[{','.join(map(str, numbers))}]"
        return [TextRow(*row) for row in self._rows(self._of(place).read, (listed,))]

    def _add(self, sql: _Sql, number: int, row: FactRow) -> None:
        values, words = unpack(row.fact)
        filters = " ".join([_filter_word(at, value) for at, value in enumerate(values)])
        text = words.decode()
        self._run(sql.add, (number, row.id, row.creation_time, filters, text))
        self._run(sql.post, (number, filters, text))

    def _free(self, sql: _Sql, creation_time: float) -> int:
        number = max(-_FARTHEST, min(int(creation_time * _STEPS_PER_MS), _FARTHEST))
        reach = 1
        while True:
            ((last,),) = self._rows(sql.last, (number, number + reach))
            if last is None:
                return number
            number, reach = last + 1, _STEPS_PER_MS  # documents that were imported may have one creation time

    def _of(self, place: str) -> _Sql:
        sql = self._sql.get(place)
        if sql is None:
            sql = self._sql[place] = _Sql.of(place)
        return sql


def _filter_word(place: int, value: bytes) -> str:
    """One word for a value in one filter field."""
    return f"f{place}x{value.hex() if len(value) <= 12 else blake2b(value, digest_size=12).hexdigest()}"


def _phrase(term: bytes) -> str:
    """A term (values/words.py) in the language of FTS5. Words are letters and digits: there is nothing to escape."""
    words = term.decode()
    return f'words : "{words.strip()}"' + ("" if words.endswith(" ") else " *")
