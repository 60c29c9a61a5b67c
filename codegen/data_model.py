"""`dataModel.d.ts`: the documents of every table with their indexes, and `Doc` and `Id` on top of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from codegen.type_text import TypeText, block, braces, member, union
from reactor.definitions.manifest import SearchManifest, TableManifest, VectorManifest
from reactor.values.validator import Field, IdV, NumberV, ObjectV, UnionV, Validator

SCHEMALESS = """import type { AnyDataModel } from "convex/server";
import type { GenericId } from "convex/values";

// schema.py declares no table: any name, any document.
export type DataModel = AnyDataModel;
export type TableNames = string;
export type Doc<_TableName extends TableNames = TableNames> = any;
export type Id<TableName extends TableNames = TableNames> = GenericId<TableName>;
"""

HELPERS = """
export type TableNames = TableNamesInDataModel<DataModel>;

/** A document of a table, as queries return it. */
export type Doc<TableName extends TableNames> = DocumentByName<DataModel, TableName>;

/** The id of a document: a string that knows its table. */
export type Id<TableName extends TableNames | SystemTableNames> = GenericId<TableName>;
"""


def data_model_declarations(tables: Sequence[TableManifest], types: TypeText) -> str:
    """The text of the file."""
    if not tables:
        return SCHEMALESS
    members = [member(table.name, _table(table, types)) for table in sorted(tables, key=lambda table: table.name)]
    return (
        'import type { DocumentByName, SystemTableNames, TableNamesInDataModel } from "convex/server";\n'
        'import type { GenericId } from "convex/values";\n\n'
        f"export type DataModel = {block(members)};\n{HELPERS}"
    )


def _table(table: TableManifest, types: TypeText) -> str:
    fields = _document_fields(table)
    paths = sorted(dict.fromkeys(_field_paths(fields, "")))
    return block(
        (
            member("document", types.object(fields)),
            member("fieldPaths", union(map(json.dumps, paths))),
            member("indexes", block([member(name, json.dumps(paths)) for name, paths in _indexes(table)])),
            member("searchIndexes", block([_search_index(index) for index in table.search_indexes])),
            member("vectorIndexes", block([_vector_index(index) for index in table.vector_indexes])),
        )
    )


def _indexes(table: TableManifest) -> list[tuple[str, list[str]]]:
    """Every index with its fields, the creation time that ends each one's key included."""
    declared = [(name, [*fields, "_creationTime"]) for name, fields in table.indexes]
    return sorted([("by_creation_time", ["_creationTime"]), ("by_id", ["_id"]), *declared])


def _document_fields(table: TableManifest) -> tuple[Field, ...]:
    """The system fields first, then the developer's own in their order."""
    own = tuple(field for field in table.document.fields if field.name not in ("_id", "_creationTime"))
    return (Field("_id", IdV(table.name), optional=False), Field("_creationTime", NumberV(), optional=False), *own)


def _field_paths(fields: Sequence[Field], prefix: str) -> Iterator[str]:
    for field in fields:
        yield prefix + field.name
        for inner in _objects_in(field.validator):
            yield from _field_paths(inner.fields, f"{prefix}{field.name}.")


def _objects_in(validator: Validator) -> Iterator[ObjectV]:
    if isinstance(validator, ObjectV):
        yield validator
    elif isinstance(validator, UnionV):
        for each in validator.members:
            yield from _objects_in(each)


def _search_index(index: SearchManifest) -> str:
    filters = union(map(json.dumps, index.filters))
    return member(index.name, braces((member("searchField", json.dumps(index.field)), member("filterFields", filters))))


def _vector_index(index: VectorManifest) -> str:
    about = (
        member("vectorField", json.dumps(index.field)),
        member("dimensions", str(index.dimensions)),
        member("filterFields", union(map(json.dumps, index.filters))),
    )
    return member(index.name, braces(about))
