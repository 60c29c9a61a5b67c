"""Which subscriptions a commit meets: the theorem of `footprint`, asked for all of them at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Generic, TypeVar

from reactor.footprint.predicate_map import PredicateMap
from reactor.footprint.range_map import RangeMap
from reactor.footprint.read_set import ReadSet

Owner = TypeVar("Owner")


class SubscriptionSet(Generic[Owner]):
    """Read sets by owner. The cost of `met` depends on what a commit touches, not on how many owners there are."""

    def __init__(self) -> None:
        self._ranges: RangeMap[Owner] = RangeMap()
        self._predicates: PredicateMap[Owner] = PredicateMap()
        self._reads: dict[Owner, ReadSet] = {}

    def __len__(self) -> int:
        return len(self._reads)

    def watch(self, owner: Owner, reads: ReadSet) -> None:
        """Watch `reads` for `owner`, instead of what it watched before."""
        watched = self._reads.get(owner)
        if watched is not None:
            if watched == reads:
                return
            self.forget(owner)
        self._reads[owner] = reads
        add = self._ranges.add
        for index, ranges in reads.ranges.items():
            for key_range in ranges:
                add(owner, index, key_range)
        for index, predicates in reads.predicates.items():
            for predicate in predicates:
                self._predicates.add(owner, index, predicate)

    def forget(self, owner: Owner) -> None:
        """Watch nothing for `owner` any more; unknown owners are fine."""
        watched = self._reads.pop(owner, None)
        if watched is not None:
            self._ranges.remove(owner)
            if watched.predicates:
                self._predicates.remove(owner)

    def met(self, touched: Mapping[int, Sequence[bytes]]) -> set[Owner]:
        """Every owner whose read set holds one of the touched keys, or looks for one of the facts."""
        found: set[Owner] = set()
        for index, keys in touched.items():
            for key in keys:  # of an index of one kind, the other map knows nothing
                found |= self._ranges.stab(index, key)
                found |= self._predicates.stab(index, key)
        return found
