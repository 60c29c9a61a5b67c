"""Reads and writes of one call, and what a rollback takes back."""

from __future__ import annotations

import pytest

from reactor.database.database import Database
from reactor.database.transaction import Transaction
from reactor.errors import DocumentNotFound, InvalidId, InvalidQuery, InvalidValue, LimitExceeded
from reactor.limits import Limits
from reactor.values.id import decode_id
from reactor.values.value import decode

from .conftest import START, Open
from .stories import MESSAGES, call, declare, insert, read, values, write


def test_a_document_is_stored_as_its_canonical_wire_form(db: Database) -> None:
    (one,) = insert(db, "notes", {"b": 1.0, "a": "x"})
    with db.snapshot() as snapshot:
        stored = snapshot.get(one)
    assert stored is not None
    assert stored.data == b'{"_creationTime":%d,"_id":"%s","a":"x","b":1}' % (stored.creation_time, one.encode())
    assert stored.fields() == {"a": "x", "b": 1}
    assert stored.creation_time == START / 1e6


def test_a_call_sees_its_own_writes(db: Database) -> None:
    declare(db, MESSAGES)
    batch = db.begin()
    with call(batch) as t:
        one = t.insert("messages", {"channel": "a", "score": 1}).id
        assert [m.id for m in t.scan("messages", "by_channel", ("a",))] == [one]
        t.replace(one, {"channel": "b", "score": 1})
        assert list(t.scan("messages", "by_channel", ("a",))) == []
        assert [m.id for m in t.scan("messages", "by_channel", ("b",))] == [one]
        t.delete(one)
        assert t.get(one) is None
        assert list(t.scan("messages")) == []
    assert batch.commit().commits == []


def test_every_index_follows_a_replace_and_a_delete(db: Database) -> None:
    declare(db, MESSAGES)
    kept, moved, gone = insert(db, "messages", *({"channel": "a", "score": n} for n in range(3)))
    write(db, lambda t: t.replace(moved, {"channel": "b", "score": 7}))
    write(db, lambda t: t.delete(gone))
    assert [m.id for m in read(db, "messages", "by_channel", ("a",))] == [kept]
    assert [m.id for m in read(db, "messages", "by_channel", ("b",))] == [moved]
    assert [m.id for m in read(db, "messages", "by_score")] == [kept, moved]
    assert [m.id for m in read(db, "messages")] == [kept, moved]
    assert [m.id for m in read(db, "messages", "by_id")] == sorted([kept, moved])


def test_a_commit_names_old_and_new_places_of_what_changed(db: Database) -> None:
    declare(db, MESSAGES)
    (one,) = insert(db, "messages", {"channel": "a", "score": 1})
    with db.snapshot() as snapshot:
        call_a, call_b, call_c = snapshot.for_call(), snapshot.for_call(), snapshot.for_call()
        for reading, channel in ((call_a, "a"), (call_b, "b"), (call_c, "c")):
            list(reading.scan("messages", "by_channel", (channel,)))
    (commit,) = write(db, lambda t: t.replace(one, {"channel": "b", "score": 1})).commits
    assert call_a.reads.build().meets(commit.keys)
    assert call_b.reads.build().meets(commit.keys)
    assert not call_c.reads.build().meets(commit.keys)


def test_a_change_that_leaves_the_key_alone_still_meets_its_readers(db: Database) -> None:
    declare(db, MESSAGES)
    (one,) = insert(db, "messages", {"channel": "a", "score": 1, "text": "old"})
    with db.snapshot() as snapshot:
        list(snapshot.scan("messages", "by_channel", ("a",)))
    (commit,) = write(db, lambda t: t.replace(one, {"channel": "a", "score": 1, "text": "new"})).commits
    assert snapshot.reads.build().meets(commit.keys)


def test_a_replace_with_equal_fields_is_no_write(db: Database) -> None:
    (one,) = insert(db, "notes", {"n": 1})
    head = db.head
    batch = db.begin()
    with call(batch) as t:
        t.replace(one, {"n": 1.0})
        assert t.usage.documents_written == 0
    done = batch.commit()
    assert (done.ts, done.prev_ts, done.commits) == (head.ts, head.ts, [])
    assert db.head == head


def test_there_and_back_again_is_no_write(db: Database) -> None:
    (one,) = insert(db, "notes", {"n": 1})
    head = db.head

    def there_and_back(t: Transaction) -> None:
        t.replace(one, {"n": 2})
        t.replace(one, {"n": 1})

    assert write(db, there_and_back).commits == []
    assert db.head == head
    assert db.commits_after(head.ts) == []


def test_writes_to_what_is_not_there_say_so(db: Database) -> None:
    (one,) = insert(db, "notes", {"n": 1})
    write(db, lambda t: t.delete(one))
    batch = db.begin()
    t = batch.transaction("test")
    with pytest.raises(DocumentNotFound, match=f"Update on nonexistent document ID {one}"):
        t.replace(one, {"n": 2})
    with pytest.raises(DocumentNotFound, match=f"Delete on nonexistent document ID {one}"):
        t.delete(one)
    with pytest.raises(InvalidId):
        t.delete("nonsense")
    t.release()
    assert batch.commit().commits == []


def test_system_fields_cannot_be_written(db: Database) -> None:
    batch = db.begin()
    t = batch.transaction("test")
    with pytest.raises(InvalidValue, match="_id"):
        t.insert("notes", {"_id": "x"})
    with pytest.raises(InvalidValue, match="_creationTime"):
        t.insert("notes", {"_creationTime": 1.0})
    t.rollback()
    batch.abandon()


def test_a_document_past_a_limit_is_refused_and_nothing_is_written(db: Database) -> None:
    batch = db.begin()
    with call(batch) as t, pytest.raises(InvalidValue, match="too large"):
        t.insert("notes", {"text": "x" * (1 << 20)})
    assert batch.commit().commits == []


@pytest.mark.parametrize("name", ["", "_mine", "has space", 'quote"', "1st", "x" * 65])
def test_a_table_cannot_have_any_name(db: Database, name: str) -> None:
    batch = db.begin()
    with call(batch) as t, pytest.raises(InvalidQuery, match="cannot be the name of a table"):
        t.insert(name, {})
    batch.abandon()


def test_ids_of_a_table_carry_its_number_and_sort_by_creation(db: Database) -> None:
    first = insert(db, "notes", *({"n": n} for n in range(20)))
    other = insert(db, "others", {"n": 0})
    assert {decode_id(one).table_number for one in first} == {10_001}
    assert decode_id(other[0]).table_number == 10_002
    assert first == sorted(first)


def test_an_import_keeps_ids_and_creation_times(db: Database) -> None:
    (one,) = insert(db, "notes", {"n": 1})
    write(db, lambda t: t.delete(one))
    write(db, lambda t: t.insert("notes", {"n": 2}, id=one, creation_time=12.25))
    assert [(note.id, note.creation_time) for note in read(db, "notes")] == [(one, 12.25)]
    batch = db.begin()
    with call(batch) as t:
        with pytest.raises(InvalidValue, match="cannot be given"):
            t.insert("notes", {"n": 3}, id=one)
        with pytest.raises(InvalidValue, match="cannot be given"):
            t.insert("others", {"n": 3}, id=one)
    batch.abandon()


def test_an_id_is_normal_only_for_its_own_table(db: Database) -> None:
    (one,) = insert(db, "notes", {"n": 1})
    insert(db, "others", {"n": 1})
    with db.snapshot() as snapshot:
        assert snapshot.normalize_id("notes", one) == one
        assert snapshot.normalize_id("others", one) is None
        assert snapshot.normalize_id("nowhere", one) is None
        assert snapshot.normalize_id("notes", one.upper()) is None
        assert snapshot.normalize_id("notes", "") is None


# ── savepoints (engine A7) ────────────────────────────────────────────────────────────────────────────────────────────


def test_a_failed_call_leaves_the_others_of_its_batch(db: Database) -> None:
    batch = db.begin()
    with call(batch) as t:
        t.insert("notes", {"n": 1})
    failing = batch.transaction("test")
    failing.insert("notes", {"n": 2})
    failing.rollback()
    with call(batch) as t:
        t.insert("notes", {"n": 3})
    assert len(batch.commit().commits) == 2
    assert values(read(db, "notes")) == [1, 3]


def test_a_nested_rollback_undoes_its_own_writes_only(db: Database) -> None:
    declare(db, MESSAGES)
    batch = db.begin()
    with call(batch) as outer:
        kept = outer.insert("messages", {"channel": "a", "n": 1}).id
        inner = outer.begin_nested()
        inner.replace(kept, {"channel": "b", "n": 2})
        undone = inner.insert("messages", {"channel": "a", "n": 3}).id
        inner.rollback()
        assert [m.id for m in outer.scan("messages", "by_channel", ("a",))] == [kept]
        assert outer.get(undone) is None
    (commit,) = batch.commit().commits
    assert not any(undone.encode() in keys for keys in commit.keys.values())
    assert values(read(db, "messages")) == [1]


def test_nested_calls_release_into_their_caller(db: Database) -> None:
    batch = db.begin()
    with call(batch) as outer:
        inner = outer.begin_nested()
        deepest = inner.begin_nested()
        deepest.insert("notes", {"n": 1})
        assert deepest.release() is None
        assert inner.release() is None
        assert values(list(outer.scan("notes"))) == [1]
    assert len(batch.commit().commits) == 1


def test_an_outer_rollback_undoes_what_a_nested_call_released(db: Database) -> None:
    batch = db.begin()
    outer = batch.transaction("test")
    inner = outer.begin_nested()
    inner.insert("notes", {"n": 1})
    inner.release()
    outer.rollback()
    assert batch.commit().commits == []
    assert read(db, "notes") == []


def test_a_rollback_takes_a_table_that_came_to_be_with_it(db: Database) -> None:
    batch = db.begin()
    outer = batch.transaction("test")
    inner = outer.begin_nested()
    inner.insert("brief", {"n": 1})
    assert batch.catalog.table("brief") is not None
    inner.rollback()
    assert batch.catalog.table("brief") is None
    outer.insert("lasting", {"n": 1})
    number = batch.catalog.table("lasting")
    assert number is not None
    assert number.number == 10_001, "the number went back with the table"
    outer.release()
    batch.commit()
    assert values(read(db, "lasting")) == [1]
    assert read(db, "brief") == []


def test_reads_and_counters_outlive_a_rollback(db: Database) -> None:
    (one,) = insert(db, "notes", {"n": 1})
    batch = db.begin()
    outer = batch.transaction("test")
    inner = outer.begin_nested()
    assert inner.get(one) is not None
    inner.insert("notes", {"n": 2})
    inner.rollback()
    table = batch.catalog.table("notes")
    assert table is not None
    assert outer.reads.build().meets({table.by_id: (one.encode(),)})
    assert outer.usage.documents_read == 1
    assert outer.usage.documents_written == 1
    outer.rollback()
    batch.abandon()


def test_a_limit_once_passed_cannot_be_caught_away(opened: Open) -> None:
    db = opened(limits=Limits(documents_written=2))
    batch = db.begin()
    t = batch.transaction("test")
    for n in range(2):
        t.insert("notes", {"n": n})
    with pytest.raises(LimitExceeded):
        t.insert("notes", {"n": 2})
    with pytest.raises(LimitExceeded):
        t.release()
    t.rollback()
    assert batch.commit().commits == []


def test_a_limit_passed_in_a_nested_call_fails_the_outer_one_too(opened: Open) -> None:
    db = opened(limits=Limits(documents_written=1))
    batch = db.begin()
    outer = batch.transaction("test")
    inner = outer.begin_nested()
    inner.insert("notes", {"n": 0})
    with pytest.raises(LimitExceeded):
        inner.insert("notes", {"n": 1})
    inner.rollback()
    with pytest.raises(LimitExceeded):
        outer.release()
    outer.rollback()
    batch.abandon()


def test_decoding_what_was_stored_gives_what_was_written(db: Database) -> None:
    fields = {"none": None, "list": [1, [b"\0", {"k": -0.5}]], "text": "ä\0\u2028😀", "big": 2**53 - 1}
    (one,) = insert(db, "notes", fields)
    (note,) = read(db, "notes")
    assert note.fields() == fields
    document = decode(note.data)
    assert isinstance(document, dict)
    assert document["_id"] == one
