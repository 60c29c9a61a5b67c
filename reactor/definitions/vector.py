"""VectorIndex, as a Table declares it, what of it queries and actions ask for, and what they get."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from math import isfinite
from typing import TYPE_CHECKING, Annotated, Any, Generic, TypeVar

from pydantic import Field

from reactor.definitions.id import Id
from reactor.definitions.mismatch import did_you_mean
from reactor.definitions.unset import UNSET
from reactor.errors import InvalidQuery
from reactor.values.order import Undefined
from reactor.values.value import Value

if TYPE_CHECKING:
    from reactor.definitions.table import Table
    from reactor.definitions.table_definition import TableDefinition

T = TypeVar("T", bound="Table")
T_co = TypeVar("T_co", bound="Table", covariant=True)
Item = TypeVar("Item")

MOST_TERMS = 64  # values a search's filters may name together (reference §4.13)

Conjunction = Mapping[str, tuple[Value | Undefined, ...]]
"""Wire path → the values it may have. All of its fields must have one."""


class AnyOf:
    """What `any_of` gives."""

    __slots__ = ("values",)

    def __init__(self, values: tuple[Any, ...]) -> None:
        self.values = values


def any_of(*values: Any) -> AnyOf:
    """As a filter's value: `Image.by_embedding.nearest(vector, style=any_of("oil", "ink"))`."""
    return AnyOf(values)


@dataclass(frozen=True)
class Nearest(Generic[T_co]):
    """The documents of a table whose vectors lie nearest to one; `ctx.db.query` and `ctx.vector_search` take it.

    `either` are the filters: a document passes that fits one of the conjunctions, or every document when there is none.
    """

    table: type[T_co]
    index: VectorIndex
    vector: tuple[float, ...]
    either: tuple[Conjunction, ...] = ()

    def or_(self, **filters: Any) -> Nearest[T_co]:
        """Documents as well that fit these filters: `.nearest(vector, user_id=me).or_(is_public=True)`."""
        what = self._what
        if not self.either:
            raise InvalidQuery(f"{what}: `or_` adds to filters, and without any every document passes already.")
        conjunction = self._conjunction(filters)
        if not conjunction:
            raise InvalidQuery(f"{what}: `or_` needs a filter, for example `.or_(is_public=True)`.")
        return self._checked((*self.either, conjunction))

    def _filtered(self, filters: Mapping[str, Any]) -> Nearest[T_co]:
        conjunction = self._conjunction(filters)
        return self._checked((conjunction,)) if conjunction else self

    def _checked(self, either: tuple[Conjunction, ...]) -> Nearest[T_co]:
        terms = sum(len(values) for conjunction in either for values in conjunction.values())
        if terms > MOST_TERMS:
            raise InvalidQuery(
                f"Vector query against {self.table_name}.{self.index.name} has too many conditions. "
                f"Max: {MOST_TERMS} Actual: {terms}"
            )
        return replace(self, either=either)

    def _conjunction(self, filters: Mapping[str, Any]) -> Conjunction:
        what, definition = self._what, self._definition
        found: dict[str, tuple[Value | Undefined, ...]] = {}
        for name, given in filters.items():
            if name not in self.index.filters:
                raise InvalidQuery(f"{what} has no filter `{name}`.{did_you_mean(name, self.index.filters)}")
            if given is UNSET:  # an argument that was not sent: it may be anything
                continue
            values = given.values if isinstance(given, AnyOf) else (given,)
            about = f"{what}, filter `{name}`"
            found[definition.wire_path(name)] = tuple(
                definition.column_value(name, value, about, InvalidQuery) for value in values
            )
        return found

    @property
    def _what(self) -> str:
        return f"{self.table.__name__}.{self.index.name}"

    @property
    def _definition(self) -> TableDefinition:
        definition: TableDefinition = self.table.__definition__
        return definition

    @property
    def table_name(self) -> str:
        """The table's name."""
        name = self._definition.name
        assert name is not None
        return name

    @property
    def index_name(self) -> str:
        """The index's name."""
        return self.index.name


@dataclass(frozen=True)
class VectorSearch(Generic[T_co]):
    """What `Table.by_embedding` is: ask it for what is `nearest` to a vector."""

    table: type[T_co]
    index: VectorIndex

    def nearest(self, vector: Iterable[float], /, **filters: Any) -> Nearest[T_co]:
        """The documents nearest to `vector` by the angle between (cosine), of those that have these values.

        All filters must fit; a value may be `any_of(…)`, and one that is UNSET is left out. Raises InvalidQuery for a vector or a filter that cannot be.
        """
        what = f"{self.table.__name__}.{self.index.name}"
        definition: TableDefinition = self.table.__definition__
        if definition.name is None:
            raise InvalidQuery(f"{self.table.__name__} is a mixin, not a table: query one of its tables.")
        given = _numbers(vector, what)
        if len(given) != self.index.dimensions:
            raise InvalidQuery(f"Expected a vector with dimensions {self.index.dimensions}, received {len(given)}.")
        return Nearest(self.table, self.index, given)._filtered(filters)


def _numbers(vector: Iterable[float], what: str) -> tuple[float, ...]:
    if isinstance(vector, (str, bytes)):
        raise InvalidQuery(f"{what}.nearest takes a vector, a list of numbers, not {vector!r}.")
    try:
        given = list(vector)
    except TypeError:
        raise InvalidQuery(f"{what}.nearest takes a vector, a list of numbers, not {vector!r}.") from None
    for number in given:
        if isinstance(number, (bool, str)) or not hasattr(number, "__float__"):
            raise InvalidQuery(f"{what}.nearest takes a vector of numbers; {number!r} is none.")
    try:
        numbers = tuple(map(float, given))
    except OverflowError:
        raise InvalidQuery(f"{what}.nearest: an integer in the vector is beyond all floats.") from None
    for position, number in enumerate(numbers):
        if not isfinite(number):
            raise InvalidQuery(f"{what}.nearest: number {position} of the vector is {number}; it must be finite.")
    return numbers


class VectorIndex:
    """Declares a vector index: `by_embedding = VectorIndex("embedding", dimensions=1536, filters=("user_id",))`.

    A document whose vector has another length, or a number that is not finite, is stored and not found.
    """

    __slots__ = ("dimensions", "field", "filters", "name")

    def __init__(self, field: str, /, *, dimensions: int, filters: tuple[str, ...] = ()) -> None:
        self.field, self.dimensions, self.filters = field, dimensions, tuple(filters)
        self.name = ""  # set once, by __set_name__

    def __set_name__(self, _owner: type[Any], name: str) -> None:
        self.name = name

    def __get__(self, instance: None, owner: type[T]) -> VectorSearch[T]:
        if instance is not None:
            raise AttributeError(f"`{self.name}` is an index of the table: write {owner.__name__}.{self.name}")
        return VectorSearch(owner, self)


# ── results ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class VectorMatch(Generic[T]):
    """What `ctx.vector_search` finds. The score is the cosine: 1 in the same direction, -1 in the opposite one."""

    id: Annotated[Id[T], Field(alias="_id")]
    score: Annotated[float, Field(alias="_score")]


@dataclass(frozen=True)
class Scored(Generic[Item]):
    """A document found by a live vector query, and its score."""

    document: Item
    score: float
