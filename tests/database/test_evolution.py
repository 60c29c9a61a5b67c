"""Indexes that succeed others, documents that are filled, drafts that take a table's place (engine D7, C8)."""

from __future__ import annotations

import pytest

from reactor.database.batch import Batch
from reactor.database.catalog import filling
from reactor.database.database import Database
from reactor.database.draft import DraftNote, DraftRow, note_of
from reactor.database.known_shape import KnownShape
from reactor.database.structure import TableStructure
from reactor.errors import InvalidQuery
from reactor.values.validator import Field, NumberV, ObjectV, StringV

from .conftest import Open
from .stories import call, declare, insert, read, values, write

BY_NAME = TableStructure("users", {"by_name": ("name",)})
SHAPE = KnownShape(ObjectV((Field("name", StringV()), Field("plan", StringV(), optional=True), Field("n", NumberV()))))


def fill(batch: Batch, number: int, limit: int = 7) -> None:
    after = batch.backfill(number, None, limit)
    while after is not None:
        after = batch.backfill(number, after, limit)


def people(db: Database, count: int = 20) -> list[str]:
    return insert(db, "users", *({"name": f"p{n:03}", "n": n} for n in range(count)))


def test_an_index_whose_fields_change_serves_the_old_code_until_its_successor_takes_its_place(db: Database) -> None:
    declare(db, BY_NAME)
    people(db)
    batch = db.begin()
    (index,) = batch.add_indexes([TableStructure("users", {"by_name": ("n",)})])
    batch.commit()
    assert values(read(db, "users", "by_name", ("p003",))) == [3], "the old one is in use"
    insert(db, "users", {"name": "late", "n": 99})
    batch = db.begin()
    fill(batch, index.number)
    batch.apply_schema([TableStructure("users", {"by_name": ("n",)})], filled=[index.number])
    batch.commit()
    assert values(read(db, "users", "by_name", (99,))) == [99]
    table = db.catalog.table("users")
    assert table is not None
    assert set(table.indexes) == {"by_id", "by_creation_time", "by_name"}
    assert table.indexes["by_name"].number == index.number


def test_what_a_push_prepared_that_came_to_nothing_is_taken_away(db: Database, opened: Open) -> None:
    declare(db, BY_NAME)
    people(db)
    before = db.catalog.table("users")
    batch = db.begin()
    batch.add_indexes([TableStructure("users", {"by_name": ("n",), "by_n": ("n",)})])
    batch.begin_draft(BY_NAME, DraftNote("new", batch.last_ts, None))
    batch.commit()
    db.close()
    again = opened(boot="next")
    batch = again.begin()
    assert note_of(batch.catalog, "users") is not None, "both outlive the process"
    batch.discard(())
    while batch.sweep(5):
        pass
    batch.commit()
    after = again.catalog.table("users")
    assert before is not None
    assert after is not None
    assert after.indexes == before.indexes
    assert again.catalog.draft("users") is None
    assert values(read(again, "users", "by_name", ("p003",))) == [3]


def test_an_index_counts_a_document_that_is_not_filled_as_what_it_will_be_filled_with(db: Database) -> None:
    declare(db, BY_NAME)
    ids = people(db)
    insert(db, "users", {"name": "pro", "n": 50, "plan": "pro"})
    missing = {"plan": "free"}
    wanted = TableStructure("users", {"by_name": ("name",), "by_plan": (filling("plan", missing),)})
    batch = db.begin()
    batch.apply_schema([wanted])
    batch.set_shape("users", KnownShape(SHAPE.validator, {}, missing))
    batch.commit()
    assert values(read(db, "users", "by_plan", ("free",))) == list(range(20)), "before a single one is filled"
    write(db, lambda t: t.replace(ids[3], {"name": "moved", "n": 3, "plan": "pro"}))
    write(db, lambda t: t.delete(ids[4]))
    assert 3 not in values(read(db, "users", "by_plan", ("free",)))
    batch = db.begin()
    step = batch.fill_documents("users", None, 6)
    while step.after is not None:
        step = batch.fill_documents("users", step.after, 6)
    batch.commit()
    assert sorted(values(read(db, "users", "by_plan", ("pro",)))) == [3, 50]
    assert all(b'"plan":' in stored.data for stored in read(db, "users", "by_creation_time"))
    table = db.catalog.table("users")
    assert table is not None
    assert table.indexes["by_plan"].fields == ("plan",), "what it counts them as is of no more use"
    shape = db.catalog.shape(table)
    assert shape is not None
    assert shape.has("plan")
    write(db, lambda t: t.replace(ids[5], {"name": "x", "n": 5, "plan": "pro"}))
    assert 5 not in values(read(db, "users", "by_plan", ("free",)))


def test_a_document_too_large_to_be_filled_is_left_and_nothing_is_claimed(db: Database) -> None:
    declare(db, BY_NAME)
    insert(db, "users", {"name": "x" * ((1 << 20) - 120), "n": 1})
    batch = db.begin()
    batch.set_shape("users", KnownShape(SHAPE.validator, {}, {"plan": "free" * 50}))
    assert batch.fill_documents("users", None, 10) == (None, 1, 1)
    batch.commit()
    table = db.catalog.table("users")
    assert table is not None
    shape = db.catalog.shape(table)
    assert shape is not None
    assert shape.missing


def test_a_draft_takes_the_place_of_its_table_whole_and_at_once(db: Database, opened: Open) -> None:
    declare(db, BY_NAME)
    ids = people(db, 3)
    other = TableStructure("users", {"by_n": ("n",)}, ("name", "n"))
    batch = db.begin()
    batch.begin_draft(other, DraftNote("new", batch.last_ts, None))
    rows = [DraftRow(own_id, 1.0 + n, {"name": f"P{n}", "n": n + 100}) for n, own_id in enumerate(ids)]
    batch.write_draft("users", rows, [], DraftNote("new", 0, None))
    batch.commit()
    assert values(read(db, "users", "by_name")) == [0, 1, 2], "nobody sees a draft"
    batch = db.begin()
    batch.write_draft(
        "users", [rows[0]._replace(fields={"name": "again", "n": 500})], [ids[1]], DraftNote("new", 0, None)
    )
    batch.adopt_draft(other)
    batch.commit()
    assert values(read(db, "users", "by_n")) == [102, 500]
    with pytest.raises(InvalidQuery):
        read(db, "users", "by_name")
    late = insert(db, "users", {"name": "late", "n": 1})
    with call(db.begin()) as t:
        assert t.get(ids[1]) is None
        assert t.get(late[0]) is not None
        t.replace(ids[0], {"name": "moved", "n": 7})
    assert db.catalog.table("users") is not None


def test_a_new_table_never_takes_the_number_of_a_draft(db: Database) -> None:
    declare(db, BY_NAME)
    batch = db.begin()
    batch.begin_draft(BY_NAME, DraftNote("new", 0, None))
    assert batch.create_table("later").number == 10_002
    batch.abandon()
