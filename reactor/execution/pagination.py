"""Cursors and journals: how a page remembers where it began and ends (reference §4.5).

A cursor is a place in one query: the key of the last row examined, or the end. It opens for that query only, and where
the function had looked at who asks, for that user only. Equal places give equal texts, because a cursor is part of the
next page's arguments. A journal is the end of each page of a run as it was first computed, for the same function and
arguments; running it again up to there keeps a page gapless with the one that follows.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from reactor.auth.identity import Identity
from reactor.errors import AppError
from reactor.execution.run import Run
from reactor.execution.seal import Seal
from reactor.values.value import digest

_CURSOR, _JOURNAL = b"cursor 1", b"journal 1"  # kind and version
_FINGERPRINT = 8
_KEY, _END = b"k", b"e"
_BETWEEN = "."  # the ends of a journal; no letter of theirs
_ANYONE = bytes(_FINGERPRINT)  # in place of a user: nobody's name was looked at


@dataclass(frozen=True, slots=True)
class Position:
    """Just after the row with this key; None is the end of the range."""

    key: bytes | None


def fingerprint(parts: Iterable[bytes]) -> bytes:
    """Names a query by what determines its order and extent."""
    return digest(b"".join(len(part).to_bytes(4, "little") + part for part in parts))[:_FINGERPRINT]


class Pages:
    """The paginations of one call, those of queries it calls included, in their order.

    `begin` each, then `read_cursor` and `write_cursor` as often as needed, then `end`.
    """

    __slots__ = ("_args", "_ends", "_given", "_path", "_run", "_seal")

    def __init__(self, seal: Seal, run: Run, path: str, args: bytes, given: str | None = None) -> None:
        """A journal belongs to a function and its arguments. `given` is the one the client sent."""
        self._seal = seal
        self._run = run
        self._path, self._args = path, args
        self._given = [] if given is None else given.split(_BETWEEN)
        self._ends: list[str] = []  # of each page begun, "" until it has ended; grows in begin()

    @property
    def journal(self) -> str | None:
        """Of the pages that ended; None when there are none."""
        return _BETWEEN.join(self._ends) if any(self._ends) else None

    def begin(self, query: bytes) -> tuple[int, Position | None]:
        """A page of the query with this fingerprint is wanted. Gives its number and, if the journal knows, its end.

        A journal that cannot be read is as good as none.
        """
        number = len(self._ends)
        self._ends.append("")
        if number >= len(self._given) or not self._given[number]:
            return number, None
        plain = self._seal.open(self._given[number], _JOURNAL, self._call, query, self._reader)
        return number, None if plain is None else _position(plain)

    def end(self, number: int, query: bytes, position: Position) -> None:
        """This page ends here, also when it is run again."""
        self._ends[number] = self._seal.close(_bytes(position), _JOURNAL, self._call, query, self._reader)

    def write_cursor(self, query: bytes, position: Position) -> str:
        """The text of a place in the query with this fingerprint."""
        return self._seal.close(self._reader + _bytes(position), _CURSOR, query)

    def read_cursor(self, text: str, query: bytes) -> Position:
        """The place. Raises the error that makes `usePaginatedQuery` begin again, if it is not one of this query and
        user."""
        plain = self._seal.open(text, _CURSOR, query)
        if plain is None or not self._may_read(plain[:_FINGERPRINT]):
            raise AppError({"isConvexSystemError": True, "paginationError": "InvalidCursor"})
        return _position(plain[_FINGERPRINT:])

    def _may_read(self, reader: bytes) -> bool:
        if reader == _ANYONE:
            return True
        if self._run.job is not None:  # a job has no user: its arguments, cursors too, are those of who scheduled it
            return True
        self._run.identity_read = True  # the answer is one user's from here on
        return reader == self._reader

    @property
    def _call(self) -> bytes:
        return fingerprint([self._path.encode(), self._args])

    @property
    def _reader(self) -> bytes:
        """Whose a text of this moment is: anyone's, until the function has looked at who asks."""
        run = self._run
        if not run.identity_read:
            return _ANYONE
        name = "" if run.identity is None else Identity.from_key(run.identity).token_identifier
        return fingerprint([b"reader", name.encode()])


def _bytes(position: Position) -> bytes:
    return _END if position.key is None else _KEY + position.key


def _position(plain: bytes) -> Position:
    return Position(None) if plain == _END else Position(plain.removeprefix(_KEY))
