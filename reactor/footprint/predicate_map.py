"""PredicateMap: who is met by a fact. What RangeMap is for keys.

Predicates are filed by index, by the filter fields they name, by the values they ask for there, and last by their
anchors: a stab takes the fact's own values and words through these dicts, so it costs what it finds and not what
exists. Equal predicates are asked once for all their owners. Weak cases: predicates without anchors that share their
filters are asked one by one; each set of filter fields in use costs one look-up.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

from reactor.footprint.fact import unpack
from reactor.footprint.predicate import Predicate

Owner = TypeVar("Owner", bound=Hashable)

_Places = tuple[int, ...]
_Values = tuple[bytes, ...]


class _Shelf(Generic[Owner]):
    """The predicates of one index that ask for the same values in the same filter fields."""

    __slots__ = ("beginnings", "lengths", "owners", "unanchored", "words")

    def __init__(self) -> None:
        self.owners: dict[Predicate, set[Owner]] = {}
        self.words: dict[bytes, dict[Predicate, None]] = {}  # anchors that are words
        self.beginnings: dict[bytes, dict[Predicate, None]] = {}  # anchors that are prefixes
        self.unanchored: dict[Predicate, None] = {}
        self.lengths: dict[int, int] = {}  # length of a prefix → prefixes of that length filed

    def add(self, owner: Owner, predicate: Predicate) -> None:
        owners = self.owners.get(predicate)
        if owners is not None:
            owners.add(owner)
            return
        self.owners[predicate] = {owner}
        if not predicate.anchors:
            self.unanchored[predicate] = None
        for anchor in predicate.anchors:
            anchored = self.beginnings if anchor.is_prefix else self.words
            filed = anchored.get(anchor.word)
            if filed is None:
                filed = anchored[anchor.word] = {}
                if anchor.is_prefix:
                    self.lengths[len(anchor.word)] = self.lengths.get(len(anchor.word), 0) + 1
            filed[predicate] = None

    def remove(self, owner: Owner, predicate: Predicate) -> None:
        owners = self.owners[predicate]
        owners.discard(owner)
        if owners:
            return
        del self.owners[predicate]
        self.unanchored.pop(predicate, None)
        for anchor in set(predicate.anchors):
            anchored = self.beginnings if anchor.is_prefix else self.words
            filed = anchored[anchor.word]
            del filed[predicate]
            if not filed:
                del anchored[anchor.word]
                if anchor.is_prefix:
                    self.lengths[len(anchor.word)] -= 1
                    if not self.lengths[len(anchor.word)]:
                        del self.lengths[len(anchor.word)]

    def candidates(self, held: bytes) -> Iterator[Predicate]:
        """Predicates worth asking; one may come more than once."""
        yield from self.unanchored
        if not self.words and not self.beginnings:
            return
        present = set(held.split())
        for word in self.words.keys() & present:
            yield from self.words[word]
        for length in self.lengths:
            for beginning in self.beginnings.keys() & {word[:length] for word in present}:
                yield from self.beginnings[beginning]


class PredicateMap(Generic[Owner]):
    """Predicates and their owners. Owners are any hashable things; one may own many predicates."""

    __slots__ = ("_owned", "_shelves")

    def __init__(self) -> None:
        self._shelves: dict[int, dict[_Places, dict[_Values, _Shelf[Owner]]]] = {}
        self._owned: dict[Owner, dict[tuple[int, Predicate], None]] = {}  # grows in add(), an owner leaves in remove()

    def __len__(self) -> int:
        """How many owners there are."""
        return len(self._owned)

    def add(self, owner: Owner, index: int, predicate: Predicate) -> None:
        """Let `owner` watch for facts that meet `predicate`. Adding the same twice changes nothing."""
        places, values = _where(predicate)
        by_values = self._shelves.setdefault(index, {}).setdefault(places, {})
        shelf = by_values.get(values)
        if shelf is None:
            shelf = by_values[values] = _Shelf()
        shelf.add(owner, predicate)
        self._owned.setdefault(owner, {})[index, predicate] = None

    def remove(self, owner: Owner) -> None:
        """Forget every predicate of `owner`; one who owns none is no error."""
        for index, predicate in self._owned.pop(owner, ()):
            places, values = _where(predicate)
            by_places = self._shelves[index]
            shelf = by_places[places][values]
            shelf.remove(owner, predicate)
            if not shelf.owners:
                del by_places[places][values]
                if not by_places[places]:
                    del by_places[places]
                if not by_places:
                    del self._shelves[index]

    def stab(self, index: int, fact: bytes) -> set[Owner]:
        """Everyone with a predicate that `fact` meets."""
        found: set[Owner] = set()
        by_places = self._shelves.get(index)
        if by_places is None:
            return found
        filters, held = unpack(fact)
        for places, by_values in by_places.items():
            shelf = by_values.get(tuple([filters[place] for place in places]))
            if shelf is not None:
                for predicate in set(shelf.candidates(held)):
                    if predicate.meets(fact):
                        found |= shelf.owners[predicate]
        return found


def _where(predicate: Predicate) -> tuple[_Places, _Values]:
    filters = predicate.filters
    return tuple([place for place, _ in filters]), tuple([value for _, value in filters])
