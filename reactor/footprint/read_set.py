"""ReadSet: everything a run could have seen, absent things included, as ranges of index keys.

Not what it saw: a commit that adds a document to a range that was found empty meets the set as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from reactor.footprint.key_range import KeyRange
from reactor.footprint.range_set import RangeSet, contains_any, union

Wire = dict[int, list[tuple[bytes, bytes | None]]]


@dataclass(frozen=True, slots=True)
class ReadSet:
    """Index number → sorted disjoint ranges."""

    ranges: Mapping[int, RangeSet]

    def meets(self, touched: Mapping[int, Sequence[bytes]]) -> bool:
        """Whether a touched key lies in a range read. The keys of each index must be sorted."""
        ranges = self.ranges
        if len(touched) < len(ranges):
            return any(index in ranges and contains_any(ranges[index], keys) for index, keys in touched.items())
        return any(index in touched and contains_any(read, touched[index]) for index, read in ranges.items())

    def to_wire(self) -> Wire:
        """The form that crosses a process border."""
        return {index: [(start, end) for start, end in ranges] for index, ranges in self.ranges.items()}

    @classmethod
    def from_wire(cls, wire: Mapping[int, Iterable[tuple[bytes, bytes | None]]]) -> ReadSet:
        """Back from `to_wire`: the ranges are trusted to be sorted and disjoint."""
        return cls({index: tuple(map(KeyRange._make, ranges)) for index, ranges in wire.items()})


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

    __slots__ = ("_points", "_traces")

    def __init__(self) -> None:
        self._points: dict[int, dict[bytes, bytes | None]] = {}  # index → start → end, grows in add()
        self._traces: list[tuple[int, RangeTrace]] = []  # grows in trace()

    def add(self, index: int, read: KeyRange) -> bool:
        """Say that `read` was looked at. Returns False when exactly that was known already."""
        start, end = read
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

    def trace(self, index: int, within: KeyRange, *, descending: bool = False) -> RangeTrace:
        """Begin a scan of `within`; what the returned trace has passed counts as read."""
        trace = RangeTrace(within, descending=descending)
        self._traces.append((index, trace))
        return trace

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
        return ReadSet({index: ranges for index, ranges in built if ranges})
