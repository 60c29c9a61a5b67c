"""The total order of Values (reference §3.4), as bytes whose plain comparison is that order.

undefined < null < int64 < float64 < boolean < string < bytes < array < object. Every key delimits itself (none is a
prefix of another), so keys written one after another sort as the list of their Values does.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from struct import Struct
from typing import Any, Final

from reactor.values.int64 import Int64
from reactor.values.value import Value


class Undefined(Enum):
    """The type of UNDEFINED."""

    UNDEFINED = "undefined"

    def __repr__(self) -> str:
        return "UNDEFINED"

    def __bool__(self) -> bool:
        return False


UNDEFINED: Final = Undefined.UNDEFINED
"""What stands in an index for a field that is not there. It is no Value."""

_END = b"\x00"  # of an array or object: below every tag, so the shorter one sorts first
_UNDEFINED = b"\x01"
_NULL = b"\x02"
_INT64 = b"\x03"
_FLOAT64 = b"\x04"
_FALSE = b"\x05"
_TRUE = b"\x06"
_STRING = b"\x07"
_BYTES = b"\x08"
_ARRAY = b"\x09"
_OBJECT = b"\x0a"

# Inside strings and bytes a zero byte is written 00 FF and the end is 00 00: below all that could follow, and unlike
# a lone 00 no prefix of a longer text.
_ESCAPED_ZERO = b"\x00\xff"
_TEXT_END = b"\x00\x00"

_TAGGED_BITS = Struct(">cQ").pack
_DOUBLE = Struct(">d").pack
_FROM_DOUBLE = Struct(">d").unpack
_SIGN = 1 << 63
_ALL_BITS = (1 << 64) - 1


def order_key(value: Value | Undefined) -> bytes:
    """The order-preserving, self-delimiting bytes of a Value; `1` and `1.0` have the same, `Int64(1)` has others."""
    kind = type(value)
    if kind is str:
        return _string_key(value)  # type: ignore[arg-type]
    if kind is float or kind is int:
        return _float_key(value)  # type: ignore[arg-type]
    return _other_key(value)


def index_key(parts: Iterable[Value | Undefined]) -> bytes:
    """The place of a list of Values in an index over as many fields."""
    return b"".join(map(order_key, parts))


def tail_of(key: bytes) -> tuple[float | None, str]:
    """What ends the key of a document, wherever it stands: its creation time, None under `by_id`, and its id."""
    if not key.endswith(_TEXT_END):  # of by_id: the id itself
        return None, key.decode()
    end = key.rindex(_STRING)  # no letter of an id
    bits = int.from_bytes(key[end - 8 : end])
    (time,) = _FROM_DOUBLE((bits ^ (_SIGN if bits & _SIGN else _ALL_BITS)).to_bytes(8))
    return time, key[end + 1 : -2].decode()


def prefix_end(prefix: bytes) -> bytes | None:
    """The least bytes greater than everything that starts with `prefix`; None when nothing is."""
    stem = prefix.rstrip(b"\xff")
    return stem[:-1] + bytes((stem[-1] + 1,)) if stem else None


def _string_key(value: str) -> bytes:
    text = value.encode()
    if 0 in text:
        text = text.replace(b"\x00", _ESCAPED_ZERO)
    return b"\x07" + text + b"\x00\x00"


def _float_key(value: float) -> bytes:
    # IEEE total order: flip the sign bit of positives and all bits of negatives.
    bits = int.from_bytes(_DOUBLE(value))
    return _TAGGED_BITS(_FLOAT64, bits ^ (_ALL_BITS if bits & _SIGN else _SIGN))


def _other_key(value: Any) -> bytes:
    match value:
        case Undefined.UNDEFINED:
            return _UNDEFINED
        case None:
            return _NULL
        case False:
            return _FALSE
        case True:
            return _TRUE
        case Int64():
            return _TAGGED_BITS(_INT64, value + _SIGN)
        case float() | int():
            return _float_key(value)
        case str():
            return _string_key(value)
        case bytes():
            return _BYTES + value.replace(b"\x00", _ESCAPED_ZERO) + _TEXT_END
        case list():
            return _ARRAY + index_key(value) + _END
        case dict():
            pairs = (part for name in sorted(value) for part in (name, value[name]))
            return _OBJECT + index_key(pairs) + _END
        case _:
            raise TypeError(f"{value!r} is not a Value")
