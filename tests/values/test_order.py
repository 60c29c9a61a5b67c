"""Keys whose bytes sort as reference §3.4 says. (tests/properties/test_values.py compares them with a slow order.)"""

import math
import struct
from itertools import pairwise, product
from typing import Any

import pytest

from reactor.values.order import UNDEFINED, Undefined, index_key, order_key, prefix_end
from reactor.values.value import Int64, Value

NEGATIVE_NAN: float = struct.unpack("<d", b"\x00" * 6 + b"\xf8\xff")[0]

ASCENDING: list[Value | Undefined] = [
    UNDEFINED,
    None,
    Int64(-(2**63)),
    Int64(-1),
    Int64(0),
    Int64(1),
    Int64(2**63 - 1),
    NEGATIVE_NAN,
    -math.inf,
    -1e300,
    -1.5,
    -1,
    -5e-324,
    -0.0,
    0,
    5e-324,
    1,
    1.5,
    2**53 - 1,
    2.0**53,
    math.inf,
    math.nan,
    False,
    True,
    "",
    "\x00",
    "\x00\x00",
    "\x00a",
    "\x01",
    "a",
    "a\x00",
    "a\x00b",
    "a\x01",
    "ab",
    "\u00ff",
    "\uffff",
    "\U00010000",
    b"",
    b"\x00",
    b"\x00\x00",
    b"\x00\xff",
    b"\x01",
    b"\xff",
    b"\xff\xff",
    [],
    [None],
    [None, None],
    [None, "x"],
    [[]],
    [[], []],
    [{}],
    {},
    {"": 1},
    {"a": None},
    {"a": None, "b": None},
    {"a": 1},
    {"a": 1, "b": 1},
    {"a": 1, "c": 0},
    {"a": 2},
    {"ab": None},
    {"b": None},
]


def test_keys_ascend_as_the_reference_says() -> None:
    for lower, upper in pairwise(ASCENDING):
        assert order_key(lower) < order_key(upper), f"{lower!r} must sort before {upper!r}"


def test_no_key_is_a_prefix_of_another() -> None:
    for a, b in product(ASCENDING, repeat=2):
        assert a is b or not order_key(b).startswith(order_key(a)), f"{a!r} and {b!r}"


@pytest.mark.parametrize("number", [0, 1, -1, 7, 2**53 - 1, -(2**53) + 1])
def test_int_and_float_of_one_number_have_one_key_and_int64_another(number: int) -> None:
    assert order_key(number) == order_key(float(number)) != order_key(Int64(number))


def test_booleans_are_no_numbers() -> None:
    assert order_key(True) != order_key(1)
    assert order_key(False) != order_key(0)


def test_what_is_no_value_has_no_place() -> None:
    for stranger in ((1,), object(), {1}):
        with pytest.raises(TypeError, match="is not a Value"):
            order_key(stranger)  # type: ignore[arg-type]


def test_an_index_key_sorts_by_its_parts_in_turn() -> None:
    rows: list[list[Any]] = [["a", 2], ["a", 10], ["a\x00", 0], ["ab", 1], ["b", UNDEFINED], ["b", None]]
    assert sorted(rows, key=index_key) == rows
    assert index_key(["a", 2]) == order_key("a") + order_key(2)


@pytest.mark.parametrize(
    ("prefix", "end"),
    [
        (b"", None),
        (b"\xff\xff", None),
        (b"a", b"b"),
        (b"a\xff\xff", b"b"),
        (b"\x00", b"\x01"),
        (b"a\x00\x00", b"a\x00\x01"),
    ],
)
def test_the_end_of_a_prefix_is_the_least_bytes_past_it(prefix: bytes, end: bytes | None) -> None:
    assert prefix_end(prefix) == end


def test_a_prefix_of_parts_covers_exactly_the_keys_that_start_with_them() -> None:
    start = index_key(["a"])
    end = prefix_end(start)
    assert end is not None
    assert all(start <= index_key(["a", part]) < end for part in ASCENDING)
    for other in ("", "a\x00", "a\x00\x00", "ab", "`", "b"):
        assert not any(start <= index_key([other, part]) < end for part in ASCENDING)


def test_undefined_is_one_falsy_thing() -> None:
    assert not UNDEFINED
    assert repr(UNDEFINED) == "UNDEFINED"
