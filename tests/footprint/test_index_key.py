"""What bounds on an index mean, said in keys of documents that should and should not be found."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reactor.footprint.index_key import Bound, id_range_of, range_of
from reactor.footprint.key_range import EVERYTHING, KeyRange
from reactor.values.int64 import Int64
from reactor.values.order import UNDEFINED, Undefined, index_key, order_key
from reactor.values.value import Value

Datum = Value | Undefined

SCALE: list[Datum] = [
    UNDEFINED,
    None,
    Int64(5),
    -1.5,
    0,
    2,
    False,
    True,
    "",
    "a",
    "a\0",
    "b",
    b"",
    b"\xff",
    [],
    [1],
    {},
]


def row(*fields: Datum) -> bytes:
    return index_key([*fields, 1000.5, "some-id"])


def values_in(found: KeyRange, key: Callable[[Datum], bytes] = row) -> list[Datum]:
    return [value for value in SCALE if found.contains(key(value))]


def test_without_bounds_everything_is_in() -> None:
    assert range_of() == EVERYTHING


def test_equality_finds_the_value_and_none_that_starts_like_it() -> None:
    assert values_in(range_of(["a"])) == ["a"]


def test_a_missing_field_is_found_as_undefined_and_lies_below_null() -> None:
    assert values_in(range_of([UNDEFINED])) == [UNDEFINED]
    assert UNDEFINED not in values_in(range_of([], Bound(None, False)))


@pytest.mark.parametrize("inclusive", [True, False])
def test_bounds_cut_the_scale_where_their_value_stands(inclusive: bool) -> None:
    for at, value in enumerate(SCALE):
        assert values_in(range_of([], Bound(value, inclusive))) == SCALE[at if inclusive else at + 1 :]
        assert values_in(range_of([], None, Bound(value, inclusive))) == SCALE[: at + 1 if inclusive else at]


def test_bounds_after_equal_fields_stay_within_them() -> None:
    found = range_of(["x"], Bound(1, False), Bound(3, True))
    assert [n for n in range(6) if found.contains(row("x", n))] == [2, 3]
    assert not found.contains(row("y", 2))


def test_crossed_bounds_give_an_empty_range() -> None:
    assert range_of([], Bound(3, True), Bound(2, True)).is_empty


def test_creation_time_can_follow_the_last_field() -> None:
    found = range_of(["x"], Bound(1000.5, False))
    assert not found.contains(index_key(["x", 1000.5, "id"]))
    assert found.contains(index_key(["x", 1000.75, "id"]))


ids = st.text(alphabet="0bz", min_size=1, max_size=3)
bounds = st.none() | st.builds(Bound, ids | st.sampled_from([UNDEFINED, None, 3, True, b"x", []]), st.booleans())


@given(ids, bounds, bounds)
def test_id_ranges_agree_with_the_order_of_values(id: str, lower: Bound | None, upper: Bound | None) -> None:
    def above() -> bool:
        if lower is None:
            return True
        mine, theirs = order_key(id), order_key(lower.value)
        return mine > theirs or (lower.inclusive and mine == theirs)

    def below() -> bool:
        if upper is None:
            return True
        mine, theirs = order_key(id), order_key(upper.value)
        return mine < theirs or (upper.inclusive and mine == theirs)

    assert id_range_of([], lower, upper).contains(id.encode()) == (above() and below())


def test_an_equal_id_is_a_point_and_an_equal_number_is_nothing() -> None:
    assert id_range_of(["abc"]) == KeyRange.point(b"abc")
    assert id_range_of([7]).is_empty
