"""What a scan hands out, what it says it has read, and what it sees of the writes made meanwhile (engine A6)."""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest

from reactor.database.database import Database
from reactor.database.reading import Reading
from reactor.errors import IndexNotReady, InvalidQuery
from reactor.footprint.index_key import range_of
from reactor.footprint.key_range import KeyRange
from reactor.footprint.read_set import ReadSet
from reactor.values.order import UNDEFINED

from .conftest import Open
from .stories import MESSAGES, call, declare, insert, read, values, write


@pytest.fixture
def channel_of_ten(db: Database) -> Database:
    declare(db, MESSAGES)
    insert(db, "messages", *({"channel": "a", "n": n} for n in range(10)))
    insert(db, "messages", {"channel": "b", "n": 99})
    return db


def number_of(db: Database, index: str = "by_channel") -> int:
    table = db.catalog.table("messages")
    assert table is not None
    return table.indexes[index].number


def ranges(reading: Reading) -> Any:
    return reading.reads.build().ranges


# ── order and bounds ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_default_order_is_creation(channel_of_ten: Database) -> None:
    assert values(read(channel_of_ten, "messages")) == [*range(10), 99]
    assert values(read(channel_of_ten, "messages", descending=True)) == [99, *reversed(range(10))]


def test_bounds_lie_on_the_field_after_the_equal_ones(db: Database) -> None:
    declare(db, MESSAGES)
    insert(db, "messages", *({"score": n, "n": n} for n in range(6)), {"n": "none"}, {"score": "x", "n": "text"})
    assert values(read(db, "messages", "by_score", lower=(1, False), upper=(4, True))) == [2, 3, 4]
    assert values(read(db, "messages", "by_score", lower=(1, True), upper=(4, False))) == [1, 2, 3]
    assert values(read(db, "messages", "by_score", (3,))) == [3]
    assert values(read(db, "messages", "by_score", (UNDEFINED,))) == ["none"]
    assert values(read(db, "messages", "by_score", lower=(None, False), descending=True)) == ["text", 5, 4, 3, 2, 1, 0]
    assert values(read(db, "messages", "by_score", lower=(4, True), upper=(1, True))) == []


def test_every_table_can_be_read_by_id(channel_of_ten: Database) -> None:
    first, second, *_ = read(channel_of_ten, "messages")
    assert read(channel_of_ten, "messages", "by_id", (second.id,)) == [second]
    assert read(channel_of_ten, "messages", "by_id", upper=(second.id, True)) == [first, second]
    assert read(channel_of_ten, "messages", "by_id", lower=(second.id, True), limit=1) == [second]
    assert read(channel_of_ten, "messages", "by_id", (7,)) == []


def test_creation_time_bounds_the_default_index(channel_of_ten: Database) -> None:
    third = read(channel_of_ten, "messages")[2]
    assert values(read(channel_of_ten, "messages", upper=(third.creation_time, False))) == [0, 1]
    assert values(read(channel_of_ten, "messages", "by_channel", ("a",), (third.creation_time, False))) == [
        *range(3, 10)
    ]


@pytest.mark.parametrize("descending", [False, True])
def test_pages_join_without_gap_or_repetition(channel_of_ten: Database, descending: bool) -> None:
    found: list[Any] = []
    after = None
    with channel_of_ten.snapshot() as snapshot:
        while True:
            scan = snapshot.scan("messages", "by_channel", ("a",), descending=descending, limit=3, after=after)
            page = values(list(scan))
            if not page:
                break
            found += page
            again = snapshot.scan(
                "messages", "by_channel", ("a",), descending=descending, after=after, until=scan.position
            )
            assert values(list(again)) == page
            after = scan.position
    assert found == (list(reversed(range(10))) if descending else list(range(10)))


def test_an_unknown_index_is_named(channel_of_ten: Database) -> None:
    with channel_of_ten.snapshot() as snapshot:
        with pytest.raises(InvalidQuery, match=r"^Index messages\.by_mood not found\.$"):
            snapshot.scan("messages", "by_mood")
        with pytest.raises(InvalidQuery, match=r"^Index nowhere\.by_mood not found\.$"):
            snapshot.scan("nowhere", "by_mood")
        assert list(snapshot.scan("nowhere")) == []


# ── what was read ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_exhausted_scan_has_read_its_whole_range(channel_of_ten: Database) -> None:
    with channel_of_ten.snapshot() as snapshot:
        list(snapshot.scan("messages", "by_channel", ("a",)))
    assert ranges(snapshot) == {number_of(channel_of_ten): (range_of(["a"]),)}


def test_an_empty_result_is_a_reading_of_the_range(channel_of_ten: Database) -> None:
    with channel_of_ten.snapshot() as snapshot:
        assert list(snapshot.scan("messages", "by_channel", ("zzz",))) == []
    assert ranges(snapshot) == {number_of(channel_of_ten): (range_of(["zzz"]),)}


@pytest.mark.parametrize("how", ["limit", "break"])
def test_a_scan_that_stops_has_read_up_to_its_last_document(channel_of_ten: Database, how: str) -> None:
    whole = range_of(["a"])
    with channel_of_ten.snapshot() as snapshot:
        if how == "limit":
            scan = snapshot.scan("messages", "by_channel", ("a",), limit=3)
            assert len(list(scan)) == 3
        else:
            scan = snapshot.scan("messages", "by_channel", ("a",))
            for _ in range(3):
                next(scan)
    assert scan.position is not None
    assert ranges(snapshot) == {number_of(channel_of_ten): (KeyRange(whole.start, scan.position + b"\0"),)}
    ahead = write(channel_of_ten, lambda t: t.insert("messages", {"channel": "a", "n": 10}))
    assert not snapshot.reads.build().meets(ahead.commits[0].keys), "the fetched but unseen tail is not read"


def test_a_descending_scan_that_stops_is_met_by_what_comes_in_front(channel_of_ten: Database) -> None:
    with channel_of_ten.snapshot() as snapshot:
        assert values(list(snapshot.scan("messages", "by_channel", ("a",), descending=True, limit=2))) == [9, 8]
    oldest = read(channel_of_ten, "messages")[0]
    newest = write(channel_of_ten, lambda t: t.insert("messages", {"channel": "a", "n": 10})).commits[0]
    behind = write(channel_of_ten, lambda t: t.delete(oldest.id)).commits[0]
    assert snapshot.reads.build().meets(newest.keys)
    assert not snapshot.reads.build().meets(behind.keys)


def test_a_scan_nobody_has_asked_reads_nothing(channel_of_ten: Database) -> None:
    with channel_of_ten.snapshot() as snapshot:
        snapshot.scan("messages", "by_channel", ("a",))
        list(snapshot.scan("messages", "by_channel", ("a",), limit=0))
    assert ranges(snapshot) == {}
    assert snapshot.usage.index_ranges == 0


def test_a_short_take_has_seen_the_end(channel_of_ten: Database) -> None:
    with channel_of_ten.snapshot() as snapshot:
        assert len(list(snapshot.scan("messages", "by_channel", ("b",), limit=5))) == 1
    assert ranges(snapshot) == {number_of(channel_of_ten): (range_of(["b"]),)}


def test_a_get_reads_a_point_whether_it_finds_or_not(channel_of_ten: Database) -> None:
    first, second, *_ = read(channel_of_ten, "messages")
    gone = write(channel_of_ten, lambda t: t.delete(second.id)).commits[0]
    with channel_of_ten.snapshot() as snapshot:
        assert snapshot.get(first.id) == first
        assert snapshot.get(second.id) is None
    points = (KeyRange.point(first.id.encode()), KeyRange.point(second.id.encode()))
    assert ranges(snapshot) == {number_of(channel_of_ten, "by_id"): points}
    assert snapshot.reads.build().meets(gone.keys)


def test_reading_a_table_that_does_not_exist_is_met_when_it_comes_to_be(db: Database) -> None:
    other = insert(db, "notes", {"n": 1})[0]
    with db.snapshot() as snapshot:
        assert list(snapshot.scan("todos")) == []
        one, two = snapshot.for_call(), snapshot.for_call()
        assert one.normalize_id("todos", other) is None
        with pytest.raises(InvalidQuery):
            two.scan("todos", "by_mood")
    (commit,) = write(db, lambda t: t.insert("todos", {"n": 1})).commits
    (unrelated,) = write(db, lambda t: t.insert("notes", {"n": 1})).commits
    for reading in (snapshot, one, two):
        assert reading.reads.build().meets(commit.keys)
        assert not reading.reads.build().meets(unrelated.keys)


def test_a_query_of_an_index_being_filled_is_met_when_it_is_ready(channel_of_ten: Database) -> None:
    batch = channel_of_ten.begin()
    wanted = type(MESSAGES)("messages", {**MESSAGES.indexes, "by_n": ("n",)})
    batch.add_indexes([wanted])
    batch.commit()
    with channel_of_ten.snapshot() as snapshot, pytest.raises(IndexNotReady, match=r"messages\.by_n is currently"):
        snapshot.scan("messages", "by_n")
    batch = channel_of_ten.begin()
    batch.apply_schema([wanted])
    met = [snapshot.reads.build().meets(commit.keys) for commit in batch.commit().commits]
    assert any(met)


def test_a_push_meets_those_whose_part_of_the_code_it_changes(db: Database) -> None:
    with db.snapshot() as snapshot:
        changed, untouched, silent = snapshot.for_call(), snapshot.for_call(), snapshot.for_call()
        changed.read_code("images")
        untouched.read_code("users")
        assert silent.bundle == ""
    batch = db.begin()
    batch.set_bundle("second", {"images": b"new"})
    (commit,) = batch.commit().commits
    assert changed.reads.build().meets(commit.keys)
    assert not untouched.reads.build().meets(commit.keys)
    assert silent.reads.build() == ReadSet({})


def test_calls_in_one_snapshot_count_and_record_apart(channel_of_ten: Database) -> None:
    with channel_of_ten.snapshot() as snapshot:
        one, two = snapshot.for_call(), snapshot.for_call()
        list(one.scan("messages", "by_channel", ("a",)))
        list(two.scan("messages", "by_channel", ("b",)))
    assert one.usage.documents_read == 10
    assert two.usage.documents_read == 1
    assert ranges(two) == {number_of(channel_of_ten): (range_of(["b"]),)}


# ── a loop that writes (engine A6) ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("count", [5, 128, 300])
def test_a_loop_that_inserts_into_the_index_it_walks_ends(db: Database, count: int) -> None:
    declare(db, MESSAGES)
    insert(db, "messages", *({"channel": "a", "n": n} for n in range(count)))
    batch = db.begin()
    with call(batch) as t:
        seen = []
        for message in t.scan("messages", "by_channel", ("a",)):
            seen.append(message.fields()["n"])
            t.insert("messages", {"channel": "a", "n": -1})
    batch.commit()
    assert seen == list(range(count))
    assert len(read(db, "messages", "by_channel", ("a",))) == 2 * count


@pytest.mark.parametrize("descending", [False, True])
def test_a_loop_that_moves_documents_ahead_of_itself_meets_each_once(db: Database, descending: bool) -> None:
    declare(db, MESSAGES)
    insert(db, "messages", *({"score": n, "n": n} for n in range(200)))
    batch = db.begin()
    step = -1000 if descending else 1000
    with call(batch) as t:
        seen = []
        for message in t.scan("messages", "by_score", descending=descending):
            fields = message.fields()
            seen.append(fields["n"])
            t.replace(message.id, {**fields, "score": fields["score"] + step})  # type: ignore[operator]
    batch.commit()
    assert seen == sorted(range(200), reverse=descending)


def test_a_loop_sees_what_it_did_to_documents_ahead(db: Database) -> None:
    declare(db, MESSAGES)
    ids = insert(db, "messages", *({"score": n, "n": n} for n in range(6)))
    batch = db.begin()
    with call(batch) as t:
        seen = []
        for message in t.scan("messages", "by_score"):
            seen.append(message.fields()["n"])
            if len(seen) == 1:
                t.delete(ids[1])
                t.replace(ids[2], {"score": 2, "n": "changed"})
                t.replace(ids[3], {"score": 10, "n": "moved back"})
                t.replace(ids[5], {"score": -1, "n": "moved behind us"})
    batch.abandon()
    assert seen == [0, "changed", 4, "moved back"]


def test_a_loop_sees_a_nested_rollback(db: Database) -> None:
    declare(db, MESSAGES)
    ids = insert(db, "messages", *({"score": n, "n": n} for n in range(5)))
    batch = db.begin()
    with call(batch) as t:
        scan = t.scan("messages", "by_score")
        assert values([next(scan)]) == [0]
        inner = t.begin_nested()
        inner.delete(ids[1])
        inner.delete(ids[3])
        assert values([next(scan)]) == [2], "what is fetched from here on lacks the third"
        inner.rollback()
        assert values(list(scan)) == [3, 4]
        assert values(list(t.scan("messages", "by_score"))) == [0, 1, 2, 3, 4]
    batch.abandon()


def test_a_scan_begun_after_an_insert_sees_it(db: Database) -> None:
    declare(db, MESSAGES)
    batch = db.begin()
    with call(batch) as t:
        t.insert("messages", {"channel": "a", "n": 1})
        scan = t.scan("messages", "by_channel", ("a",))
        t.insert("messages", {"channel": "a", "n": 2})
        assert values(list(scan)) == [1, 2], "a scan begins with its first document, not where it is written down"
    batch.abandon()


def test_a_scan_left_open_keeps_no_old_snapshot(channel_of_ten: Database, opened: Open) -> None:
    reader = opened(reader=True)
    with reader.snapshot() as before:
        scan = before.scan("messages")
        next(scan)
    insert(channel_of_ten, "messages", {"channel": "a", "n": 10})
    with reader.snapshot() as after:
        assert after.ts == channel_of_ten.head.ts
        assert len(list(after.scan("messages"))) == 12


def test_no_statement_is_open_between_two_documents(channel_of_ten: Database, opened: Open) -> None:
    """A checkpoint that waits for readers goes through although a scan of an ended snapshot is held."""
    reader = opened(reader=True)
    with reader.snapshot() as snapshot:
        scan = snapshot.scan("messages")
        next(scan)
    insert(channel_of_ten, "messages", {"channel": "a", "n": 10})
    assert channel_of_ten.checkpoint() == 0
    with reader.snapshot() as snapshot:
        next(snapshot.scan("messages"))
        insert(channel_of_ten, "messages", {"channel": "a", "n": 11})
        connection = reader._storage._connection._raw  # type: ignore[attr-defined]
        assert isinstance(connection, sqlite3.Connection)
    assert not connection.in_transaction
