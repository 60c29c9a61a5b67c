"""VectorSearch: what is asked of a vector index, checked as far as one can without it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reactor.database.catalog import IndexInfo, path_of
from reactor.errors import InvalidQuery
from reactor.footprint.vector_predicate import Either
from reactor.limits import Limits, setting
from reactor.values.value import Value
from reactor.values.vector import unit_vector


@dataclass(frozen=True, slots=True)
class VectorSearch:
    """The `count` documents of an index nearest to `vector`, of those that fit one of `either`, if there are any.

    Each of `either` maps wire paths of filter fields to what `filter_value` says of the values they may have.
    """

    table: str
    index: str
    vector: tuple[float, ...]
    either: tuple[Mapping[str, tuple[bytes, ...]], ...]
    count: int

    def check(self, limits: Limits) -> None:
        """Raises InvalidQuery for too large a count."""
        if self.count > limits.vector_results:
            raise InvalidQuery(
                f"Vector queries can fetch at most {limits.vector_results} results, requested {self.count}. "
                f"{setting('vector_results')}"
            )

    def unit(self, index: IndexInfo) -> bytes:
        """The vector as the index holds vectors. Raises InvalidQuery for one it could not hold."""
        if index.dimensions != len(self.vector):
            raise InvalidQuery(f"Expected a vector with dimensions {index.dimensions}, received {len(self.vector)}.")
        unit = unit_vector(list(self.vector), index.dimensions)
        if not unit:
            raise InvalidQuery("A vector to search for holds finite numbers only.")
        return unit

    def placed(self, index: IndexInfo) -> Either:
        """The filters by their places in the index. Raises InvalidQuery for one it does not have."""
        filters = [path_of(field) for field in index.filters]
        for conjunction in self.either:
            for path in conjunction:
                if path not in filters:
                    raise InvalidQuery(
                        f'Vector query against {self.table}.{self.index} contains a filter on "{path}" but that field '
                        "isn't indexed for filtering."
                    )
        return tuple(
            tuple(sorted((filters.index(path), values) for path, values in conjunction.items()))
            for conjunction in self.either
        )

    def to_value(self) -> dict[str, Value]:
        """The form in which an action's search reaches a reader."""
        either: Any = [{path: list(values) for path, values in each.items()} for each in self.either]
        vector: Any = list(self.vector)
        return {"table": self.table, "index": self.index, "vector": vector, "either": either, "count": self.count}

    @classmethod
    def from_value(cls, value: Mapping[str, Any]) -> VectorSearch:
        """Back from `to_value`."""
        return cls(
            value["table"],
            value["index"],
            tuple(map(float, value["vector"])),
            tuple({path: tuple(values) for path, values in each.items()} for each in value["either"]),
            int(value["count"]),
        )
