"""Messages are values: they can be compared, shared and kept, and never change under whoever holds them."""

from __future__ import annotations

from typing import get_args

import msgspec
import pytest

from reactor.sync import messages
from reactor.sync.version import StateVersion

RECORDS = [
    record
    for union in (messages.ClientMessage, messages.ServerMessage, messages.Modification)
    for record in get_args(union)
] + [messages.Add, messages.Remove, StateVersion]


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.__name__)
def test_every_record_is_frozen_and_slotted(record: type) -> None:
    if issubclass(record, msgspec.Struct):
        assert record.__struct_config__.frozen
    else:
        assert vars(record)["__dataclass_params__"].frozen
    assert "__slots__" in vars(record)
    assert "__dict__" not in dir(record)


def test_a_message_cannot_be_changed() -> None:
    message = messages.Remove(3)
    with pytest.raises(AttributeError):
        message.query_id = 4  # type: ignore[misc]


def test_equal_content_is_an_equal_message() -> None:
    start, end = StateVersion.START, StateVersion(1, 0, 5)
    first = messages.Transition(start, end, (messages.QueryUpdated(0, b"[]"),))
    second = messages.Transition(StateVersion(0, 0, 0), end, (messages.QueryUpdated(0, b"[]"),))
    assert first == second
    assert hash(first) == hash(second)


def test_every_socket_starts_at_zero() -> None:
    assert StateVersion(0, 0, 0) == StateVersion.START
