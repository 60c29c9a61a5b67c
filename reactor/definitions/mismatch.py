"""What to say when pydantic refused a Value: the words of reference §4.3, then pydantic's where those have none."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from pydantic import ValidationError

from reactor.errors import InvalidValue
from reactor.values.validator import (
    ArrayV,
    NullV,
    ObjectV,
    RecordV,
    TableOfId,
    UnionV,
    Validator,
    explain,
    render_validator,
)
from reactor.values.value import Value, check_value, render


class _EveryTable(str):
    """Stands for the table of an id where no catalog is at hand: equal to whichever is asked for."""

    __slots__ = ()

    def __eq__(self, _other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]


def _unchecked(_id: str) -> str:
    return _EveryTable()


def mismatch_text(
    error: ValidationError, validator: Validator, value: Value, table_of_id: TableOfId | None = None
) -> str:
    """The message for a Value that pydantic refused.

    `explain` knows types, missing and extra fields; a constraint (`max_length`, a user's validator) only pydantic
    knows, so its sentence is added to the ordinary form.
    """
    try:
        check_value(value)  # what user code returned need not even be a Value
    except InvalidValue as invalid:
        return str(invalid)
    text = explain(validator, value, table_of_id=table_of_id or _unchecked)
    if text is not None:
        return text
    first = error.errors(include_url=False)[0]
    path, part, at = _follow(first["loc"], validator, value)
    context = f"Path: {path}" if path else ""
    return (
        f"Value does not match validator.\n{context}\nValue: {render(part)}\n"
        f"Validator: {render_validator(at)}\n{first['msg']}"
    )


def _follow(location: Sequence[str | int], validator: Validator, value: Value) -> tuple[str, Value, Validator]:
    """The path, Value and Validator that pydantic's location means; names of union members in it are passed over."""
    path = ""
    for step in location:
        if isinstance(value, dict) and isinstance(step, str) and step in value:
            value, path = value[step], f"{path}.{step}"
        elif isinstance(value, list) and isinstance(step, int) and step < len(value):
            value, path = value[step], f"{path}[{step}]"
        else:
            continue
        validator = _inside(validator, step)
    return path, value, validator


def _inside(validator: Validator, step: str | int) -> Validator:
    match validator:
        case ArrayV(item):
            return item
        case RecordV(_, values):
            return values
        case ObjectV(fields):
            return next((each.validator for each in fields if each.name == step), validator)
        case UnionV(members):
            holders = [each for each in members if not isinstance(each, NullV) and _inside(each, step) is not each]
            return _inside(holders[0], step) if holders else validator
        case _:
            return validator


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """` Did you mean …?` with a known name like this one, or else the known names; to be put behind a sentence."""
    names = list(known)
    close = get_close_matches(name, names, n=1)
    if close:
        return f" Did you mean `{close[0]}`?"
    return f" There are: {', '.join(f'`{each}`' for each in names)}." if names else ""
