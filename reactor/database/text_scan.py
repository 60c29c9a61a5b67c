"""TextScan: the documents that a text search finds, best first. It has the face of a Scan.

Which documents those are, and their order, is settled when the first is asked for; each then comes in its newest form,
and one deleted meanwhile does not come.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Self

from reactor.database.catalog import IndexInfo, TableInfo
from reactor.database.ranking import Ranked, candidates, matches_among, rank
from reactor.database.stored import Stored
from reactor.errors import LimitExceeded
from reactor.footprint.text_predicate import TextPredicate
from reactor.limits import setting
from reactor.storage.storage import Texts

if TYPE_CHECKING:  # a TextScan belongs to a Reading, which makes it
    from reactor.database.reading import Reading


_FEW = 256  # documents that are looked through as quickly as lists of them are intersected


class TextScan(Iterator[Stored]):
    """An iterator that knows how far it has come. Nothing is read, counted or recorded before the first `next`."""

    __slots__ = (
        "_after",
        "_index",
        "_is_cut",
        "_left",
        "_next",
        "_predicate",
        "_ranked",
        "_reading",
        "_table",
        "_texts",
        "_until",
        "position",
    )

    def __init__(
        self,
        reading: Reading,
        texts: Texts,
        table: TableInfo | None,
        index: IndexInfo | None,
        predicate: TextPredicate,
        *,
        limit: int | None,
        after: bytes | None,
        until: bytes | None,
    ) -> None:
        self.position: bytes | None = None  # of the last document examined; moves in __next__
        self._reading = reading
        self._texts = texts
        self._table = table
        self._index = index
        self._predicate = predicate  # without terms it finds nothing, and needs neither table nor index
        self._left = -1 if limit is None else limit  # documents still wanted; negative: all
        self._after = after
        self._until = until
        self._ranked: Sequence[Ranked] | None = None  # found by the first `next`
        self._is_cut = False  # more match than are examined
        self._next = 0  # of _ranked

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Stored:
        if self._left == 0 or self._table is None or self._index is None:
            raise StopIteration
        reading = self._reading
        if self._ranked is None:
            self._ranked = self._search(self._index)
        while self._next < len(self._ranked):
            ranked = self._ranked[self._next]
            found = ranked.id
            self._next += 1
            row = reading.documents.get(self._table.place, found)
            if row is not None:
                self.position = ranked.position
                self._left -= 1
                reading.usage.count_read(len(row.data))
                return Stored(found, self._table.name, row.creation_time, row.data)
        self._left = 0
        if self._is_cut:
            raise self._too_many()
        raise StopIteration

    def collect(self) -> list[tuple[bytes, bytes]]:
        """Every document there is, at once: each one's key in `by_id`, and its data."""
        return [(row.id.encode(), row.data) for row in self]

    def _search(self, index: IndexInfo) -> Sequence[Ranked]:
        reading, predicate, place = self._reading, self._predicate, index.place
        if reading.reads.expect(index.number, predicate):
            reading.usage.count_range()

        def matches(terms: Sequence[bytes], limit: int) -> list[int]:
            return self._texts.matches(place, predicate.filters, terms, limit)

        # Of somebody who owns little, all is looked through: the first letter of a word may begin half of all words.
        few = matches((), _FEW + 1) if predicate.filters else ()
        if predicate.filters and len(few) <= _FEW:
            rows = self._texts.rows(place, few)
            examined = candidates(predicate.terms, matches_among(rows), reading.usage.limits.search_candidates)
            chosen = set(examined.numbers)
            rows = [row for row in rows if row.number in chosen]
        else:
            examined = candidates(predicate.terms, matches, reading.usage.limits.search_candidates)
            rows = self._texts.rows(place, examined.numbers)
        ranked = rank(predicate.terms, examined, rows)
        end = len(ranked)
        if self._until is not None:
            end = bisect_right(ranked, self._until, key=_position)
        self._is_cut = examined.is_cut and end == len(ranked)
        start = 0 if self._after is None else bisect_right(ranked, self._after, key=_position)
        return ranked[start:end]

    def _too_many(self) -> LimitExceeded:
        most = self._reading.usage.limits.search_candidates
        return LimitExceeded(
            f"Search query scanned too many documents (fetched {most}). Consider using a smaller limit, paginating the "
            f"query, or using a filter field to limit the number of documents pulled from the search index. "
            f"{setting('search_candidates')}",
            code="SearchQueryScannedTooManyDocumentsError",
        )


def _position(ranked: Ranked) -> bytes:
    return ranked.position
