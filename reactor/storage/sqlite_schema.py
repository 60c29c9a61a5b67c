"""The structure of the SQLite file: system tables, tables, indexes, and the views that tools show (engine A12).

Physical names carry the number, so users' names can be anything: `t_10001_messages`, `i_7_by_channel`. For Datasette and
sqlite-utils a view under the user's own name shows the fields as columns, where that name is free.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import orjson

from reactor.errors import StorageError
from reactor.storage.sqlite_connection import SqliteConnection
from reactor.storage.storage import IndexKind, IndexRow, TableRow
from reactor.values.names import is_identifier

if TYPE_CHECKING:
    import sqlite_utils

# ruff: noqa: S608 -- places and field names are identifiers by construction; SQL cannot bind names

APPLICATION_ID = 0x52435452  # "RCTR": tells our files from anyone's
FORMAT = 1

_SYSTEM = (
    """CREATE TABLE _head (
        one INTEGER PRIMARY KEY CHECK (one = 1), ts INTEGER NOT NULL, epoch INTEGER NOT NULL, boot TEXT NOT NULL,
        bundle TEXT NOT NULL, created INTEGER NOT NULL, catalog INTEGER NOT NULL)""",
    "INSERT INTO _head VALUES (1, 0, 0, '', '', 0, 0)",
    "CREATE TABLE _tables (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, place TEXT NOT NULL)",
    """CREATE TABLE _indexes (
        number INTEGER PRIMARY KEY, table_number INTEGER NOT NULL REFERENCES _tables, name TEXT NOT NULL,
        fields TEXT NOT NULL, state TEXT NOT NULL, place TEXT NOT NULL, UNIQUE (table_number, name))""",
    """CREATE TABLE _log (
        ts INTEGER PRIMARY KEY, prev_ts INTEGER NOT NULL, batch_ts INTEGER NOT NULL, source TEXT NOT NULL,
        keys BLOB NOT NULL, documents BLOB NOT NULL)""",
    "CREATE TABLE _sessions (number INTEGER PRIMARY KEY, session TEXT NOT NULL UNIQUE, last INTEGER NOT NULL)",
    "CREATE INDEX _sessions_by_last ON _sessions (last)",
    """CREATE TABLE _session_requests (
        session INTEGER NOT NULL, request INTEGER NOT NULL, ts INTEGER NOT NULL, binding BLOB NOT NULL,
        outcome BLOB NOT NULL, PRIMARY KEY (session, request)) WITHOUT ROWID""",
    "CREATE TABLE _calls (call INTEGER PRIMARY KEY, outcome BLOB NOT NULL)",
)
_ADDED = (  # to the same format, by later releases
    "CREATE TABLE IF NOT EXISTS _environment (name TEXT PRIMARY KEY, value TEXT NOT NULL, ts INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS _shapes (table_number INTEGER PRIMARY KEY, shape BLOB NOT NULL)",
    "CREATE TABLE IF NOT EXISTS _recent_requests (number INTEGER PRIMARY KEY, requests BLOB NOT NULL)",
    "CREATE TABLE IF NOT EXISTS _code (part TEXT PRIMARY KEY, hash TEXT NOT NULL) WITHOUT ROWID",
)

_RETIRE = "UPDATE _indexes SET state = 'dropped', name = name || '#' || number WHERE number = ?"
_VIEW_ID, _VIEW_TIME = "_id", "_creationTime"


def slug(name: str) -> str:
    """What is safe of a name in every engine: lower case, short."""
    return re.sub(r"[^a-z0-9_]", "_", name.lower())[:40]


def ensure_system_tables(connection: SqliteConnection) -> None:
    """Make a new file ours, inside an open batch. Raises StorageError for a file that is someone else's or newer."""
    ours, version, objects = connection.rows(
        "SELECT (SELECT application_id FROM pragma_application_id), (SELECT user_version FROM pragma_user_version), "
        "(SELECT count(*) FROM sqlite_master)"
    )[0]
    if ours == APPLICATION_ID:
        if version != FORMAT:
            raise StorageError(
                f"{connection.path} has data format {version}, this release of reactor reads {FORMAT}. "
                "Use the release that wrote it, or export there and import here."
            )
        with connection.structure_change() as db:
            for statement in _ADDED:
                db.execute(statement)
        return
    if objects:
        raise StorageError(f"{connection.path} is not a reactor database. Name another file or data folder.")
    with connection.structure_change() as db:
        for statement in (*_SYSTEM, *_ADDED):
            db.execute(statement)
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        db.execute(f"PRAGMA user_version = {FORMAT}")


class SqlitePlaces(Protocol):
    """What the indexes of one kind are kept in."""

    def create(self, db: sqlite_utils.Database, place: str) -> None: ...

    def drop(self, db: sqlite_utils.Database, place: str) -> None: ...


class SqliteStructure:
    """Implements storage.Structure."""

    def __init__(self, connection: SqliteConnection, places: Mapping[IndexKind, SqlitePlaces]) -> None:
        """`places` make and drop what an index of a kind other than `ordered` is kept in."""
        self._connection = connection
        self._places = places

    def tables(self) -> list[TableRow]:
        return [
            TableRow(*row) for row in self._connection.rows("SELECT number, name, place FROM _tables ORDER BY number")
        ]

    def indexes(self) -> list[IndexRow]:
        rows = self._connection.rows(
            "SELECT number, table_number, name, fields, state, place FROM _indexes ORDER BY number"
        )
        return [
            IndexRow(number, table, name, state=state, place=place, **_described(fields))
            for number, table, name, fields, state, place in rows
        ]

    def create_table(self, number: int, name: str) -> TableRow:
        with self._connection.structure_change() as db:
            table = TableRow(number, name, _free_place(db, f"t_{number}_{slug(name)}"))
            _make_room(db, table.place)
            db.execute(_table_sql(table.place))
            db.execute("INSERT INTO _tables VALUES (?, ?, ?)", table)
            _show(db, table, ())
        return table

    def renumber(self, numbers: Mapping[int, int]) -> None:
        statements = (
            "UPDATE _tables SET number = ? WHERE number = ?",
            "UPDATE _indexes SET table_number = ? WHERE table_number = ?",
            "UPDATE _shapes SET table_number = ? WHERE table_number = ?",
        )
        for statement in statements:  # by way of numbers no table has: two may change places
            self._connection.run_many(statement, [(-new, old) for old, new in numbers.items()])
            self._connection.run_many(statement, [(new, -new) for new in numbers.values()])

    def describe_table(self, table: TableRow, fields: Sequence[str]) -> None:
        with self._connection.structure_change() as db:
            _show(db, table, fields)

    def create_index(self, row: IndexRow, table: TableRow) -> IndexRow:
        is_table = row.name == "by_id"
        place = table.place if is_table else f"i_{row.number}_{slug(row.name)}"
        index = row._replace(place=place)
        with self._connection.structure_change() as db:
            if not is_table:
                _make_room(db, place)
            if index.kind != "ordered":
                self._places[index.kind].create(db, place)
            elif not is_table:
                db.execute(f'CREATE TABLE "{place}" (key BLOB PRIMARY KEY, id TEXT NOT NULL) WITHOUT ROWID')
            db.execute(
                "INSERT INTO _indexes VALUES (?, ?, ?, ?, ?, ?)",
                (index.number, index.table, index.name, _description(index), index.state, place),
            )
        return index

    def set_ready(self, index: IndexRow) -> None:
        self._connection.run("UPDATE _indexes SET state = 'ready' WHERE number = ?", (index.number,))

    def rename_index(self, index: IndexRow, name: str) -> None:
        self._connection.run("UPDATE _indexes SET name = ? WHERE number = ?", (name, index.number))

    def describe_index(self, index: IndexRow) -> None:
        self._connection.run("UPDATE _indexes SET fields = ? WHERE number = ?", (_description(index), index.number))

    def retire_index(self, index: IndexRow) -> None:
        self._connection.run(_RETIRE, (index.number,))

    def create_draft(self, number: int, name: str) -> TableRow:
        table = TableRow(number, name, f"t_{number}_{slug(name)}")
        with self._connection.structure_change() as db:
            _make_room(db, table.place)
            db.execute(_table_sql(table.place))
            db.execute("INSERT INTO _tables VALUES (?, ?, ?)", table)
        return table

    def adopt_draft(self, table: TableRow, draft: TableRow, fields: Sequence[str]) -> TableRow:
        adopted = table._replace(place=draft.place)
        with self._connection.structure_change() as db:
            retired = db.execute(
                "SELECT number FROM _indexes WHERE table_number = ? AND state != 'dropped'", (table.number,)
            ).fetchall()
            for number in retired:
                db.execute(_RETIRE, number)
            db.execute("UPDATE _indexes SET table_number = ? WHERE table_number = ?", (table.number, draft.number))
            db.execute("DELETE FROM _tables WHERE number = ?", (draft.number,))
            db.execute("UPDATE _tables SET place = ? WHERE number = ?", (draft.place, table.number))
            _hide(db, table)
            _show(db, adopted, fields)
        return adopted

    def drop_draft(self, draft: TableRow) -> None:
        # Its retired indexes stay as rows: their numbers are used up, and what they hold is found by them.
        self._connection.run("DELETE FROM _tables WHERE number = ?", (draft.number,))

    def sweep(self, limit: int) -> bool:
        found = self._connection.rows(
            "SELECT i.place FROM _indexes AS i JOIN sqlite_master AS m ON m.type = 'table' AND m.name = i.place "
            "WHERE i.state = 'dropped' AND i.fields LIKE '[%' AND i.place NOT IN (SELECT place FROM _tables) LIMIT 1"
        )
        for (place,) in found:
            key = "_id" if place.startswith("t_") else "key"
            rows = self._connection.rows(f'SELECT "{key}" FROM "{place}" LIMIT ?', (limit,))
            if len(rows) == limit:
                self._connection.run_many(f'DELETE FROM "{place}" WHERE "{key}" = ?', rows)
            else:
                with self._connection.structure_change() as db:
                    db.table(place).drop()
        return bool(found)

    def shapes(self) -> dict[int, bytes]:
        return dict(self._connection.rows("SELECT table_number, shape FROM _shapes"))

    def set_shape(self, table: int, shape: bytes | None) -> None:
        self._connection.run("DELETE FROM _shapes WHERE table_number = ?", (table,))
        if shape is not None:
            self._connection.run("INSERT INTO _shapes VALUES (?, ?)", (table, shape))

    def drop_index(self, index: IndexRow) -> None:
        with self._connection.structure_change() as db:
            db.execute(_RETIRE, (index.number,))
            if index.kind == "ordered":
                db.table(index.place).drop()
            else:
                self._places[index.kind].drop(db, index.place)


def _description(index: IndexRow) -> str:
    """What stands in the column `fields`: a list of paths, as ever, or an object for an index that is searched."""
    if index.kind == "ordered":
        return orjson.dumps(index.fields).decode()
    return orjson.dumps(
        {"kind": index.kind, "fields": index.fields, "filters": index.filters, "dimensions": index.dimensions}
    ).decode()


def _described(text: str) -> dict[str, Any]:
    found = orjson.loads(text)
    if isinstance(found, list):
        return {"fields": tuple(found)}
    return {**found, "fields": tuple(found["fields"]), "filters": tuple(found["filters"])}


def _free_place(db: sqlite_utils.Database, place: str) -> str:
    """The place, or one like it: a table that was given another number keeps its own."""
    taken, free = set(db.table_names()), place
    for again in range(2, 1000):
        if free not in taken:
            break
        free = f"{place}_{again}"
    return free


def _table_sql(place: str) -> str:
    return (
        f'CREATE TABLE "{place}" (_id TEXT PRIMARY KEY, _creationTime REAL NOT NULL, doc TEXT NOT NULL) WITHOUT ROWID'
    )


def _hide(db: sqlite_utils.Database, table: TableRow) -> None:
    """Take away the view of a table, as far as it is ours."""
    views: list[tuple[str, str]] = db.execute(
        "SELECT name, sql FROM sqlite_master WHERE type = 'view' AND lower(name) = ?", (table.name.lower(),)
    ).fetchall()
    for name, sql in views:
        if f'FROM "{table.place}"' in sql:
            db.view(name).drop()


def _make_room(db: sqlite_utils.Database, place: str) -> None:
    """A view under a user's name may look like one of our names; it gives way."""
    for view in db.view_names():
        if view.lower() in (place, f"{place}_fts"):
            db.view(view).drop()


def _show(db: sqlite_utils.Database, table: TableRow, fields: Sequence[str]) -> None:
    """Make or renew the view of a table, unless its name is taken or none SQLite allows."""
    select = _view_sql(table.place, fields)
    taken: list[tuple[Any, ...]] = db.execute(
        "SELECT name, type, sql FROM sqlite_master WHERE lower(name) = ?", (table.name.lower(),)
    ).fetchall()
    for name, kind, sql in taken:
        if kind != "view" or f'FROM "{table.place}"' not in sql:
            return
        if sql.endswith(select):
            return
        db.view(name).drop()
    if not table.name.lower().startswith("sqlite_"):
        db.create_view(table.name, select)


def _view_sql(place: str, fields: Sequence[str]) -> str:
    names = {_VIEW_ID.lower(), _VIEW_TIME.lower()}
    columns = [f'"{_VIEW_ID}"', f'"{_VIEW_TIME}"']
    for name in fields:
        if name.lower() not in names and is_identifier(name):
            names.add(name.lower())
            columns.append(f'json_extract(doc, \'$."{name}"\') AS "{name}"')
    columns.append(f'doc AS "{"_document" if "document" in names else "document"}"')
    return f'SELECT {", ".join(columns)} FROM "{place}"'
