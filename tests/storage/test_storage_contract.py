"""What every Storage must do, whichever engine it is. A new engine adds a line to ENGINES and passes all of this."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from reactor.errors import StaleWriter, StorageError, StorageLocked
from reactor.footprint.fact import filter_value, pack_fact
from reactor.footprint.key_range import EVERYTHING, KeyRange
from reactor.storage.sqlite import SqliteStorage
from reactor.storage.storage import BatchFailed, FactRow, IndexRow, LogRow, RequestRow, Storage, TableRow
from reactor.values.words import terms_of, words_of


class SqliteEngine:
    """Opens connections to one database."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "data.sqlite"

    def writer(self) -> Storage:
        return SqliteStorage.open_writer(self._path)

    def reader(self) -> Storage:
        return SqliteStorage.open_reader(self._path)


ENGINES: dict[str, Callable[[Path], SqliteEngine]] = {"sqlite": SqliteEngine}


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> SqliteEngine:
    return ENGINES[request.param](tmp_path)


@pytest.fixture
def writer(engine: SqliteEngine) -> Iterator[Storage]:
    storage = engine.writer()
    yield storage
    storage.close()


@pytest.fixture
def reader(engine: SqliteEngine, writer: Storage) -> Iterator[Storage]:
    storage = engine.reader()
    yield storage
    storage.close()


class Notes:
    """A table with one index, and an open batch."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage
        self.head = storage.begin_batch(0)
        self.table: TableRow = storage.structure.create_table(20_000, "notes")
        index = IndexRow(100, 20_000, "by_word", ("word", "deep.er"), "backfilling", "")
        self.by_id = storage.structure.create_index(index._replace(name="by_id", number=99, state="ready"), self.table)
        self.index = storage.structure.create_index(index, self.table)

    def insert(self, id: str, key: bytes, data: bytes = b'{"a":"\xc3\xa4"}') -> None:
        self.storage.documents.insert(self.table.place, id, 1.5, data, [(self.index.place, key)])

    def scan(self, within: KeyRange = EVERYTHING, limit: int = 100, *, descending: bool = False) -> list[str]:
        place = self.index.place
        rows = self.storage.documents.scan(self.table.place, place, within, limit, descending=descending)
        return [row.id for row in rows]

    def commit(self) -> None:
        self.head = replace(self.head, ts=self.head.ts + 1)
        self.storage.commit(self.head)


@pytest.fixture
def notes(writer: Storage) -> Notes:
    return Notes(writer)


class TestTexts:
    """An index of texts: what it is told is what it finds, in savepoints too (values/words.py, footprint/fact.py)."""

    @pytest.fixture
    def place(self, notes: Notes) -> str:
        row = IndexRow(101, 20_000, "by_text", ("text",), "backfilling", "", "search", ("owner",))
        return notes.storage.structure.create_index(row, notes.table).place

    def found(self, notes: Notes, place: str, text: str, *filters: tuple[int, bytes], limit: int = 10) -> list[str]:
        texts = notes.storage.texts
        numbers = texts.matches(place, filters, terms_of(text), limit)
        ids = {row.number: row.id for row in texts.rows(place, numbers)}
        return [ids[number] for number in numbers]

    def test_documents_with_all_terms_come_newest_first(self, notes: Notes, place: str) -> None:
        texts = notes.storage.texts
        for n, text in enumerate(["red fox", "red owl", "fox and red", "foxes"]):
            texts.change(place, f"d{n}", 1000.0 + n, None, pack_fact([n % 2], words_of(text)))
        assert self.found(notes, place, "red fox") == ["d2", "d0"]
        assert self.found(notes, place, "fo") == ["d3", "d2", "d0"]
        assert self.found(notes, place, "fo", limit=1) == ["d3"]
        assert self.found(notes, place, "fo", (0, filter_value(0))) == ["d2", "d0"]
        assert self.found(notes, place, "", (0, filter_value(1))) == ["d3", "d1"]
        assert self.found(notes, place, "f0x or and", (0, filter_value(7))) == [], "a filter is no word of the text"
        (row,) = texts.rows(place, texts.matches(place, [], terms_of("owl"), 1))
        assert (row.id, row.creation_time, row.words) == ("d1", 1001.0, b" red owl ")

    def test_a_savepoint_takes_changes_back_and_a_search_in_it_sees_them(self, notes: Notes, place: str) -> None:
        texts = notes.storage.texts
        red, blue = (pack_fact([None], words_of(text)) for text in ("red fox", "blue fox"))
        texts.change(place, "d", 1.0, None, red)
        notes.storage.savepoint(0)
        texts.change(place, "d", 1.0, red, blue)
        texts.change(place, "e", 2.0, None, red)
        assert self.found(notes, place, "red ") == ["e"]
        assert self.found(notes, place, "blue ") == ["d"]
        notes.storage.savepoint(1)
        texts.change(place, "d", 1.0, blue, None)
        assert self.found(notes, place, "fox ") == ["e"]
        notes.storage.rollback(1)
        assert self.found(notes, place, "fox ") == ["e", "d"]
        notes.storage.rollback(0)
        assert self.found(notes, place, "fox ") == ["d"]
        assert self.found(notes, place, "blue ") == []

    def test_filling_leaves_alone_what_is_there_and_a_change_may_come_first(self, notes: Notes, place: str) -> None:
        texts = notes.storage.texts
        old, new = (pack_fact([None], words_of(text)) for text in ("old", "new"))
        texts.change(place, "a", 1.0, old, new)  # not filled yet
        texts.change(place, "b", 1.0, old, None)
        texts.fill(place, [FactRow("a", 1.0, old), FactRow("c", 1.0, old)])
        assert self.found(notes, place, "new ") == ["a"]
        assert self.found(notes, place, "old ") == ["c"], "one creation time is enough for many"

    def test_readers_see_committed_texts_only_and_a_dropped_index_is_gone(
        self, notes: Notes, place: str, engine: SqliteEngine
    ) -> None:
        notes.storage.texts.change(place, "a", 1.0, None, pack_fact([None], words_of("fox")))
        notes.commit()
        reader = engine.reader()
        reader.begin_read()
        notes.head = notes.storage.begin_batch(0)
        notes.storage.texts.change(place, "b", 2.0, None, pack_fact([None], words_of("fox")))
        assert len(reader.texts.matches(place, [], terms_of("fox"), 9)) == 1
        notes.commit()
        assert len(reader.texts.matches(place, [], terms_of("fox"), 9)) == 1
        reader.end_read()
        reader.begin_read()
        assert len(reader.texts.matches(place, [], terms_of("fox"), 9)) == 2
        reader.close()
        notes.head = notes.storage.begin_batch(0)
        (index,) = [row for row in notes.storage.structure.indexes() if row.name == "by_text"]
        assert (index.kind, index.fields, index.filters) == ("search", ("text",), ("owner",))
        notes.storage.structure.drop_index(index)
        notes.commit()
        notes.head = notes.storage.begin_batch(0)
        with pytest.raises(BatchFailed):
            notes.storage.texts.matches(place, [], terms_of("fox"), 9)


class TestDocuments:
    def test_a_document_comes_back_byte_for_byte(self, notes: Notes) -> None:
        notes.insert("x", b"k", '{"text":"ä😀\\u0000"}'.encode())
        row = notes.storage.documents.get(notes.table.place, "x")
        assert row == (1.5, '{"text":"ä😀\\u0000"}'.encode())
        assert notes.storage.documents.get(notes.table.place, "y") is None

    def test_a_scan_follows_the_bytes_of_the_keys(self, notes: Notes) -> None:
        keys = [b"\x00", b"\x00\x00", b"\x7f", b"\x80", b"\xff", b"\xff\x00"]
        for n, key in enumerate(reversed(keys)):
            notes.insert(f"doc {key.hex()}", key)
            assert n + 1 == len(notes.scan())
        expected = [f"doc {key.hex()}" for key in keys]
        assert notes.scan() == expected
        assert notes.scan(descending=True) == expected[::-1]
        assert notes.scan(limit=2) == expected[:2]
        assert notes.scan(limit=2, descending=True) == expected[:-3:-1]
        for start in keys:
            assert notes.scan(KeyRange(start, None)) == expected[keys.index(start) :]
            for end in keys:
                assert notes.scan(KeyRange(start, end)) == expected[keys.index(start) : keys.index(end)]

    def test_a_table_is_measured_in_documents_and_bytes(self, notes: Notes) -> None:
        assert notes.storage.documents.measure(notes.table.place) == (0, 0)
        notes.insert("x", b"k", b'{"a":1}')
        notes.insert("y", b"l", '{"ä":1}'.encode())
        assert notes.storage.documents.measure(notes.table.place) == (2, 15)

    def test_a_scan_by_id_follows_the_ids(self, notes: Notes) -> None:
        for name in ("b", "a", "c"):
            notes.insert(name, name.encode())
        documents, place = notes.storage.documents, notes.table.place
        rows = documents.scan(place, place, KeyRange(b"a\0", None), 9, descending=True)
        assert [(row.key, row.id) for row in rows] == [(b"c", "c"), (b"b", "b")]
        assert [row.id for row in documents.scan(place, place, KeyRange(b"a", b"b"), 9, descending=False)] == ["a"]

    def test_replacing_moves_index_rows(self, notes: Notes) -> None:
        notes.insert("x", b"a")
        documents, place, index = notes.storage.documents, notes.table.place, notes.index.place
        documents.replace(place, "x", b"{}", [(index, b"a")], [(index, b"z")])
        assert notes.scan(KeyRange(b"a", b"b")) == []
        (row,) = documents.scan(place, index, EVERYTHING, 9, descending=False)
        assert row == (b"z", "x", 1.5, b"{}")

    def test_deleting_takes_index_rows_along(self, notes: Notes) -> None:
        notes.insert("x", b"a")
        notes.storage.documents.delete(notes.table.place, "x", [(notes.index.place, b"a")])
        assert notes.scan() == []
        assert notes.storage.documents.get(notes.table.place, "x") is None

    def test_filling_leaves_rows_alone_that_are_there(self, notes: Notes) -> None:
        notes.insert("x", b"a")
        notes.storage.documents.fill(notes.index.place, [(b"a", "x"), (b"b", "x")])
        notes.storage.documents.fill(notes.index.place, [(b"a", "x"), (b"b", "x")])
        assert notes.scan() == ["x", "x"]

    def test_an_id_twice_is_a_failure_of_the_engine(self, notes: Notes) -> None:
        notes.insert("x", b"a")
        with pytest.raises(BatchFailed):
            notes.insert("x", b"b")
        with pytest.raises(BatchFailed):
            notes.commit()


class TestTransactions:
    def test_readers_see_whole_batches(self, notes: Notes, reader: Storage) -> None:
        notes.insert("x", b"a")
        reader.begin_read()
        assert reader.structure.tables() == []
        notes.commit()
        assert reader.structure.tables() == []
        reader.end_read()
        head = reader.begin_read()
        assert head == notes.head
        assert [table.name for table in reader.structure.tables()] == ["notes"]
        assert reader.documents.get(notes.table.place, "x") is not None
        reader.end_read()

    def test_savepoints_nest(self, notes: Notes) -> None:
        storage = notes.storage
        storage.savepoint(0)
        notes.insert("kept", b"a")
        storage.savepoint(1)
        notes.insert("undone", b"b")
        storage.rollback(1)
        storage.savepoint(1)
        notes.insert("kept too", b"c")
        storage.release(1)
        storage.release(0)
        assert notes.scan() == ["kept", "kept too"]
        storage.savepoint(0)
        storage.savepoint(1)
        notes.insert("released, then undone", b"d")
        storage.release(1)
        storage.rollback(0)
        assert notes.scan() == ["kept", "kept too"]

    def test_an_abandoned_batch_never_was(self, notes: Notes) -> None:
        notes.insert("x", b"a")
        notes.storage.abandon()
        notes.storage.abandon()
        head = notes.storage.begin_batch(0)
        assert head.ts == 0
        assert notes.storage.structure.tables() == []
        notes.storage.abandon()

    def test_the_head_comes_back_as_it_was_written(self, notes: Notes, reader: Storage) -> None:
        head = replace(notes.head, ts=2**60, epoch=7, boot="b", bundle="bündel", created=2**52, catalog=3)
        notes.storage.commit(head)
        assert reader.read_head() == head
        assert notes.storage.read_head() == head

    def test_a_writer_of_another_epoch_is_stale_for_good(self, notes: Notes) -> None:
        notes.commit()
        with pytest.raises(StaleWriter):
            notes.storage.begin_batch(1)
        with pytest.raises(BatchFailed):
            notes.storage.begin_batch(0)

    def test_there_is_one_writer(self, engine: SqliteEngine, writer: Storage) -> None:
        with pytest.raises(StorageLocked):
            engine.writer()
        writer.close()
        again = engine.writer()
        again.close()

    def test_a_failure_is_for_ever(self, notes: Notes) -> None:
        storage = notes.storage
        storage.fail(RuntimeError("first"))
        assert "first" in str(storage.fail(RuntimeError("second")))
        for attempt in (
            lambda: storage.savepoint(0),
            lambda: storage.release(0),
            lambda: storage.rollback(0),
            lambda: notes.insert("x", b""),
            notes.scan,
            notes.commit,
            storage.structure.tables,
        ):
            with pytest.raises(BatchFailed, match="first"):
                attempt()
        storage.abandon()

    def test_a_reader_needs_a_database(self, engine: SqliteEngine) -> None:
        with pytest.raises(StorageError):
            engine.reader()


class TestStructure:
    def test_tables_and_indexes_come_back_as_they_were_made(self, notes: Notes) -> None:
        structure = notes.storage.structure
        assert structure.tables() == [notes.table]
        assert structure.indexes() == [notes.by_id, notes.index]
        assert notes.by_id.place == notes.table.place
        assert notes.index.fields == ("word", "deep.er")
        structure.set_ready(notes.index)
        assert structure.indexes()[1] == notes.index._replace(state="ready")

    def test_a_dropped_index_keeps_its_number_and_frees_its_name(self, notes: Notes) -> None:
        structure = notes.storage.structure
        structure.drop_index(notes.index)
        again = structure.create_index(notes.index._replace(number=101), notes.table)
        assert [(row.number, row.state) for row in structure.indexes()] == [
            (99, "ready"),
            (100, "dropped"),
            (101, "backfilling"),
        ]
        assert again.place != notes.index.place

    @pytest.mark.parametrize(
        ("one", "two"),
        [
            ("users", "Users"),
            ("notes2", "t_20002_notes2"),
            ("t_20002_x", "x"),
            ("sqlite_stat1", "select"),
            ("a" * 64, "A" * 64),
        ],
    )
    def test_users_may_call_tables_what_they_like(self, notes: Notes, one: str, two: str) -> None:
        structure, documents = notes.storage.structure, notes.storage.documents
        tables = [structure.create_table(20_001, one), structure.create_table(20_002, two)]
        for table in tables:
            structure.describe_table(table, ("a", "A", "document"))
            documents.insert(table.place, "x", 1.0, b'{"in":"%s"}' % table.name.encode(), [])
        for table in tables:
            row = documents.get(table.place, "x")
            assert row is not None
            assert row.data == b'{"in":"%s"}' % table.name.encode()


class TestRecords:
    def test_the_log_gives_back_what_was_put_in(self, writer: Storage) -> None:
        rows = [
            LogRow(5, 3, 7, "f", {1: [b"\0k"], 2: []}, {"x": b"{}", "y": None}),
            LogRow(7, 5, 7, "g", {}, {}),
        ]
        writer.begin_batch(0)
        assert writer.log.oldest() is None
        writer.log.append(rows)
        assert writer.log.after(0) == rows
        assert writer.log.after(5) == rows[1:]
        writer.log.trim(7, 10)
        assert writer.log.oldest() == 7
        writer.abandon()

    def test_trimming_is_bounded_and_takes_the_oldest(self, writer: Storage) -> None:
        writer.begin_batch(0)
        writer.log.append([LogRow(n, n - 1, n, "f", {}, {}) for n in range(1, 11)])
        writer.log.trim(100, 4)
        assert [row.ts for row in writer.log.after(0)] == [5, 6, 7, 8, 9, 10]
        writer.abandon()

    def test_requests_are_told_apart_by_session_and_number(self, writer: Storage) -> None:
        writer.begin_batch(0)
        rows = {
            ("s", 1): RequestRow(1, b"b", b"1"),
            ("s", 2): RequestRow(2, b"b", b"2"),
            ("t", 1): RequestRow(3, b"", b""),
        }
        for (session, request), row in rows.items():
            writer.requests.add(session, request, row)
        for (session, request), row in rows.items():
            assert writer.requests.find(session, request) == row
        assert writer.requests.find("t", 2) is None
        assert writer.requests.find("u", 1) is None
        writer.abandon()

    def test_expiring_takes_whole_sessions_the_oldest_first(self, writer: Storage) -> None:
        writer.begin_batch(0)
        for n in range(5):
            writer.requests.add(f"s{n}", 1, RequestRow(n, b"", b""))
        writer.requests.expire(4, 2)
        assert [writer.requests.find(f"s{n}", 1) is not None for n in range(5)] == [False, False, True, True, True]
        writer.abandon()

    def test_calls_are_kept_until_forgotten(self, writer: Storage) -> None:
        writer.begin_batch(0)
        writer.calls.add([(1, b"one"), (2, b"two"), (3, b"three")])
        writer.calls.forget([2])
        assert writer.calls.find([1, 2, 3, 4]) == {1: b"one", 3: b"three"}
        writer.calls.clear()
        assert writer.calls.find([1, 3]) == {}
        writer.abandon()


class TestCheckpoint:
    def test_a_checkpoint_empties_the_log_and_loses_nothing(self, notes: Notes, reader: Storage) -> None:
        for n in range(200):
            notes.insert(f"x{n}", b"%d" % n, b'{"text":"%s"}' % (b"x" * 1000))
        notes.commit()
        assert notes.storage.wal_bytes() > 200_000
        assert notes.storage.checkpoint() == 0
        reader.begin_read()
        assert reader.documents.get(notes.table.place, "x199") is not None
        reader.end_read()

    def test_a_checkpoint_inside_a_batch_is_refused(self, notes: Notes) -> None:
        with pytest.raises(StorageError, match="between batches"):
            notes.storage.checkpoint()
