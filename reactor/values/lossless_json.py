"""The JSON of snapshot archives: numbers with a fraction are floats, those without are int64.

As `<table>/documents.jsonl` beside a `generated_schema.jsonl` that says "uniform". Bytes, NaN and the infinities are
objects of one `$` key, as in encoded JSON; -0 is `-0.0`.
"""

from __future__ import annotations

from typing import Any

from reactor.values.int64 import Int64
from reactor.values.value import Value, from_json, to_json

_LEAST, _MOST = -(1 << 63), (1 << 63) - 1


def to_lossless_json(value: Value) -> Any:
    """The tree of a Value, for a JSON writer that gives every float a fraction or an exponent."""
    if isinstance(value, dict):
        return {key: to_lossless_json(item) for key, item in value.items()}
    if isinstance(value, list):
        return [to_lossless_json(item) for item in value]
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, Int64):
        return int(value)
    if isinstance(value, int | float):
        number = float(value)
        return number if number - number == 0.0 else to_json(number)
    return to_json(value)


def from_lossless_json(tree: Any) -> Value:
    """The Value of a parsed tree. Raises InvalidValue for unknown `$` keys and malformed specials."""
    if isinstance(tree, dict):
        if any(key[:1] == "$" for key in tree):
            return from_json(tree)
        return {key: from_lossless_json(item) for key, item in tree.items()}
    if isinstance(tree, list):
        return [from_lossless_json(item) for item in tree]
    if isinstance(tree, int) and not isinstance(tree, bool):
        return Int64(tree) if _LEAST <= tree <= _MOST else float(tree)
    value: Value = tree
    return value
