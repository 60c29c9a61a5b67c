"""WriteLog: the recent commits by index, in whole batches; what it has forgotten counts as met.

Entries are batches because nobody can read a state inside one (engine A8): every timestamp that goes in or comes out is
a batch end. The owner appends; nothing here waits or notifies.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from reactor.footprint.commit import Commit
from reactor.footprint.predicate import Predicate
from reactor.footprint.range_set import RangeSet, contains_any
from reactor.footprint.read_set import ReadSet, meet
from reactor.limits import DEFAULT_LIMITS


class _Entry(NamedTuple):
    ts: int
    size: int
    indexes: tuple[int, ...]


class _Postings:
    """The batches that touched one index, oldest first; `dropped` of them at the front are already forgotten."""

    __slots__ = ("dropped", "ends", "keys")

    def __init__(self) -> None:
        self.ends: list[int] = []
        self.keys: list[Sequence[bytes]] = []
        self.dropped = 0

    def drop_first(self) -> None:
        self.dropped += 1
        if self.dropped * 2 > len(self.ends):
            del self.ends[: self.dropped]
            del self.keys[: self.dropped]
            self.dropped = 0


class WriteLog:
    """Commits after the head it started with, capped by bytes and by age (of timestamps, not of any clock)."""

    __slots__ = ("_bytes", "_ends", "_entries", "_floor", "_max_age", "_max_bytes", "_postings")

    def __init__(
        self,
        head: int,
        *,
        max_bytes: int = DEFAULT_LIMITS.write_log_bytes,
        max_age: float = DEFAULT_LIMITS.write_log_age,
    ) -> None:
        """Begin at `head`. `max_age` is in seconds."""
        self._floor = head  # start: head. The newest batch end of which nothing before is known; rises in _forget()
        self._entries: deque[_Entry] = deque()
        self._ends: list[int] = []  # batch ends of _entries
        self._postings: dict[int, _Postings] = {}
        self._bytes = 0
        self._max_bytes = max_bytes
        self._max_age = int(max_age * 1e9)

    @property
    def head(self) -> int:
        """The newest batch end."""
        return self._ends[-1] if self._ends else self._floor

    @property
    def floor(self) -> int:
        """The oldest batch end of which everything after is known."""
        return self._floor

    def append(self, ts_end: int, commits: Iterable[Commit]) -> None:
        """Add a batch: its end must be past the head. One call, one step: a batch is seen whole or not at all."""
        if ts_end <= self.head:
            raise ValueError(f"a batch that ends at {ts_end} cannot follow the head {self.head}")
        merged: dict[int, list[bytes]] = {}
        size = 64
        for commit in commits:
            for index, keys in commit.keys.items():
                merged.setdefault(index, []).extend(keys)
        for index, touched in merged.items():
            touched.sort()
            size += sum(map(len, touched)) + 33 * len(touched)
            postings = self._postings.get(index)
            if postings is None:
                postings = self._postings[index] = _Postings()
            postings.ends.append(ts_end)
            postings.keys.append(touched)
        self._entries.append(_Entry(ts_end, size, tuple(merged)))
        self._ends.append(ts_end)
        self._bytes += size
        self._forget(ts_end)

    def forget_all(self) -> None:
        """Of everything up to the head nothing is known any more: a commit has met whatever there was."""
        self._floor = self.head
        self._entries.clear()
        self._ends.clear()
        self._postings.clear()
        self._bytes = 0

    def previous(self, ts: int) -> int:
        """The greatest batch end before `ts`; `ts - 1` where the log remembers none."""
        at = bisect_left(self._ends, ts) - 1
        if at >= 0:
            return self._ends[at]
        return self._floor if self._floor < ts else ts - 1

    def first_met(self, read_set: ReadSet, after: int, upto: int | None = None) -> int | None:
        """End of the first batch in (after, upto] that meets `read_set`, or None.

        Where a part of that stretch is forgotten the answer is `after + 1`: from there on nothing is known.
        """
        if upto is not None and upto <= after:
            return None
        if after < self._floor:
            return after + 1
        found = upto if upto is not None else self.head
        met = False
        for index, ranges in read_set.ranges.items():
            postings = self._postings.get(index)
            if postings is not None:
                hit = _first(postings, ranges, after, found)
                if hit is not None:
                    found, met = hit, True
        for index, predicates in read_set.predicates.items():
            postings = self._postings.get(index)
            if postings is not None:
                hit = _first_fact(postings, predicates, after, found)
                if hit is not None:
                    found, met = hit, True
        return found if met else None

    def last_met(self, read_set: ReadSet, upto: int) -> int:
        """From when on an outcome at `upto` holds: end of the newest batch ≤ `upto` that meets it, at least the floor.

        An outcome older than everything remembered holds from its own timestamp.
        """
        if upto <= self._floor:
            return upto
        found = self._floor
        for index, ranges in read_set.ranges.items():
            postings = self._postings.get(index)
            if postings is not None:
                found = _last(postings, ranges, found, upto)
        for index, predicates in read_set.predicates.items():
            postings = self._postings.get(index)
            if postings is not None:
                found = _last_fact(postings, predicates, found, upto)
        return found

    def _forget(self, now: int) -> None:
        dropped = 0
        while self._entries and (self._bytes > self._max_bytes or now - self._entries[0].ts > self._max_age):
            entry = self._entries.popleft()
            self._bytes -= entry.size
            self._floor = entry.ts
            dropped += 1
            for index in entry.indexes:
                self._postings[index].drop_first()
                if not self._postings[index].ends:
                    del self._postings[index]
        if dropped:
            del self._ends[:dropped]


def _first(postings: _Postings, ranges: RangeSet, after: int, upto: int) -> int | None:
    ends, keys = postings.ends, postings.keys
    for at in range(bisect_right(ends, after), bisect_right(ends, upto)):
        if contains_any(ranges, keys[at]):
            return ends[at]
    return None


def _last(postings: _Postings, ranges: RangeSet, after: int, upto: int) -> int:
    ends, keys = postings.ends, postings.keys
    for at in range(bisect_right(ends, upto) - 1, bisect_right(ends, after) - 1, -1):
        if contains_any(ranges, keys[at]):
            return ends[at]
    return after


def _first_fact(postings: _Postings, predicates: Sequence[Predicate], after: int, upto: int) -> int | None:
    ends, facts = postings.ends, postings.keys
    for at in range(bisect_right(ends, after), bisect_right(ends, upto)):
        if meet(predicates, facts[at]):
            return ends[at]
    return None


def _last_fact(postings: _Postings, predicates: Sequence[Predicate], after: int, upto: int) -> int:
    ends, facts = postings.ends, postings.keys
    for at in range(bisect_right(ends, upto) - 1, bisect_right(ends, after) - 1, -1):
        if meet(predicates, facts[at]):
            return ends[at]
    return after
