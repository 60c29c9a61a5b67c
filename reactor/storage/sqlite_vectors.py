"""Vector indexes in SQLite: a table of facts per index, and what of it this process holds in memory (VectorMatrix).

What counts is the table: it takes part in savepoints and commits like every other. Each change of a row gives it the
next `seq` of its table, and a row whose document went stays, free, until another takes its place: so the memory of any
process is brought up to its snapshot by reading the rows behind the last `seq` it has seen, and a search is exact in
every snapshot.

In the writer, rows of the open batch are among them. They are remembered as unsettled, and a rollback has them read
again. Nothing else needs undoing, and no process tells another anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from reactor.footprint.vector_predicate import Either
from reactor.limits import DEFAULT_LIMITS
from reactor.storage.sqlite_connection import SqliteConnection
from reactor.storage.storage import FactRow, VectorHit
from reactor.storage.vector_matrix import VectorMatrix, VectorRow

if TYPE_CHECKING:
    import sqlite_utils

# ruff: noqa: S608 -- places are made by sqlite_schema.slug; SQL cannot bind names

_LOADED_BYTES = 8 << 20  # of facts, fetched in one step
_FEWEST_ROWS = 64  # fetched in one step


class _Sql(NamedTuple):
    slot_of: str
    free: str
    newest: str
    last_slot: str
    add: str
    take: str
    change: str
    release: str
    between: str
    behind: str
    listed: str

    @classmethod
    def of(cls, place: str) -> _Sql:
        row = f'SELECT slot, seq, id, fact FROM "{place}" WHERE'
        seq = f'(SELECT coalesce(max(seq), 0) + 1 FROM "{place}")'
        return cls(
            f'SELECT slot FROM "{place}" WHERE id = ?',
            f'SELECT slot FROM "{place}" WHERE id IS NULL LIMIT 1',
            f'SELECT coalesce(max(seq), 0) FROM "{place}"',
            f'SELECT coalesce(max(slot), -1) FROM "{place}"',
            f'INSERT INTO "{place}" (slot, seq, id, fact) '
            f'VALUES ((SELECT coalesce(max(slot) + 1, 0) FROM "{place}"), {seq}, ?, ?)',
            f'UPDATE "{place}" SET seq = {seq}, id = ?, fact = ? WHERE slot = ?',
            f'UPDATE "{place}" SET seq = {seq}, fact = ? WHERE slot = ?',
            f'UPDATE "{place}" SET seq = {seq}, id = NULL, fact = NULL WHERE slot = ?',
            f"{row} slot >= ? AND slot < ?",
            f"{row} seq > ? ORDER BY seq LIMIT ?",
            f"{row} slot IN (SELECT value FROM json_each(?))",
        )


class _Held:
    """An index as this process remembers it."""

    __slots__ = ("is_doubtful", "matrix", "seen", "settled", "unsettled")

    def __init__(self, matrix: VectorMatrix) -> None:
        self.matrix = matrix
        self.seen = 0  # the newest `seq` in the matrix; rises in _catch_up, falls to `settled` after a rollback
        self.settled = 0  # the newest that was committed when it was seen
        self.unsettled: set[int] = (
            set()
        )  # slots with a newer one; emptied when the batch commits, or they are read again
        self.is_doubtful = False  # something was rolled back since: unsettled slots are to be read again


class SqliteVectors:
    """Implements storage.Vectors."""

    def __init__(self, connection: SqliteConnection, memory: int = DEFAULT_LIMITS.vector_memory) -> None:
        """`memory` bounds the bytes of vectors kept; what is beyond is read again by every search."""
        self._connection = connection
        self._run = connection.run
        self._rows = connection.rows
        self._memory = memory
        self._sql: dict[str, _Sql] = {}  # by place; never shrinks
        self._held: dict[str, _Held] = {}  # by place, the one used last at the end
        self._committed: dict[str, int] = {}  # place → `seq` before this batch wrote; emptied when the batch ends

    # ── structure ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def create(self, db: sqlite_utils.Database, place: str) -> None:
        db.execute(
            f'CREATE TABLE "{place}" (slot INTEGER PRIMARY KEY, seq INTEGER NOT NULL, id TEXT UNIQUE, fact BLOB)'
        )
        db.execute(f'CREATE INDEX "{place}_seq" ON "{place}" (seq)')

    def drop(self, db: sqlite_utils.Database, place: str) -> None:
        self._held.pop(place, None)
        db.table(place).drop()

    # ── writing ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def change(
        self,
        place: str,
        id: str,
        creation_time: float,  # noqa: ARG002  # other kinds of index are ordered by it
        old: bytes | None,
        new: bytes | None,
    ) -> None:
        sql = self._written(place)
        found = [] if old is None else self._rows(sql.slot_of, (id,))  # filling may not have come to it yet
        if not found:
            if new is not None:
                self._add(sql, id, new)
        elif new is None:
            self._run(sql.release, found[0])
        else:
            self._run(sql.change, (new, *found[0]))

    def fill(self, place: str, rows: Iterable[FactRow]) -> None:
        sql = self._written(place)
        for row in rows:
            if not self._rows(sql.slot_of, (row.id,)):
                self._add(sql, row.id, row.fact)

    def _written(self, place: str) -> _Sql:
        """Before a place is written to."""
        sql = self._of(place)
        if place not in self._committed:
            self._committed[place] = self._rows(sql.newest)[0][0]
        return sql

    def _add(self, sql: _Sql, id: str, fact: bytes) -> None:
        free = self._rows(sql.free)
        if free:
            self._run(sql.take, (id, fact, *free[0]))
        else:
            self._run(sql.add, (id, fact))

    # ── the batch ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def rolled_back(self) -> None:
        """Something that was written is undone."""
        for held in self._held.values():
            held.is_doubtful = held.is_doubtful or bool(held.unsettled)

    def ended(self, *, committed: bool) -> None:
        """The batch is over."""
        if not committed:
            self.rolled_back()
        self._committed.clear()
        for held in self._held.values():
            if not held.is_doubtful:
                held.settled = held.seen
                held.unsettled.clear()

    # ── searching ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def prepare(self, place: str, dimensions: int) -> None:
        self._current(place, dimensions)

    def nearest(self, place: str, dimensions: int, vector: bytes, either: Either, count: int) -> list[VectorHit]:
        held = self._current(place, dimensions)
        between = self._of(place).between
        return held.matrix.nearest(vector, either, count, lambda first, end: self._vector_rows(between, (first, end)))

    def _current(self, place: str, dimensions: int) -> _Held:
        """The index in memory as the open batch or snapshot has it."""
        held = self._held.pop(place, None) or _Held(VectorMatrix(dimensions, self._may_keep))
        self._held[place] = held
        self._catch_up(held, self._of(place), self._committed.get(place), _rows_at_once(dimensions))
        return held

    def _catch_up(self, held: _Held, sql: _Sql, committed: int | None, at_once: int) -> None:
        if held.is_doubtful:
            self._read_again(held, sql)
        newest: int = self._rows(sql.newest)[0][0]
        if newest == held.seen:
            return
        if held.seen == 0:
            for first in range(0, self._rows(sql.last_slot)[0][0] + 1, at_once):
                self._put(held, self._vector_rows(sql.between, (first, first + at_once)), committed)
        else:
            seen = held.seen
            while seen < newest:
                rows = self._vector_rows(sql.behind, (seen, at_once))
                self._put(held, rows, committed)
                seen = rows[-1].seq
        held.seen = newest
        held.settled = newest if committed is None else min(newest, committed)

    def _put(self, held: _Held, rows: Sequence[VectorRow], committed: int | None) -> None:
        held.matrix.put(rows)
        if committed is not None:
            held.unsettled.update(row.slot for row in rows if row.seq > committed)

    def _read_again(self, held: _Held, sql: _Sql) -> None:
        rows = self._vector_rows(sql.listed, (f"[{','.join(map(str, held.unsettled))}]",))
        for slot in held.unsettled.difference(row.slot for row in rows):
            held.matrix.clear(slot)
        held.matrix.put(rows)
        held.unsettled.clear()
        held.is_doubtful = False
        held.seen = held.settled

    def _vector_rows(self, sql: str, parameters: tuple[int | str, ...]) -> list[VectorRow]:
        return list(map(VectorRow._make, self._rows(sql, parameters)))

    def _may_keep(self, size: int) -> bool:
        """Whether so many more bytes fit; indexes that were not used of late make room."""
        others = list(self._held)[:-1]
        while sum(held.matrix.kept_bytes for held in self._held.values()) + size > self._memory:
            if not others:
                return False
            del self._held[others.pop(0)]
        return True

    def _of(self, place: str) -> _Sql:
        sql = self._sql.get(place)
        if sql is None:
            sql = self._sql[place] = _Sql.of(place)
        return sql


def _rows_at_once(dimensions: int) -> int:
    return max(_FEWEST_ROWS, _LOADED_BYTES // (4 * dimensions))
