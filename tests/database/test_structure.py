"""Tables and indexes that come, are filled, become ready and go (engine D6, D7)."""

from __future__ import annotations

import pytest

from reactor.database import structure
from reactor.database.catalog import FIRST_USER_TABLE, SYSTEM_TABLES
from reactor.database.database import Database
from reactor.database.structure import TableStructure
from reactor.database.transaction import Transaction
from reactor.errors import IndexNotReady, InvalidQuery

from .conftest import Open
from .stories import MESSAGES, call, declare, insert, read, values, write


def test_a_new_database_has_the_engines_own_tables_only(db: Database) -> None:
    assert [table.name for table in db.catalog.tables()] == list(SYSTEM_TABLES)
    assert all(table.number < FIRST_USER_TABLE for table in db.catalog.tables())
    jobs = db.catalog.table("_scheduled_functions")
    assert jobs is not None
    assert jobs.indexes["by_state_due"].fields == ("state.kind", "scheduledTime")


def test_an_index_the_engine_has_learnt_since_is_added_and_filled(db: Database, opened: Open) -> None:
    batch = db.begin()
    with call(batch) as t:
        t.insert("_scheduled_functions", {"state": {"kind": "success"}, "scheduledTime": 0, "completedTime": 5, "n": 1})
    jobs = batch.catalog.table("_scheduled_functions")
    assert jobs is not None
    batch.catalog = structure.drop_index(batch.storage, batch.catalog, jobs, jobs.indexes["by_completed"])
    batch._is_changed = True
    batch.commit()
    db.close()
    again = opened(boot="next")
    batch = again.begin()
    with call(batch) as t:
        assert values(list(t.scan("_scheduled_functions", "by_completed", lower=(None, False)))) == [1]
        assert values(list(t.scan("_scheduled_functions", "by_state_due", ("success",)))) == [1]
    batch.abandon()


def test_jobs_are_found_by_state_and_time(db: Database) -> None:
    batch = db.begin()
    with call(batch) as t:
        for due in (3, 1, 2):
            t.insert("_scheduled_functions", {"state": {"kind": "pending"}, "scheduledTime": due, "n": due})
        t.insert("_scheduled_functions", {"state": {"kind": "success"}, "scheduledTime": 0, "n": 0})
        assert values(list(t.scan("_scheduled_functions", "by_state_due", ("pending",), upper=(2, True)))) == [1, 2]
    batch.commit()


def test_a_schema_makes_tables_and_indexes_and_keeps_their_numbers(db: Database, opened: Open) -> None:
    declare(db, MESSAGES)
    before = db.catalog.table("messages")
    assert before is not None
    assert before.number == FIRST_USER_TABLE
    assert set(before.indexes) == {"by_id", "by_creation_time", "by_channel", "by_score"}
    assert declare(db, MESSAGES).commits == [], "nothing changed, so nobody hears of it"
    db.close()
    after = opened().catalog.table("messages")
    assert after is not None
    assert after.indexes == before.indexes


def test_an_index_added_later_holds_the_documents_that_were_there(db: Database) -> None:
    insert(db, "messages", *({"channel": f"c{n % 3}", "n": n} for n in range(2500)))
    declare(db, MESSAGES)
    assert values(read(db, "messages", "by_channel", ("c1",))) == list(range(1, 2500, 3))


def test_an_index_no_longer_declared_goes_and_its_number_with_it(db: Database) -> None:
    declare(db, MESSAGES)
    insert(db, "messages", {"channel": "a", "n": 1})
    table = db.catalog.table("messages")
    assert table is not None
    numbers = {index.number for index in table.indexes.values()}
    declare(db, TableStructure("messages", {"by_channel": ("channel",)}))
    with db.snapshot() as snapshot, pytest.raises(InvalidQuery):
        snapshot.scan("messages", "by_score")
    declare(db, MESSAGES)
    table = db.catalog.table("messages")
    assert table is not None
    assert table.indexes["by_score"].number not in numbers
    assert values(read(db, "messages", "by_score")) == [1]


def test_an_index_number_is_not_reused_after_a_restart(db: Database, opened: Open) -> None:
    declare(db, MESSAGES)
    table = db.catalog.table("messages")
    assert table is not None
    last = max(index.number for index in table.indexes.values())
    declare(db, TableStructure("messages"))
    db.close()
    again = opened()
    declare(again, MESSAGES)
    table = again.catalog.table("messages")
    assert table is not None
    assert min(table.indexes[name].number for name in MESSAGES.indexes) > last


def test_an_index_whose_fields_changed_is_made_anew(db: Database) -> None:
    declare(db, MESSAGES)
    insert(db, "messages", {"channel": "a", "score": 7, "n": 1})
    declare(db, TableStructure("messages", {"by_channel": ("score",)}))
    assert values(read(db, "messages", "by_channel", (7,))) == [1]
    assert read(db, "messages", "by_channel", ("a",)) == []


def test_a_table_no_longer_declared_keeps_its_documents(db: Database) -> None:
    declare(db, MESSAGES)
    insert(db, "messages", {"n": 1})
    declare(db)
    assert values(read(db, "messages")) == [1]


def test_writes_maintain_an_index_while_it_is_being_filled(db: Database) -> None:
    ids = insert(db, "messages", *({"score": n, "n": n} for n in range(25)))
    batch = db.begin()
    (_, by_score) = batch.add_indexes([MESSAGES])
    batch.commit()

    def interfere(t: Transaction) -> None:
        t.delete(ids[0])
        t.replace(ids[1], {"score": 1.5, "n": "moved, filled already"})
        t.replace(ids[20], {"score": 100, "n": "moved, not filled yet"})
        t.delete(ids[24])
        t.insert("messages", {"score": -1, "n": "new"})

    after: str | None = None
    step = 0
    while True:
        batch = db.begin()
        after = batch.backfill(by_score.number, after, limit=10)
        batch.commit()
        if step == 0:
            write(db, interfere)
        step += 1
        if after is None:
            break
    with db.snapshot() as snapshot, pytest.raises(IndexNotReady):
        snapshot.scan("messages", "by_score")
    batch = db.begin()
    batch.apply_schema([MESSAGES], filled=[by_score.number])
    batch.commit()
    expected = ["new", "moved, filled already", *range(2, 20), *range(21, 24), "moved, not filled yet"]
    assert values(read(db, "messages", "by_score")) == expected


def test_filling_moves_no_timestamp_because_nobody_can_see_it(db: Database) -> None:
    insert(db, "messages", {"n": 1})
    batch = db.begin()
    (index, _) = batch.add_indexes([MESSAGES])
    batch.commit()
    head = db.head
    batch = db.begin()
    batch.backfill(index.number)
    done = batch.commit()
    assert (done.ts, done.commits) == (head.ts, [])


def test_bundle_and_schema_are_one_commit(db: Database, opened: Open) -> None:
    insert(db, "messages", {"channel": "a", "n": 1})
    reader = opened(reader=True)
    batch = db.begin()
    batch.apply_schema([MESSAGES])
    batch.set_bundle("new code", {})
    with reader.snapshot() as snapshot:
        assert snapshot.bundle == ""
        assert "by_channel" not in snapshot.catalog.table("messages").indexes  # type: ignore[union-attr]
    done = batch.commit()
    with reader.snapshot() as snapshot:
        assert (snapshot.bundle, snapshot.ts) == ("new code", done.ts)
        assert values(list(snapshot.scan("messages", "by_channel", ("a",)))) == [1]


def test_an_abandoned_push_changes_nothing(db: Database) -> None:
    insert(db, "messages", {"channel": "a", "n": 1})
    before = db.catalog
    batch = db.begin()
    batch.apply_schema([MESSAGES])
    batch.set_bundle("broken", {})
    batch.abandon()
    assert db.catalog is before
    assert db.head.bundle == ""
    declare(db, MESSAGES)
    assert values(read(db, "messages", "by_channel", ("a",))) == [1]


def test_the_same_bundle_again_is_no_commit(db: Database) -> None:
    for expected in (1, 0):
        batch = db.begin()
        batch.set_bundle("code", {})
        assert len(batch.commit().commits) == expected


def test_stored_documents_are_those_of_the_batch(db: Database) -> None:
    insert(db, "messages", *({"n": n} for n in range(2100)))
    batch = db.begin()
    with call(batch) as t:
        t.insert("messages", {"n": "new"})
    assert [message.fields()["n"] for message in batch.stored_documents("messages")] == [*range(2100), "new"]
    assert list(batch.stored_documents("nowhere")) == []
    batch.abandon()
