"""Every limit of a call, with its official code and text (reference §4.6)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from reactor.database.transaction import Transaction
from reactor.database.usage import Usage
from reactor.errors import LimitExceeded
from reactor.limits import DEFAULT_LIMITS, Limits

from .conftest import Open
from .stories import insert

CASES: list[tuple[Limits, Callable[[Transaction], object], str, str]] = [
    (
        Limits(documents_read=2),
        lambda t: list(t.scan("notes")),
        "TooManyDocumentsRead",
        "Too many documents read in a single function execution (limit: 2).",
    ),
    (
        Limits(bytes_read=200),
        lambda t: list(t.scan("notes")),
        "TooManyBytesRead",
        "Too many bytes read in a single function execution (limit: 200 bytes).",
    ),
    (
        Limits(index_ranges=2),
        lambda t: [list(t.scan("notes", lower=(n, True))) for n in range(3)],
        "TooManyReads",
        "Too many reads in a single function execution (limit: 2).",
    ),
    (
        Limits(documents_written=2),
        lambda t: [t.insert("notes", {}) for _ in range(3)],
        "TooManyWrites",
        "Too many writes in a single function execution (limit: 2).",
    ),
    (
        Limits(bytes_written=100),
        lambda t: [t.insert("notes", {"text": "x" * 40}) for _ in range(3)],
        "TooManyBytesWritten",
        "Too many bytes written in a single function execution (limit: 100 bytes).",
    ),
]


@pytest.mark.parametrize(("limits", "work", "code", "text"), CASES, ids=[case[2] for case in CASES])
def test_passing_a_limit_names_it_and_fails_the_call(
    opened: Open, limits: Limits, work: Callable[[Transaction], object], code: str, text: str
) -> None:
    generous = opened()
    insert(generous, "notes", *({"n": n} for n in range(3)))
    generous.close()
    batch = opened(limits=limits).begin()
    t = batch.transaction("test")
    with pytest.raises(LimitExceeded) as caught:
        work(t)
    assert caught.value.code == code
    assert str(caught.value).startswith(text)
    assert "[tool.reactor.limits]" in str(caught.value)
    with pytest.raises(LimitExceeded):
        t.release()
    t.rollback()
    batch.abandon()


def test_exactly_the_limit_is_allowed() -> None:
    usage = Usage(Limits(documents_read=2, index_ranges=1, documents_written=1))
    usage.count_range()
    usage.count_read(10)
    usage.count_read(10)
    usage.count_write(10)
    usage.check()


def test_the_same_document_read_twice_is_one_range_and_two_documents(opened: Open) -> None:
    db = opened()
    (note,) = insert(db, "notes", {"n": 1})
    with db.snapshot() as snapshot:
        snapshot.get(note)
        snapshot.get(note)
    assert (snapshot.usage.index_ranges, snapshot.usage.documents_read) == (1, 2)


def test_the_default_text_is_the_official_one() -> None:
    usage = Usage(DEFAULT_LIMITS)
    usage.documents_read = DEFAULT_LIMITS.documents_read
    with pytest.raises(
        LimitExceeded, match=r"^Too many documents read in a single function execution \(limit: 32000\)\."
    ):
        usage.count_read(1)
