"""An IndexShape as a Value, which is how the server and the writer tell each other of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reactor.database.structure import IndexShape

if TYPE_CHECKING:
    from reactor.values.value import Value


def told_shape(shape: IndexShape) -> list[Value]:
    """A shape as a Value."""
    return [list(shape.fields), shape.kind, list(shape.filters), shape.dimensions]


def shape_told(told: list[Any]) -> IndexShape:
    """The inverse."""
    fields, kind, filters, dimensions = told
    return IndexShape(tuple(fields), kind, tuple(filters), int(dimensions))
