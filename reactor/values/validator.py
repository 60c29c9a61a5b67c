"""Validator: tells whether a Value fits a declared shape, and in which words it does not (reference §4.3).

Validators are plain records, a closed union, with one spelling for machines (`to_export`, `from_export`) and one for
people (`render_validator`). They are described by declarations in Python, but know nothing of Python types.

One deliberate difference to the reference: an optional field also accepts null.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias, assert_never

import orjson

from reactor.errors import InvalidValue
from reactor.values.int64 import Int64
from reactor.values.order import order_key
from reactor.values.value import Value, from_json, render, to_json


@dataclass(frozen=True, slots=True)
class AnyV:
    """Every Value fits."""


@dataclass(frozen=True, slots=True)
class NullV:
    """Null."""


@dataclass(frozen=True, slots=True)
class NumberV:
    """A JavaScript number: `float` or plain `int`."""


@dataclass(frozen=True, slots=True)
class BigIntV:
    """An Int64."""


@dataclass(frozen=True, slots=True)
class BooleanV:
    """True or false."""


@dataclass(frozen=True, slots=True)
class StringV:
    """A string."""


@dataclass(frozen=True, slots=True)
class BytesV:
    """Bytes."""


@dataclass(frozen=True, slots=True, eq=False)
class LiteralV:
    """One string, number, Int64 or boolean. Equal as Values are: 1 is 1.0, and neither True nor Int64(1)."""

    value: str | float | Int64 | bool

    def __eq__(self, other: object) -> bool:
        return order_key(self.value) == order_key(other.value) if isinstance(other, LiteralV) else NotImplemented

    def __hash__(self) -> int:
        return hash(order_key(self.value))


@dataclass(frozen=True, slots=True)
class IdV:
    """The id of a document of `table`, which need not exist."""

    table: str


@dataclass(frozen=True, slots=True)
class ArrayV:
    """An array whose elements all fit `item`."""

    item: Validator


@dataclass(frozen=True, slots=True)
class RecordV:
    """An object of any number of fields: names fit `keys`, members fit `values`."""

    keys: Validator
    values: Validator


@dataclass(frozen=True, slots=True)
class Field:
    """A field of an object; an optional one may be missing or null."""

    name: str
    validator: Validator
    optional: bool = False


@dataclass(frozen=True, slots=True)
class ObjectV:
    """An object of exactly these fields. `table` is set when it is the stored document of that table."""

    fields: tuple[Field, ...]
    table: str | None = None
    by_name: tuple[Field, ...] = field(init=False, repr=False, compare=False)  # the order of checking
    names: frozenset[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        by_name = tuple(sorted(self.fields, key=lambda each: each.name))
        object.__setattr__(self, "by_name", by_name)
        object.__setattr__(self, "names", frozenset(each.name for each in by_name))


@dataclass(frozen=True, slots=True)
class UnionV:
    """What fits one of the members; nothing fits an empty union."""

    members: tuple[Validator, ...]


Validator: TypeAlias = "AnyV | NullV | NumberV | BigIntV | BooleanV | StringV | BytesV | LiteralV | IdV | ArrayV | RecordV | ObjectV | UnionV"

TableOfId: TypeAlias = Callable[[str], str | None]
"""The name of the table whose ids look like this; None for a text that is no id of a known table."""


# ── for machines ──────────────────────────────────────────────────────────────────────────────────────────────────────

_SCALARS: dict[str, Validator] = {
    "any": AnyV(),
    "null": NullV(),
    "number": NumberV(),
    "bigint": BigIntV(),
    "boolean": BooleanV(),
    "string": StringV(),
    "bytes": BytesV(),
}
_SCALAR_TYPES = {validator: name for name, validator in _SCALARS.items()}


def to_export(validator: Validator) -> dict[str, Any]:
    """The JSON tree of function-spec, schema push and codegen. Documents of a table have a key `table` beyond those."""
    match validator:
        case AnyV() | NullV() | NumberV() | BigIntV() | BooleanV() | StringV() | BytesV():
            return {"type": _SCALAR_TYPES[validator]}
        case LiteralV(value):
            return {"type": "literal", "value": to_json(value)}
        case IdV(table):
            return {"type": "id", "tableName": table}
        case ArrayV(item):
            return {"type": "array", "value": to_export(item)}
        case RecordV(keys, values):
            return {"type": "record", "keys": to_export(keys), "values": _field_export(Field("", values))}
        case ObjectV(fields, table):
            members = {each.name: _field_export(each) for each in fields}
            return {"type": "object", "value": members} | ({} if table is None else {"table": table})
        case UnionV(members):
            return {"type": "union", "value": [to_export(member) for member in members]}
    assert_never(validator)


def from_export(tree: Any) -> Validator:
    """The Validator of an exported tree. Raises InvalidValue for a tree that is none."""
    try:
        return _from_export(tree)
    except (KeyError, TypeError, AttributeError) as error:
        raise InvalidValue(f"This is no exported validator: {error!r} in {tree!r}.") from error


def _field_export(each: Field) -> dict[str, Any]:
    return {"fieldType": to_export(each.validator), "optional": each.optional}


def _from_export(tree: Any) -> Validator:
    match tree["type"]:
        case "literal":
            return LiteralV(_literal(from_json(tree["value"])))
        case "id":
            return IdV(tree["tableName"])
        case "array":
            return ArrayV(_from_export(tree["value"]))
        case "record":
            return RecordV(_from_export(tree["keys"]), _from_export(tree["values"]["fieldType"]))
        case "object":
            fields = tree["value"].items()
            return ObjectV(
                tuple(Field(name, _from_export(each["fieldType"]), each["optional"]) for name, each in fields),
                tree.get("table"),
            )
        case "union":
            return UnionV(tuple(map(_from_export, tree["value"])))
        case scalar:
            return _SCALARS[scalar]


def _literal(value: Value) -> str | float | Int64 | bool:
    if isinstance(value, (str, float, int)):
        return value
    raise TypeError(f"{render(value)} cannot be a literal")


# ── for people ────────────────────────────────────────────────────────────────────────────────────────────────────────


def render_validator(validator: Validator) -> str:
    """The validator as its builder call: `v.object({a: v.optional(v.string())})`."""
    match validator:
        case AnyV() | NullV() | BooleanV() | StringV() | BytesV():
            return f"v.{_SCALAR_TYPES[validator]}()"
        case NumberV():
            return "v.float64()"
        case BigIntV():
            return "v.int64()"
        case LiteralV(value):
            return f"v.literal({_render_literal(value)})"
        case IdV(table):
            return f'v.id("{table}")'
        case ArrayV(item):
            return f"v.array({render_validator(item)})"
        case RecordV(keys, values):
            return f"v.record({render_validator(keys)}, {render_validator(values)})"
        case ObjectV():
            return "v.object({" + ", ".join(map(_render_field, validator.by_name)) + "})"
        case UnionV(members):
            return f"v.union({', '.join(map(render_validator, members))})"
    assert_never(validator)


def _render_field(each: Field) -> str:
    inner = render_validator(each.validator)
    return f"{each.name}: v.optional({inner})" if each.optional else f"{each.name}: {inner}"


def _render_literal(value: str | float | Int64 | bool) -> str:
    return "<bigint>" if isinstance(value, Int64) else orjson.dumps(to_json(value)).decode()


# ── checking ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def explain(validator: Validator, value: Value, *, table_of_id: TableOfId) -> str | None:
    """None when the Value fits; otherwise the message of reference §4.3 about the first thing that does not."""
    mismatch = _check(validator, value, table_of_id)
    return None if mismatch is None else mismatch.message()


class _Mismatch:
    """The first thing that does not fit. Each level adds its step while it is handed out."""

    __slots__ = ("_inline", "_sentence", "_steps", "_validator", "_value")

    def __init__(self, sentence: str, validator: Validator, value: Value, *, inline: bool = False) -> None:
        self._sentence = sentence
        self._validator = validator
        self._value = value
        self._inline = inline
        self._steps: list[str] = []  # innermost first; appended to in `at` only

    def at(self, step: str) -> _Mismatch:
        self._steps.append(step)
        return self

    def message(self) -> str:
        context = "Path: " + "".join(reversed(self._steps)) if self._steps else ""
        if self._inline:
            return f"{self._sentence}\n{context}" if context else self._sentence
        noun = "Value" if self._sentence == _NO_MATCH else "Object"
        validator = render_validator(self._validator)
        return f"{self._sentence}\n{context}\n{noun}: {render(self._value)}\nValidator: {validator}"


_NO_MATCH = "Value does not match validator."


def _check(validator: Validator, value: Value, table_of_id: TableOfId) -> _Mismatch | None:
    kind = type(value)
    match validator:
        case StringV():
            fits = isinstance(value, str)
        case NumberV():
            fits = kind is float or kind is int or (isinstance(value, (float, int)) and not _is_bool_or_int64(value))
        case IdV():
            return _check_id(validator, value, table_of_id)
        case ObjectV():
            return _check_object(validator, value, table_of_id)
        case ArrayV():
            return _check_array(validator, value, table_of_id)
        case UnionV(members):
            if len(members) == 1:
                return _check(members[0], value, table_of_id)
            fits = any(_check(member, value, table_of_id) is None for member in members)
        case LiteralV():
            return _check_literal(validator, value)
        case BooleanV():
            fits = kind is bool
        case NullV():
            fits = value is None
        case AnyV():
            fits = True
        case RecordV():
            return _check_record(validator, value, table_of_id)
        case BigIntV():
            fits = kind is Int64
        case BytesV():
            fits = kind is bytes
        case _:
            assert_never(validator)
    return None if fits else _Mismatch(_NO_MATCH, validator, value)


def _is_bool_or_int64(value: object) -> bool:
    return isinstance(value, (bool, Int64))


def _check_id(validator: IdV, value: Value, table_of_id: TableOfId) -> _Mismatch | None:
    table = table_of_id(value) if isinstance(value, str) else None
    if table == validator.table:
        return None
    if table is None:
        return _Mismatch(_NO_MATCH, validator, value)
    sentence = (
        f'Found ID "{value!s}" from table `{table}`, which does not match the table name in validator '
        f'`v.id("{validator.table}")`.'
    )
    return _Mismatch(sentence, validator, value, inline=True)


def _check_literal(validator: LiteralV, value: Value) -> _Mismatch | None:
    if order_key(value) == order_key(validator.value):
        return None
    sentence = f"`{render(value)}` does not match literal validator `{render_validator(validator)}`."
    return _Mismatch(sentence, validator, value, inline=True)


def _check_array(validator: ArrayV, value: Value, table_of_id: TableOfId) -> _Mismatch | None:
    if not isinstance(value, list):
        return _Mismatch(_NO_MATCH, validator, value)
    item_validator = validator.item
    for i, item in enumerate(value):
        mismatch = _check(item_validator, item, table_of_id)
        if mismatch is not None:
            return mismatch.at(f"[{i}]")
    return None


def _check_record(validator: RecordV, value: Value, table_of_id: TableOfId) -> _Mismatch | None:
    if not isinstance(value, dict):
        return _Mismatch(_NO_MATCH, validator, value)
    for name in sorted(value):
        mismatch = _check(validator.keys, name, table_of_id)
        if mismatch is not None:
            return mismatch.at(".keys()")
        mismatch = _check(validator.values, value[name], table_of_id)
        if mismatch is not None:
            return mismatch.at(".values()")
    return None


def _check_object(validator: ObjectV, value: Value, table_of_id: TableOfId) -> _Mismatch | None:
    if not isinstance(value, dict):
        return _Mismatch(_NO_MATCH, validator, value)
    for each in validator.by_name:
        item = value.get(each.name, _MISSING)
        if each.optional and (item is None or item is _MISSING):
            continue
        if item is _MISSING:
            return _Mismatch(_missing(each.name), validator, value)
        mismatch = _check(each.validator, item, table_of_id)
        if mismatch is not None:
            return mismatch.at(f".{each.name}")
    if not validator.names.issuperset(value):
        extra = min(value.keys() - validator.names)
        return _Mismatch(f"Object contains extra field `{extra}` that is not in the validator.", validator, value)
    return None


_MISSING: Any = object()


def _missing(name: str) -> str:
    return (
        f"Object is missing the required field `{name}`. Consider wrapping the field validator in `v.optional(...)` "
        "if this is expected."
    )
