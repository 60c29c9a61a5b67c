"""Text search against a slow model, and the promise that lets a watched search rest: what no commit met is as it was."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reactor.database.database import Database
from reactor.database.reading import Reading
from reactor.database.structure import IndexShape, TableStructure
from reactor.database.transaction import Transaction
from reactor.errors import IndexNotReady, InvalidQuery, LimitExceeded
from reactor.footprint.read_set import ReadSet
from reactor.limits import DEFAULT_LIMITS
from reactor.values.order import UNDEFINED
from tests.database.conftest import Open, StillClock
from tests.database.stories import call, declare, insert, write
from tests.database.texts import assert_text_indexes_are_whole

NOTES = TableStructure("notes", searched={"by_text": IndexShape(("text",), "search", ("owner", "open"))})
WORDS = ["a", "ab", "abc", "b", "ba", "c", "é", "猫", "猫の", "猫の写", "の"]


@pytest.fixture
def notes(db: Database) -> Database:
    declare(db, NOTES)
    return db


def search(reading: Reading, text: str, filters: dict[str, Any] | None = None, **options: Any) -> list[str]:
    return [stored.id for stored in reading.search("notes", "by_text", text, filters or {}, **options)]


def texts_found(db: Database, text: str, filters: dict[str, Any] | None = None, **options: Any) -> list[Any]:
    with db.snapshot() as snapshot:
        return [
            stored.fields()["text"] for stored in snapshot.search("notes", "by_text", text, filters or {}, **options)
        ]


# ── against a model ───────────────────────────────────────────────────────────────────────────────────────────────────

texts = st.lists(st.sampled_from(WORDS), max_size=5).map(" ".join)
documents = st.fixed_dictionaries({"text": texts, "owner": st.sampled_from(["ann", "bob"]), "open": st.booleans()}).map(
    lambda fields: {name: value for name, value in fields.items() if name != "open" or value}
)
filters = st.fixed_dictionaries(
    {}, optional={"owner": st.sampled_from(["ann", "bob"]), "open": st.sampled_from([True, UNDEFINED])}
)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("insert"), documents, st.booleans()),
        st.tuples(st.just("replace"), documents, st.booleans()),
        st.tuples(st.just("delete"), st.just({}), st.booleans()),
    ),
    max_size=5,
)


def model_finds(fields: dict[str, Any], text: str, wanted: dict[str, Any]) -> bool:
    """Word by word, in the plain reading of what the guide promises."""
    if any(fields.get(name, UNDEFINED) != value for name, value in wanted.items()):
        return False
    looked_for = text.replace("é", "e").split()
    words = fields["text"].replace("é", "e").split()
    for at, term in enumerate(looked_for):
        for word in words:
            if word == term or (at + 1 == len(looked_for) and word.startswith(term)):
                return True
            if term[0] > "z" and term in word:  # no spaces in these: anywhere
                return True
    return False


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data(), st.sampled_from([2, 1024]))
def test_searches_find_what_a_model_finds_and_rest_until_a_commit_meets_them(data: st.DataObject, most: int) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "data.sqlite"
        limits = replace(DEFAULT_LIMITS, search_candidates=most)
        db = Database.open_writer(path, clock=StillClock(), boot="boot", limits=limits)
        declare(db, NOTES)
        model: dict[str, dict[str, Any]] = {}
        watched: list[tuple[str, dict[str, Any], ReadSet, list[str]]] = []
        for _ in range(data.draw(st.integers(1, 5))):
            batch = db.begin()
            with call(batch) as transaction:
                for verb, fields, is_kept in data.draw(steps):
                    inner = transaction.begin_nested()
                    after = _apply(inner, verb, fields, model)
                    _assert_found(inner, data.draw(texts), data.draw(filters), after, most)
                    if is_kept:
                        inner.release()
                        model = after
                    else:
                        inner.rollback()
            commits = batch.commit().commits
            with db.snapshot() as snapshot:
                watched = [each for each in watched if not any(each[2].meets(commit.keys) for commit in commits)]
                for text, wanted, _, found in watched:
                    assert _first_page(snapshot.for_call(), text, wanted, most) == found, "to the last place"
                reading = snapshot.for_call()
                text, wanted = data.draw(texts), data.draw(filters)
                _assert_found(reading, text, wanted, model, most)
                watched.append((text, wanted, reading.reads.build(), _first_page(reading, text, wanted, most)))
        db.close()
        assert_text_indexes_are_whole(path)


def _apply(
    t: Transaction, verb: str, fields: dict[str, Any], model: dict[str, dict[str, Any]]
) -> dict[str, dict[str, Any]]:
    after = dict(model)
    if verb == "insert":
        after[t.insert("notes", fields).id] = fields
    elif model and verb == "replace":
        t.replace(max(model), fields)
        after[max(model)] = fields
    elif model:
        t.delete(min(model))
        del after[min(model)]
    return after


def _assert_found(
    reading: Reading, text: str, wanted: dict[str, Any], model: dict[str, dict[str, Any]], most: int
) -> None:
    expected = {note for note, fields in model.items() if model_finds(fields, text, wanted)}
    if len(expected) <= most:
        assert set(search(reading, text, wanted)) == expected
    else:
        found = search(reading, text, wanted, limit=most)
        assert len(found) == len(set(found)) == most
        assert set(found) <= expected


def _first_page(reading: Reading, text: str, wanted: dict[str, Any], most: int) -> list[str]:
    return search(reading, text, wanted, limit=most)


# ── what is found (reference §4.12) ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("FOX", ["red fox", "fox fur"]),  # any case
        ("fox", ["red fox", "fox fur"]),
        ("fo", ["red fox", "fox fur", "folk"]),  # the last term also by prefix
        ("fo red", ["red fox"]),  # … and no other one
        ("zebra fur", ["fox fur"]),  # any term may match
        ("ox", []),  # words, not pieces of them
        ("cafe", ["Café Straße"]),
        ("STRASSE", ["Café Straße"]),
        ("猫の写真", ["黒い猫の写真"]),
        ("写真", ["黒い猫の写真"]),
        ("猫", ["黒い猫の写真", "猫"]),
        ("真", ["黒い猫の写真"]),
        ("猫の絵", []),  # a run of such a script is one term
        ("한국", ["한국어를 배웁니다"]),
        ("カﾞ", ["ガラス"]),
        ("北京", ["在北京的秋天"]),
        ("", []),
        ("  \t\n?! ", []),
    ],
)
def test_terms_are_words_in_any_script(notes: Database, text: str, found: list[str]) -> None:
    """Reference §4.12: non-alphanumerics separate, case does not count, terms are alternatives, the last is a prefix."""
    every = [
        "red fox",
        "fox fur",
        "folk",
        "Café Straße",
        "黒い猫の写真",
        "猫",
        "한국어를 배웁니다",
        "ガラス",
        "在北京的秋天",
    ]
    insert(notes, "notes", *({"text": each} for each in every))
    assert sorted(texts_found(notes, text)) == sorted(found)


def test_best_first_and_of_equals_the_newest(notes: Database) -> None:
    """Reference §4.12: BM25 with a bonus for neighbours; ties newest first."""
    every = ["dog", "cat", "cat dog", "x cat y z dog", "x y z cat dog", "x y z w dog", "dog " + "x " * 50, "cat"]
    insert(notes, "notes", *({"text": each, "n": n} for n, each in enumerate(every)))
    found = texts_found(notes, "cat dog")
    assert found[0] == "cat dog"
    assert found.index("x y z cat dog") < found.index("x cat y z dog") < found.index("x y z w dog")
    assert found.index("dog") < found.index("x y z w dog") < found.index(every[6])
    with notes.snapshot() as snapshot:
        equals = [
            note.fields()["n"]
            for note in snapshot.search("notes", "by_text", "cat", {})
            if note.fields()["text"] == "cat"
        ]
    assert equals == [7, 1]


def test_a_rare_term_is_not_lost_among_many_documents_with_a_frequent_one(opened: Open) -> None:
    db = opened(limits=replace(DEFAULT_LIMITS, search_candidates=10))
    declare(db, NOTES)
    insert(db, "notes", {"text": "the zebra and the lion"}, *({"text": f"the thing {n}"} for n in range(50)))
    assert texts_found(db, "the zebra", limit=1) == ["the zebra and the lion"]
    assert texts_found(db, "the lion thing", limit=10)[0] == "the zebra and the lion"


def test_past_the_candidates_a_search_says_that_there_is_more(opened: Open) -> None:
    """Reference §4.12: `Search query scanned too many documents (fetched 1024)…`, when one asks for more than those."""
    db = opened(limits=replace(DEFAULT_LIMITS, search_candidates=10))
    declare(db, NOTES)
    insert(db, "notes", *({"text": "cat", "owner": n % 5} for n in range(11)))
    assert len(texts_found(db, "cat", limit=10)) == 10
    with pytest.raises(LimitExceeded, match=r"scanned too many documents \(fetched 10\)") as refused:
        texts_found(db, "cat")
    assert refused.value.code == "SearchQueryScannedTooManyDocumentsError"
    assert len(texts_found(db, "cat", {"owner": 0})) == 3


def test_positions_cut_the_results_into_pages(notes: Database) -> None:
    insert(notes, "notes", *({"text": "cat " * (n + 1)} for n in range(10)))
    with notes.snapshot() as snapshot:
        every = search(snapshot, "cat")
        pages: list[list[str]] = []
        after = None
        while not pages or pages[-1]:
            scan = snapshot.search("notes", "by_text", "cat", {}, limit=3, after=after)
            pages.append([stored.id for stored in scan])
            end, after = scan.position, scan.position or after
            if pages[-1]:
                again = snapshot.search("notes", "by_text", "cat", {}, until=end)
                assert [stored.id for stored in again] == every[: sum(map(len, pages))]
        assert [note for page in pages for note in page] == every


def test_what_cannot_be_searched_is_refused_and_a_search_for_nothing_needs_no_index(db: Database) -> None:
    batch = db.begin()
    with call(batch) as t:
        t.insert("notes", {"text": "one"})
    batch.add_indexes([NOTES])
    batch.commit()
    with db.snapshot() as snapshot:
        with pytest.raises(IndexNotReady, match=r"notes\.by_text is currently backfilling"):
            search(snapshot, "one")
        with pytest.raises(InvalidQuery, match=r"Index notes\.other not found"):
            snapshot.search("notes", "other", "one", {})
        assert search(snapshot, "?") == []
    declare(db, NOTES)
    with db.snapshot() as snapshot:
        assert len(search(snapshot, "one")) == 1
        with pytest.raises(InvalidQuery, match="no filter field `colour`"):
            search(snapshot, "one", {"colour": 1})
        with pytest.raises(InvalidQuery, match=r"too many filter conditions\. Max: 8 Actual: 9"):
            search(snapshot, "one", {f"f{n}": n for n in range(9)})
        with pytest.raises(InvalidQuery, match="of kind `search`"):
            snapshot.scan("notes", "by_text")


HOSTILE = [
    "(a+)+$ " * 1000,
    " ".join(f"term{n}" for n in range(10_000)),
    "*",
    "a* OR b* NOT c",
    'NEAR("a" "b", 5)',
    'text : "x" AND rowid > 0',
    '"unbalanced',
    "'; DROP TABLE t; --",
    "a\0b",
    "x" * 1_000_000,
    "猫" * 300_000,
    "é" * 300_000,
    "\u0301" * 100_000,
    "🙂" * 1000,
    "{}[]^-+:",
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_texts_are_words_like_any_other(notes: Database, text: str) -> None:
    """Ten thousand terms, patterns, wildcards, operators of the engine, a megabyte: at most 16 terms are looked for."""
    ids = insert(notes, "notes", {"text": "term3 stands here"}, {"text": text[:1000]})
    found: list[str] = []
    with notes.snapshot() as snapshot:
        found = search(snapshot, text)
    assert set(found) <= set(ids)
    with notes.snapshot() as snapshot:
        assert (ids[0] in search(snapshot, "term3")) is True


def test_a_loop_over_results_may_change_them(notes: Database) -> None:
    insert(notes, "notes", *({"text": f"cat {n}", "n": n} for n in range(5)))

    def change(t: Transaction) -> None:
        seen = []
        for stored in t.search("notes", "by_text", "cat", {}):
            seen.append(stored.fields()["n"])
            if len(seen) == 1:
                t.insert("notes", {"text": "cat cat cat", "n": 99})
                (second,) = [s for s in t.scan("notes") if s.fields()["n"] == 3]
                t.delete(second.id)
            t.replace(stored.id, {"text": "dog", "n": stored.fields()["n"]})
        assert seen == [4, 2, 1, 0]
        assert len(search(t, "cat")) == 1
        assert len(search(t, "dog")) == 4

    write(notes, change)
