"""Is this datum a Value, and within the limits of reference §3.3? And how big and how deep is it?

Not here: whether a Value fits a declared shape (validator.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Any, NoReturn

from reactor.errors import InvalidValue
from reactor.limits import DEFAULT_LIMITS, Limits, setting
from reactor.values.int64 import Int64

MAX_SAFE_INTEGER = (1 << 53) - 1

_SHOWN_STEPS = 12  # of a path in a message: what lies deeper helps nobody
_ONLY_STR = frozenset({str}).issuperset
_DOCUMENT_FIELDS = frozenset({"_id", "_creationTime"})


class Misfit(Exception):
    """What is wrong with one part of a tree. Each level adds its step while the exception passes; `refuse` ends it."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why
        self.steps: list[str] = []  # innermost first; appended to in `at` only

    def at(self, step: str | int) -> Misfit:
        """The same misfit, one level further out."""
        self.steps.append(f"[{step}]" if type(step) is int else f".{step}")
        return self

    def refuse(self, what: str = "") -> NoReturn:
        """Raise it as InvalidValue: the path, what is wrong, what to do."""
        path = "".join(reversed(self.steps[-_SHOWN_STEPS:])) + "…" * (len(self.steps) > _SHOWN_STEPS)
        place = f"{what} at `{path}`: " if path and what else f"At `{path}`: " if path else f"{what}: " if what else ""
        raise InvalidValue(place + self.why) from None


class TooNested(Misfit):
    """Deeper than `nesting` levels."""

    def __init__(self, nesting: int, limit: str = "value_nesting") -> None:
        super().__init__(
            f"Value is too nested ({nesting + 1} > maximum nesting {nesting}). "
            f"Flatten it, or store the inner parts as documents of their own. {setting(limit)}"
        )


def check_value(
    value: object,
    limits: Limits = DEFAULT_LIMITS,
    *,
    max_size: int | None = None,
    max_nesting: int | None = None,
    what: str = "",
) -> int:
    """Make sure that `value` is a Value within the limits; returns its size in bytes.

    `max_size` is for wholes that have one (arguments, a result); `max_nesting` replaces `limits.value_nesting`.
    Raises InvalidValue, whose text names the path, what is wrong and what to do, and starts with `what` if given.
    """
    nesting = limits.value_nesting if max_nesting is None else max_nesting
    try:
        size = _Measure(limits, nesting).size(value, nesting)
        if max_size is not None and size > max_size:
            advice = f" {setting('document_size')}" if max_size == limits.document_size else ""
            raise Misfit(
                f"Value is too large ({size} > maximum size {max_size}). Send or store it in smaller parts.{advice}"
            )
    except TooNested as misfit:
        misfit.why = TooNested(nesting, "value_nesting" if nesting == limits.value_nesting else "document_nesting").why
        misfit.refuse(what)
    except Misfit as misfit:
        misfit.refuse(what)
    return size


def check_document(fields: object, limits: Limits = DEFAULT_LIMITS, *, what: str = "") -> int:
    """Make sure that `fields` can be stored as a document; returns its size in bytes.

    Beyond `check_value`: fields at the top must not start with `_` (the system's `_id` and `_creationTime` may be
    there), nesting is `limits.document_nesting`, size is `limits.document_size`.
    """
    try:
        if type(fields) is not dict:
            raise Misfit(f"A document is a dict of fields, not {_kind(fields)}.")
        for name in fields:
            if type(name) is str and name.startswith("_") and name not in _DOCUMENT_FIELDS:
                raise Misfit(
                    f"Field name `{name}` starts with an underscore, which is reserved for the system in documents. "
                    "Rename the field."
                )
    except Misfit as misfit:
        misfit.refuse(what)
    return check_value(fields, limits, max_size=limits.document_size, max_nesting=limits.document_nesting, what=what)


def size_of(value: Any) -> int:
    """The size of a Value in bytes as limits count it (reference §3.1), which is not the length of its JSON."""
    kind = type(value)
    if kind is str:
        return 2 + (len(value) if value.isascii() else len(value.encode()))
    if kind is dict:
        return 2 + sum(len(key) + 1 + size_of(item) for key, item in value.items())
    if kind is list:
        return 2 + sum(map(size_of, value))
    if value is None or kind is bool:
        return 1
    if kind is bytes:
        return 2 + len(value)
    if isinstance(value, str):
        return 2 + len(value.encode())
    return 9


def nesting_of(value: Any) -> int:
    """How many arrays and objects lie around the deepest scalar: 0 for a scalar, 1 for `[]`."""
    if isinstance(value, dict):
        return 1 + max(map(nesting_of, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(nesting_of, value), default=0)
    return 0


class _Measure:
    """One walk over a datum: sizes are added up, and the first thing that is no Value is a Misfit."""

    __slots__ = ("_array_length", "_name_length", "_nesting", "_object_fields")

    def __init__(self, limits: Limits, nesting: int) -> None:
        self._array_length = limits.array_length
        self._object_fields = limits.object_fields
        self._name_length = limits.field_name_length
        self._nesting = nesting

    def size(self, value: object, room: int) -> int:
        """The size of `value`, which may nest `room` levels deep."""
        kind = type(value)
        if kind is dict:
            return self._object(value, room)  # type: ignore[arg-type]
        if kind is list:
            return self._array(value, room)  # type: ignore[arg-type]
        return _scalar_size(value)

    def _object(self, value: dict[Any, Any], room: int) -> int:
        if room <= 0:
            raise TooNested(self._nesting)
        if len(value) > self._object_fields:
            raise Misfit(
                f"Object has too many fields ({len(value)} > maximum number {self._object_fields}). "
                f"Use an array, or one document for each entry. {setting('object_fields')}"
            )
        return len(value) + self._names(value) + self._members(value.values(), value, room - 1)

    def _names(self, value: dict[Any, Any]) -> int:
        """The length of all names; they are looked at together, and one by one only when something is wrong."""
        if _ONLY_STR(map(type, value)):
            names = "".join(value)
            size = len(names)
            if size <= self._name_length and names.isascii() and names.isprintable() and "$" not in names:
                return size
        for name in value:
            if (
                type(name) is not str
                or name[:1] == "$"
                or len(name) > self._name_length
                or not (name.isascii() and name.isprintable())
            ):
                raise _misnamed(name, self._name_length)
        return sum(map(len, value))

    def _array(self, value: list[Any], room: int) -> int:
        if room <= 0:
            raise TooNested(self._nesting)
        if len(value) > self._array_length:
            raise Misfit(
                f"Array length is too long ({len(value)} > maximum length {self._array_length}). "
                f"Use one document for each element, or several arrays. {setting('array_length')}"
            )
        return self._members(value, range(len(value)), room - 1)

    def _members(self, members: Iterable[Any], steps: Iterable[str | int], room: int) -> int:
        total = 2
        for i, item in enumerate(members):
            kind = type(item)
            if kind is str and item.isascii():
                total += 2 + len(item)
            elif kind is bool or item is None:
                total += 1
            elif kind is float:
                total += 9
            else:
                try:
                    total += self.size(item, room)
                except Misfit as misfit:
                    raise misfit.at(next(islice(steps, i, None))) from None
        return total


def _scalar_size(value: object) -> int:
    if type(value) is int and -MAX_SAFE_INTEGER <= value <= MAX_SAFE_INTEGER:
        return 9
    if value is None or isinstance(value, bool):
        return 1
    if isinstance(value, str):
        try:
            return 2 + len(value.encode())
        except UnicodeEncodeError as error:
            raise Misfit(
                f"This string holds half of a surrogate pair at character {error.start}, which is no Unicode text. "
                "Decode it properly, or store bytes."
            ) from None
    if type(value) is bytes:
        return 2 + len(value)
    if isinstance(value, (Int64, float)):
        return 9
    if isinstance(value, int):
        if -MAX_SAFE_INTEGER <= value <= MAX_SAFE_INTEGER:
            return 9
        raise Misfit(f"{value} is beyond ±(2^53 - 1), where numbers lose digits. Use reactor.Int64, or a string.")
    raise Misfit(f"{_kind(value)} is not a Value. {_ADVICE.get(type(value).__name__, _ANY_ADVICE)}")


_ANY_ADVICE = "Values are None, bool, int, float, Int64, str, bytes, and lists and dicts of them."
_ADVICE = {
    "tuple": "Use a list.",
    "set": "Use a list.",
    "frozenset": "Use a list.",
    "bytearray": "Use bytes.",
    "memoryview": "Use bytes.",
    "datetime": "Use epoch milliseconds: `moment.timestamp() * 1000`.",
    "Decimal": "Use a float, or a string to keep every digit.",
    "UUID": "Use a string.",
}


def _misnamed(name: object, name_length: int) -> Misfit:
    if not isinstance(name, str):
        return Misfit(f"The key {name!r} is {_kind(name)}. Keys of objects must be strings: convert it.")
    if type(name) is not str:
        return Misfit(f"The key {name!s} is {_kind(name)}. Keys of objects must be plain strings: use `str(key)`.")
    if name[:1] == "$":
        return Misfit(f"Field name `{name}` starts with `$`, which is reserved. Rename the field.")
    if len(name) > name_length:
        return Misfit(
            f"Field name `{name[:40]}…` is too long ({len(name)} > maximum length {name_length}). "
            f"Shorten it, or keep the text as a value. {setting('field_name_length')}"
        )
    return Misfit(
        f"Field name {name!a} has characters other than printable ASCII. "
        'Rename it, or use an array of {"key": …, "value": …} objects.'
    )


def _kind(value: object) -> str:
    name = type(value).__name__
    return f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"
