"""decode_plain: where it gives anything, `decode` gives the same, and `check_value` has nothing to say."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reactor.values.order import index_key, tail_of
from reactor.values.value import check_value, decode, decode_plain

SCRAPS = [
    "{",
    "}",
    "[",
    "]",
    '"',
    ":",
    ",",
    "1",
    "a",
    "$",
    "\\u0024",
    "\\n",
    "\x7f",
    "é",
    " ",
    "9007199254740993",
    "-0",
]
SCRAPS += ['"a":', "1e999", "null", "true", "\t", '"$integer"', "[[[[", "]]]]", '{"', '"}', "NaN", "\\ud800"]


@given(st.lists(st.sampled_from(SCRAPS), max_size=12).map("".join))
def test_it_says_what_the_careful_ones_say(text: str) -> None:
    value = decode_plain(text.encode(), max_nesting=3)
    if value is not None:
        assert value == decode(text, max_nesting=3)
        check_value(value, max_nesting=3)


@pytest.mark.parametrize(
    "text",
    [
        '{"$a":1}',
        '{"\\u0024a":1}',
        '{"é":1}',
        '{"a":"\\n"}',
        '{"\x7f":1}',
        '{"a":9007199254740993}',
        "[[[[1]]]]",
        "{",
        "",
    ],
)
def test_what_needs_a_closer_look_is_left_to_it(text: str) -> None:
    assert decode_plain(text.encode(), max_nesting=3) is None


def test_ordinary_arguments_are_taken() -> None:
    assert decode_plain(b'[{"group":5,"at":1.5,"name":"x"}]', max_nesting=64) == [{"group": 5, "at": 1.5, "name": "x"}]


@given(st.floats(allow_nan=False), st.text("0123456789abcdefghjkmnpqrstvwxyz", min_size=1), st.text())
def test_the_tail_of_a_key_is_the_time_and_the_id_it_was_made_of(time: float, own_id: str, field: str) -> None:
    found, name = tail_of(index_key([field, time, own_id]))
    assert (found, name) == (time, own_id)
    assert tail_of(own_id.encode()) == (None, own_id)
