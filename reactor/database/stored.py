"""Stored: a document as it is kept. Its bytes are the wire form, so most of them travel without being decoded."""

from __future__ import annotations

from typing import Any, NamedTuple

from reactor.values.value import Value, decode


class Stored(NamedTuple):
    """One document. `data` is its canonical encoded JSON, `_id` and `_creationTime` included."""

    id: str
    table: str
    creation_time: float
    data: bytes

    def fields(self) -> dict[str, Value]:
        """The user's fields, decoded."""
        document: Any = decode(self.data)
        del document["_id"]
        del document["_creationTime"]
        return document  # type: ignore[no-any-return]
