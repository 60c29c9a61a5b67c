"""Catalog: which tables and indexes there are, as of one moment. Immutable; a change makes another one.

Reading the catalog is reading data: index 0 has a key for every table name and number, so that a
query over a table that does not exist yet is invalidated when it comes to be. So is reading code: every part has a key.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from reactor.database.known_shape import KnownShape
from reactor.footprint.fact import pack_fact
from reactor.storage.storage import IndexKind, IndexRow, IndexState, Structure, TableRow
from reactor.values.field_path import get_field
from reactor.values.order import UNDEFINED, Undefined, order_key
from reactor.values.value import Value, decode, encode
from reactor.values.vector import unit_vector
from reactor.values.words import words_of

SYSTEM_INDEX = 0  # holds no documents: keys of things that are read and changed all the same
BUNDLE_KEY = b"bundle"  # met by every push
EVERYTHING_KEY = b"everything"  # met by an import: whatever anybody has read may be different
WHICH_FUNCTIONS = ":functions"  # the part of the code that says which there are, and who may call them
VARIABLE_NAMES_KEY = b"variables"  # which environment variables there are
FIRST_USER_TABLE = 10_001
FIRST_DRAFT = 1 << 40  # numbers of drafts; no document's id has one
SYSTEM_TABLES = {
    "_scheduled_functions": 9001,
    "_storage": 9002,
    "_crons": 9010,
    "_cron_runs": 9011,
    "_blobs": 9012,
    "_migrations": 9020,
    "_progress": 9021,
    "_transfers": 9030,
}
READABLE_TABLES = frozenset({"_scheduled_functions", "_storage"})  # by user code; the others are the engine's own
_JOB_INDEXES = {"by_state_due": ("state.kind", "scheduledTime"), "by_completed": ("completedTime",)}
SYSTEM_INDEXES: dict[str, dict[str, tuple[str, ...]]] = {
    "_scheduled_functions": _JOB_INDEXES,
    "_cron_runs": _JOB_INDEXES,
    "_crons": {"by_next": ("next",)},
    "_blobs": {"by_file": ("file",), "by_key": ("key",), "by_state": ("state",)},
    "_migrations": {"by_name": ("name",)},
}
DRAFT = "+"  # behind the name of a table or an index: what is to take its place
BY_ID = "by_id"
BY_CREATION_TIME = "by_creation_time"


def table_name_key(name: str) -> bytes:
    """The key, in the system index, of everything one table's structure says."""
    return b"table:" + name.encode()


def table_number_key(number: int) -> bytes:
    """The key, in the system index, of whether a table number is in use."""
    return b"number:%d" % number


def variable_key(name: str) -> bytes:
    """The key, in the system index, of the value of an environment variable."""
    return b"variable:" + name.encode()


def filling(path: str, defaults: Mapping[str, Value]) -> str:
    """How an index names a field that documents may lack until it is filled: with the value that it stands for.

    Documents of before and after are found alike then, and the index is right before the first one is filled (C8).
    """
    name = path.partition(".")[0]
    if name not in defaults:
        return path
    value = get_field({name: defaults[name]}, path)
    return path if isinstance(value, Undefined) else f"{path}={encode(value).decode()}"


@lru_cache(maxsize=4096)
def _parsed(field: str) -> tuple[str, Value | Undefined]:
    """The path, and what a document without it counts as."""
    path, filled, text = field.partition("=")
    default: Any = decode(text.encode()) if filled else UNDEFINED
    return path, default


def path_of(field: str) -> str:
    """The wire path of an index's field."""
    return _parsed(field)[0]


def code_key(part: str) -> bytes:
    """The key, in the system index, of what a part of the code does: a module of functions/, or WHICH_FUNCTIONS."""
    return b"code:" + part.encode()


@dataclass(frozen=True, slots=True)
class IndexInfo:
    """An index of a table. `fields` are wire paths (see `filling`); creation time and id follow them in every key."""

    number: int
    name: str
    fields: tuple[str, ...]
    state: IndexState
    place: str
    kind: IndexKind = "ordered"
    filters: tuple[str, ...] = ()  # wire paths
    dimensions: int = 0

    def fact_of(self, document: dict[str, Value]) -> bytes | None:
        """What an index that is searched holds of the document; None when it has nothing to be found by."""
        value = _value(document, *_parsed(self.fields[0]))
        if self.kind == "vector":
            held = unit_vector(value, self.dimensions)
        else:
            held = words_of(value) if isinstance(value, str) else b""
        return pack_fact([_value(document, *_parsed(path)) for path in self.filters], held) if held else None


class TableInfo:
    """A table and its indexes by name. Made whole; never changed."""

    __slots__ = ("by_id", "indexes", "keyed", "name", "number", "place", "row", "searched")

    def __init__(self, row: TableRow, indexes: Iterable[IndexInfo]) -> None:
        self.row = row
        self.number = row.number
        self.name = row.name
        self.place = row.place
        self.indexes: Mapping[str, IndexInfo] = MappingProxyType({index.name: index for index in indexes})
        self.by_id = self.indexes[BY_ID].number
        # What a write maintains: every index but by_id, ready or not (engine D7)
        self.keyed = tuple(
            (index.number, index.place, () if index.name == BY_CREATION_TIME else tuple(map(_parsed, index.fields)))
            for index in self.indexes.values()
            if index.name != BY_ID and index.kind == "ordered"
        )
        self.searched = tuple(index for index in self.indexes.values() if index.kind != "ordered")

    def keys_of(self, document: dict[str, Value], creation_time: float, id: str) -> dict[int, bytes]:
        """The document's key, or fact, in every index of the table that has one of it, by index number."""
        tail = order_key(creation_time) + order_key(id)
        keys = {self.by_id: id.encode()}
        for number, _, fields in self.keyed:
            keys[number] = b"".join([order_key(_value(document, *field)) for field in fields]) + tail
        for index in self.searched:
            fact = index.fact_of(document)
            if fact is not None:
                keys[index.number] = fact
        return keys

    @property
    def is_draft(self) -> bool:
        """Whether it is being made to take the place of another."""
        return self.number >= FIRST_DRAFT


def _value(document: dict[str, Value], path: str, default: Value | Undefined) -> Value | Undefined:
    value = get_field(document, path)
    return default if value is UNDEFINED else value


class Catalog:
    """All tables. `version` is the head's `catalog` it was read at."""

    __slots__ = ("_by_name", "_by_number", "_last_index", "_shapes", "version")

    def __init__(
        self, version: int, tables: Iterable[TableInfo], last_index: int, shapes: Mapping[int, bytes] | None = None
    ) -> None:
        self.version = version
        self._shapes = shapes or {}
        self._by_name = {table.name: table for table in tables}
        self._by_number = {table.number: table for table in self._by_name.values()}
        self._last_index = last_index  # the highest number ever given, dropped indexes included

    @classmethod
    def load(cls, version: int, structure: Structure) -> Catalog:
        """Read it, inside a batch or a snapshot."""
        indexes: dict[int, list[IndexInfo]] = {}
        last_index = SYSTEM_INDEX
        for row in structure.indexes():
            last_index = max(last_index, row.number)
            if row.state != "dropped":
                indexes.setdefault(row.table, []).append(info_of(row))
        tables = [TableInfo(row, indexes[row.number]) for row in structure.tables()]
        return cls(version, tables, last_index, structure.shapes())

    def shape(self, table: TableInfo) -> KnownShape | None:
        """What is known of all documents of a table; None when nothing is."""
        data = self._shapes.get(table.number)
        return None if data is None else KnownShape.from_bytes(data)

    def note(self, table: TableInfo) -> bytes | None:
        """What stands where a table has its shape, as it is: of a draft, how far it has come."""
        return self._shapes.get(table.number)

    def draft(self, table: str) -> TableInfo | None:
        """The draft that is to take the place of a table."""
        return self._by_name.get(table + DRAFT)

    def tables(self) -> list[TableInfo]:
        """Every table, system tables and drafts included, by number."""
        return [self._by_number[number] for number in sorted(self._by_number)]

    def table(self, name: str) -> TableInfo | None:
        """The table of that name."""
        return self._by_name.get(name)

    def table_by_number(self, number: int) -> TableInfo | None:
        """The table whose ids carry that number."""
        return self._by_number.get(number)

    def next_table_number(self) -> int:
        """The number of the next user table."""
        return max(FIRST_USER_TABLE, 1 + max((each for each in self._by_number if each < FIRST_DRAFT), default=0))

    def next_index_number(self) -> int:
        """The number of the next index."""
        return self._last_index + 1

    def with_table(self, table: TableInfo) -> Catalog:
        """This catalog with a table added or replaced, one version on."""
        last_index = max(self._last_index, *(index.number for index in table.indexes.values()))
        others = [each for each in self._by_name.values() if each.name != table.name]
        return Catalog(self.version + 1, [*others, table], last_index, self._shapes)

    def without_table(self, table: TableInfo) -> Catalog:
        """This catalog without a table, one version on."""
        others = [each for each in self._by_name.values() if each.name != table.name]
        shapes = {number: shape for number, shape in self._shapes.items() if number != table.number}
        return Catalog(self.version + 1, others, self._last_index, shapes)

    def with_shape(self, table: TableInfo, shape: bytes | None) -> Catalog:
        """This catalog with another shape of a table, one version on."""
        shapes = {number: each for number, each in self._shapes.items() if number != table.number}
        if shape is not None:
            shapes[table.number] = shape
        return Catalog(self.version + 1, self._by_name.values(), self._last_index, shapes)


def info_of(row: IndexRow) -> IndexInfo:
    """What a row says, without its table."""
    return IndexInfo(row.number, row.name, row.fields, row.state, row.place, row.kind, row.filters, row.dimensions)


def row_of(index: IndexInfo, table: TableInfo) -> IndexRow:
    """The row of an index."""
    return IndexRow(
        index.number,
        table.number,
        index.name,
        index.fields,
        index.state,
        index.place,
        index.kind,
        index.filters,
        index.dimensions,
    )
