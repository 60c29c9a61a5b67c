"""RangeSet: a union of KeyRanges of one index, kept sorted, disjoint and as few as possible."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from operator import itemgetter

from reactor.footprint.key_range import KeyRange

RangeSet = tuple[KeyRange, ...]

_start_of = itemgetter(0)


def union(ranges: Iterable[tuple[bytes, bytes | None]]) -> RangeSet:
    """The least RangeSet that holds every key of `ranges`: touching and overlapping ranges become one."""
    merged: list[KeyRange] = []
    last_start: bytes | None = None
    last_end: bytes | None = b""
    for start, end in sorted(ranges, key=_start_of):
        if end is not None and start >= end:
            continue
        if last_start is None:
            last_start, last_end = start, end
        elif last_end is None:
            break
        elif start <= last_end:
            if end is None or end > last_end:
                last_end = end
        else:
            merged.append(KeyRange(last_start, last_end))
            last_start, last_end = start, end
    if last_start is not None:
        merged.append(KeyRange(last_start, last_end))
    return tuple(merged)


def contains(ranges: RangeSet, key: bytes) -> bool:
    """Whether one of `ranges` holds `key`."""
    at = bisect_right(ranges, key, key=_start_of) - 1
    return at >= 0 and ranges[at].contains(key)


def contains_any(ranges: RangeSet, keys: Sequence[bytes]) -> bool:
    """Whether one of `ranges` holds one of `keys`, which must be sorted."""
    if len(keys) < len(ranges):
        return any(contains(ranges, key) for key in keys)
    for start, end in ranges:
        at = bisect_left(keys, start)
        if at < len(keys) and (end is None or keys[at] < end):
            return True
    return False
