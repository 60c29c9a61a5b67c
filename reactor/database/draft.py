"""Draft: a table's documents as they are to be after a push, written beside those that are still in use.

A migration that runs while the old code serves must not show that code what it cannot read. So it writes a draft, with
indexes of its own, and the push puts the draft in the table's place, whole and in its one commit. A push that comes to
nothing leaves the table as it was. Always inside a batch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import orjson

from reactor.database import structure
from reactor.database.catalog import (
    BY_CREATION_TIME,
    BY_ID,
    DRAFT,
    FIRST_DRAFT,
    Catalog,
    IndexInfo,
    TableInfo,
    info_of,
    row_of,
)
from reactor.database.structure import IndexShape
from reactor.storage.storage import IndexRow, Storage
from reactor.values.value import Value, decode, encode


class DraftRow(NamedTuple):
    """A document of a draft. `fields` are the user's."""

    id: str
    creation_time: float
    fields: dict[str, Value]


class DraftNote(NamedTuple):
    """How far a draft has come. Another bundle cannot go on with it."""

    bundle: str
    since: int  # documents that changed later are to be looked at again
    after: str | None  # the last id of the first walk; None when that is over
    done: int = 0  # documents walked
    walked: bool = False

    def to_bytes(self) -> bytes:
        """JSON."""
        return orjson.dumps(tuple(self))


def note_of(catalog: Catalog, table: str) -> DraftNote | None:
    """How far the draft of a table has come; None without one."""
    draft = catalog.draft(table)
    data = None if draft is None else catalog.note(draft)
    return None if data is None else DraftNote(*orjson.loads(data))


def begin(storage: Storage, catalog: Catalog, table: str, shapes: Mapping[str, IndexShape]) -> Catalog:
    """An empty draft of a table, with these indexes."""
    first = catalog.next_index_number()
    row = storage.structure.create_draft(FIRST_DRAFT + first, table + DRAFT)
    own = {BY_ID: IndexShape(("_id",)), BY_CREATION_TIME: IndexShape(("_creationTime",))}
    made = [
        storage.structure.create_index(
            IndexRow(
                first + at, row.number, name, shape.fields, "ready", "", shape.kind, shape.filters, shape.dimensions
            ),
            row,
        )
        for at, (name, shape) in enumerate({**own, **shapes}.items())
    ]
    return catalog.with_table(TableInfo(row, map(info_of, made)))


def write(storage: Storage, draft: TableInfo, rows: Iterable[DraftRow], gone: Iterable[str]) -> None:
    """Put documents into a draft, in the place of what stood there under their ids, and take others out of it."""
    for own_id in gone:
        _remove(storage, draft, own_id)
    for row in rows:
        _remove(storage, draft, row.id)
        document = {**row.fields, "_id": row.id, "_creationTime": row.creation_time}
        keys = draft.keys_of(document, row.creation_time, row.id)
        storage.documents.insert(
            draft.place,
            row.id,
            row.creation_time,
            encode(document),
            [(place, keys[number]) for number, place, _ in draft.keyed],
        )
        for index in draft.searched:
            if index.number in keys:
                facts = storage.fact_indexes[index.kind]
                facts.change(index.place, row.id, row.creation_time, None, keys[index.number])


def _remove(storage: Storage, draft: TableInfo, id: str) -> None:
    found = storage.documents.get(draft.place, id)
    if found is not None:
        document: Any = decode(found.data)
        keys = draft.keys_of(document, found.creation_time, id)
        storage.documents.delete(draft.place, id, [(place, keys[number]) for number, place, _ in draft.keyed])
        for index in draft.searched:
            if index.number in keys:
                facts = storage.fact_indexes[index.kind]
                facts.change(index.place, id, found.creation_time, keys[index.number], None)


def adopt(
    storage: Storage, catalog: Catalog, table: TableInfo, draft: TableInfo, fields: tuple[str, ...]
) -> tuple[Catalog, TableInfo]:
    """The draft is the table from now on."""
    for index in table.searched:
        structure.let_go(storage, table, index)
    row = storage.structure.adopt_draft(table.row, draft.row, fields)
    adopted = TableInfo(row, draft.indexes.values())
    return catalog.without_table(draft).with_table(adopted), adopted


def drop(storage: Storage, catalog: Catalog, draft: TableInfo) -> Catalog:
    """The draft comes to nothing. What it holds goes with later sweeps."""
    for index in draft.indexes.values():
        structure.let_go(storage, draft, index)
    storage.structure.set_shape(draft.number, None)
    storage.structure.drop_draft(draft.row)
    return catalog.without_table(draft)


def note(storage: Storage, catalog: Catalog, draft: TableInfo, told: DraftNote) -> Catalog:
    """Remember how far it has come."""
    storage.structure.set_shape(draft.number, told.to_bytes())
    return catalog.with_shape(draft, told.to_bytes())


def settle(storage: Storage, catalog: Catalog, table: TableInfo) -> tuple[Catalog, TableInfo]:
    """Every document has every field: what an index counts a document without one as is of no more use."""
    indexes = list(structure.own_indexes(table).values())
    settled: list[IndexInfo] = []
    for index in indexes:
        plain = replace(
            index, fields=structure.plain_fields(index.fields), filters=structure.plain_fields(index.filters)
        )
        if plain != index:
            storage.structure.describe_index(row_of(plain, table))
        settled.append(plain)
    first = [table.indexes[name] for name in (BY_ID, BY_CREATION_TIME)]
    info = TableInfo(table.row, [*first, *settled])
    return catalog.with_table(info), info
