"""ReadSet: everything a run could have seen, absent things included: ranges of keys, and predicates on facts.

Not what it saw: a commit that adds a document to a range that was found empty meets the set as well. Ranges are of
ordered indexes, predicates of those that are searched; an index number is one or the other, so a commit's `touched`
needs no word on which bytes are keys and which are facts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial

import msgspec

from reactor.footprint.key_range import KeyRange
from reactor.footprint.predicate import Predicate, pack_predicate, unpack_predicate
from reactor.footprint.range_set import RangeSet, contains_any, union
from reactor.footprint.text_predicate import TextPredicate
from reactor.footprint.vector_predicate import VectorPredicate

Wire = dict[int, list[tuple[bytes, bytes | None] | bytes]]
"""Ranges as pairs of bytes, predicates as bytes."""

_key_range = partial(tuple.__new__, KeyRange)  # KeyRange._make without its check: reads are trusted to be pairs

PREDICATES: dict[int, type] = {each.KIND: each for each in (TextPredicate, VectorPredicate)}


class ReadSet(msgspec.Struct, frozen=True):
    """Index number → sorted disjoint ranges; index number → predicates, in order of their bytes."""

    ranges: Mapping[int, RangeSet]
    predicates: Mapping[int, tuple[Predicate, ...]] = msgspec.field(default_factory=dict)

    def meets(self, touched: Mapping[int, Sequence[bytes]]) -> bool:
        """Whether a touched key lies in a range read, or a fact meets a predicate. Keys of each index are sorted."""
        for index, predicates in self.predicates.items():
            if index in touched and meet(predicates, touched[index]):
                return True
        ranges = self.ranges
        if len(touched) < len(ranges):
            return any(index in ranges and contains_any(ranges[index], keys) for index, keys in touched.items())
        return any(index in touched and contains_any(read, touched[index]) for index, read in ranges.items())

    def to_wire(self) -> Wire:
        """The form that crosses a process border."""
        wire: Wire = {index: [(start, end) for start, end in ranges] for index, ranges in self.ranges.items()}
        for index, predicates in self.predicates.items():
            wire[index] = [pack_predicate(predicate) for predicate in predicates]
        return wire

    @classmethod
    def from_wire(cls, wire: Mapping[int, Sequence[tuple[bytes, bytes | None] | bytes]]) -> ReadSet:
        """Back from `to_wire`: the ranges are trusted to be sorted and disjoint."""
        ranges: dict[int, RangeSet] = {}
        predicates: dict[int, tuple[Predicate, ...]] = {}
        for index, reads in wire.items():
            if reads and isinstance(reads[0], bytes):
                predicates[index] = tuple(unpack_predicate(each, PREDICATES) for each in reads)  # type: ignore[arg-type]
            else:
                ranges[index] = tuple(map(_key_range, reads))
        return cls(ranges, predicates)


def meet(predicates: Iterable[Predicate], facts: Sequence[bytes]) -> bool:
    """Whether one of the facts meets one of the predicates."""
    return any(predicate.meets(fact) for predicate in predicates for fact in facts)


EMPTY = ReadSet({})


class RangeTrace:
    """How far one scan has come in its range. The scan moves it; the builder reads it when it builds.

    A row fetched and never handed out was not seen, and is not covered.
    """

    __slots__ = ("_descending", "_within", "exhausted", "last")

    def __init__(self, within: KeyRange, *, descending: bool) -> None:
        self._within = within
        self._descending = descending
        self.last: bytes | None = None  # the last key examined; None until the first
        self.exhausted = False  # set once the scan has learnt that nothing more follows

    def examined(self) -> KeyRange | None:
        """The part of the range looked at so far; None when nothing was."""
        start, end = self._within
        if self.exhausted:
            return self._within
        if self.last is None:
            return None
        return KeyRange(self.last, end) if self._descending else KeyRange(start, self.last + b"\0")


class ReadSetBuilder:
    """Collects what a running call reads; it only grows, a rolled back savepoint included (engine A7)."""

    __slots__ = ("_points", "_predicates", "_traces")

    def __init__(self) -> None:
        self._predicates: dict[tuple[int, Predicate], None] = {}  # grows in expect()
        self._points: dict[int, dict[bytes, bytes | None]] = {}  # index → start → end, grows in add()
        self._traces: list[tuple[int, RangeTrace]] = []  # grows in trace()

    def add(self, index: int, read: KeyRange) -> bool:
        """Say that `read` was looked at. Returns False when exactly that was known already."""
        return self.cover(index, *read)

    def cover(self, index: int, start: bytes, end: bytes | None) -> bool:
        """`add` of the range between two keys."""
        ranges = self._points.get(index)
        if ranges is None:
            self._points[index] = {start: end}
            return True
        if start not in ranges:
            ranges[start] = end
            return True
        known = ranges[start]
        if known is None or (end is not None and end <= known):
            return False
        ranges[start] = end
        return True

    def expect(self, index: int, predicate: Predicate) -> bool:
        """Say that whatever meets `predicate` was looked for. Returns False when exactly that was known already."""
        known = (index, predicate) in self._predicates
        self._predicates[index, predicate] = None
        return not known

    def trace(self, index: int, within: KeyRange, *, descending: bool = False) -> RangeTrace:
        """Begin a scan of `within`; what the returned trace has passed counts as read."""
        trace = RangeTrace(within, descending=descending)
        self._traces.append((index, trace))
        return trace

    def to_wire(self) -> Wire:
        """`build().to_wire()`, made at once where only ranges were read that are known by now."""
        if self._traces or self._predicates:
            return self.build().to_wire()
        wire: Wire = {}
        for index, ranges in self._points.items():
            if len(ranges) == 1:
                (only,) = ranges.items()
                start, end = only
                if end is None or start < end:
                    wire[index] = [only]
            elif merged := union(ranges.items()):
                wire[index] = [*merged]
        return wire

    def build(self) -> ReadSet:
        """Everything read so far."""
        found: dict[int, list[KeyRange]] = {
            index: [KeyRange(start, end) for start, end in ranges.items()] for index, ranges in self._points.items()
        }
        for index, trace in self._traces:
            examined = trace.examined()
            if examined is not None:
                found.setdefault(index, []).append(examined)
        built = ((index, union(ranges)) for index, ranges in found.items())
        predicates: dict[int, list[Predicate]] = {}
        for index, predicate in self._predicates:
            predicates.setdefault(index, []).append(predicate)
        return ReadSet(
            {index: ranges for index, ranges in built if ranges},
            {index: tuple(sorted(each, key=pack_predicate)) for index, each in predicates.items()},
        )
