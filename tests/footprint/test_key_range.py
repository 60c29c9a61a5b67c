from __future__ import annotations

from reactor.footprint.key_range import EVERYTHING, KeyRange


def test_a_range_holds_its_start_and_not_its_end() -> None:
    stretch = KeyRange(b"b", b"d")
    assert stretch.contains(b"b")
    assert stretch.contains(b"c\xff")
    assert not stretch.contains(b"d")
    assert not stretch.contains(b"a\xff")


def test_a_point_holds_one_key_and_not_its_longer_neighbours() -> None:
    point = KeyRange.point(b"k")
    assert point.contains(b"k")
    assert not point.contains(b"k\0")
    assert not point.contains(b"j\xff")


def test_an_open_range_has_no_last_key() -> None:
    assert EVERYTHING.contains(b"")
    assert KeyRange(b"z", None).contains(b"\xff" * 100)
    assert not KeyRange(b"z", None).is_empty


def test_a_range_that_ends_where_it_starts_is_empty() -> None:
    assert KeyRange(b"a", b"a").is_empty
    assert KeyRange(b"b", b"a").is_empty


def test_an_intersection_takes_the_later_start_and_the_earlier_end() -> None:
    assert KeyRange(b"a", b"m").intersection(KeyRange(b"f", None)) == KeyRange(b"f", b"m")
    assert KeyRange(b"a", None).intersection(KeyRange(b"f", b"z")) == KeyRange(b"f", b"z")
    assert KeyRange(b"a", b"c").intersection(KeyRange(b"d", b"e")).is_empty
