from __future__ import annotations

from reactor.footprint.interval import Interval


def test_an_interval_holds_its_start_and_not_its_end() -> None:
    assert Interval(3, 5).contains(3)
    assert Interval(3, 5).contains(4)
    assert not Interval(3, 5).contains(5)
    assert not Interval(3).contains(2)
    assert Interval(3).contains(10**30)


def test_intervals_meet_where_both_hold() -> None:
    assert Interval(3).intersection(Interval(1, 9)) == Interval(3, 9)
    assert Interval(3).intersection(Interval(7)) == Interval(7)
    assert Interval(3, 5).intersection(Interval(5)).is_empty
