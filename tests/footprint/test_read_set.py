from __future__ import annotations

from reactor.footprint.key_range import KeyRange
from reactor.footprint.read_set import ReadSetBuilder

WITHIN = KeyRange(b"a", b"m")


def test_a_key_added_to_a_range_found_empty_meets_the_set() -> None:
    builder = ReadSetBuilder()
    builder.add(7, WITHIN)
    reads = builder.build()
    assert reads.meets({7: (b"c",)})
    assert not reads.meets({7: (b"m",)})
    assert not reads.meets({8: (b"c",)})


def test_a_scan_that_has_not_begun_has_read_nothing() -> None:
    builder = ReadSetBuilder()
    builder.trace(7, WITHIN)
    assert builder.build().ranges == {}


def test_a_scan_has_read_up_to_its_last_key_and_that_key() -> None:
    builder = ReadSetBuilder()
    trace = builder.trace(7, WITHIN)
    trace.last = b"d"
    assert builder.build().ranges == {7: (KeyRange(b"a", b"d\0"),)}


def test_a_descending_scan_has_read_from_its_last_key_to_the_end() -> None:
    builder = ReadSetBuilder()
    trace = builder.trace(7, WITHIN, descending=True)
    trace.last = b"d"
    assert builder.build().ranges == {7: (KeyRange(b"d", b"m"),)}


def test_an_exhausted_scan_has_read_its_whole_range() -> None:
    builder = ReadSetBuilder()
    trace = builder.trace(7, WITHIN)
    trace.exhausted = True
    assert builder.build().ranges == {7: (WITHIN,)}


def test_a_set_can_be_built_again_after_more_was_read() -> None:
    builder = ReadSetBuilder()
    trace = builder.trace(7, WITHIN)
    trace.last = b"b"
    first = builder.build()
    trace.last = b"c"
    builder.add(8, KeyRange.point(b"x"))
    assert first.ranges == {7: (KeyRange(b"a", b"b\0"),)}
    assert builder.build().ranges == {7: (KeyRange(b"a", b"c\0"),), 8: (KeyRange.point(b"x"),)}


def test_adding_says_whether_it_was_news() -> None:
    builder = ReadSetBuilder()
    assert builder.add(7, KeyRange(b"a", b"c"))
    assert not builder.add(7, KeyRange(b"a", b"c"))
    assert not builder.add(7, KeyRange(b"a", b"b"))
    assert builder.add(7, KeyRange(b"a", None))
    assert not builder.add(7, KeyRange(b"a", b"z"))
    assert builder.build().ranges == {7: (KeyRange(b"a", None),)}
