"""Fact: what an index that is searched, not ordered, holds of one document. It stands where a key would.

An ordered index has a key for every document; a search or vector index has a fact: the values of its filter fields, and
what it holds of the document (its words, its vector). A commit tells the facts of every changed document, before and
after, and a Predicate says of one fact whether whoever read must hear of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from reactor.values.order import Undefined, order_key
from reactor.values.value import Value, digest

_PLAIN = 40  # bytes: an id or a short text stays readable, anything longer is as good by its digest


class Fact(NamedTuple):
    """A fact taken apart. `filters` are in the order in which the index declares its filter fields."""

    filters: tuple[bytes, ...]
    held: bytes

    def pack(self) -> bytes:
        """The bytes that a commit carries. Equal facts have equal bytes."""
        return _pack(self)


_pack = msgspec.msgpack.Encoder().encode
unpack = msgspec.msgpack.Decoder(Fact).decode
"""The fact of bytes that `pack` gave."""


def filter_value(value: Value | Undefined) -> bytes:
    """What stands for a value of a filter field: equal for equal values, and short."""
    key = order_key(value)
    return key if len(key) <= _PLAIN else b"#" + digest(key)


def pack_fact(filters: Sequence[Value | Undefined], held: bytes) -> bytes:
    """The fact of a document with these values in the index's filter fields."""
    return Fact(tuple(map(filter_value, filters)), held).pack()
