"""Value: any storable datum, and the JSON forms it takes.

The canonical form, *encoded JSON* (reference §3.2), is what is stored, hashed, compared and sent: one Value, one
sequence of bytes. Bytes, Int64 and the floats JSON cannot say (NaN, ±Infinity, -0) are objects of one `$` key.

Sizes and limits are in bounds.py (`size_of`, `check_value`, … can be imported from here too), order in order.py.

Speed: nearly all data need nothing special, so each function first asks a question that C answers ("are all members of
this dict of plain types?", "does this text hold `"$`?") and only then walks.
"""

from __future__ import annotations

import hashlib
from binascii import a2b_base64, b2a_base64
from collections.abc import Callable, Iterable
from struct import Struct
from types import NoneType
from typing import Any, TypeAlias

import orjson

from reactor.errors import InvalidValue
from reactor.limits import DEFAULT_LIMITS
from reactor.values.bounds import (
    MAX_SAFE_INTEGER,
    Misfit,
    TooNested,
    check_document,
    check_value,
    nesting_of,
    size_of,
)
from reactor.values.int64 import Int64

__all__ = [
    "MAX_SAFE_INTEGER",
    "Int64",
    "Value",
    "check_document",
    "check_value",
    "decode",
    "decode_plain",
    "digest",
    "encode",
    "from_json",
    "nesting_of",
    "render",
    "size_of",
    "to_clean_json",
    "to_json",
]

Value: TypeAlias = bool | int | float | Int64 | str | bytes | list["Value"] | dict[str, "Value"] | None
"""A JavaScript number is a `float` or a plain `int` within ±(2^53 - 1), and `1` is the same Value as `1.0`."""

_FLOAT = Struct("<d")
_INTEGER = Struct("<q")

_ENCODE = orjson.OPT_SORT_KEYS | orjson.OPT_STRICT_INTEGER
_PLAIN = frozenset({NoneType, bool, int, str})  # encoded JSON writes them as orjson does
_SETTLED = frozenset({NoneType, bool, float, str})  # parsed JSON of these types is the Value (an int may be too big)
_ALL_PLAIN = _PLAIN.issuperset
_ALL_SETTLED = _SETTLED.issuperset

_ONE_DIGIT = bytes.maketrans(b"123456789", b"000000000")
_LONG_NUMBER = b"0" * 16  # 2^53 has sixteen digits


# ── writing ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def encode(value: Value) -> bytes:
    """The canonical encoded JSON of a Value: keys sorted by code point, integral floats below 2^53 without a fraction.

    Equal Values give equal bytes, unequal ones unequal bytes. Raises InvalidValue, with the path, for what is no Value;
    limits of size and nesting are `check_value`'s business.
    """
    try:
        data = orjson.dumps(_tree(value), option=_ENCODE)
        if b"$" in data and b'"$' in data:  # one byte is looked for much faster than two
            _refuse_reserved(value)
    except (TypeError, RecursionError) as error:
        check_value(value)  # knows the path and the words
        raise InvalidValue(f"This cannot be encoded: {error}.") from error
    except Misfit as misfit:
        misfit.refuse()
    return data


def to_json(value: Value) -> Any:
    """The tree of the encoded JSON, for a larger tree that holds it. It shares with `value` all that is plain."""
    try:
        tree = _tree(value)
        _refuse_reserved(value)
    except (TypeError, RecursionError) as error:
        check_value(value)
        raise InvalidValue(f"This cannot be encoded: {error}.") from error
    except Misfit as misfit:
        misfit.refuse()
    return tree


def _tree(value: Any) -> Any:
    """`value` with specials written out; itself if there are none."""
    kind = type(value)
    if kind in _PLAIN:
        return value
    if kind is dict:
        return value if _ALL_PLAIN(map(type, value.values())) else _members_tree(value, value.items())
    if kind is list:
        return value if _ALL_PLAIN(map(type, value)) else _members_tree(value, enumerate(value))
    return _scalar_tree(value)


def _members_tree(value: Any, members: Iterable[tuple[Any, Any]]) -> Any:
    """`value`, a dict or a list, with its members written out: a copy as soon as one of them changes."""
    tree = value
    for place, item in members:
        kind = type(item)
        if kind in _PLAIN:
            continue
        if kind is float:
            if item % 1.0 > 0.0:  # false for all that JSON writes otherwise: integral, -0, NaN, ±Infinity
                continue
            written = _float_tree(item)
        else:
            written = _tree(item)
        if written is not item:
            if tree is value:
                tree = value.copy()
            tree[place] = written
    return tree


def _scalar_tree(value: object) -> Any:
    if isinstance(value, float):
        return _float_tree(float(value))
    if isinstance(value, Int64):
        return {"$integer": _base64(_INTEGER.pack(value))}
    if type(value) is bytes:
        return {"$bytes": _base64(value)}
    if isinstance(value, str):  # an Id, a member of a StrEnum
        return str.__str__(value)
    if isinstance(value, int):  # a member of an IntEnum
        return int(value)
    raise TypeError(f"{type(value).__name__} is not a Value")


def _float_tree(value: float) -> Any:
    if value - value != 0.0 or (value == 0.0 and _FLOAT.pack(value) != bytes(8)):
        return {"$float": _base64(_FLOAT.pack(value))}
    if -MAX_SAFE_INTEGER <= value <= MAX_SAFE_INTEGER and value.is_integer():
        return int(value)
    return value


def _refuse_reserved(value: Any) -> None:
    """Misfit if a key starts with `$`: written out it would read as something else."""
    if type(value) is dict:
        if "$" in "".join(value):
            for key in value:
                if key[:1] == "$":
                    raise Misfit(f"Field name `{key}` starts with `$`, which is reserved. Rename the field.")
        members: Any = value.items()
    elif type(value) is list:
        members = enumerate(value)
    else:
        return
    for step, item in members:
        if type(item) is dict or type(item) is list:
            try:
                _refuse_reserved(item)
            except Misfit as misfit:
                raise misfit.at(step) from None


def _base64(data: bytes) -> str:
    return b2a_base64(data, newline=False).decode("ascii")


# ── reading ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def decode(data: bytes | str, *, max_nesting: int = DEFAULT_LIMITS.value_nesting) -> Value:
    """The Value of an encoded JSON text; canonical or not, but strict about what it says.

    Raises InvalidValue for anything else: what is no JSON (NaN literals and lone surrogates included), unknown `$`
    keys, malformed specials, more than `max_nesting` levels. The other limits are `check_value`'s business.
    """
    try:
        raw = data.encode() if isinstance(data, str) else data
        tree = orjson.loads(raw)
    except ValueError as error:  # UnicodeEncodeError is one
        raise InvalidValue(f"This cannot be read as JSON: {error}. Send encoded JSON.") from None
    if (
        (b"$" not in raw or b'"$' not in raw)  # one byte is looked for much faster than more
        and (b"\\" not in raw or b"\\u0024" not in raw)  # `$` in disguise
        and raw.count(b"[") + raw.count(b"{") <= max_nesting
        and _LONG_NUMBER not in raw.translate(_ONE_DIGIT)
    ):
        return tree  # type: ignore[no-any-return]
    return from_json(tree, max_nesting=max_nesting)


def decode_plain(data: bytes, *, max_nesting: int) -> Value:
    """The Value of a text in which nothing needs a closer look than C has: `decode` and `check_value` would find the
    same, but for sizes. None is for the others, and for what is no JSON.
    """
    if (
        data.isascii()
        and b"$" not in data
        and b"\\" not in data  # no names and no texts but of the characters seen here
        and b"\x7f" not in data
        and data.count(b"[") + data.count(b"{") <= max_nesting
        and _LONG_NUMBER not in data.translate(_ONE_DIGIT)
    ):
        try:
            return orjson.loads(data)  # type: ignore[no-any-return]
        except ValueError:
            pass
    return None


def from_json(tree: Any, *, max_nesting: int = DEFAULT_LIMITS.value_nesting) -> Value:
    """The Value of a parsed encoded JSON tree, which must come from a strict parser.

    The result shares with `tree` all that is plain; `tree` is not changed. Raises InvalidValue as `decode` does.
    """
    try:
        value: Value = _read(tree, max_nesting)
    except TooNested as misfit:
        misfit.why = TooNested(max_nesting).why  # _read knows only how much room is left
        misfit.refuse()
    except Misfit as misfit:
        misfit.refuse()
    return value


def _read(tree: Any, room: int) -> Any:
    kind = type(tree)
    if kind is dict:
        if "$" in "".join(tree):
            for key in tree:
                if key[:1] == "$":
                    return _read_special(tree, key)
        if room <= 0:
            raise TooNested(0)
        return tree if _ALL_SETTLED(map(type, tree.values())) else _read_members(tree, tree.items(), room - 1)
    if kind is list:
        if room <= 0:
            raise TooNested(0)
        return tree if _ALL_SETTLED(map(type, tree)) else _read_members(tree, enumerate(tree), room - 1)
    if kind is int and not -MAX_SAFE_INTEGER <= tree <= MAX_SAFE_INTEGER:
        return float(tree)
    return tree


def _read_members(tree: Any, members: Iterable[tuple[Any, Any]], room: int) -> Any:
    """`tree`, a dict or a list, with its members read: a copy as soon as one of them changes."""
    value = tree
    for place, item in members:
        kind = type(item)
        if kind in _SETTLED or (kind is int and -MAX_SAFE_INTEGER <= item <= MAX_SAFE_INTEGER):
            continue
        try:
            read = _read(item, room)
        except Misfit as misfit:
            raise misfit.at(place) from None
        if read is not item:
            if value is tree:
                value = tree.copy()
            value[place] = read
    return value


def _read_special(tree: dict[str, Any], key: str) -> Any:
    reader = _SPECIALS.get(key)
    if reader is None:
        raise Misfit(f"Field name `{key}` starts with `$`, which is reserved. Rename the field.")
    if len(tree) != 1:
        raise Misfit(f"An object with `{key}` must have no other key.")
    text = tree[key]
    try:
        if type(text) is not str:
            raise ValueError(f"it is a {type(text).__name__}")
        return reader(a2b_base64(text, strict_mode=True))
    except ValueError as error:
        raise Misfit(f"`{key}` must hold a string of base64 ({error}).") from None


def _read_integer(data: bytes) -> Int64:
    if len(data) != 8:
        raise ValueError(f"of 8 bytes, not {len(data)}")
    return int.__new__(Int64, _INTEGER.unpack(data)[0])


def _read_float(data: bytes) -> float:
    if len(data) != 8:
        raise ValueError(f"of 8 bytes, not {len(data)}")
    value: float = _FLOAT.unpack(data)[0]
    if type(_float_tree(value)) is not dict:
        raise ValueError(f"{value} is an ordinary number, which is written as one")
    return value


_SPECIALS: dict[str, Callable[[bytes], Value]] = {"$integer": _read_integer, "$float": _read_float, "$bytes": bytes}


# ── other forms ───────────────────────────────────────────────────────────────────────────────────────────────────────


def to_clean_json(value: Value) -> Any:
    """The tree of the HTTP format "json" (reference §2.2), which cannot be read back.

    An Int64 is a decimal string, bytes are base64, NaN and the infinities are their names.
    """
    if isinstance(value, dict):
        return {key: to_clean_json(item) for key, item in value.items()}
    if isinstance(value, list):
        return [to_clean_json(item) for item in value]
    if isinstance(value, Int64):
        return str(value)
    if isinstance(value, bytes):
        return _base64(value)
    if isinstance(value, float):
        if value - value != 0.0:
            return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"
        return -0.0 if type(written := _float_tree(value)) is dict else written
    return _tree(value)


def render(value: Value) -> str:
    """The Value as messages to people show it (reference §4.3): `{a: 1.0, b: "x"}`."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {render(value[key])}" for key in sorted(value)) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(render, value)) + "]"
    if isinstance(value, bytes):
        return f'b"{_base64(value)}"'
    if isinstance(value, str):
        return orjson.dumps(value).decode()
    if isinstance(value, Int64):
        return str(value)
    if isinstance(value, bool) or value is None:
        return orjson.dumps(value).decode()
    return repr(float(value)).replace("nan", "NaN").replace("e+", "e")


def digest(data: bytes) -> bytes:
    """Sixteen bytes that stand for `data`: two results with one digest are the same result."""
    return hashlib.blake2b(data, digest_size=16).digest()
