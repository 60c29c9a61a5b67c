"""Cells: what a text in a CSV file is as a Value, given what the schema says of its field."""

from __future__ import annotations

import re
from collections.abc import Iterator

import orjson

from reactor.errors import InvalidValue
from reactor.values.int64 import Int64
from reactor.values.validator import (
    AnyV,
    ArrayV,
    BigIntV,
    BooleanV,
    BytesV,
    IdV,
    LiteralV,
    NullV,
    NumberV,
    ObjectV,
    RecordV,
    StringV,
    UnionV,
    Validator,
)
from reactor.values.value import Value, decode

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_INTEGER = re.compile(r"[+-]?\d{1,19}")


def value_of_cell(text: str, validator: Validator | None) -> Value:
    """The Value: a number if it looks like one, else the text, where the schema does not say otherwise."""
    if validator is None:
        return float(text) if _NUMBER.fullmatch(text) else text
    for kind in _kinds(validator):
        found = _read(text, kind)
        if found is not None:
            return found[0]
    return text


def _kinds(validator: Validator) -> Iterator[Validator]:
    """What the text may be, the stricter kinds first: text is tried last."""
    members = list(validator.members) if isinstance(validator, UnionV) else [validator]
    yield from (each for each in members if not isinstance(each, StringV | IdV | AnyV))
    yield from (each for each in members if isinstance(each, StringV | IdV | AnyV))


def _read(text: str, kind: Validator) -> tuple[Value] | None:
    """The Value in a tuple; None when it is no such thing."""
    match kind:
        case StringV() | IdV():
            return (text,)
        case NumberV():
            return (float(text),) if _NUMBER.fullmatch(text) else _json(text)
        case BigIntV():
            return (Int64(int(text)),) if _INTEGER.fullmatch(text) and abs(int(text)) < 1 << 63 else _json(text)
        case BooleanV():
            return {"true": (True,), "false": (False,)}.get(text.lower())
        case NullV():
            return (None,) if text in ("", "null") else None
        case LiteralV(value):
            return (value,) if text == (value if isinstance(value, str) else orjson.dumps(value).decode()) else None
        case AnyV():
            return (value_of_cell(text, None),)
        case BytesV() | ArrayV() | RecordV() | ObjectV() | UnionV():
            return _json(text)


def _json(text: str) -> tuple[Value] | None:
    if not text.startswith(("{", "[")):
        return None
    try:
        return (decode(text),)
    except InvalidValue:
        return None
