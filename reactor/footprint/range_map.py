"""RangeMap: who watches a key. A dict keyed by prefix, so a stab costs what it finds, not what exists.

A range that is all keys with a prefix (an equality) is filed under that prefix with nothing to test. Any other range is
filed under the longest prefix all its keys share and tested there; equal ranges are tested once for all their owners.
Weak case: many *different* ranges under one prefix are tested one by one.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, NamedTuple, TypeVar

from reactor.footprint.key_range import KeyRange
from reactor.values.order import prefix_end

Owner = TypeVar("Owner", bound=Hashable)


class _Place(NamedTuple):
    """Where a range is filed. `partial` is None for a range that is the whole prefix."""

    shelf: int
    prefix: bytes
    partial: KeyRange | None


class _Shelf(Generic[Owner]):
    """The ranges of one index."""

    __slots__ = ("lengths", "partial", "whole")

    def __init__(self) -> None:
        self.whole: dict[bytes, set[Owner]] = {}
        self.partial: dict[bytes, dict[KeyRange, set[Owner]]] = {}
        self.lengths: dict[int, int] = {}  # length of a prefix → prefixes of that length filed; a stab tries only these


class RangeMap(Generic[Owner]):
    """Ranges of keys and their owners. Owners are any hashable things; one may own many ranges."""

    __slots__ = ("_places", "_shelves")

    def __init__(self) -> None:
        self._shelves: dict[int, _Shelf[Owner]] = {}
        self._places: dict[Owner, list[_Place]] = {}  # grows in add(), an owner leaves in remove()

    def __len__(self) -> int:
        """How many owners there are."""
        return len(self._places)

    def __contains__(self, owner: Owner) -> bool:
        return owner in self._places

    def add(self, owner: Owner, index: int, watched: KeyRange) -> None:
        """Let `owner` watch a range. An empty range is forgotten at once, adding the same twice changes nothing."""
        if watched.is_empty:
            return
        shelf = self._shelves.get(index)
        if shelf is None:
            shelf = self._shelves[index] = _Shelf()
        prefix, is_whole = _common_prefix(watched)
        if prefix not in shelf.whole and prefix not in shelf.partial:
            shelf.lengths[len(prefix)] = shelf.lengths.get(len(prefix), 0) + 1
        if is_whole:
            owners = shelf.whole.setdefault(prefix, set())
            place = _Place(index, prefix, None)
        else:
            owners = shelf.partial.setdefault(prefix, {}).setdefault(watched, set())
            place = _Place(index, prefix, watched)
        if owner not in owners:
            owners.add(owner)
            self._places.setdefault(owner, []).append(place)

    def remove(self, owner: Owner) -> None:
        """Forget every range of `owner`; one who owns none is no error."""
        for index, prefix, partial in self._places.pop(owner, ()):
            shelf = self._shelves[index]
            if partial is None:
                whole = shelf.whole[prefix]
                whole.discard(owner)
                if not whole:
                    del shelf.whole[prefix]
            else:
                ranges = shelf.partial[prefix]
                ranges[partial].discard(owner)
                if not ranges[partial]:
                    del ranges[partial]
                if not ranges:
                    del shelf.partial[prefix]
            if prefix not in shelf.whole and prefix not in shelf.partial:
                shelf.lengths[len(prefix)] -= 1
                if not shelf.lengths[len(prefix)]:
                    del shelf.lengths[len(prefix)]
            if not shelf.lengths:
                del self._shelves[index]

    def stab(self, index: int, key: bytes) -> set[Owner]:
        """Everyone who watches `key`."""
        found: set[Owner] = set()
        shelf = self._shelves.get(index)
        if shelf is None:
            return found
        whole, partial = shelf.whole, shelf.partial
        size = len(key)
        for length in shelf.lengths:
            if length > size:
                continue
            prefix = key[:length]
            owners = whole.get(prefix)
            if owners is not None:
                found |= owners
            ranges = partial.get(prefix)
            if ranges is not None:
                for (start, end), others in ranges.items():
                    if start <= key and (end is None or key < end):
                        found |= others
        return found


def _common_prefix(watched: KeyRange) -> tuple[bytes, bool]:
    """The longest prefix of every key in the range, and whether the range is exactly the keys with that prefix."""
    start, end = watched
    if end is None:
        return b"", not start
    if end == prefix_end(start):
        return start, True
    size = 0
    for ours, theirs in zip(start, end, strict=False):
        if ours != theirs:
            break
        size += 1
    # Before `end` = shared + (x + 1), everything from shared + x… on starts with shared + x.
    if size < len(start) and len(end) == size + 1 and end[size] == start[size] + 1:
        size += 1
    return start[:size], False
