from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from reactor import AppError
from reactor.testing import TestBackend


@pytest.fixture
def backend() -> Iterator[TestBackend]:
    with TestBackend(Path(__file__).parent.parent) as running:
        yield running


def say(backend: TestBackend, room: str, text: str) -> str:
    return backend.mutation("chat:send", {"room": room, "author": "ann", "text": text})


def test_a_room_hears_what_is_said_in_it(backend: TestBackend) -> None:
    message = say(backend, "lobby", "hi")
    say(backend, "elsewhere", "not here")
    backend.mutation("chat:like", {"messageId": message})
    (heard,) = backend.query("chat:latest", {"room": "lobby"})
    assert (heard["text"], heard["likes"]) == ("hi", 1)


def test_silence_is_no_message(backend: TestBackend) -> None:
    with pytest.raises(AppError):
        say(backend, "lobby", "   ")


def test_old_messages_are_forgotten(backend: TestBackend) -> None:
    say(backend, "lobby", "hi")
    backend.advance(timedelta(days=8))
    assert backend.query("chat:latest", {"room": "lobby"}) == []
