"""Cursors and journals, as texts."""

from __future__ import annotations

from base64 import urlsafe_b64decode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reactor.auth.identity import Identity
from reactor.errors import AppError
from reactor.execution.chance import Chance
from reactor.execution.guard import Guard
from reactor.execution.logs import LogLines
from reactor.execution.pagination import Pages, Position, fingerprint
from reactor.execution.run import Run
from reactor.execution.seal import KEY_SIZE, Seal
from reactor.limits import DEFAULT_LIMITS

ONE, TWO = fingerprint([b"a", b"b"]), fingerprint([b"ab", b""])
SEAL = Seal(bytes(range(KEY_SIZE)))
ANN, BOB = (Identity.from_attributes({"issuer": "https://i", "subject": name}).key for name in ("ann", "bob"))
ANN_RENAMED = Identity.from_attributes({"issuer": "https://i", "subject": "ann", "name": "Ann B."}).key


def pages(
    given: str | None = None,
    *,
    seal: Seal = SEAL,
    identity: bytes | None = None,
    asked: bool = False,
    job: str | None = None,
    call: tuple[str, bytes] = ("m:list", b"{}"),
) -> Pages:
    """Of a call; `asked` says that its function has looked at who asks."""
    run = Run(
        now_ns=0,
        chance=Chance.unpredictable(),
        logs=LogLines(DEFAULT_LIMITS),
        guard=Guard(DEFAULT_LIMITS),
        deterministic=True,
        identity=identity,
        job=job,
    )
    run.identity_read = asked
    return Pages(seal, run, *call, given)


def refused(reader: Pages, text: str, query: bytes = ONE) -> bool:
    """Whether the text is met with what makes `usePaginatedQuery` begin again."""
    try:
        reader.read_cursor(text, query)
    except AppError as error:
        return error.data == {"isConvexSystemError": True, "paginationError": "InvalidCursor"}
    return False


@given(st.none() | st.binary())
def test_a_place_reads_back_and_equal_places_are_equal_texts(key: bytes | None) -> None:
    text = pages().write_cursor(ONE, Position(key))
    assert pages().read_cursor(text, ONE) == Position(key)
    assert pages().write_cursor(ONE, Position(key)) == text


def test_a_fingerprint_knows_where_its_parts_end() -> None:
    assert ONE != TWO


def test_a_cursor_tells_nothing_of_the_document_it_stands_at() -> None:
    text = pages().write_cursor(ONE, Position(b"a salary of 90000"))
    assert b"salary" not in urlsafe_b64decode(text + "==")


@pytest.mark.parametrize(
    "text", [pages().write_cursor(TWO, Position(b"k")), "", "é", "%%%", "AAAA", "c1" * 50, "A" * 99999]
)
def test_a_cursor_that_is_not_of_this_query_makes_the_client_begin_again(text: str) -> None:
    assert refused(pages(), text)


@given(st.data())
def test_no_letter_of_a_cursor_can_be_changed(data: st.DataObject) -> None:
    text = pages().write_cursor(ONE, Position(b"key"))
    place = data.draw(st.integers(0, len(text) - 2))  # the last letter has bits that mean nothing
    letter = data.draw(st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"))
    forged = text[:place] + letter + text[place + 1 :]
    assert refused(pages(), forged) == (forged != text)


def test_a_cursor_of_another_deployment_is_none() -> None:
    assert refused(pages(), pages(seal=Seal.random()).write_cursor(ONE, Position(None)))


def test_where_the_function_looked_at_who_asks_a_cursor_is_that_users() -> None:
    text = pages(identity=ANN, asked=True).write_cursor(ONE, Position(b"k"))
    assert not refused(pages(identity=ANN, asked=True), text)
    assert not refused(pages(identity=ANN_RENAMED, asked=True), text)  # the same user with a newer token
    assert refused(pages(identity=BOB, asked=True), text)
    assert refused(pages(asked=True), text)  # signed out


def test_a_cursor_of_a_user_makes_the_run_that_reads_it_that_users() -> None:
    text = pages(identity=ANN, asked=True).write_cursor(ONE, Position(b"k"))
    for identity, refuses in ((ANN, False), (BOB, True), (None, True)):
        reader = pages(identity=identity)
        assert refused(reader, text) is refuses
        assert reader._run.identity_read  # or the answer would be served to others


def test_where_it_did_not_everybody_shares_one_cursor() -> None:
    text = pages(identity=ANN).write_cursor(ONE, Position(b"k"))
    assert text == pages(identity=BOB).write_cursor(ONE, Position(b"k"))
    reader = pages(identity=BOB)
    assert not refused(reader, text)
    assert not reader._run.identity_read
    assert not refused(pages(identity=BOB, asked=True), text)


def test_a_job_goes_on_from_the_cursor_of_the_user_who_scheduled_it() -> None:
    text = pages(identity=ANN, asked=True).write_cursor(ONE, Position(b"k"))
    assert not refused(pages(job="j1"), text)


# ── journals ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def journal_of(*ends: tuple[bytes, Position], writer: Pages | None = None) -> str:
    """Of a call whose pages were of these queries and ended there."""
    writer = writer or pages()
    for query, position in ends:
        number, _known = writer.begin(query)
        writer.end(number, query, position)
    assert writer.journal is not None
    return writer.journal


def known_ends(reader: Pages, *queries: bytes) -> list[Position | None]:
    return [reader.begin(query)[1] for query in queries]


def test_a_journal_gives_each_page_of_a_call_its_own_end() -> None:
    first, second, third = (ONE, Position(b"1")), (ONE, Position(b"2")), (TWO, Position(None))
    journal = journal_of(first, second, third)
    assert known_ends(pages(journal), ONE, ONE, TWO, TWO) == [Position(b"1"), Position(b"2"), Position(None), None]
    assert known_ends(pages(journal), TWO, ONE, TWO) == [None, Position(b"2"), Position(None)]
    assert journal_of(first, second, third) == journal


def test_a_page_that_did_not_end_leaves_its_place_empty() -> None:
    writer = pages()
    writer.begin(ONE)
    assert writer.journal is None
    journal = journal_of((TWO, Position(b"2")), writer=writer)
    assert known_ends(pages(journal), ONE, TWO) == [None, Position(b"2")]


@pytest.mark.parametrize(
    "other",
    [
        {"call": ("m:other", b"{}")},
        {"call": ("m:list", b'{"a":1}')},
        {"seal": Seal.random()},
        {"identity": ANN, "asked": True},
    ],
)
def test_a_journal_of_another_call_or_user_is_as_good_as_none(other: dict[str, object]) -> None:
    journal = journal_of((ONE, Position(b"1")), writer=pages(**other))  # type: ignore[arg-type]
    assert known_ends(pages(journal), ONE) == [None]


@given(st.text())
def test_no_text_breaks_the_reader_of_journals(text: str) -> None:
    assert known_ends(pages(text), ONE, ONE) == [None, None]


def test_a_journal_is_no_cursor() -> None:
    assert refused(pages(), journal_of((ONE, Position(b"1"))))
    assert known_ends(pages(pages().write_cursor(ONE, Position(b"1"))), ONE) == [None]
