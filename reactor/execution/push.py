"""What a push checks and builds before it commits: existing documents against the new schema, tables and indexes.

The commit itself is the writer's; here is only what happens inside its batch (engine D6, D7).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import islice
from typing import Protocol

from reactor.database.catalog import Catalog
from reactor.database.stored import Stored
from reactor.database.structure import IndexShape, TableStructure
from reactor.definitions.schema import Schema
from reactor.definitions.table_definition import TableDefinition
from reactor.errors import InvalidId, SchemaViolation
from reactor.values.id import decode_id
from reactor.values.validator import TableOfId

_NAMED = 3  # offending documents the refusal names


class Stock(Protocol):
    """What there is: a Batch, or a snapshot of somebody who only looks."""

    @property
    def catalog(self) -> Catalog: ...

    def stored_documents(self, table: str) -> Iterator[Stored]: ...


def check_documents(batch: Stock, schema: Schema, fitting: Collection[str]) -> None:
    """Raise SchemaViolation if a stored document does not fit its table; tables in `fitting` are taken to fit."""

    def table_of_id(text: str) -> str | None:
        try:
            info = batch.catalog.table_by_number(decode_id(text).table_number)
        except InvalidId:
            return None
        return None if info is None else info.name

    for name, table in schema.tables.items():
        if name in fitting:
            continue
        found = list(islice(_offences(batch, name, table, table_of_id), _NAMED))
        if found:
            listed = "\n".join(f"  {stored_id}: {message}" for stored_id, message in found)
            raise SchemaViolation(f'Documents in table "{name}" do not match the new schema:\n{listed}')


def _offences(batch: Stock, name: str, table: TableDefinition, table_of_id: TableOfId) -> Iterator[tuple[str, str]]:
    for stored in batch.stored_documents(name):
        message = table.check(stored.fields(), table_of_id)
        if message is not None:
            yield stored.id, message


def structures_of(schema: Schema) -> list[TableStructure]:
    """The tables and indexes the schema asks for."""
    return [
        TableStructure(
            name,
            table.indexes,
            tuple(table.wire_path(field) for field in table.field_names),
            {
                search: IndexShape((field,), "search", filters)
                for search, (field, filters) in table.search_indexes.items()
            }
            | {
                vector: IndexShape((field,), "vector", filters, dimensions)
                for vector, (field, dimensions, filters) in table.vector_indexes.items()
            },
        )
        for name, table in schema.tables.items()
    ]
