"""Values as tests write them, and the form in which they travel to and from the drivers.

A JS number is a Python `float` (or a plain `int` where the test does not care), an int64 is `BigInt`, an ArrayBuffer
is `bytes`. The travelling form is our own on purpose: the encoding under test must not vouch for itself.
"""

from __future__ import annotations

import math
from typing import Any


class BigInt(int):
    """An int64: a JS bigint, a Python client's ConvexInt64."""

    def __repr__(self) -> str:
        return f"BigInt({int(self)})"


class Absent:
    """What is not there, as distinct from None: JS undefined, an error without data."""

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT = Absent()


def to_tree(value: Any) -> Any:
    match value:
        case Absent():
            return {"$undefined": 1}
        case bool() | str() | None:
            return value
        case BigInt():
            return {"$bigint": str(int(value))}
        case int() | float():
            number = float(value)
            if math.isnan(number):
                return {"$number": "NaN"}
            if math.isinf(number):
                return {"$number": "Infinity" if number > 0 else "-Infinity"}
            return {"$number": "-0"} if number == 0 and math.copysign(1, number) < 0 else number
        case bytes():
            return {"$bytes": value.hex()}
        case list():
            return [to_tree(item) for item in value]
        case dict():
            return {key: to_tree(item) for key, item in value.items()}
        case _:
            raise TypeError(f"no value: {value!r}")


def from_tree(tree: Any) -> Any:
    match tree:
        case {"$undefined": _}:
            return ABSENT
        case {"$bigint": digits}:
            return BigInt(digits)
        case {"$number": "-0"}:
            return -0.0
        case {"$number": "NaN"}:
            return math.nan
        case {"$number": infinity}:
            return math.inf if infinity == "Infinity" else -math.inf
        case {"$bytes": digits}:
            return bytes.fromhex(digits)
        case bool() | str() | None:
            return tree
        case int() | float():
            return float(tree)
        case list():
            return [from_tree(item) for item in tree]
        case dict():
            return {key: from_tree(item) for key, item in tree.items()}
        case _:
            raise TypeError(f"no value: {tree!r}")


def spell(value: Any) -> str:
    """One text for one value: types, the sign of zero and NaN are told apart, the order of keys is not."""
    match value:
        case bool() | str() | bytes() | None | Absent() | BigInt():
            return repr(value)
        case int() | float():
            return repr(float(value))
        case list():
            return f"[{', '.join(map(spell, value))}]"
        case dict():
            return f"{{{', '.join(f'{key!r}: {spell(value[key])}' for key in sorted(value))}}}"
        case _:
            raise TypeError(f"no value: {value!r}")
