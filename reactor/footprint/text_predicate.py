"""TextPredicate: what a text search has read: every document, there or not, that one of its terms is found in.

What it holds of a document is its words (values/words.py), each between two spaces, so that a term is found by looking
for a piece of text: " cat " is a word, " ca" how one begins, " 猫の の写 " a stretch of a text without spaces.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import msgspec

from reactor.footprint.fact import unpack
from reactor.footprint.predicate import Anchor, Filters


@dataclass(frozen=True, slots=True)
class TextPredicate:
    """Met by a fact with these values in the filter fields and one of the terms among its words."""

    KIND: ClassVar[int] = 1

    filters: Filters
    terms: tuple[bytes, ...]

    @property
    def anchors(self) -> tuple[Anchor, ...]:
        """The first word of each term."""
        found = []
        for term in self.terms:
            first, _, rest = term[1:].partition(b" ")
            found.append(Anchor(first, is_prefix=not rest and not term.endswith(b" ")))
        return tuple(found)

    def meets(self, fact: bytes) -> bool:
        values, words = unpack(fact)
        return all(values[place] == value for place, value in self.filters) and any(
            term in words for term in self.terms
        )

    def to_wire(self) -> object:
        return self.filters, self.terms

    @classmethod
    def from_wire(cls, data: bytes) -> TextPredicate:
        """Back from `to_wire`, packed."""
        return cls(*_decode(data))


_decode = msgspec.msgpack.Decoder(tuple[tuple[tuple[int, bytes], ...], tuple[bytes, ...]]).decode
