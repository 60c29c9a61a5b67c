"""VectorPredicate: what a search for the nearest vectors has read: every vector, there or not, near enough to be found.

A search for ten that found ten is met by a vector at least as near as the tenth; one that found fewer, by every vector
that passes its filters.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import msgspec

from reactor.footprint.fact import unpack
from reactor.footprint.predicate import Anchor, Filters
from reactor.values.vector import ROUNDING, score

Either = tuple[tuple[tuple[int, tuple[bytes, ...]], ...], ...]
"""Filters: a fact passes that fits one of the conjunctions, or every fact when there is none. A conjunction is places of
filter fields, each with what `filter_value` says of the values it may have."""


def passes(either: Either, values: tuple[bytes, ...]) -> bool:
    """Whether a fact with these values in the filter fields passes."""
    return not either or any(all(values[place] in allowed for place, allowed in each) for each in either)


@dataclass(frozen=True, slots=True)
class VectorPredicate:
    """Met by a fact that passes the filters and whose score with `vector` is at least `least`, if that is given."""

    KIND: ClassVar[int] = 2

    either: Either
    vector: bytes
    least: float | None

    @property
    def filters(self) -> Filters:
        """What one conjunction asks for; of several there is nothing that every fact must have."""
        if len(self.either) != 1:
            return ()
        return tuple((place, allowed[0]) for place, allowed in sorted(self.either[0]) if len(allowed) == 1)

    @property
    def anchors(self) -> tuple[Anchor, ...]:
        return ()

    def meets(self, fact: bytes) -> bool:
        values, vector = _taken_apart(fact)
        if not passes(self.either, values):
            return False
        return self.least is None or score(self.vector, vector) >= self.least - ROUNDING

    def to_wire(self) -> object:
        return self.either, self.vector, self.least

    @classmethod
    def from_wire(cls, data: bytes) -> VectorPredicate:
        """Back from `to_wire`, packed."""
        return cls(*_decode(data))


_taken_apart = lru_cache(maxsize=64)(unpack)  # a commit's fact is told to many predicates, one after another
_decode = msgspec.msgpack.Decoder(tuple[Either, bytes, float | None]).decode
