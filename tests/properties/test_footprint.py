"""The pure room against brute force: the clever structures say what a scan over everything would say."""

from __future__ import annotations

from itertools import pairwise, product

from hypothesis import given
from hypothesis import strategies as st

from reactor.footprint.commit import Commit
from reactor.footprint.key_range import KeyRange
from reactor.footprint.range_map import RangeMap
from reactor.footprint.range_set import contains, contains_any, union
from reactor.footprint.read_set import ReadSet, ReadSetBuilder
from reactor.footprint.write_log import WriteLog
from reactor.values.order import prefix_end

# Few different bytes, both ends of the scale among them: prefixes, carries and neighbours come up all the time.
ALPHABET = [0, 1, 2, 254, 255]
keys = st.lists(st.sampled_from(ALPHABET), max_size=4).map(bytes)
indexes = st.integers(0, 2)
SHORT_KEYS = {bytes(key) for size in range(3) for key in product(ALPHABET, repeat=size)}


@st.composite
def key_ranges(draw: st.DrawFn) -> KeyRange:
    start = draw(keys)
    match draw(st.sampled_from(["point", "prefix", "open", "any"])):
        case "point":
            return KeyRange.point(start)
        case "prefix":
            return KeyRange(start, prefix_end(start))
        case "open":
            return KeyRange(start, None)
        case _:
            return KeyRange(start, draw(keys))


@st.composite
def read_sets(draw: st.DrawFn) -> ReadSet:
    builder = ReadSetBuilder()
    for index, read in draw(st.lists(st.tuples(indexes, key_ranges()), max_size=5)):
        builder.add(index, read)
    return builder.build()


touched = st.dictionaries(indexes, st.lists(keys, min_size=1, max_size=4).map(lambda found: tuple(sorted(found))))


@given(st.lists(key_ranges(), max_size=8), keys)
def test_a_union_holds_exactly_the_keys_of_its_parts(ranges: list[KeyRange], key: bytes) -> None:
    assert contains(union(ranges), key) == any(part.contains(key) for part in ranges)


@given(st.lists(key_ranges(), max_size=8))
def test_the_parts_of_a_union_are_sorted_and_do_not_touch(ranges: list[KeyRange]) -> None:
    parts = union(ranges)
    assert not any(part.is_empty for part in parts)
    for left, right in pairwise(parts):
        assert left.end is not None
        assert left.end < right.start


@given(st.lists(key_ranges(), max_size=6), st.lists(keys, max_size=6))
def test_any_of_many_keys_is_found_as_one_by_one(ranges: list[KeyRange], many: list[bytes]) -> None:
    assert contains_any(union(ranges), sorted(many)) == any(part.contains(key) for part in ranges for key in many)


@given(st.lists(st.tuples(indexes, key_ranges()), max_size=6), touched)
def test_a_commit_meets_a_read_set_if_one_key_lies_in_one_range(
    reads: list[tuple[int, KeyRange]], written: dict[int, tuple[bytes, ...]]
) -> None:
    builder = ReadSetBuilder()
    for index, read in reads:
        builder.add(index, read)
    expected = any(read.contains(key) for index, read in reads for key in written.get(index, ()))
    built = builder.build()
    assert built.meets(written) == expected
    assert ReadSet.from_wire(built.to_wire()) == built


@given(
    st.lists(st.tuples(st.integers(0, 5), indexes, key_ranges()), max_size=30),
    st.sets(st.integers(0, 5)),
    indexes,
)
def test_a_stab_finds_every_owner_and_no_other(
    added: list[tuple[int, int, KeyRange]], removed: set[int], stabbed: int
) -> None:
    watched: RangeMap[int] = RangeMap()
    for owner, index, read in added:
        watched.add(owner, index, read)
    for owner in removed:
        watched.remove(owner)
    present = [(owner, read) for owner, index, read in added if owner not in removed and index == stabbed]
    edges = {edge for _, read in present for edge in read if edge is not None}
    for key in SHORT_KEYS | edges | {edge[:-1] for edge in edges}:
        assert watched.stab(stabbed, key) == {owner for owner, read in present if read.contains(key)}


@given(st.lists(st.tuples(st.integers(0, 5), indexes, key_ranges()), max_size=20), keys)
def test_when_every_owner_has_gone_nothing_is_left(added: list[tuple[int, int, KeyRange]], key: bytes) -> None:
    watched: RangeMap[int] = RangeMap()
    for owner, index, read in added:
        watched.add(owner, index, read)
    for owner in range(6):
        watched.remove(owner)
    assert len(watched) == 0
    assert watched._shelves == {}


batches = st.lists(st.tuples(st.integers(1, 5), st.lists(touched, max_size=2)), max_size=12)


@given(batches, read_sets(), st.integers(0, 70), st.none() | st.integers(0, 70), st.sampled_from([400, 1 << 20]))
def test_the_log_answers_like_a_scan_over_all_batches(
    steps: list[tuple[int, list[dict[int, tuple[bytes, ...]]]]],
    read_set: ReadSet,
    after: int,
    upto: int | None,
    max_bytes: int,
) -> None:
    log = WriteLog(10, max_bytes=max_bytes)
    ends = [10]
    met: list[int] = []
    for step, writes in steps:
        end = ends[-1] + step
        log.append(end, [Commit(end, ends[-1], write, "test") for write in writes])
        if any(read_set.meets(write) for write in writes):
            met.append(end)
        ends.append(end)
    assert log.head == ends[-1]

    known = [end for end in ends if end >= log.floor]
    before = [end for end in known if end < after]
    assert log.previous(after) == (before[-1] if before else after - 1)

    limit = log.head if upto is None else upto
    if upto is not None and upto <= after:
        expected = None
    elif after < log.floor:
        expected = after + 1
    else:
        expected = next((end for end in met if after < end <= limit), None)
    assert log.first_met(read_set, after, upto) == expected

    if after <= log.floor:
        assert log.last_met(read_set, after) == after
    else:
        assert log.last_met(read_set, after) == max([log.floor, *(end for end in met if end <= after)])


@given(batches)
def test_the_log_stays_within_its_age(steps: list[tuple[int, list[dict[int, tuple[bytes, ...]]]]]) -> None:
    log = WriteLog(0, max_age=5e-9)
    end = 0
    for step, writes in steps:
        end += step
        log.append(end, [Commit(end, 0, write, "test") for write in writes])
        assert end - log.floor <= 5 + 5  # the newest forgotten batch may lie one step before the oldest kept
        assert all(entry.ts > log.floor and end - entry.ts <= 5 for entry in log._entries)
        remembered = sum(len(postings.ends) - postings.dropped for postings in log._postings.values())
        assert remembered == sum(len(entry.indexes) for entry in log._entries)


@given(st.lists(st.tuples(indexes, key_ranges()), max_size=8))
def test_a_builder_gives_the_wire_form_of_what_it_builds(reads: list[tuple[int, KeyRange]]) -> None:
    builder = ReadSetBuilder()
    for index, read in reads:
        builder.add(index, read)
    assert builder.to_wire() == builder.build().to_wire()
