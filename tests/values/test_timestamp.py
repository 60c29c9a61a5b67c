"""Timestamps on the wire (reference §1.2)."""

import pytest

from reactor.errors import InvalidValue
from reactor.values.timestamp import MAX_TIMESTAMP, decode_ts, encode_ts

VECTORS = [
    (0, "AAAAAAAAAAA="),
    (1, "AQAAAAAAAAA="),
    (1790000000000000000, "AADzI4Rb1xg="),
    (MAX_TIMESTAMP, "//////////8="),
]


@pytest.mark.parametrize(("ts", "text"), VECTORS)
def test_vectors_of_the_reference(ts: int, text: str) -> None:
    assert encode_ts(ts) == text
    assert decode_ts(text) == ts


@pytest.mark.parametrize(
    "text",
    [
        "",
        "AAAA",
        "AAAAAAAAAAA",
        "AAAAAAAAAAA==",
        "AAAAAAAAAAAAAAAA",
        "AAAAAAAAAAB=",
        "AAAAAAAAAA!=",
        "é",
        " AAAAAAAAAAA=",
    ],
)
def test_anything_else_is_no_timestamp(text: str) -> None:
    with pytest.raises(InvalidValue, match="is not a timestamp"):
        decode_ts(text)


def test_a_number_is_no_timestamp_on_the_wire() -> None:
    with pytest.raises(InvalidValue, match="is not a timestamp"):
        decode_ts(5)  # type: ignore[arg-type]
