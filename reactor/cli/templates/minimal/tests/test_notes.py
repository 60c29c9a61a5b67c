from collections.abc import Iterator
from pathlib import Path

import pytest

from reactor import AppError
from reactor.testing import TestBackend


@pytest.fixture
def backend() -> Iterator[TestBackend]:
    with TestBackend(Path(__file__).parent.parent) as running:
        yield running


def test_a_note_is_listed_and_can_be_done(backend: TestBackend) -> None:
    note = backend.mutation("notes:add", {"text": "buy milk"})
    backend.mutation("notes:toggle", {"noteId": note})
    (listed,) = backend.query("notes:latest")
    assert (listed["text"], listed["done"]) == ("buy milk", True)
    backend.mutation("notes:remove", {"noteId": note})
    assert backend.query("notes:latest") == []


def test_an_empty_note_is_refused(backend: TestBackend) -> None:
    with pytest.raises(AppError):
        backend.mutation("notes:add", {"text": "  "})
