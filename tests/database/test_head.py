"""Timestamps, epochs and creation times: what only ever goes forward (engine A8, A9)."""

from __future__ import annotations

from itertools import pairwise

import pytest

from reactor.database.database import Database
from reactor.errors import StorageError

from .conftest import START, Open, StillClock
from .stories import call, insert, read, values, write


def test_every_writing_call_has_a_timestamp_of_its_own_and_the_batch_has_the_last(db: Database) -> None:
    before = db.head.ts
    batch = db.begin()
    for n in range(3):
        with call(batch) as t:
            t.insert("notes", {"n": n})
    done = batch.commit()
    stamps = [commit.ts for commit in done.commits]
    assert stamps == sorted(set(stamps))
    assert [commit.prev_ts for commit in done.commits] == [before, *stamps[:-1]]
    assert (done.prev_ts, done.ts) == (before, stamps[-1])
    assert db.head.ts == done.ts


def test_a_call_that_wrote_nothing_uses_no_timestamp(db: Database) -> None:
    batch = db.begin()
    with call(batch) as first:
        first.insert("notes", {})
    idle = batch.transaction("test")
    assert idle.release() is None
    with call(batch) as second:
        second.insert("notes", {})
    assert second.ts == first.ts + 1
    assert batch.commit().ts == second.ts


def test_a_batch_that_wrote_nothing_keeps_the_head_and_the_disk(db: Database) -> None:
    insert(db, "notes", {"n": 1})
    head, wal = db.head, db.wal_bytes()
    batch = db.begin()
    with call(batch) as t:
        list(t.scan("notes"))
    done = batch.commit()
    assert (done.ts, done.prev_ts, done.commits) == (head.ts, head.ts, [])
    assert (db.head, db.wal_bytes()) == (head, wal)


def test_time_follows_the_clock_forward_and_never_back(db: Database, clock: StillClock) -> None:
    clock.now = START + 10**12
    assert insert(db, "notes", {"n": 0})
    assert db.head.ts == START + 10**12
    clock.now = START - 10**12
    insert(db, "notes", {"n": 1})
    assert db.head.ts == START + 10**12 + 1
    clock.now = START + 2 * 10**12
    insert(db, "notes", {"n": 2})
    assert db.head.ts == START + 2 * 10**12


def test_creation_times_grow_even_when_the_clock_stands_or_steps_back(db: Database, clock: StillClock) -> None:
    for step in range(3):
        clock.now = START - step * 10**12
        insert(db, "notes", *({"n": 10 * step + n} for n in range(10)))
    notes = read(db, "notes")
    assert values(notes) == list(range(30))
    times = [note.creation_time for note in notes]
    assert all(earlier < later for earlier, later in pairwise(times))
    assert all((time * 1024).is_integer() for time in times)


def test_a_restart_with_a_clock_behind_goes_on_from_where_it_was(opened: Open, clock: StillClock) -> None:
    first = opened(boot="one")
    insert(first, "notes", *({"n": n} for n in range(3)))
    ts = first.head.ts
    first.close()
    clock.now = START - 10**15
    second = opened(boot="two")
    assert second.head.ts == ts + 1
    insert(second, "notes", {"n": 3})
    assert second.head.ts == ts + 2
    notes = read(second, "notes")
    assert values(notes) == [0, 1, 2, 3]
    assert [note.id for note in notes] == sorted(note.id for note in notes)


def test_a_rolled_back_insert_does_not_give_its_creation_time_to_the_next(db: Database) -> None:
    batch = db.begin()
    failing = batch.transaction("test")
    undone = failing.insert("notes", {"n": 1})
    failing.rollback()
    with call(batch) as t:
        kept = t.insert("notes", {"n": 2})
    batch.commit()
    assert kept.creation_time > undone.creation_time


def test_a_server_start_is_a_commit_of_its_own_and_a_new_writer_is_only_an_epoch(opened: Open) -> None:
    first = opened(boot="one")
    start = first.head
    first.close()
    same_server = opened(boot="one")
    assert same_server.head.epoch == start.epoch + 1
    assert same_server.head.ts == start.ts
    same_server.close()
    new_server = opened(boot="two")
    assert new_server.head.epoch == start.epoch + 2
    assert new_server.head.ts > start.ts
    (batch,) = new_server.commits_after(start.ts)
    assert (batch.ts, batch.prev_ts) == (new_server.head.ts, start.ts)


def test_an_abandoned_batch_leaves_no_trace(db: Database) -> None:
    insert(db, "notes", {"n": 1})
    head = db.head
    batch = db.begin()
    with call(batch) as t:
        t.insert("notes", {"n": 2})
        t.insert("others", {"n": 2})
    batch.abandon()
    assert db.head == head
    assert values(read(db, "notes")) == [1]
    assert db.catalog.table("others") is None
    insert(db, "others", {"n": 3})
    assert values(read(db, "others")) == [3]


def test_what_a_commit_says_is_what_the_log_says(opened: Open) -> None:
    db = opened()
    start = db.head.ts
    batch = db.begin()
    for n in range(3):
        with call(batch, f"notes:add{n}") as t:
            t.insert("notes", {"n": n})
    first = batch.commit()
    second = write(db, lambda t: t.insert("notes", {"n": 3}))
    assert db.commits_after(start) == [first, second]
    assert db.commits_after(first.ts) == [second]
    assert db.commits_after(second.ts) == []
    assert [commit.source for commit in first.commits] == ["notes:add0", "notes:add1", "notes:add2"]


def test_a_reader_sees_whole_batches_and_its_snapshot_stands_still(db: Database, opened: Open) -> None:
    insert(db, "notes", {"n": 1})
    reader = opened(reader=True)
    with reader.snapshot() as snapshot:
        ts = snapshot.ts
        batch = db.begin()
        with call(batch) as t:
            t.insert("notes", {"n": 2})
        assert values(list(snapshot.scan("notes"))) == [1]
        batch.commit()
        assert values(list(snapshot.scan("notes"))) == [1]
        assert snapshot.ts == ts
    with reader.snapshot() as snapshot:
        assert snapshot.ts == db.head.ts
        assert values(list(snapshot.scan("notes"))) == [1, 2]


def test_a_reader_learns_of_new_tables(db: Database, opened: Open) -> None:
    reader = opened(reader=True)
    assert reader.catalog.table("notes") is None
    insert(db, "notes", {"n": 1})
    with reader.snapshot() as snapshot:
        assert values(list(snapshot.scan("notes"))) == [1]
    assert reader.catalog.table("notes") is not None


def test_a_reader_cannot_write(db: Database, opened: Open) -> None:
    insert(db, "notes", {"n": 1})
    with pytest.raises(StorageError, match="open_writer"):
        opened(reader=True).begin()


def test_there_is_nothing_to_read_before_a_writer_made_it(opened: Open) -> None:
    with pytest.raises(StorageError):
        opened(reader=True)


def test_the_log_keeps_what_is_young_and_says_where_it_begins(opened: Open, clock: StillClock) -> None:
    db = opened()
    start = db.head.ts
    day = 86_400 * 10**9
    old = [write(db, lambda t, n=n: t.insert("notes", {"n": n})) for n in range(3)]  # type: ignore[misc]
    clock.now += 2 * day
    young = write(db, lambda t: t.insert("notes", {"n": 3}))
    kept = db.commits_after(start)
    assert kept == [young]
    assert kept[0].prev_ts == old[-1].ts != start, "the gap shows"


def test_trimming_the_log_is_spread_over_commits(opened: Open, clock: StillClock) -> None:
    db = opened()
    start = db.head.ts
    batch = db.begin()
    for n in range(100):
        with call(batch) as t:
            t.insert("notes", {"n": n})
    batch.commit()
    clock.now += 2 * 86_400 * 10**9
    left = []
    for n in range(8):
        insert(db, "notes", {"n": n})
        left.append(sum(len(batch.commits) for batch in db.commits_after(start)))
    assert left[0] > 50, "one commit does not pay for all"
    assert left[-1] == 8
