"""Index and SearchIndex, as a Table declares them, and the ranges of them that queries read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from reactor.definitions.mismatch import did_you_mean
from reactor.definitions.unset import UNSET
from reactor.errors import DefinitionError, InvalidQuery
from reactor.values.order import Undefined
from reactor.values.value import Value

if TYPE_CHECKING:
    from reactor.definitions.table import Table
    from reactor.definitions.table_definition import TableDefinition

T = TypeVar("T", bound="Table")
T_co = TypeVar("T_co", bound="Table", covariant=True)

Bound = tuple[Value | Undefined, bool]
"""A limit on the field after the equal ones, and whether it is included."""


@dataclass(frozen=True)
class IndexRange(Generic[T_co]):
    """The documents of a table whose place in one index lies in a range; `ctx.db.query` takes it.

    Values in it are Values of the wire, checked when they were given.
    """

    table: type[T_co]
    index_name: str
    python_fields: tuple[str, ...]
    equal: tuple[Value | Undefined, ...] = ()
    lower: Bound | None = None
    upper: Bound | None = None

    @property
    def definition(self) -> TableDefinition:
        """Of the table. Raises InvalidQuery when the class is a mixin."""
        definition: TableDefinition = self.table.__definition__
        if definition.name is None:
            raise InvalidQuery(f"{self.table.__name__} is a mixin, not a table: query one of its tables.")
        return definition

    @property
    def table_name(self) -> str:
        """The table's name."""
        name = self.definition.name
        assert name is not None
        return name

    @property
    def fields(self) -> tuple[str, ...]:
        """Wire paths of the indexed fields."""
        return tuple(map(self.definition.wire_path, self.python_fields))

    def wire_bounds(self) -> tuple[tuple[Value | Undefined, ...], Bound | None, Bound | None]:
        """Equal values of the first fields, then the bounds on the next one."""
        return self.equal, self.lower, self.upper

    def _checked(self, value: Any, place: int, verb: str) -> Value | Undefined:
        # Behind the declared fields the creation time orders what is equal, so it may be bounded (reference §4.4).
        fields = self.python_fields if "creation_time" in self.python_fields else (*self.python_fields, "creation_time")
        if self.index_name == "by_id":
            fields = self.python_fields
        what = f"{self.table.__name__}.{self.index_name}"
        if place >= len(fields):
            raise InvalidQuery(
                f"{what} has {len(fields)} fields ({', '.join(fields)}): there is none left for `{verb}`."
            )
        field = fields[place]
        return self.definition.column_value(field, value, f"{what}.{verb}, field `{field}`", InvalidQuery)


class LowerBoundedRange(IndexRange[T_co]):
    """A range that can still be given an upper bound."""

    def lt(self, value: Any, /) -> IndexRange[T_co]:
        """Only less than `value`."""
        return self._with_upper(value, inclusive=False, verb="lt")

    def lte(self, value: Any, /) -> IndexRange[T_co]:
        """Only less than or equal to `value`."""
        return self._with_upper(value, inclusive=True, verb="lte")

    def _with_upper(self, value: Any, *, inclusive: bool, verb: str) -> IndexRange[T_co]:
        upper = (self._checked(value, len(self.equal), verb), inclusive)
        return IndexRange(self.table, self.index_name, self.python_fields, self.equal, self.lower, upper)


class OpenRange(LowerBoundedRange[T_co]):
    """What `Table.by_name` is: the whole index, to be narrowed field by field."""

    def eq(self, *values: Any) -> OpenRange[T_co]:
        """Only these values in the next fields, in the order of the index."""
        start = len(self.equal)
        checked = tuple(self._checked(value, start + i, "eq") for i, value in enumerate(values))
        return OpenRange(self.table, self.index_name, self.python_fields, self.equal + checked)

    def gt(self, value: Any, /) -> LowerBoundedRange[T_co]:
        """Only greater than `value` in the next field."""
        return self._with_lower(value, inclusive=False, verb="gt")

    def gte(self, value: Any, /) -> LowerBoundedRange[T_co]:
        """Only greater than or equal to `value` in the next field."""
        return self._with_lower(value, inclusive=True, verb="gte")

    def _with_lower(self, value: Any, *, inclusive: bool, verb: str) -> LowerBoundedRange[T_co]:
        lower = (self._checked(value, len(self.equal), verb), inclusive)
        return LowerBoundedRange(self.table, self.index_name, self.python_fields, self.equal, lower)


class Index:
    """Declares an index: `by_user_created = Index("user_id", "created_at")`. A dotted path goes into nested models."""

    __slots__ = ("_ranges", "fields", "name")

    def __init__(self, field: str, /, *fields: str) -> None:
        self.fields = (field, *fields)
        self._ranges: dict[type[Any], OpenRange[Any]] = {}  # of each table that has it; filled by __get__
        self.name = ""  # set once, by __set_name__

    def __set_name__(self, _owner: type[Any], name: str) -> None:
        self.name = name

    def __get__(self, instance: None, owner: type[T]) -> OpenRange[T]:
        if instance is not None:
            raise AttributeError(f"`{self.name}` is an index of the table: write {owner.__name__}.{self.name}")
        found = self._ranges.get(owner)
        if found is None:
            found = self._ranges[owner] = OpenRange(owner, self.name, self.fields)
        return found


@dataclass(frozen=True)
class Search(Generic[T_co]):
    """A text search in one table; `ctx.db.query` takes it. `field` and the keys of `filters` are wire paths."""

    table: type[T_co]
    index_name: str
    field: str
    text: str
    filters: Mapping[str, Value | Undefined]

    @property
    def table_name(self) -> str:
        """The table's name."""
        name = self.table.__definition__.name
        assert name is not None
        return name


@dataclass(frozen=True)
class TextSearch(Generic[T_co]):
    """What `Table.search_name` is: call it with the text to look for and values for filter fields."""

    table: type[T_co]
    index: SearchIndex

    def __call__(self, text: str, /, **filters: Any) -> Search[T_co]:
        """A filter that is UNSET is left out. Raises InvalidQuery for one there is not, or a value that does not fit."""
        what = f"{self.table.__name__}.{self.index.name}"
        definition: TableDefinition = self.table.__definition__
        if definition.name is None:
            raise InvalidQuery(f"{self.table.__name__} is a mixin, not a table: query one of its tables.")
        if not isinstance(text, str):
            raise InvalidQuery(f"{what} looks for a text, not {text!r}.")
        values: dict[str, Value | Undefined] = {}
        for name, value in filters.items():
            if name not in self.index.filters:
                raise InvalidQuery(f"{what} has no filter `{name}`.{did_you_mean(name, self.index.filters)}")
            if value is UNSET:  # an argument that was not sent: it may be anything
                continue
            path = definition.wire_path(name)
            values[path] = definition.column_value(name, value, f"{what}, filter `{name}`", InvalidQuery)
        return Search(self.table, self.index.name, definition.wire_path(self.index.field), text, values)


class SearchIndex:
    """Declares a text search: `search_prompt = SearchIndex("prompt", filters=("user_id", "is_public"))`."""

    __slots__ = ("field", "filters", "name")

    def __init__(self, field: str, /, *, filters: tuple[str, ...] = ()) -> None:
        given: object = filters
        if isinstance(given, str):  # a tuple of its letters otherwise
            raise DefinitionError(f"SearchIndex({field!r}): write filters=({filters!r},), a tuple of field names.")
        self.field, self.filters = field, tuple(filters)
        self.name = ""  # set once, by __set_name__

    def __set_name__(self, _owner: type[Any], name: str) -> None:
        self.name = name

    def __get__(self, instance: None, owner: type[T]) -> TextSearch[T]:
        if instance is not None:
            raise AttributeError(f"`{self.name}` is an index of the table: write {owner.__name__}.{self.name}")
        return TextSearch(owner, self)
