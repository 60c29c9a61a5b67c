"""Documents and index rows in SQLite: the hot path. SQL texts are made once per place, so statements stay prepared.

The chunk of a scan joins index and documents in one statement; CROSS JOIN keeps SQLite from turning the order around.
Documents leave as bytes (CAST to BLOB costs nothing) because nobody needs them as text.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from reactor.footprint.key_range import KeyRange
from reactor.storage.sqlite_connection import SqliteConnection
from reactor.storage.storage import DocumentRow, ScanRow

# ruff: noqa: S608 -- places are made by sqlite_schema.slug; SQL cannot bind names


class _TableSql(NamedTuple):
    get: str
    insert: str
    replace: str
    delete: str

    @classmethod
    def of(cls, table: str) -> _TableSql:
        return cls(
            f'SELECT _creationTime, CAST(doc AS BLOB) FROM "{table}" WHERE _id = ?',
            f'INSERT INTO "{table}" (_id, _creationTime, doc) VALUES (?, ?, ?)',
            f'UPDATE "{table}" SET doc = ? WHERE _id = ?',
            f'DELETE FROM "{table}" WHERE _id = ?',
        )


class _IndexSql(NamedTuple):
    insert: str
    delete: str
    fill: str

    @classmethod
    def of(cls, index: str) -> _IndexSql:
        return cls(
            f'INSERT INTO "{index}" (key, id) VALUES (?, ?)',
            f'DELETE FROM "{index}" WHERE key = ?',
            f'INSERT OR IGNORE INTO "{index}" (key, id) VALUES (?, ?)',
        )


def _scan_sql(table: str, index: str, *, bounded: bool, descending: bool, whole: bool) -> str:
    order = "DESC" if descending else "ASC"
    if index == table:
        upper = "AND _id < ? " if bounded else ""
        columns = "_id, _creationTime, " if whole else ""
        return (
            f'SELECT CAST(_id AS BLOB), {columns}CAST(doc AS BLOB) FROM "{table}" '
            f"WHERE _id >= ? {upper}ORDER BY _id {order} LIMIT ?"
        )
    upper = "AND i.key < ? " if bounded else ""
    columns = "d._id, d._creationTime, " if whole else ""
    return (
        f'SELECT i.key, {columns}CAST(d.doc AS BLOB) FROM "{index}" AS i '
        f'CROSS JOIN "{table}" AS d ON d._id = i.id WHERE i.key >= ? {upper}ORDER BY i.key {order} LIMIT ?'
    )


_tuple = tuple.__new__  # what _make does, without a call of Python for each row


class SqliteDocuments:
    """Implements storage.Documents."""

    def __init__(self, connection: SqliteConnection) -> None:
        self._connection = connection
        self._run = connection.run
        self._rows = connection.rows
        # SQL by place; a place never comes to mean anything else, so nothing is ever removed
        self._table_sql: dict[str, _TableSql] = {}
        self._index_sql: dict[str, _IndexSql] = {}
        self._scan_sql: dict[tuple[str, bool, bool, bool], str] = {}

    def count(self, index: str) -> int:
        found: int = self._rows(f'SELECT count(*) FROM "{index}"')[0][0]
        return found

    def get(self, table: str, id: str) -> DocumentRow | None:
        found = self._rows(self._of_table(table).get, (id,))
        return DocumentRow._make(found[0]) if found else None

    def scan(self, table: str, index: str, within: KeyRange, limit: int, *, descending: bool) -> list[ScanRow]:
        rows = self._range(table, index, within, limit, descending, True)
        return [_tuple(ScanRow, row) for row in rows]

    def collect(
        self, table: str, index: str, within: KeyRange, limit: int, *, descending: bool
    ) -> list[tuple[bytes, bytes]]:
        return self._range(table, index, within, limit, descending, False)

    def _range(self, table: str, index: str, within: KeyRange, limit: int, descending: bool, whole: bool) -> list[Any]:
        start, end = within
        name = (index, end is not None, descending, whole)
        sql = self._scan_sql.get(name)
        if sql is None:
            sql = _scan_sql(table, index, bounded=end is not None, descending=descending, whole=whole)
            self._scan_sql[name] = sql
        if index == table:  # ids are TEXT, and TEXT compares with BLOB by type, not by bytes
            bounds: tuple[bytes | str, ...] = (start.decode(),) if end is None else (start.decode(), end.decode())
        else:
            bounds = (start,) if end is None else (start, end)
        return self._rows(sql, (*bounds, limit))

    def measure(self, table: str) -> tuple[int, int]:
        count, size = self._rows(f'SELECT COUNT(*), TOTAL(LENGTH(CAST(doc AS BLOB))) FROM "{table}"')[0]
        return count, int(size)

    def insert(self, table: str, id: str, creation_time: float, data: bytes, keys: Iterable[tuple[str, bytes]]) -> None:
        try:
            self._run(self._of_table(table).insert, (id, creation_time, data.decode()))
            for index, key in keys:
                self._run(self._of_index(index).insert, (key, id))
        except BaseException as error:  # between document and index rows nothing may be caught and forgotten
            self._connection.fail(error)
            raise

    def replace(
        self,
        table: str,
        id: str,
        data: bytes,
        gone: Iterable[tuple[str, bytes]],
        come: Iterable[tuple[str, bytes]],
    ) -> None:
        try:
            self._run(self._of_table(table).replace, (data.decode(), id))
            for index, key in gone:
                self._run(self._of_index(index).delete, (key,))
            for index, key in come:
                self._run(self._of_index(index).insert, (key, id))
        except BaseException as error:
            self._connection.fail(error)
            raise

    def delete(self, table: str, id: str, keys: Iterable[tuple[str, bytes]]) -> None:
        try:
            self._run(self._of_table(table).delete, (id,))
            for index, key in keys:
                self._run(self._of_index(index).delete, (key,))
        except BaseException as error:
            self._connection.fail(error)
            raise

    def fill(self, index: str, rows: Iterable[tuple[bytes, str]]) -> None:
        self._connection.run_many(self._of_index(index).fill, rows)

    def clear(self, place: str) -> None:
        self._connection.run(f'DELETE FROM "{place}"')

    def load(self, table: str, rows: Iterable[tuple[str, float, str]]) -> None:
        self._connection.run_many(self._of_table(table).insert, rows)

    def _of_table(self, table: str) -> _TableSql:
        sql = self._table_sql.get(table)
        if sql is None:
            sql = self._table_sql[table] = _TableSql.of(table)
        return sql

    def _of_index(self, index: str) -> _IndexSql:
        sql = self._index_sql.get(index)
        if sql is None:
            sql = self._index_sql[index] = _IndexSql.of(index)
        return sql
