from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from reactor.database.database import Database
from reactor.database.structure import IndexShape, TableStructure
from reactor.database.transaction import Transaction
from reactor.footprint.commit import Commit
from reactor.footprint.read_set import ReadSetBuilder
from reactor.footprint.text_predicate import TextPredicate
from reactor.values.words import terms_of
from tests.database.conftest import Open
from tests.database.stories import call, declare, insert, write
from tests.database.texts import assert_text_indexes_are_whole

SEARCHED = TableStructure("notes", searched={"by_text": IndexShape(("text",), "search", ("owner",))})


def index_number(db: Database) -> int:
    table = db.catalog.table("notes")
    assert table is not None
    return table.indexes["by_text"].number


@pytest.fixture
def searched(db: Database) -> Database:
    declare(db, SEARCHED)
    return db


def test_writes_keep_the_index_and_rollbacks_take_it_back(searched: Database, path: Path) -> None:
    db = searched
    first, second, third = insert(db, "notes", *({"text": f"note {n} 猫の写真", "owner": "ann"} for n in range(3)))

    def change(t: Transaction) -> None:
        t.replace(first, {"text": "other words", "owner": "ann"})
        inner = t.begin_nested()
        inner.replace(first, {"text": "never seen", "owner": "ann"})
        inner.delete(second)
        inner.insert("notes", {"text": "never there"})
        inner.rollback()
        t.replace(third, {"owner": "bob"})
        t.delete(second)

    write(db, change)
    insert(db, "notes", {"text": ""}, {"text": "?!"}, {"text": 5}, {})
    assert_text_indexes_are_whole(path)

    batch = db.begin()
    undone = batch.transaction("undone")
    undone.replace(first, {"text": "undone"})
    undone.rollback()
    with call(batch) as t:
        t.insert("notes", {"text": "kept"})
    batch.commit()
    assert assert_text_indexes_are_whole(path) == 1


def test_an_index_declared_later_is_filled_while_writes_go_on(db: Database, path: Path) -> None:
    ids = insert(db, "notes", *({"text": f"note {n}"} for n in range(30)))
    batch = db.begin()
    (index,) = batch.add_indexes([SEARCHED])
    batch.commit()

    def interfere(t: Transaction) -> None:
        t.replace(ids[2], {"text": "changed, filled already"})
        t.replace(ids[20], {"text": "changed, not filled yet"})
        t.delete(ids[3])
        t.delete(ids[21])
        t.insert("notes", {"text": "new"})

    after: str | None = None
    for step in range(10):
        batch = db.begin()
        after = batch.backfill(index.number, after, limit=10)
        batch.commit()
        if step == 0:
            write(db, interfere)
        if after is None:
            break
    batch = db.begin()
    batch.apply_schema([SEARCHED], filled=[index.number])
    batch.commit()
    assert assert_text_indexes_are_whole(path) == 1


def test_an_index_with_other_filters_is_another_index_and_a_dropped_one_leaves_nothing(
    searched: Database, path: Path
) -> None:
    db = searched
    insert(db, "notes", {"text": "one", "owner": "ann"})
    before = index_number(db)
    declare(db, TableStructure("notes", searched={"by_text": IndexShape(("text",), "search")}))
    assert index_number(db) != before
    assert assert_text_indexes_are_whole(path) == 1
    declare(db, TableStructure("notes"))
    with closing(sqlite3.connect(path)) as raw:
        assert (
            raw.execute("SELECT name FROM sqlite_master WHERE name LIKE 'i\\_%by\\_text%' ESCAPE '\\'").fetchall() == []
        )


def test_the_index_outlives_the_process(searched: Database, opened: Open, path: Path) -> None:
    (note,) = insert(searched, "notes", {"text": "one", "owner": "ann"})
    number = index_number(searched)
    searched.close()
    again = opened()
    assert index_number(again) == number
    declare(again, SEARCHED)
    assert index_number(again) == number, "what is declared again is not made again"
    with closing(sqlite3.connect(path)) as raw:
        described = dict(raw.execute("SELECT name, fields FROM _indexes WHERE table_number > 10000"))
    assert described["by_creation_time"] == '["_creationTime"]', "as files of earlier releases have it"
    assert "search" in described["by_text"]
    write(again, lambda t: t.replace(note, {"text": "two"}))
    assert assert_text_indexes_are_whole(path) == 1


def test_a_commit_tells_the_facts_of_documents_before_and_after(searched: Database) -> None:
    db = searched
    index = index_number(db)

    def met(text: str, commit: Commit) -> bool:
        builder = ReadSetBuilder()
        builder.expect(index, TextPredicate((), terms_of(text)))
        return builder.build().meets(commit.keys)

    (note,) = insert(db, "notes", {"text": "red fox", "n": 1})
    (moved,) = write(db, lambda t: t.replace(note, {"text": "blue fox", "n": 1})).commits
    assert met("red", moved), "it is no longer found"
    assert met("bl", moved), "it is now"
    assert not met("green", moved)
    (counted,) = write(db, lambda t: t.replace(note, {"text": "blue fox", "n": 2})).commits
    assert met("fox", counted), "a document that is found has changed"
    assert len(counted.keys[index]) == 1
    (gone,) = write(db, lambda t: t.delete(note)).commits
    assert met("blue", gone)


def test_documents_imported_with_one_creation_time_are_indexed_one_by_one(searched: Database, path: Path) -> None:
    def load(t: Transaction) -> None:
        for n in range(3000):
            t.insert("notes", {"text": f"note {n}"}, creation_time=5.0)

    write(searched, load)
    assert assert_text_indexes_are_whole(path) == 1
