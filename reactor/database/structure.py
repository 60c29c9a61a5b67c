"""Changes of structure: tables and indexes that come, are filled, become ready and go. Always inside a batch.

An index exists from its row on: every write maintains it while it is being filled (engine D7), so filling may take many
batches and misses nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, NamedTuple

from reactor.database.catalog import (
    BY_CREATION_TIME,
    BY_ID,
    DRAFT,
    SYSTEM_INDEXES,
    SYSTEM_TABLES,
    Catalog,
    IndexInfo,
    TableInfo,
    filling,
    info_of,
    path_of,
    row_of,
)
from reactor.footprint.key_range import EVERYTHING, KeyRange
from reactor.storage.storage import FactRow, IndexKind, IndexRow, IndexState, ScanRow, Storage, TableRow
from reactor.values.value import Value, decode

FILL_CHUNK = 1000  # documents in one step: some milliseconds


class IndexShape(NamedTuple):
    """What an index is over: one with another shape is another index. Paths are wire paths."""

    fields: tuple[str, ...]
    kind: IndexKind = "ordered"
    filters: tuple[str, ...] = ()
    dimensions: int = 0


def filled_shape(shape: IndexShape, missing: Mapping[str, Value]) -> IndexShape:
    """The shape over documents that may lack what `missing` is to fill; see catalog.filling."""
    fields, filters = (tuple(filling(each, missing) for each in names) for names in (shape.fields, shape.filters))
    return shape._replace(fields=fields, filters=filters)


def shape_of(index: IndexInfo) -> IndexShape:
    """The shape of an index that is there."""
    return IndexShape(index.fields, index.kind, index.filters, index.dimensions)


@dataclass(frozen=True, slots=True)
class TableStructure:
    """What a schema wants of a table: its indexes, and fields for tools to show as columns."""

    name: str
    indexes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # ordered ones: name → wire paths
    fields: tuple[str, ...] = ()
    searched: Mapping[str, IndexShape] = field(default_factory=dict)  # of every other kind

    @property
    def shapes(self) -> dict[str, IndexShape]:
        """All of its indexes."""
        return {name: IndexShape(fields) for name, fields in self.indexes.items()} | dict(self.searched)


def create_table(storage: Storage, catalog: Catalog, name: str, number: int | None = None) -> tuple[Catalog, TableInfo]:
    """A new table with its two own indexes."""
    row = storage.structure.create_table(number or catalog.next_table_number(), name)
    first = catalog.next_index_number()
    indexes = [
        storage.structure.create_index(IndexRow(first + at, row.number, index, fields, "ready", ""), row)
        for at, (index, fields) in enumerate([(BY_ID, ("_id",)), (BY_CREATION_TIME, ("_creationTime",))])
    ]
    info = TableInfo(row, map(info_of, indexes))
    return catalog.with_table(info), info


def create_system_tables(storage: Storage, catalog: Catalog) -> Catalog:
    """The document tables of the engine itself, and their indexes, as far as they are missing."""
    for name, number in SYSTEM_TABLES.items():
        info = catalog.table(name)
        if info is None:
            catalog, info = create_table(storage, catalog, name, number)
        for index, fields in SYSTEM_INDEXES.get(name, {}).items():
            if index not in info.indexes:
                catalog, info = _add_full_index(storage, catalog, info, index, IndexShape(fields))
    return catalog


def _add_full_index(
    storage: Storage, catalog: Catalog, table: TableInfo, name: str, shape: IndexShape
) -> tuple[Catalog, TableInfo]:
    """A new index with all documents of the table in it."""
    catalog = add_index(storage, catalog, table, name, shape, "backfilling")
    after: str | None = ""
    while after is not None:
        table = _present(catalog, table.name)
        after = fill_step(storage, table, table.indexes[name], after or None, FILL_CHUNK)
    catalog = set_ready(storage, catalog, table, table.indexes[name])
    return catalog, _present(catalog, table.name)


def _present(catalog: Catalog, name: str) -> TableInfo:
    table = catalog.table(name)
    assert table is not None
    return table


def add_index(
    storage: Storage, catalog: Catalog, table: TableInfo, name: str, shape: IndexShape, state: IndexState
) -> Catalog:
    """A new index, empty. It is `ready` only if the table is empty too."""
    row = IndexRow(
        catalog.next_index_number(),
        table.number,
        name,
        shape.fields,
        state,
        "",
        shape.kind,
        shape.filters,
        shape.dimensions,
    )
    index = info_of(storage.structure.create_index(row, table.row))
    return catalog.with_table(TableInfo(table.row, [*table.indexes.values(), index]))


def set_ready(storage: Storage, catalog: Catalog, table: TableInfo, index: IndexInfo) -> Catalog:
    """The index is full: it may be read."""
    storage.structure.set_ready(row_of(index, table))
    ready = replace(index, state="ready")
    return catalog.with_table(TableInfo(table.row, [*others(table, index), ready]))


def rename_index(storage: Storage, catalog: Catalog, table: TableInfo, index: IndexInfo, name: str) -> Catalog:
    """The index takes a name that has become free."""
    storage.structure.rename_index(row_of(index, table), name)
    renamed = replace(index, name=name)
    return catalog.with_table(TableInfo(table.row, [*others(table, index), renamed]))


def retire_index(storage: Storage, catalog: Catalog, table: TableInfo, index: IndexInfo) -> Catalog:
    """The index is no more; what it holds goes with later sweeps, because that may take a while."""
    let_go(storage, table, index)
    return catalog.with_table(TableInfo(table.row, others(table, index)))


def let_go(storage: Storage, table: TableInfo, index: IndexInfo) -> None:
    """Retire what is large and simple; what is searched is dropped as its kind does it."""
    if index.kind == "ordered":
        storage.structure.retire_index(row_of(index, table))
    else:
        storage.structure.drop_index(row_of(index, table))


def drop_index(storage: Storage, catalog: Catalog, table: TableInfo, index: IndexInfo) -> Catalog:
    """The index goes; its number is never used again."""
    storage.structure.drop_index(row_of(index, table))
    return catalog.with_table(TableInfo(table.row, others(table, index)))


def others(table: TableInfo, index: IndexInfo) -> list[IndexInfo]:
    """The table's indexes but one."""
    return [each for each in table.indexes.values() if each.number != index.number]


def own_indexes(table: TableInfo) -> dict[str, IndexInfo]:
    """The indexes a schema speaks of: not the two every table has."""
    return {name: index for name, index in table.indexes.items() if name not in (BY_ID, BY_CREATION_TIME)}


def pending_name(name: str) -> str:
    """What an index is called while another of its name is still in use."""
    return name + DRAFT


def declared_name(name: str) -> str:
    """The name under which a schema knows an index."""
    return name.removesuffix(DRAFT)


def plain_fields(fields: tuple[str, ...]) -> tuple[str, ...]:
    """The wire paths alone."""
    return tuple(map(path_of, fields))


def fill_step(storage: Storage, table: TableInfo, index: IndexInfo, after: str | None, limit: int) -> str | None:
    """Put up to `limit` documents behind the id `after` into the index; the last one's id, None at the table's end."""
    rows = documents_after(storage, table, after, limit)
    keys = [(row, _key(table, index, row)) for row in rows]
    if index.kind == "ordered":
        storage.documents.fill(index.place, [(key, row.id) for row, key in keys if key is not None])
    else:
        facts = [FactRow(row.id, row.creation_time, fact) for row, fact in keys if fact is not None]
        storage.fact_indexes[index.kind].fill(index.place, facts)
    return rows[-1].id if len(rows) == limit else None


def all_documents(storage: Storage, table: TableInfo, chunk: int = FILL_CHUNK) -> Iterator[ScanRow]:
    """Every document of a table by id, fetched in chunks."""
    after: str | None = None
    while True:
        rows = documents_after(storage, table, after, chunk)
        yield from rows
        if len(rows) < chunk:
            return
        after = rows[-1].id


def has_documents(storage: Storage, table: TableInfo) -> bool:
    """Whether a table holds anything."""
    return bool(documents_after(storage, table, None, 1))


def documents_after(storage: Storage, table: TableInfo, after: str | None, limit: int) -> list[ScanRow]:
    """Up to `limit` documents of a table behind an id, in the order of ids."""
    rest = EVERYTHING if after is None else KeyRange(after.encode() + b"\0", None)
    return storage.documents.scan(table.place, table.place, rest, limit, descending=False)


def first_of(rows: list[ScanRow], size: int) -> list[ScanRow]:
    """The first rows, at least one, as far as their documents stay below a size together."""
    total = 0
    for at, row in enumerate(rows):
        total += len(row.data)
        if total > size and at:
            return rows[:at]
    return rows


def _key(table: TableInfo, index: IndexInfo, row: ScanRow) -> bytes | None:
    document: Any = decode(row.data)
    return index_only(table, index).keys_of(document, row.creation_time, row.id).get(index.number)


@lru_cache(maxsize=64)
def _index_only(row: TableRow, by_id: IndexInfo, index: IndexInfo) -> TableInfo:
    return TableInfo(row, (by_id, index))


def index_only(table: TableInfo, index: IndexInfo) -> TableInfo:
    """The table as if it had no other index: its keys are quick to make."""
    return _index_only(table.row, table.indexes[BY_ID], index)
