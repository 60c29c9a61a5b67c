"""Scan: documents of one index in key order, fetched by key in small chunks.

No statement stays open between two documents (engine A6): the loop's body may do anything, also to the index it walks.
What it then sees is defined. Each document that was there when the scan began comes at most once, in its newest form and
at its newest place if that lies ahead; one deleted meanwhile does not come; one inserted meanwhile does not either, so
every loop ends.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Self

from reactor.database.catalog import IndexInfo, TableInfo
from reactor.database.stored import Stored
from reactor.footprint.key_range import KeyRange
from reactor.storage.storage import ScanRow

if TYPE_CHECKING:  # a Scan belongs to a Reading, which makes it
    from reactor.database.reading import Reading

CHUNK = 128
FIRST_CHUNK = 32  # most scans are short
_AFTER_WRITE = 4  # a body that writes makes what was fetched stale: fetch little, then more again
_GROWTH = 4


class Scan(Iterator[Stored]):
    """An iterator that knows how far it has come. Nothing is read, counted or recorded before the first `next`."""

    __slots__ = (
        "_began",
        "_chunk",
        "_descending",
        "_fetch_size",
        "_index",
        "_left",
        "_next",
        "_reading",
        "_rest",
        "_seen",
        "_short",
        "_table",
        "_trace",
        "_writes",
        "position",
    )

    def __init__(
        self,
        reading: Reading,
        table: TableInfo | None,
        index: IndexInfo | None,
        within: KeyRange,
        *,
        descending: bool,
        limit: int | None,
    ) -> None:
        self.position: bytes | None = None  # the last key examined; moves in __next__
        self._reading = reading
        self._table = table  # None: there is no such table, so there is nothing in it
        self._index = index
        self._rest = within  # what is not fetched yet
        self._descending = descending
        self._left = -1 if limit is None else limit  # documents still wanted; negative: all
        self._chunk: list[ScanRow] = []
        self._next = 0  # of _chunk
        self._fetch_size = FIRST_CHUNK if limit is None else max(1, min(limit, CHUNK))
        self._short = False  # the last chunk was not full: nothing is behind it
        self._trace = None if index is None else reading.reads.trace(index.number, within, descending=descending)
        self._writes = -1  # the call's count of writes when the chunk was fetched; -1 before the first
        self._began = 0  # that count when the scan began
        self._seen: set[str] | None = None  # ids handed out; kept only where the call itself can write

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Stored:
        if self._left == 0 or self._table is None or self._trace is None:
            raise StopIteration
        reading = self._reading
        while True:
            if self._writes != reading.writes.count:
                self._begin_or_refresh()
            if self._next == len(self._chunk):
                if self._short:
                    self._finish()
                    raise StopIteration
                self._fetch()
                continue
            row = self._chunk[self._next]
            self._next += 1
            self.position = self._trace.last = row.key
            seen = self._seen
            if seen is not None:
                if row.id in seen or reading.writes.born.get(row.id, 0) > self._began:
                    continue
                seen.add(row.id)
            self._left -= 1
            reading.usage.count_read(len(row.data))
            return Stored(row.id, self._table.name, row.creation_time, row.data)

    def _begin_or_refresh(self) -> None:
        """Before the first fetch, and again whenever the call has written: what was fetched may be stale."""
        reading = self._reading
        if self._writes == -1:
            reading.usage.count_range()
            if reading.writes.may_come:
                self._seen = set()
                self._began = reading.writes.count
        else:
            self._chunk = []
            self._next = 0
            self._short = False
            self._fetch_size = _AFTER_WRITE
            if self.position is not None:
                self._rest = self._beyond(self.position)
        self._writes = reading.writes.count

    def _fetch(self) -> None:
        assert self._table is not None
        assert self._index is not None
        size = self._fetch_size
        self._chunk = self._reading.documents.scan(
            self._table.place, self._index.place, self._rest, size, descending=self._descending
        )
        self._next = 0
        self._short = len(self._chunk) < size
        if self._chunk:
            self._rest = self._beyond(self._chunk[-1].key)
        self._fetch_size = min(size * _GROWTH, CHUNK)

    def _beyond(self, key: bytes) -> KeyRange:
        if self._descending:
            return KeyRange(self._rest.start, key)
        return KeyRange(key + b"\0", self._rest.end)

    def _finish(self) -> None:
        assert self._trace is not None
        self._trace.exhausted = True
        self._chunk = []
        self._next = 0
        self._left = 0
        self._seen = None
