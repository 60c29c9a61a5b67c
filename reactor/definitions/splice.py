"""Results that are nothing but documents: their bytes are put together, most of them as they were stored.

A Splicer gives None for what is not made of documents alone; the ordinary way has the words to refuse it.
"""

from __future__ import annotations

from collections.abc import Callable
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, TypeAlias, Union, get_args, get_origin

from reactor.definitions.page import Page
from reactor.values.value import encode

if TYPE_CHECKING:
    from reactor.definitions.table_definition import TableDefinition

Splicer: TypeAlias = Callable[[Any], bytes | None]


def splicer_of(annotation: Any) -> Splicer | None:
    """The Splicer for `Table`, `Table | None`, `list[Table]` and `Page[Table]`; None for other annotations."""
    definition = _definition_of(annotation)
    if definition is not None:
        return definition.encoded
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, UnionType) and len(arguments) == 2 and NoneType in arguments:
        other = _definition_of(arguments[0] if arguments[1] is NoneType else arguments[1])
        return None if other is None else _optional(other)
    definition = _definition_of(arguments[0]) if len(arguments) == 1 else None
    if definition is None or origin not in (list, Page):
        return None
    return _array(definition) if origin is list else _page(_array(definition))


def _definition_of(annotation: Any) -> TableDefinition | None:
    return getattr(annotation, "__definition__", None) if isinstance(annotation, type) else None


def _optional(definition: TableDefinition) -> Splicer:
    def splice(obj: Any) -> bytes | None:
        return b"null" if obj is None else definition.encoded(obj)

    return splice


def _array(definition: TableDefinition) -> Splicer:
    def splice(obj: Any) -> bytes | None:
        parts = definition.encoded_all(obj) if type(obj) is list else None
        return None if parts is None else b"[" + b",".join(parts) + b"]"

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
