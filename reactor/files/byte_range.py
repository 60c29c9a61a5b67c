"""ByteRange: which bytes of a file a request asks for (reference §2.6, RFC 9110 §14)."""

from __future__ import annotations

import re
from typing import NamedTuple

_ONE = re.compile(r"[ \t]*(\d{0,30})[ \t]*-[ \t]*(\d{0,30})[ \t]*")


class ByteRange(NamedTuple):
    """From `start` up to, not including, `end`."""

    start: int
    end: int


class NotSatisfiable(Exception):
    """No such range in the file, or more than one: 416."""


def range_of(header: str | None, size: int) -> ByteRange | None:
    """The range that a `Range` header asks for; None for the whole file. Raises NotSatisfiable."""
    if header is None or not size:
        return None
    unit, equals, what = header.partition("=")
    if unit.strip().lower() != "bytes" or not equals:
        return None  # a unit that is not ours: as if it were not there
    match = _ONE.fullmatch(what)
    if match is None or match.groups() == ("", ""):
        raise NotSatisfiable
    first, last = match.groups()
    if not first:  # the last so many
        start, end = max(0, size - int(last)), size
    else:
        start, end = int(first), min(size, int(last) + 1) if last else size
    if start >= end or start >= size:
        raise NotSatisfiable
    return ByteRange(start, end)
