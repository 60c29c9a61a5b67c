"""Any Value at all: written and read again it is the same, and its key sorts where a plain reading of §3.4 puts it."""

import functools
import math
import struct
from collections.abc import Callable
from typing import Any

import orjson
from hypothesis import example, given, settings
from hypothesis import strategies as st

from reactor.errors import InvalidValue
from reactor.values.id import decode_id, encode_id, internal_id
from reactor.values.order import UNDEFINED, index_key, order_key, prefix_end
from reactor.values.timestamp import decode_ts, encode_ts
from reactor.values.value import (
    Int64,
    Value,
    check_value,
    decode,
    encode,
    from_json,
    nesting_of,
    size_of,
    to_clean_json,
    to_json,
)

SAFE = 2**53 - 1


def every(*strategies: st.SearchStrategy[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """`given`, without a time for each example: on a busy machine a slow one is no fault."""
    return lambda test: settings(deadline=None)(given(*strategies)(test))


int64s = st.builds(Int64, st.integers(-(2**63), 2**63 - 1) | st.sampled_from([-(2**63), 2**63 - 1, 0, 1, -1]))
numbers = (
    st.floats()
    | st.integers(-SAFE, SAFE)
    | st.sampled_from(
        [0.0, -0.0, math.nan, -math.nan, math.inf, -math.inf, SAFE, -SAFE, 2.0**53, -(2.0**53), 1e16, 5e-324]
    )
)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.text('\x00\x01a$"\\[{', max_size=4)
names = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=6).filter(
    lambda n: not n.startswith("$")
)
byte_strings = st.binary(max_size=6) | st.text("\x00\x01\xff", max_size=3).map(lambda t: t.encode("latin-1"))
scalars = st.none() | st.booleans() | numbers | int64s | texts | byte_strings
values: st.SearchStrategy[Any] = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4), max_leaves=12
)


def bits(number: float) -> bytes:
    return struct.pack(">d", number)


def canonical(value: Any) -> Any:
    """A picture of a Value in which plain equality is equality of Values."""
    match value:
        case list():
            return ("array", tuple(map(canonical, value)))
        case dict():
            return ("object", tuple((name, canonical(value[name])) for name in sorted(value)))
        case bool() | None:
            return ("constant", value)
        case Int64():
            return ("int64", int(value))
        case int() | float():
            return ("float64", bits(float(value)))
        case _:
            return (type(value).__name__, value)


# ── the slow order, written from the reference and not from the code ──────────────────────────────────────────────────


def rank(value: Any) -> int:
    if value is UNDEFINED:
        return 0
    if value is None:
        return 1
    if isinstance(value, Int64):
        return 2
    if isinstance(value, bool):
        return 4
    if isinstance(value, (int, float)):
        return 3
    ranks: dict[type, int] = {str: 5, bytes: 6, list: 7, dict: 8}
    return ranks[type(value)]


def place_of_float(number: float) -> tuple[int, int]:
    """IEEE total order, by sign and magnitude."""
    raw = int.from_bytes(bits(number))
    magnitude = raw & (2**63 - 1)
    return (0, -magnitude) if raw >> 63 else (1, magnitude)


def compare_sequences(a: list[Any], b: list[Any]) -> int:
    for x, y in zip(a, b, strict=False):
        if verdict := compare(x, y):
            return verdict
    return (len(a) > len(b)) - (len(a) < len(b))


def compare(a: Any, b: Any) -> int:
    if rank(a) != rank(b):
        return 1 if rank(a) > rank(b) else -1
    match a:
        case list():
            return compare_sequences(a, b)
        case dict():
            return compare_sequences(
                [list(pair) for pair in sorted(a.items())], [list(pair) for pair in sorted(b.items())]
            )
        case str():
            return (list(map(ord, a)) > list(map(ord, b))) - (list(map(ord, a)) < list(map(ord, b)))
        case None:
            return 0
        case Int64() | bool() | bytes():
            return int(a > b) - int(a < b)
        case int() | float():
            x, y = place_of_float(float(a)), place_of_float(float(b))
            return (x > y) - (x < y)
    return 0


@every(values, values)
@example("a", "a\x00")
@example(["a"], ["a\x00"])
@example("\uffff", "\U00010000")
@example(-0.0, 0)
@example(Int64(1), 1)
@example({"a": 1}, {"a": 1, "b": 1})
def test_keys_compare_as_values_do(a: Any, b: Any) -> None:
    x, y = order_key(a), order_key(b)
    assert (x > y) - (x < y) == compare(a, b)


@every(st.lists(st.lists(values | st.just(UNDEFINED), min_size=3, max_size=3), max_size=8))
def test_index_keys_sort_rows_field_by_field(rows: list[list[Any]]) -> None:
    by_key = sorted(rows, key=index_key)
    by_comparison = sorted(rows, key=functools.cmp_to_key(compare_sequences))
    assert list(map(index_key, by_key)) == list(map(index_key, by_comparison))


@every(st.lists(values, max_size=2), st.lists(values, max_size=3))
def test_a_prefix_range_holds_exactly_the_keys_with_those_first_parts(prefix: list[Any], row: list[Any]) -> None:
    start = index_key(prefix)
    end = prefix_end(start)
    inside = index_key(row) >= start and (end is None or index_key(row) < end)
    begins_so = [canonical(part) for part in row[: len(prefix)]] == [canonical(part) for part in prefix]
    assert inside == begins_so


@every(
    st.binary(max_size=4) | st.text("\xfe\xff", max_size=4).map(lambda t: t.encode("latin-1")), st.binary(max_size=4)
)
def test_the_end_of_a_prefix_is_past_it_and_least(prefix: bytes, other: bytes) -> None:
    end = prefix_end(prefix)
    assert (other >= prefix and (end is None or other < end)) == other.startswith(prefix)


# ── JSON ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


@every(values)
def test_a_value_written_and_read_is_the_same_value(value: Value) -> None:
    data = encode(value)
    assert canonical(decode(data)) == canonical(value)
    assert canonical(decode(data.decode())) == canonical(value)
    assert encode(decode(data)) == data


@every(values)
def test_the_tree_form_says_the_same_as_the_bytes(value: Value) -> None:
    before = canonical(value)
    tree = to_json(value)
    assert orjson.dumps(tree, option=orjson.OPT_SORT_KEYS) == encode(value)
    assert canonical(from_json(tree)) == before
    assert canonical(value) == before


@every(values, values)
def test_bytes_are_equal_exactly_when_values_are(a: Value, b: Value) -> None:
    assert (encode(a) == encode(b)) == (canonical(a) == canonical(b)) == (compare(a, b) == 0)


json_trees: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(names | st.sampled_from(["$integer", "$float", "$bytes", "$set", "$"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@every(json_trees, st.booleans())
def test_reading_any_json_gives_a_writable_value_or_a_refusal_and_text_and_tree_agree(tree: Any, escaped: bool) -> None:
    text = orjson.dumps(tree)
    if escaped:
        text = text.replace(b"$", b"\\u0024")
    try:
        expected = canonical(from_json(orjson.loads(text)))
    except InvalidValue:
        expected = None
    try:
        value = decode(text)
    except InvalidValue:
        assert expected is None
    else:
        assert canonical(value) == expected
        assert canonical(decode(encode(value))) == expected


@every(values)
def test_a_value_within_the_limits_passes_and_is_measured(value: Value) -> None:
    assert check_value(value, max_nesting=nesting_of(value)) == size_of(value)


@every(values)
def test_clean_json_is_always_json(value: Value) -> None:
    orjson.loads(orjson.dumps(to_clean_json(value)))


# ── ids and timestamps ────────────────────────────────────────────────────────────────────────────────────────────────


@every(st.integers(1, 2**32 - 1), st.binary(min_size=16, max_size=16))
def test_ids_come_back(table_number: int, internal: bytes) -> None:
    assert decode_id(encode_id(table_number, internal)) == (table_number, internal)


entropies = st.binary(min_size=8, max_size=8)


@every(st.integers(1, 2**32 - 1), st.lists(st.tuples(st.integers(0, 2**64 - 1), entropies), min_size=2, max_size=5))
def test_ids_of_a_table_sort_by_creation(table_number: int, made: list[tuple[int, bytes]]) -> None:
    ids = [encode_id(table_number, internal_id(stamp, entropy)) for stamp, entropy in sorted(made)]
    assert ids == sorted(ids)


@every(st.integers(0, 2**64 - 1))
def test_timestamps_come_back(ts: int) -> None:
    assert len(encode_ts(ts)) == 12
    assert decode_ts(encode_ts(ts)) == ts
