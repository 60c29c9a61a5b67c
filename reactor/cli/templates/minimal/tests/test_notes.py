"""On the real engine, with an empty database in memory: `backend` comes with reactor."""

import pytest

from functions import notes
from reactor import AppError
from reactor.testing import TestBackend


def test_a_note_is_listed_and_can_be_done(backend: TestBackend) -> None:
    note = backend.mutation(notes.add, text="buy milk")
    backend.mutation(notes.toggle, note_id=note)
    (listed,) = backend.query(notes.latest)
    assert (listed.text, listed.done) == ("buy milk", True)
    backend.mutation(notes.remove, note_id=note)
    assert backend.query(notes.latest) == []


def test_an_empty_note_is_refused(backend: TestBackend) -> None:
    with pytest.raises(AppError):
        backend.mutation(notes.add, text="  ")
