"""Predicate: the second kind of read, beside KeyRange. It says of a fact whether a commit that tells it is met.

The same theorem in other words: a range holds a key or it does not, a predicate is met by a fact or it is not. What is
new is only how to find, among many predicates, those a fact may meet: each names its *filters*, all of which a fact
must have, and its *anchors*, one of which must be among the fact's words; PredicateMap files it under those.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import ClassVar, NamedTuple, Protocol

import msgspec


class Anchor(NamedTuple):
    """A word, or how one begins."""

    word: bytes
    is_prefix: bool = False


Filters = tuple[tuple[int, bytes], ...]
"""Place of a filter field in the index → what `filter_value` says of its value; by place."""


class Predicate(Hashable, Protocol):
    """A frozen record."""

    KIND: ClassVar[int]  # which record it is, on the wire

    @property
    def filters(self) -> Filters:
        """A fact with another value in one of these never meets it."""
        ...

    @property
    def anchors(self) -> tuple[Anchor, ...]:
        """A fact that holds none of these words never meets it. Empty: every fact with the filters is to be asked."""
        ...

    def meets(self, fact: bytes) -> bool:
        """Whether a commit that tells this fact, as old or as new, changes what was read."""
        ...

    def to_wire(self) -> object:
        """What msgpack can carry."""
        ...


_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(tuple[int, msgspec.Raw]).decode


def pack_predicate(predicate: Predicate) -> bytes:
    """The bytes that cross a process border; read_set.from_wire reads them."""
    return _pack((predicate.KIND, predicate.to_wire()))


def unpack_predicate(data: bytes, kinds: dict[int, type]) -> Predicate:
    """Back from `pack_predicate`: each kind is a class with `from_wire(bytes)`."""
    kind, rest = _unpack(data)
    found: Predicate = kinds[kind].from_wire(rest)  # type: ignore[attr-defined]
    return found
