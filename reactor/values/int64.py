"""Int64: the 64-bit integer of the wire (JavaScript's BigInt), which plain Python numbers are not."""

from __future__ import annotations

from typing import Self, SupportsIndex

from reactor.errors import InvalidValue

INT64_MIN = -(1 << 63)
INT64_MAX = (1 << 63) - 1


class Int64(int):
    """A signed 64-bit integer; JavaScript clients see a BigInt.

    A plain `int` is a JavaScript number and must stay within ±(2^53 - 1); `Int64` says that the value is the other
    kind, which never equals a number in the database. Arithmetic gives plain `int`s: wrap the result again.
    """

    __slots__ = ()

    def __new__(cls, value: SupportsIndex) -> Self:
        """Raises InvalidValue when `value` needs more than 64 bits."""
        number = int.__new__(cls, value)
        if not INT64_MIN <= number <= INT64_MAX:
            raise InvalidValue(f"{int(number)} does not fit into an Int64 (-2^63 to 2^63 - 1). Store it as a string.")
        return number

    def __repr__(self) -> str:
        return f"Int64({int.__repr__(self)})"

    __str__ = int.__repr__  # people print numbers, and f-strings use it
