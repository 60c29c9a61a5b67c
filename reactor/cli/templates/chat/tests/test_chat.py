"""On the real engine, with an empty database in memory: `backend` comes with reactor."""

from datetime import timedelta

import pytest

from functions import chat
from reactor import AppError
from reactor.testing import TestBackend


def test_a_room_hears_what_is_said_in_it(backend: TestBackend) -> None:
    message = backend.mutation(chat.send, room="lobby", author="ann", text="hi")
    backend.mutation(chat.send, room="elsewhere", author="ann", text="not here")
    backend.mutation(chat.like, message_id=message)
    (heard,) = backend.query(chat.latest, room="lobby")
    assert (heard.text, heard.likes) == ("hi", 1)


def test_silence_is_no_message(backend: TestBackend) -> None:
    with pytest.raises(AppError):
        backend.mutation(chat.send, room="lobby", author="ann", text="   ")


def test_old_messages_are_forgotten(backend: TestBackend) -> None:
    backend.mutation(chat.send, room="lobby", author="ann", text="hi")
    backend.advance(timedelta(days=8))
    assert backend.query(chat.latest, room="lobby") == []
