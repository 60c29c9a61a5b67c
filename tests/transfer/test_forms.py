"""The forms documents have in files: JSON of archives, cells of CSV."""

from __future__ import annotations

import math
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reactor.errors import InvalidValue
from reactor.transfer.cells import value_of_cell
from reactor.values.int64 import Int64
from reactor.values.lossless_json import from_lossless_json, to_lossless_json
from reactor.values.validator import (
    AnyV,
    BigIntV,
    BooleanV,
    LiteralV,
    NullV,
    NumberV,
    ObjectV,
    StringV,
    UnionV,
    Validator,
)
from reactor.values.value import Value, encode

scalars = (
    st.none()
    | st.booleans()
    | st.floats()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.integers(-(2**63), 2**63 - 1).map(Int64)
    | st.text(st.characters(exclude_categories=["Cs"]))
    | st.binary()
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.from_regex("[a-z]{1,5}", fullmatch=True), inner),
)


@given(values)
def test_a_value_comes_back_from_an_archive_as_it_went(value: Value) -> None:
    line = orjson.dumps(to_lossless_json(value))
    assert encode(from_lossless_json(orjson.loads(line))) == encode(value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Int64(42), "42"),
        (Int64(2**63 - 1), "9223372036854775807"),
        (0.0, "0.0"),
        (1, "1.0"),
        (-0.0, "-0.0"),
        (math.inf, '{"$float":"AAAAAAAA8H8="}'),
        (b"hello", '{"$bytes":"aGVsbG8="}'),
    ],
)
def test_archives_are_spelt_as_official_exports_are(value: Value, text: str) -> None:
    assert orjson.dumps(to_lossless_json(value)).decode() == text


@pytest.mark.parametrize("tree", [{"$set": []}, {"$integer": "x"}, {"a": {"$bytes": 1}}])
def test_what_is_no_value_is_refused(tree: Any) -> None:
    with pytest.raises(InvalidValue):
        from_lossless_json(tree)


@pytest.mark.parametrize(
    ("text", "validator", "value"),
    [
        ("12", None, 12.0),
        ("1e3", None, 1000.0),
        ("12a", None, "12a"),
        ("nan", None, "nan"),
        ("12", StringV(), "12"),
        ("12", NumberV(), 12.0),
        ("12", BigIntV(), Int64(12)),
        ("99999999999999999999", BigIntV(), "99999999999999999999"),
        ("TRUE", BooleanV(), True),
        ("yes", BooleanV(), "yes"),
        ("", UnionV((StringV(), NullV())), None),
        ("5", UnionV((StringV(), NumberV())), 5.0),
        ("a", UnionV((LiteralV("a"), NumberV())), "a"),
        ('{"a":1}', ObjectV(()), {"a": 1}),
        ("{", ObjectV(()), "{"),
        ("7", AnyV(), 7.0),
    ],
)
def test_a_cell_is_read_as_the_schema_says(text: str, validator: Validator | None, value: Value) -> None:
    found = value_of_cell(text, validator)
    assert (found, type(found)) == (value, type(value))
