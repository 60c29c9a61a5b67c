"""TableDefinition: a Table class, compiled: how its documents are loaded, checked and written.

Every Table class has one, as `__definition__`. It compiles itself when first asked, which is after the whole schema was
imported, so that forward references can be resolved. `Schema` decides before that which names are used on the wire.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import repeat
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import orjson
from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticSerializationError

from reactor.definitions.compiled_table import CompiledTable, compile_table
from reactor.definitions.mismatch import did_you_mean, mismatch_text
from reactor.definitions.shape import Shape, serialization_text
from reactor.definitions.unset import UNSET
from reactor.definitions.wire_schema import Names
from reactor.errors import DefinitionError, DeveloperError, ReturnsValidationError, SchemaViolation
from reactor.values.names import wire_name
from reactor.values.order import UNDEFINED, Undefined
from reactor.values.validator import (
    AnyV,
    ArrayV,
    LiteralV,
    NullV,
    NumberV,
    ObjectV,
    StringV,
    TableOfId,
    UnionV,
    Validator,
    render_validator,
)
from reactor.values.value import Value, decode, encode

if TYPE_CHECKING:
    from reactor.definitions.index import Index, SearchIndex
    from reactor.definitions.table import Table
    from reactor.definitions.vector import VectorIndex

_new = object.__new__
_get_data = attrgetter("_data")
_slots: Any = BaseModel.__dict__
_attributes, _set_attributes = _slots["__dict__"].__get__, _slots["__dict__"].__set__
_set_fields_set = _slots["__pydantic_fields_set__"].__set__
_set_extra, _set_private = _slots["__pydantic_extra__"].__set__, _slots["__pydantic_private__"].__set__

_SMALL = 1 << 53

BUILT_IN = {"id": "_id", "creation_time": "_creationTime"}  # attributes of every document


class TableDefinition:
    """What is known of one table. `name` is None for a mixin."""

    def __init__(
        self,
        cls: type[Table],
        name: str | None,
        indexes: dict[str, Index],
        search_indexes: dict[str, SearchIndex],
        vector_indexes: dict[str, VectorIndex],
    ) -> None:
        self.cls = cls
        self.name = name
        self.declared_indexes = indexes
        self.declared_search_indexes = search_indexes
        self.declared_vector_indexes = vector_indexes
        slots: Any = cls
        self._set_data, self._set_id = slots._data.__set__, slots._id.__set__
        self._set_creation_time = slots._creation_time.__set__
        self.names: Names = wire_name  # may become another one in `use_names`
        self._is_current = False  # becomes True in `assume_current`
        self._compiled: CompiledTable | None = None  # set by the first use; cleared in `use_names`
        self._defaults: dict[str, Value] | None = None  # made by `defaults`, cleared in `use_names`
        self._columns: dict[str, Shape] = {}  # by dotted Python path; filled in `column_value`, cleared in `use_names`

    def __repr__(self) -> str:
        return f"<TableDefinition {self.name or self.cls.__name__}>"

    def use_names(self, names: Names) -> None:
        """Name fields on the wire by this rule from now on."""
        if names is not self.names:
            self.names, self._compiled, self._columns, self._defaults = names, None, {}, None

    def is_current(self, data: bytes) -> bool:
        """Whether stored JSON has every field that a constant default would fill."""
        is_old = self._form.is_old
        return is_old is None or not is_old(data)

    def assume_current(self) -> None:
        """Every stored document is `is_current`: from now on results need not look, which takes longest of all."""
        self._is_current = True

    # ── what it is ────────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def field_names(self) -> tuple[str, ...]:
        """The declared fields, as Python names them."""
        return tuple(self.cls.__pydantic_fields__)

    @property
    def validator(self) -> ObjectV:
        """The document as clients see it, with `_id` and `_creationTime`."""
        return self._form.validator

    @property
    def stored(self) -> ObjectV:
        """The document as it may be stored: no system fields, and what a constant default fills may be missing."""
        return self._form.stored

    @property
    def constraints(self) -> dict[str, str]:
        """By wire name, what a field demands beyond its validator; see constraints.py."""
        return self._form.constraints

    @property
    def defaults(self) -> dict[str, Value]:
        """The constant defaults that fill documents written before their field existed, by wire name."""
        if self._defaults is None:
            fields = self.cls.__pydantic_fields__
            found = {
                name: self.column_value(
                    name, fields[name].get_default(), f"{self.cls.__name__}.{name}", DefinitionError
                )
                for name in sorted(self._form.filled)
            }
            self._defaults = {
                self.wire_path(name): value for name, value in found.items() if not isinstance(value, Undefined)
            }
        return self._defaults

    def filled(self, fields: dict[str, Value]) -> dict[str, Value]:
        """Stored fields with every constant default in its place."""
        missing = {name: value for name, value in self.defaults.items() if name not in fields}
        return {**fields, **missing} if missing else fields

    @property
    def indexes(self) -> dict[str, tuple[str, ...]]:
        """The declared indexes: name → wire paths of their fields."""
        return {name: tuple(map(self.wire_path, index.fields)) for name, index in self.declared_indexes.items()}

    @property
    def search_indexes(self) -> dict[str, tuple[str, tuple[str, ...]]]:
        """The declared search indexes: name → wire path of the text, wire paths of the filters."""
        return {
            name: (self.wire_path(index.field), tuple(map(self.wire_path, index.filters)))
            for name, index in self.declared_search_indexes.items()
        }

    @property
    def vector_indexes(self) -> dict[str, tuple[str, int, tuple[str, ...]]]:
        """The declared vector indexes: name → wire path of the vector, its dimensions, wire paths of the filters."""
        return {
            name: (self.wire_path(index.field), index.dimensions, tuple(map(self.wire_path, index.filters)))
            for name, index in self.declared_vector_indexes.items()
        }

    @property
    def _form(self) -> CompiledTable:
        if self._compiled is None:
            self._compiled = compile_table(self.cls, self.name, self.names, self._nested_paths())
        return self._compiled

    def _nested_paths(self) -> set[str]:
        paths = {path for index in self.declared_indexes.values() for path in index.fields}
        for search in self.declared_search_indexes.values():
            paths |= {search.field, *search.filters}
        for vector in self.declared_vector_indexes.values():
            paths |= {vector.field, *vector.filters}
        return {path for path in paths if "." in path}

    def prepare(self) -> None:
        """Compile now. DefinitionError for a field that cannot be stored, with the path to it."""
        self._compiled = compile_table(self.cls, self.name, self.names, self._nested_paths())
        for name, search in self.declared_search_indexes.items():
            validator = self._form.columns[search.field].form.validator
            if not _may_be_text(validator):
                raise DefinitionError(
                    f"{self.cls.__name__}.{name}: `{search.field}` is no text but {render_validator(validator)}. "
                    "A search index is over a field of type `str`."
                )
        for name, index in self.declared_vector_indexes.items():
            if not _holds_numbers(self._compiled.columns[index.field].form.validator):
                raise DefinitionError(
                    f"{self.cls.__name__}.{name}: `{index.field}` must be `list[float]` or `list[float] | None`, "
                    "the vector of a document."
                )

    # ── documents ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def load(self, data: bytes | str, id: str | None = None, creation_time: float | None = None) -> Any:
        """The stored document whose wire JSON is `data`, decoded when it is first looked into.

        `id` and `creation_time` spare it decoding for those two.
        """
        document = _new(self.cls)
        self._set_data(document, data if isinstance(data, bytes) else data.encode())
        self._set_id(document, id)
        self._set_creation_time(document, creation_time)
        return document

    def load_all(self, rows: Sequence[tuple[bytes, bytes]]) -> list[Any]:
        """`load` of many: of each its key in an index and its data. Each step is one loop in C."""
        documents = list(map(_new, repeat(self.cls, len(rows))))
        if rows:
            keys, data = zip(*rows)  # noqa: B905  # they are pairs
            any(map(self._set_data, documents, data))
            any(map(self._set_id, documents, keys))  # id and time are taken out of it when they are asked for
        return documents

    def attributes_of(self, data: bytes) -> tuple[dict[str, Any], set[str], str, float]:
        """What a stored document's bytes say: attributes, which were there, id and creation time."""
        # What is stored is canonical: without a `$` key the parsed JSON is the Value.
        value: Any = decode(data) if b'"$' in data else orjson.loads(data)
        own_id, creation_time = value.pop("_id"), value.pop("_creationTime")
        try:
            attributes, _, fields_set = self._form.trust(value)
        except ValidationError as error:
            text = mismatch_text(error, self._form.stored, value)
            raise SchemaViolation(
                f'Document with ID "{own_id}" in table "{self.name}" does not match the schema: {text}'
            ) from None
        return attributes, fields_set, own_id, creation_time

    def from_value(self, value: Value) -> Any:
        """The document of a decoded one, as another function's result holds it. Raises ReturnsValidationError."""
        own_id = value.get("_id") if isinstance(value, dict) else None
        if not isinstance(value, dict) or not isinstance(own_id, str):
            raise ReturnsValidationError(f"Value is no document of `{self.name}`.")
        fields = {key: item for key, item in value.items() if key not in ("_id", "_creationTime")}
        try:
            attributes, _, fields_set = self._form.check(fields)
        except ValidationError as error:
            raise ReturnsValidationError(mismatch_text(error, self._form.stored, fields)) from None
        document = _new(self.cls)
        fill_document(document, attributes, fields_set)
        self._set_data(document, None)
        self._set_id(document, own_id)
        self._set_creation_time(document, value.get("_creationTime"))
        return document

    def to_document(self, document: Any) -> Any:
        """The Value of a document as clients see it, with id; other objects as they are, to be refused."""
        own = getattr(type(document), "__definition__", None)
        if own is None:
            return document
        return decode(own.encoded(document))

    # ── documents as bytes ────────────────────────────────────────────────────────────────────────────────────────────

    def encoded(self, document: Any) -> bytes | None:
        """The wire JSON of a document that was read: its stored bytes, if they still say what it is.

        None for any other object. Raises ReturnsValidationError for a document without id.
        """
        found = self.encoded_all([document])
        return None if found is None else found[0]

    def encoded_all(self, documents: list[Any]) -> list[bytes] | None:
        """`encoded` of all, None when one is no document of this table. This is the way of most results: each step is
        one loop in C."""
        if not documents or {*map(type, documents)} != {self.cls}:
            return None if documents else []
        form = self._form
        try:
            stored = list(map(_get_data, documents))
        except AttributeError:
            stored = [None]
        if (
            None in stored
            or not (form.is_frozen or not any(map(_attributes, documents)))
            or (form.is_old is not None and not self._is_current and any(map(form.is_old, stored)))
        ):
            return list(map(self._written, documents))
        return stored

    def _written(self, document: Any) -> bytes:
        """The wire JSON of one document, some of which may have been changed in place, or filled by a default."""
        own_id, creation_time = document._identity()
        if own_id is None:
            raise ReturnsValidationError(
                f"This {self.cls.__name__} has no id: it was not read from the database. Return what ctx.db.get(id) gives."
            )
        value = self._serialized(document)
        data = encode({**value, "_id": own_id, "_creationTime": creation_time})
        if data != document._data:  # unchanged, it was checked when it was stored
            text = self.check(value)
            if text is not None:
                raise ReturnsValidationError(text)
        return data

    # ── writing ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def to_value(self, document: Any, table_of_id: TableOfId | None = None) -> dict[str, Value]:
        """What is stored of a document: wire names, no system fields, checked. Raises SchemaViolation."""
        if type(document) is not self.cls:
            raise SchemaViolation(f"Expected a document of {self.cls.__name__}, got {type(document).__name__}.")
        value = self._serialized(document)
        text = self.check(value, table_of_id)
        if text is not None:
            raise SchemaViolation(_not_matching(self.name, text))
        return value

    def _serialized(self, document: Any) -> dict[str, Value]:
        try:
            return self._form.serialize(document, by_alias=True, warnings=False)  # type: ignore[no-any-return]
        except PydanticSerializationError as error:
            raise SchemaViolation(_not_matching(self.name, serialization_text(error))) from error

    def check(self, value: Mapping[str, Value], table_of_id: TableOfId | None = None) -> str | None:
        """What keeps these stored fields (without system fields) from fitting the table; None when they fit."""
        fields: Any = {key: item for key, item in value.items() if key not in ("_id", "_creationTime")}
        try:
            self._form.check(fields, context=table_of_id)
        except ValidationError as error:
            return mismatch_text(error, self._form.stored, fields, table_of_id)
        return None

    def patch_value(
        self, changes: Mapping[str, Any], table_of_id: TableOfId | None = None
    ) -> dict[str, Value | Undefined]:
        """The wire form of a patch: UNSET is left out, UNDEFINED says that a field goes. Raises SchemaViolation."""
        patch: dict[str, Value | Undefined] = {}
        for name, value in changes.items():
            if value is UNSET:
                continue
            if name not in self.cls.__pydantic_fields__:
                known = self.field_names
                raise SchemaViolation(
                    f"ctx.db.patch: {self.cls.__name__} has no field `{name}`.{did_you_mean(name, known)}"
                )
            what = f"ctx.db.patch: {self.cls.__name__}.{name}"
            patch[self.wire_path(name)] = self.column_value(name, value, what, SchemaViolation, table_of_id)
        return patch

    # ── columns ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def wire_path(self, path: str) -> str:
        """The wire path of a dotted Python path of fields."""
        if path in BUILT_IN:
            return BUILT_IN[path]
        return self._form.columns[path].wire

    def column_value(
        self,
        path: str,
        value: Any,
        what: str,
        error: type[DeveloperError],
        table_of_id: TableOfId | None = None,
    ) -> Value | Undefined:
        """The checked Value of one field; UNDEFINED for the `None` of an optional one. `what` starts a complaint."""
        if path in BUILT_IN:
            return _built_in_value(path, value, what, error)
        column = self._form.columns[path]
        kind = type(value)
        if kind is column.plain and (value.isascii() if kind is str else -_SMALL < value < _SMALL):
            return value  # type: ignore[no-any-return]
        if value is None and column.optional:
            return UNDEFINED
        shape = self._columns.get(path)
        if shape is None:
            shape = self._columns[path] = Shape(column.form, error=SchemaViolation)
        try:
            return shape.to_value(value, table_of_id)
        except SchemaViolation as violation:
            raise error(f"{what}: {violation}") from None


def _may_be_text(validator: Validator) -> bool:
    match validator:
        case StringV() | AnyV():
            return True
        case LiteralV(value):
            return isinstance(value, str)
        case UnionV(members):
            return any(map(_may_be_text, members))
        case _:
            return False


def fill_document(document: Any, attributes: dict[str, Any], fields_set: set[str]) -> None:
    """Give a document that was made without its constructor all that pydantic keeps in one."""
    _set_attributes(document, attributes)
    _set_fields_set(document, fields_set)
    _set_extra(document, None)
    _set_private(document, None)


def _built_in_value(path: str, value: Any, what: str, error: type[DeveloperError]) -> Value:
    if path == "id":
        if isinstance(value, str):
            return value
        raise error(f"{what}: an id is a string, not {value!r}.")
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    raise error(f"{what}: a creation time is a number of milliseconds, not {value!r}.")


def _holds_numbers(validator: Validator) -> bool:
    """Whether it is of arrays of numbers, null besides at most."""
    members = validator.members if isinstance(validator, UnionV) else (validator,)
    vectors = [each for each in members if not isinstance(each, NullV)]
    return len(vectors) == 1 and isinstance(vectors[0], ArrayV) and isinstance(vectors[0].item, NumberV)


def _not_matching(table: str | None, text: str) -> str:
    return f'Failed to insert or update a document in table "{table}" because it does not match the schema: {text}'
