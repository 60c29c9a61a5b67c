"""Exactly one process ever commits: a lock enforces it, an epoch proves it, strangers are noticed (engine A10)."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from reactor.database.database import Database
from reactor.errors import ForeignCommit, StaleWriter, StorageError, StorageLocked
from reactor.storage.storage import BatchFailed

from .conftest import Open
from .stories import call, insert, read, values

SECOND_WRITER = """
import sys
from reactor.clock import SystemClock
from reactor.database.database import Database
from reactor.errors import StorageLocked
try:
    Database.open_writer(sys.argv[1], clock=SystemClock(), boot="second")
except StorageLocked as error:
    print("refused:", error)
"""


def elsewhere(path: Path, *statements: str) -> None:
    """What someone does with the file and another tool."""
    connection = sqlite3.connect(path, isolation_level=None)
    for statement in statements:
        connection.execute(statement)
    connection.close()


def test_a_second_writer_is_refused_in_this_process(db: Database, opened: Open) -> None:
    with pytest.raises(StorageLocked, match="Another writer"):
        opened()
    insert(db, "notes", {"n": 1})


def test_a_second_writer_is_refused_in_another_process(db: Database, path: Path) -> None:
    said = subprocess.run(
        [sys.executable, "-c", SECOND_WRITER, str(path)], capture_output=True, text=True, check=True, timeout=30
    )
    assert said.stdout.startswith("refused: Another writer")
    insert(db, "notes", {"n": 1})


def test_a_writer_whose_epoch_has_passed_ends(db: Database, path: Path, opened: Open) -> None:
    """As after a lock that did not hold, on a file system that does not know it."""
    insert(db, "notes", {"n": 1})
    path.with_name(path.name + ".writer").unlink()
    newer = opened(boot="newer")
    with pytest.raises(StaleWriter):
        db.begin()
    with pytest.raises(BatchFailed):
        db.begin()
    insert(newer, "notes", {"n": 2})
    assert values(read(newer, "notes")) == [1, 2]


def test_a_foreign_commit_is_noticed_at_the_next_batch(db: Database, path: Path) -> None:
    insert(db, "notes", {"n": 1})
    elsewhere(path, "DELETE FROM t_10001_notes")
    with pytest.raises(ForeignCommit, match="sqlite-utils"):
        db.begin()
    with pytest.raises(BatchFailed):
        db.begin()


def test_a_foreign_commit_between_opening_and_the_first_batch_is_noticed(opened: Open, path: Path) -> None:
    db = opened()
    elsewhere(path, "CREATE TABLE mine (x)")
    with pytest.raises(ForeignCommit):
        db.begin()


def test_reading_the_live_file_with_other_tools_is_no_foreign_commit(db: Database, path: Path) -> None:
    insert(db, "notes", {"n": 1})
    elsewhere(path, "SELECT count(*) FROM notes")
    insert(db, "notes", {"n": 2})
    assert values(read(db, "notes")) == [1, 2]


def test_our_own_readers_are_no_strangers(db: Database, opened: Open) -> None:
    reader = opened(reader=True)
    for n in range(3):
        insert(db, "notes", {"n": n})
        with reader.snapshot() as snapshot:
            assert len(list(snapshot.scan("notes"))) == n + 1


def test_a_file_that_is_somebody_elses_is_left_alone(path: Path, opened: Open) -> None:
    elsewhere(path, "CREATE TABLE precious (x)")
    with pytest.raises(StorageError, match="not a reactor database"):
        opened()
    with pytest.raises(StorageError, match="not a reactor database"):
        opened(reader=True)


def test_a_newer_data_format_is_refused(db: Database, path: Path, opened: Open) -> None:
    db.close()
    elsewhere(path, "PRAGMA user_version = 999")
    with pytest.raises(StorageError, match="data format 999"):
        opened()


def test_what_is_no_database_at_all_is_refused_with_its_name(path: Path, opened: Open) -> None:
    path.write_bytes(b"this is a text file, whatever its name may be" * 100)
    with pytest.raises(StorageError, match=path.name):
        opened()


def test_a_refused_writer_leaves_the_lock_to_the_next(path: Path, opened: Open) -> None:
    elsewhere(path, "CREATE TABLE precious (x)")
    with pytest.raises(StorageError):
        opened()
    path.unlink()
    insert(opened(), "notes", {"n": 1})


def test_settings_are_those_the_rules_ask_for(db: Database, opened: Open) -> None:
    for database in (db, opened(reader=True)):
        connection = database._storage._connection._raw  # type: ignore[attr-defined]

        def setting(name: str, connection: sqlite3.Connection = connection) -> object:
            return connection.execute(f"PRAGMA {name}").fetchone()[0]

        assert setting("journal_mode") == "wal"
        assert setting("synchronous") == 2
        assert setting("busy_timeout") == 5000
        assert setting("wal_autocheckpoint") == 0
        assert connection.isolation_level is None


def test_the_log_file_never_checkpoints_by_itself(db: Database) -> None:
    for _ in range(3):
        insert(db, "notes", *({"text": "x" * 10_000} for _ in range(300)))
    assert db.wal_bytes() > 8 << 20, "past SQLite's own threshold of a thousand pages"
    assert db.checkpoint() == 0
    insert(db, "notes", {"n": 1})
    assert db.wal_bytes() <= 4 << 20


def test_a_checkpoint_says_what_a_reader_holds_back(db: Database, opened: Open) -> None:
    insert(db, "notes", {"n": 1})
    reader = opened(reader=True)
    with reader.snapshot() as snapshot:
        list(snapshot.scan("notes"))
        batch = db.begin()
        with call(batch) as t:
            for _ in range(100):
                t.insert("notes", {"text": "x" * 10_000})
        batch.commit()
        db._storage._connection._raw.execute("PRAGMA busy_timeout = 0")  # type: ignore[attr-defined]
        assert db.checkpoint() > 500_000
    assert db.checkpoint() == 0
