"""Cursors and journals: how a page remembers where it began and ends (reference §4.5).

A cursor is a place in one query: the key of the last row examined, or the end. It carries a fingerprint of the query,
so that one of another query is refused. Equal places give equal texts, because a cursor is part of the next page's
arguments. A journal is the end of a page as it was first computed, for the same function and arguments; running the
page again up to there keeps it gapless with the page that follows. Neither is signed or hidden yet.
"""

from __future__ import annotations

from base64 import b64decode, urlsafe_b64encode
from collections.abc import Iterable
from dataclasses import dataclass

from reactor.errors import AppError
from reactor.values.value import digest

_CURSOR, _JOURNAL = b"c1", b"j1"  # kind and version
_FINGERPRINT = 8
_KEY, _END = b"k", b"e"


@dataclass(frozen=True, slots=True)
class Position:
    """Just after the row with this key; None is the end of the range."""

    key: bytes | None


def fingerprint(parts: Iterable[bytes]) -> bytes:
    """Names a query by what determines its order and extent."""
    return digest(b"".join(len(part).to_bytes(4, "little") + part for part in parts))[:_FINGERPRINT]


def write_cursor(query: bytes, position: Position) -> str:
    """The text of a place in the query with this fingerprint."""
    return _text(_CURSOR, query, position)


def read_cursor(text: str, query: bytes) -> Position:
    """The place. Raises the error that makes `usePaginatedQuery` begin again, if it is not one of this query."""
    position = _read(text, _CURSOR, query)
    if position is None:
        raise _invalid_cursor()
    return position


def write_journal(call: bytes, position: Position) -> str:
    """The text of a page's end, for the call (function and arguments) with this fingerprint."""
    return _text(_JOURNAL, call, position)


def read_journal(text: str | None, call: bytes) -> Position | None:
    """The page's end, or None: a journal that cannot be read is as good as none."""
    return None if text is None else _read(text, _JOURNAL, call)


def _text(kind: bytes, bound_to: bytes, position: Position) -> str:
    place = _END if position.key is None else _KEY + position.key
    return urlsafe_b64encode(kind + bound_to + place).decode().rstrip("=")


def _read(text: str, kind: bytes, bound_to: bytes) -> Position | None:
    try:
        data = b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError:  # not base64; UnicodeEncodeError is one too
        return None
    start = len(kind) + len(bound_to)
    if data[:start] != kind + bound_to:
        return None
    place = data[start:]
    if place == _END:
        return Position(None)
    return Position(place[1:]) if place[:1] == _KEY else None


def _invalid_cursor() -> AppError:
    return AppError({"isConvexSystemError": True, "paginationError": "InvalidCursor"})
