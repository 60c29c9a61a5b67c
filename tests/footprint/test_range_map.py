from __future__ import annotations

from reactor.footprint.key_range import EVERYTHING, KeyRange
from reactor.footprint.range_map import RangeMap
from reactor.values.order import order_key, prefix_end


def equality(value: str) -> KeyRange:
    prefix = order_key(value)
    return KeyRange(prefix, prefix_end(prefix))


def test_a_stab_costs_what_it_finds_and_not_what_exists() -> None:
    watched: RangeMap[int] = RangeMap()
    for owner in range(2000):
        watched.add(owner, 1, equality(f"channel {owner}"))
    shelf = watched._shelves[1]
    assert not shelf.partial, "an equality is filed with nothing to test"
    assert len(shelf.lengths) <= 4, "a stab tries the lengths that occur, not every length"
    assert watched.stab(1, order_key("channel 17") + b"rest") == {17}


def test_equal_ranges_of_many_owners_are_tested_once() -> None:
    watched: RangeMap[int] = RangeMap()
    for owner in range(1000):
        watched.add(owner, 1, KeyRange.point(b"the same id"))
    assert [len(ranges) for ranges in watched._shelves[1].partial.values()] == [1]
    assert watched.stab(1, b"the same id") == set(range(1000))
    assert watched.stab(1, b"the same id\0") == set()


def test_a_range_at_the_end_of_a_prefix_is_filed_under_that_prefix() -> None:
    watched: RangeMap[str] = RangeMap()
    prefix = order_key("general")
    watched.add("newest", 1, KeyRange(prefix + b"\x55", prefix_end(prefix)))
    assert list(watched._shelves[1].partial) == [prefix]


def test_watching_twice_is_watching_once_and_ends_at_once() -> None:
    watched: RangeMap[str] = RangeMap()
    watched.add("me", 1, EVERYTHING)
    watched.add("me", 1, EVERYTHING)
    watched.remove("me")
    assert watched.stab(1, b"x") == set()
    watched.remove("me")
    assert "me" not in watched


def test_an_empty_range_watches_nothing() -> None:
    watched: RangeMap[str] = RangeMap()
    watched.add("me", 1, KeyRange(b"b", b"a"))
    assert len(watched) == 0


def test_what_a_stab_returns_belongs_to_the_caller() -> None:
    watched: RangeMap[str] = RangeMap()
    watched.add("me", 1, equality("a"))
    watched.stab(1, order_key("a")).clear()
    assert watched.stab(1, order_key("a")) == {"me"}
