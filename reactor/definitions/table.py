"""Table: the base of what schema.py declares. A class with `name=` is a table, one without is a mixin; an instance is a
document, which is a frozen value.

A document that was read holds its stored bytes and decodes them when it is first looked into. Fields live where pydantic
keeps them, in the instance's dictionary: while that is empty, attribute access ends in `__getattr__`, and pydantic's own
code, which asks for `__dict__`, meets the property below. Both fill it.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field
from pydantic.errors import PydanticUserError
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema
from typing_extensions import dataclass_transform

from reactor.definitions.id import Id
from reactor.definitions.index import Index, SearchIndex
from reactor.definitions.mismatch import did_you_mean
from reactor.definitions.table_definition import BUILT_IN, TableDefinition, fill_document
from reactor.definitions.vector import VectorIndex
from reactor.errors import DefinitionError
from reactor.values.names import is_identifier
from reactor.values.order import tail_of

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler
    from pydantic._internal._model_construction import ModelMetaclass
else:
    ModelMetaclass = type(BaseModel)

_RESERVED_INDEXES = ("by_id", "by_creation_time")
_MOST_INDEX_FIELDS = 16
_MOST_VECTOR_INDEXES = 4  # of a table, as in Convex
_LEAST_DIMENSIONS, _MOST_DIMENSIONS = 2, 4096  # reference §4.13
_INDEX_KINDS = (Index, SearchIndex, VectorIndex)
_MOST_SEARCH_INDEXES = 4
_SYSTEM_TABLES = ("_scheduled_functions", "_storage")

_attributes: Any = BaseModel.__dict__["__dict__"]  # the slot under the property `Table.__dict__`


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(Field,))
class TableMeta(ModelMetaclass):
    """Checks a declaration when it is made, and gives the class its definition."""

    if not TYPE_CHECKING:

        def __new__(mcs, cls_name, bases, namespace, *, name=None, **kwargs):
            if bases == (BaseModel,):
                return super().__new__(mcs, cls_name, bases, namespace, **kwargs)
            for keyword in kwargs:
                raise DefinitionError(f"{cls_name}: a Table takes no `{keyword}=`.{did_you_mean(keyword, ['name'])}")
            _check_namespace(cls_name, namespace)
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "Field name .* shadows an attribute", UserWarning)  # an error below
                try:
                    cls = super().__new__(mcs, cls_name, bases, namespace, name=name)
                except (NameError, PydanticUserError) as error:  # names like `model_config`, types pydantic cannot take
                    raise DefinitionError(f"{cls_name}: {getattr(error, 'message', error)}") from error
            _check_fields(cls)
            cls.__definition__ = _definition(cls, name)
            return cls


def _definition(cls: type[Table], name: str | None) -> TableDefinition:
    indexes, search_indexes = _members(cls, Index), _members(cls, SearchIndex)
    vector_indexes = _members(cls, VectorIndex)
    if name is not None:
        _check_name(cls.__name__, name)
        _check_indexes(cls, indexes, search_indexes)
        _check_vector_indexes(cls, vector_indexes)
    return TableDefinition(cls, name, indexes, search_indexes, vector_indexes)


def _check_namespace(cls_name: str, namespace: dict[str, Any]) -> None:
    annotations = namespace.get("__annotations__", {})
    for name, value in namespace.items():
        if isinstance(value, FieldInfo) and value.alias is not None:
            raise DefinitionError(
                f"{cls_name}.{name}: type checkers would rename the constructor's parameter. "
                f"Write `{name}: Annotated[…, Field(alias={value.alias!r})]`."
            )
        if isinstance(value, _INDEX_KINDS) and name in annotations:
            raise DefinitionError(f"{cls_name}.{name} is declared as a field and as an index: rename the index.")


def _check_fields(cls: type[Table]) -> None:
    for name in cls.__private_attributes__:
        raise DefinitionError(f"{cls.__name__}.{name}: field names must not start with `_`.")
    for name in cls.__pydantic_fields__:
        if name in BUILT_IN:
            raise DefinitionError(f"{cls.__name__}.{name}: every document has it already. Rename the field.")
        if any(name in vars(base) for base in Table.__mro__):
            raise DefinitionError(f"{cls.__name__}.{name}: the name is taken by Table itself. Rename the field.")
        if any(isinstance(base.__dict__.get(name), _INDEX_KINDS) for base in cls.__mro__):
            raise DefinitionError(f"{cls.__name__}.{name} is declared as a field and as an index: rename the index.")


def _check_name(cls_name: str, name: str) -> None:
    if name.startswith("_") and name not in _SYSTEM_TABLES:
        raise DefinitionError(f'{cls_name}: the table name "{name}" starts with `_`, which is reserved.')
    if not is_identifier(name):
        raise DefinitionError(f'{cls_name}: "{name}" is no table name: letters, digits and `_`, at most 64.')


def _members(cls: type[Table], kind: type[Any]) -> dict[str, Any]:
    """Indexes of the class and of what it inherits from, in order of declaration."""
    found: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        found |= {name: value for name, value in vars(base).items() if isinstance(value, kind)}
    return {name: value for name, value in found.items() if name not in _RESERVED_INDEXES}


def _check_indexes(cls: type[Table], indexes: dict[str, Index], search_indexes: dict[str, SearchIndex]) -> None:
    for name in (*_RESERVED_INDEXES, "id", "creation_time"):
        if isinstance(vars(cls).get(name), _INDEX_KINDS):
            raise DefinitionError(f"{cls.__name__}.{name}: every table has it already. Rename the index.")
    for name, index in indexes.items():
        _check_index(cls, name, index.fields)
    for name, search in search_indexes.items():
        _check_index(cls, name, (search.field,))
        if len(search.filters) > _MOST_INDEX_FIELDS:
            raise DefinitionError(
                f"{cls.__name__}.{name} has {len(search.filters)} filters; a search index has at most {_MOST_INDEX_FIELDS}."
            )
        _check_index(cls, name, search.filters)
    if len(search_indexes) > _MOST_SEARCH_INDEXES:
        raise DefinitionError(
            f"{cls.__name__} has {len(search_indexes)} search indexes ({', '.join(search_indexes)}); "
            f"a table has at most {_MOST_SEARCH_INDEXES}."
        )


def _check_vector_indexes(cls: type[Table], indexes: dict[str, VectorIndex]) -> None:
    if len(indexes) > _MOST_VECTOR_INDEXES:
        raise DefinitionError(
            f"{cls.__name__} has {len(indexes)} vector indexes; a table has at most {_MOST_VECTOR_INDEXES}."
        )
    for name, index in indexes.items():
        where = f"{cls.__name__}.{name}"
        dimensions: object = index.dimensions
        if type(dimensions) is not int or not _LEAST_DIMENSIONS <= dimensions <= _MOST_DIMENSIONS:
            raise DefinitionError(
                f"{where}: dimensions={dimensions!r}; a vector has {_LEAST_DIMENSIONS} to {_MOST_DIMENSIONS} numbers."
            )
        if len(index.filters) > _MOST_INDEX_FIELDS:
            raise DefinitionError(
                f"{where} has {len(index.filters)} filters; a vector index has at most {_MOST_INDEX_FIELDS}."
            )
        _check_index(cls, name, (index.field,))
        _check_index(cls, name, index.filters)
        if index.field in index.filters:
            raise DefinitionError(f"{where}: `{index.field}` is the vector; it cannot be a filter too.")


def _check_index(cls: type[Table], name: str, fields: tuple[str, ...]) -> None:
    where = f"{cls.__name__}.{name}"
    if name.startswith("_") or not is_identifier(name):
        raise DefinitionError(f"{where}: an index is named with letters, digits and `_`, and does not start with `_`.")
    if len(set(fields)) < len(fields):
        raise DefinitionError(f"{where} names a field twice.")
    if len(fields) > _MOST_INDEX_FIELDS:
        raise DefinitionError(f"{where} has {len(fields)} fields; an index has at most {_MOST_INDEX_FIELDS}.")
    for field in fields:
        if field in BUILT_IN:
            raise DefinitionError(
                f"{where}: `{field}` needs no mention: every index ends with the creation time and id."
            )
        first = field.split(".")[0]
        if first not in cls.__pydantic_fields__:
            raise DefinitionError(
                f"{where}: there is no field `{first}`.{did_you_mean(first, cls.__pydantic_fields__)}"
            )


def _make_aware(schema: Any) -> None:
    """Let every datetime in a schema under construction, models in it excepted, insist on a time zone."""
    if isinstance(schema, dict):
        if schema.get("type") in ("model", "dataclass"):
            return
        if schema.get("type") == "datetime":
            schema.setdefault("tz_constraint", "aware")
        for key, item in schema.items():
            if key not in ("metadata", "default", "serialization"):
                _make_aware(item)
    elif isinstance(schema, (list, tuple)):
        for item in schema:
            _make_aware(item)


class Table(BaseModel, metaclass=TableMeta):
    """Base of all tables.

    `class User(Table, name="users")` declares a table; `class Timestamped(Table)` a mixin for tables. Documents are
    frozen: `ctx.db.patch` changes what is stored. A document has an `id` once it was read from the database, and then
    it takes part in equality, hash and repr; a `model_copy` has none.
    """

    model_config = ConfigDict(
        frozen=True,
        strict=True,
        extra="forbid",
        protected_namespaces=(),
        validate_by_name=True,
        validate_by_alias=False,
        ignored_types=_INDEX_KINDS,
    )

    if TYPE_CHECKING:
        __definition__: ClassVar[TableDefinition]

    __slots__ = ("_creation_time", "_data", "_id")  # only set in documents that were read

    by_creation_time = Index("creation_time")
    by_id = Index("id")

    def __init_subclass__(cls, *, name: str | None = None) -> None:
        super().__init_subclass__()

    @classmethod
    def __pydantic_init_subclass__(cls, *, name: str | None = None, **_kwargs: Any) -> None:
        super().__pydantic_init_subclass__()

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        schema = handler(source)
        model: Any = handler.resolve_ref_schema(schema)
        _make_aware(model["schema"])
        return schema

    # ── id and time ───────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def id(self) -> Id[Self]:
        """The document's id. AttributeError for one that was not read from the database."""
        return self._stored_attribute("_id")  # type: ignore[no-any-return]

    @property
    def creation_time(self) -> float:
        """When the document was inserted, in epoch milliseconds."""
        return self._stored_attribute("_creation_time")  # type: ignore[no-any-return]

    if not TYPE_CHECKING:

        @property
        def __dict__(self):
            attributes = _attributes.__get__(self)
            return attributes or _load(self)

        @__dict__.setter
        def __dict__(self, value):
            _attributes.__set__(self, value)

        def __getattr__(self, name):
            if name in BUILT_IN:  # the property above raised: say why
                raise AttributeError(
                    f"This {type(self).__name__} has no `{name}`: it was not read from the database. insert() returns the id."
                )
            is_held = name in type(self).__pydantic_fields__ or name[:11] == "__pydantic_"
            if is_held and not _attributes.__get__(self) and _load(self):
                return object.__getattribute__(self, name)
            return super().__getattr__(name)

        def __setattr__(self, name, value):
            raise AttributeError(
                f"A document is frozen: use ctx.db.patch({_variable(self)}.id, {name}=…) to change it."
            )

        def __delattr__(self, name):
            raise AttributeError(
                f"A document is frozen: use ctx.db.patch({_variable(self)}.id, {name}=None) to remove it."
            )

    # ── as a value ────────────────────────────────────────────────────────────────────────────────────────────────────

    if not TYPE_CHECKING:

        def __eq__(self, other):
            if type(other) is not type(self):
                return False if isinstance(other, Table) else NotImplemented
            return self._identity() == other._identity() and self.__dict__ == other.__dict__

        def __hash__(self):
            own_id, _ = self._identity()
            return hash((type(self), *self.__dict__.values())) if own_id is None else hash((type(self), own_id))

        def __repr_args__(self):
            own_id, _ = self._identity()
            if own_id is not None:
                yield "id", own_id
            yield from super().__repr_args__()

        def __getstate__(self):
            return super().__getstate__() | {"identity": self._identity()}

        def __setstate__(self, state):
            super().__setstate__(state)
            own_id, creation_time = state["identity"]
            if own_id is not None:
                _put(self, None, own_id, creation_time)

    # ── identity ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _stored_attribute(self, name: str) -> Any:
        if type(_id(self)) is bytes:
            _name(self)
        value = object.__getattribute__(self, name)
        if value is None:
            _load(self)
            value = object.__getattribute__(self, name)
        return value

    def _identity(self) -> tuple[Any, Any]:
        """Id and creation time; None and None of a document that was not read."""
        try:
            return self._stored_attribute("_id"), self._stored_attribute("_creation_time")
        except AttributeError:
            return None, None


type.__setattr__(Table, "__definition__", TableDefinition(Table, None, {}, {}, {}))

_data, _set_data = Table.__dict__["_data"].__get__, Table.__dict__["_data"].__set__
_id = Table.__dict__["_id"].__get__
_set_id, _set_creation_time = Table.__dict__["_id"].__set__, Table.__dict__["_creation_time"].__set__


def _put(document: Table, data: bytes | None, id: str | None, creation_time: float | None) -> None:
    _set_data(document, data)
    _set_id(document, id)
    _set_creation_time(document, creation_time)


def _name(document: Table) -> None:
    """Give a document its id and time that has its key in their place, as what was read together with others has."""
    creation_time, own_id = tail_of(_id(document))
    _set_id(document, own_id)
    _set_creation_time(document, creation_time)


def _load(document: Table) -> dict[str, Any]:
    """Decode a stored document into its attributes, which are given; those of one that was not stored are as they are."""
    try:
        data = _data(document)
    except AttributeError:
        data = None
    if data is None:
        return _attributes.__get__(document)  # type: ignore[no-any-return]
    attributes, fields_set, own_id, creation_time = type(document).__definition__.attributes_of(data)
    fill_document(document, attributes, fields_set)
    _put(document, data, own_id, creation_time)
    return attributes


def _variable(document: Table) -> str:
    return type(document).__name__.lower()
