"""Cursors and journals, as texts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reactor.errors import AppError
from reactor.execution.pagination import (
    Position,
    fingerprint,
    read_cursor,
    read_journal,
    write_cursor,
    write_journal,
)

ONE, TWO = fingerprint([b"a", b"b"]), fingerprint([b"ab", b""])


@given(st.none() | st.binary())
def test_a_place_reads_back_and_equal_places_are_equal_texts(key: bytes | None) -> None:
    text = write_cursor(ONE, Position(key))
    assert read_cursor(text, ONE) == Position(key)
    assert write_cursor(ONE, Position(key)) == text
    assert read_journal(write_journal(ONE, Position(key)), ONE) == Position(key)


def test_a_fingerprint_knows_where_its_parts_end() -> None:
    assert ONE != TWO


@pytest.mark.parametrize("text", [write_cursor(TWO, Position(b"k")), "", "é", "%%%", "AAAA", "c1" * 50])
def test_a_cursor_that_is_not_of_this_query_makes_the_client_begin_again(text: str) -> None:
    with pytest.raises(AppError) as caught:
        read_cursor(text, ONE)
    assert caught.value.data == {"isConvexSystemError": True, "paginationError": "InvalidCursor"}


@given(st.text())
def test_no_text_breaks_the_reader_of_journals(text: str) -> None:
    assert read_journal(text, ONE) is None


def test_a_journal_is_no_cursor() -> None:
    with pytest.raises(AppError):
        read_cursor(write_journal(ONE, Position(b"k")), ONE)
    assert read_journal(None, ONE) is None
