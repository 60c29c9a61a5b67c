"""RangeMap: who watches a key. A dict keyed by prefix, so a stab costs what it finds, not what exists.

A range that is all keys with a prefix (an equality) is filed under that prefix with nothing to test. Any other range is
filed under the longest prefix all its keys share and tested there; equal ranges are tested once for all their owners.
Weak case: many *different* ranges under one prefix are tested one by one.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

from reactor.footprint.key_range import KeyRange
from reactor.values.order import prefix_end

Owner = TypeVar("Owner", bound=Hashable)


_Place = tuple[int, bytes, KeyRange | None]
"""Where a range is filed: shelf, prefix, and the range itself unless it is the whole prefix."""


class _Shelf(Generic[Owner]):
    """The ranges of one index."""

    __slots__ = ("lengths", "partial", "whole")

    def __init__(self) -> None:
        self.whole: dict[bytes, set[Owner]] = {}
        self.partial: dict[bytes, dict[KeyRange, set[Owner]]] = {}
        self.lengths: dict[int, int] = {}  # length of a prefix → prefixes of that length filed; a stab tries only these

    def make_place(self, prefix: bytes, partial: KeyRange | None) -> set[Owner]:
        """Where a range is filed that nobody watches yet."""
        if prefix not in self.whole and prefix not in self.partial:
            self.lengths[len(prefix)] = self.lengths.get(len(prefix), 0) + 1
        owners: set[Owner] = set()
        if partial is None:
            self.whole[prefix] = owners
        else:
            self.partial.setdefault(prefix, {})[partial] = owners
        return owners


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
        start, end = watched
        if end is not None and start >= end:
            return
        shelf = self._shelves.get(index)
        if shelf is None:
            shelf = self._shelves[index] = _Shelf()
        prefix, is_whole = _common_prefix(start, end)
        owners = shelf.whole.get(prefix) if is_whole else shelf.partial.get(prefix, {}).get(watched)
        if owners is None:
            owners = shelf.make_place(prefix, None if is_whole else watched)
        elif owner in owners:
            return
        owners.add(owner)
        place = (index, prefix, None if is_whole else watched)
        places = self._places.get(owner)
        if places is None:
            self._places[owner] = [place]
        else:
            places.append(place)

    def remove(self, owner: Owner) -> None:
        """Forget every range of `owner`; one who owns none is no error."""
        for index, prefix, partial in self._places.pop(owner, ()):
            shelf = self._shelves[index]
            if partial is None:
                owners = shelf.whole[prefix]
            else:
                ranges = shelf.partial[prefix]
                owners = ranges[partial]
            owners.discard(owner)
            if owners:
                continue
            if partial is None:
                del shelf.whole[prefix]
            else:
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


def _common_prefix(start: bytes, end: bytes | None) -> tuple[bytes, bool]:
    """The longest prefix of every key in a range, and whether the range is exactly the keys with that prefix."""
    if end is None:
        return b"", not start
    if end.startswith(start):  # one key, as a rule
        return start, False
    if end == prefix_end(start):
        return start, True
    shorter = min(len(start), len(end))
    differ = int.from_bytes(start[:shorter]) ^ int.from_bytes(end[:shorter])  # from the first byte that is another on
    size = shorter - (differ.bit_length() + 7) // 8
    # Before `end` = shared + (x + 1), everything from shared + x… on starts with shared + x.
    if size < len(start) and len(end) == size + 1 and end[size] == start[size] + 1:
        size += 1
    return start[:size], False
