"""Results that are nothing but stored documents: their bytes are put together as they are.

A Splicer gives None when the object is not made of unmodified documents alone; then the ordinary way must be gone.
"""

from __future__ import annotations

from collections.abc import Callable
from types import NoneType, UnionType
from typing import Any, TypeAlias, Union, get_args, get_origin

from reactor.definitions.page import Page
from reactor.values.value import encode

Splicer: TypeAlias = Callable[[Any], bytes | None]


def splicer_of(annotation: Any) -> Splicer | None:
    """The Splicer for `Table`, `Table | None`, `list[Table]` and `Page[Table]`; None for other annotations."""
    definition = _definition_of(annotation)
    if definition is not None:
        return definition.stored_bytes  # type: ignore[no-any-return]
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, UnionType) and len(arguments) == 2 and NoneType in arguments:
        other = _definition_of(arguments[0] if arguments[1] is NoneType else arguments[1])
        return None if other is None else _optional(other.stored_bytes)
    definition = _definition_of(arguments[0]) if len(arguments) == 1 else None
    if definition is None:
        return None
    if origin is list:
        return _array(definition.stored_bytes)
    if origin is Page:
        return _page(_array(definition.stored_bytes))
    return None


def _definition_of(annotation: Any) -> Any:
    return getattr(annotation, "__definition__", None) if isinstance(annotation, type) else None


def _optional(one: Splicer) -> Splicer:
    def splice(obj: Any) -> bytes | None:
        return b"null" if obj is None else one(obj)

    return splice


def _array(one: Splicer) -> Splicer:
    def splice(obj: Any) -> bytes | None:
        if type(obj) is not list:
            return None
        parts = [one(each) for each in obj]
        if None in parts:
            return None
        return b"[" + b",".join(parts) + b"]"  # type: ignore[arg-type]

    return splice


def _page(array: Splicer) -> Splicer:
    def splice(obj: Any) -> bytes | None:
        items = array(obj.page) if type(obj) is Page else None
        if items is None:
            return None
        # Canonical JSON has its keys sorted: page stands between these.
        before = encode({"continueCursor": obj.continue_cursor, "isDone": obj.is_done})
        after = {"pageStatus": obj.page_status, "splitCursor": obj.split_cursor}
        rest = encode({key: item for key, item in after.items() if item is not None})
        tail = b"," + rest[1:] if len(rest) > 2 else b"}"
        return before[:-1] + b',"page":' + items + tail

    return splice
