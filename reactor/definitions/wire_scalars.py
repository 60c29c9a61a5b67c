"""How single data cross the wire: pieces of pydantic core schema for numbers, moments, enums, literals and ids.

Each piece validates a Value into what user code sees, and serialises that into a Value again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta  # the real ones: calls that freeze time replace them later
from enum import Enum
from typing import Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from reactor.values.value import MAX_SAFE_INTEGER, Int64

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def _int64_schema(cls: type[Int64], _source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
    return core_schema.is_instance_schema(cls)


# Values know nothing of pydantic, so the hook by which pydantic asks a class for its schema is added here, where
# pydantic begins: `reactor.Int64` comes from this module, so no user's model can mention it before.
setattr(Int64, "__get_pydantic_core_schema__", classmethod(_int64_schema))  # noqa: B010


# ── numbers ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def float_schema(schema: Any) -> CoreSchema:
    """A JavaScript number; an Int64, though an `int` to Python, is none."""
    return core_schema.no_info_before_validator_function(_number, {**schema, "strict": True})


def int_schema(schema: Any) -> CoreSchema:
    """An integral JavaScript number: `3` and `3.0`, not `3.5`, within ±(2^53 - 1)."""
    return core_schema.no_info_before_validator_function(_integer, {**schema, "strict": True})


def plain_type(schema: Any) -> type | None:
    """`str` or `int` if the schema, one of ours, takes what is of this type as it is: any ASCII, any small number."""
    if schema["type"] == "default":
        schema = schema["schema"]
    if schema["type"] == "function-before" and schema["function"]["function"] is _integer:
        schema = schema["schema"]
        return int if schema == {"type": "int", "strict": True} else None
    return str if schema == {"type": "str", "strict": True} else None


def _number(value: Any) -> Any:
    if type(value) is Int64:
        raise _int64_is_no_number()
    return value


def _integer(value: Any) -> Any:
    kind = type(value)
    if kind is float:
        if not value.is_integer():
            return value  # the int schema has the words
        value = int(value)
    elif kind is not int:
        if kind is Int64:
            raise _int64_is_no_number()
        return value
    if -MAX_SAFE_INTEGER <= value <= MAX_SAFE_INTEGER:
        return value
    raise PydanticCustomError(
        "beyond_safe_integer",
        "An int beyond ±(2^53 - 1) loses digits in JavaScript. Declare it as reactor.Int64, which is a BigInt there.",
    )


def _int64_is_no_number() -> PydanticCustomError:
    return PydanticCustomError("int64", "An Int64 (BigInt) is no number. Declare it as reactor.Int64.")


# ── moments ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def datetime_schema(schema: Any) -> CoreSchema:
    """An aware `datetime` in Python, epoch milliseconds outside."""
    return core_schema.chain_schema(
        [
            core_schema.no_info_plain_validator_function(_moment),
            {**schema, "strict": True, "tz_constraint": "aware"},
        ],
        serialization=core_schema.plain_serializer_function_ser_schema(milliseconds),
    )


def _moment(value: Any) -> datetime:
    kind = type(value)
    if kind is float or kind is int:
        try:
            return EPOCH + timedelta(milliseconds=value)
        except (OverflowError, ValueError):
            pass
    raise PydanticCustomError("epoch_milliseconds", "Input should be a time in milliseconds since 1970 (UTC).")


def milliseconds(moment: Any) -> Any:
    """Epoch milliseconds of an aware datetime, to the microsecond. ValueError for a naive one."""
    if not isinstance(moment, datetime):
        return moment  # not what was declared: whoever checks the Value will say so
    if moment.tzinfo is None:
        raise ValueError(
            f"{moment!r} has no time zone, so it names no moment. Use ctx.now, or datetime.now(timezone.utc)."
        )
    return (moment - EPOCH) / _MICROSECOND / 1000


# ── choices ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def literal_schema(expected: Sequence[Any]) -> CoreSchema:
    """One of some strings, numbers and booleans."""
    if all(type(value) is str for value in expected):
        return core_schema.literal_schema(list(expected))
    return _choice_schema({_kind_and_value(value): value for value in expected})  # pydantic's takes True for 1


def enum_schema(members: Sequence[Enum]) -> CoreSchema:
    """A member of an enum in Python, its value outside."""
    serialization = core_schema.plain_serializer_function_ser_schema(_value_of_member)
    return _choice_schema({_kind_and_value(member.value): member for member in members}, serialization)


def _choice_schema(
    choices: dict[tuple[type, Any], Any], serialization: core_schema.SerSchema | None = None
) -> CoreSchema:
    expected = ", ".join(repr(value) for _, value in choices)

    def choose(value: Any) -> Any:
        # Only hashable Values can be among them.
        if value is None or isinstance(value, (str, float, int)):
            key = _kind_and_value(value)
            if key in choices:
                return choices[key]
        raise PydanticCustomError("choice", "Input should be one of {expected}.", {"expected": expected})

    return core_schema.no_info_plain_validator_function(choose, serialization=serialization)


def _kind_and_value(value: Any) -> tuple[type, Any]:
    """Tells `1` from `True`, but not `1` from `1.0`."""
    if isinstance(value, bool):
        return bool, value
    if isinstance(value, str):
        return str, str.__str__(value)
    return float if type(value) is int else type(value), value


def _value_of_member(member: Any) -> Any:
    return member.value if isinstance(member, Enum) else member


# ── ids ───────────────────────────────────────────────────────────────────────────────────────────────────────────────


def id_schema(table: str | None) -> CoreSchema:
    """An id whose table is checked when the validation context is a TableOfId; any table's when `table` is None."""

    def check(value: str, info: core_schema.ValidationInfo[Callable[[str], str | None] | None]) -> str:
        if info.context is not None:
            found = info.context(value)
            if found is None or (table is not None and found != table):
                raise PydanticCustomError("id", "Input should be the id of a document of the right table.")
        return value

    return core_schema.with_info_after_validator_function(check, core_schema.str_schema(strict=True))
