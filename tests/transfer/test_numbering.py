"""Which table gets which number: ids that come keep their texts."""

from __future__ import annotations

import pytest

from reactor.errors import TransferRefused
from reactor.transfer.numbering import Present, number_tables


def test_a_table_without_documents_that_stay_takes_the_number_of_the_ids() -> None:
    found = number_tables(
        {"a": Present(10001, stays=False), "b": Present(10002, stays=False)}, {"a": 10002, "b": 10001}
    )
    assert found.renumbered == {"a": 10002, "b": 10001}
    assert found.created == {}


def test_an_empty_table_in_the_way_moves_on() -> None:
    found = number_tables({"a": Present(10001, stays=False), "b": Present(10002, stays=False)}, {"a": 10002})
    assert found.renumbered == {"a": 10002, "b": 10003}


def test_a_new_table_is_made_with_the_number_of_its_ids_or_a_free_one() -> None:
    found = number_tables({"a": Present(10001, stays=True)}, {"b": 10007, "c": None})
    assert found.created == {"b": 10007, "c": 10008}
    assert found.renumbered == {}


def test_a_table_whose_documents_stay_keeps_its_number() -> None:
    assert number_tables({"a": Present(10001, stays=True)}, {"a": 10001}).renumbered == {}
    assert number_tables({"a": Present(10001, stays=True)}, {"a": None}).renumbered == {}
    with pytest.raises(TransferRefused, match="--replace"):
        number_tables({"a": Present(10001, stays=True)}, {"a": 10002})


def test_a_number_that_another_table_needs_is_refused() -> None:
    with pytest.raises(TransferRefused, match="--replace-all"):
        number_tables({"a": Present(10001, stays=True), "b": Present(10002, stays=False)}, {"b": 10001})
    with pytest.raises(TransferRefused, match="contradicts"):
        number_tables({}, {"a": 10001, "b": 10001})
