"""When the engine itself fails inside a call (engine A1, A14): nothing half done is ever visible, no one can catch it away.

SQLite may answer a full disk, an I/O error, no memory or an interrupt by rolling back the *whole* transaction. A
SAVEPOINT after that would begin, and its RELEASE commit, a transaction of its own.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from reactor.database.batch import Batch
from reactor.database.database import Database
from reactor.storage import fail_point
from reactor.storage.storage import BatchFailed

from .conftest import Open
from .stories import MESSAGES, declare, insert, read, values


def raw(db: Database) -> sqlite3.Connection:
    connection = db._storage._connection._raw  # type: ignore[attr-defined]
    assert isinstance(connection, sqlite3.Connection)
    return connection


def careless_call(batch: Batch, n: int, before: str) -> None:
    """User code that catches whatever happens to it, and a caller that then releases it as if all were well."""
    t = batch.transaction("test")
    with contextlib.suppress(Exception):
        t.insert("messages", {"channel": "a", "score": n, "n": n})
    with contextlib.suppress(Exception):
        t.replace(before, {"channel": "a", "score": -n, "n": f"replaced by {n}"})
    with contextlib.suppress(Exception):
        list(t.scan("messages", "by_channel", ("a",)))
    with contextlib.suppress(Exception):
        t.insert("undeclared", {"n": n})
    t.record_request("session", n, b"outcome", b"")
    t.release()


def careless_batch(batch: Batch, before: str) -> None:
    for n in range(1, 4):
        careless_call(batch, n, before)
    batch.commit()


class FailAt:
    """A hook that fails the nth statement, as SQLite would: with or without having rolled everything back."""

    def __init__(self, db: Database, at: int, error: Callable[[], BaseException], *, rolls_back: bool) -> None:
        self._db, self._at, self._error, self._rolls_back = db, at, error, rolls_back
        self.passed = 0
        self.failed_at: str | None = None

    def __call__(self, place: str) -> None:
        if place.startswith(("before", "after")) or self.failed_at is not None:
            return
        self.passed += 1
        if self.passed > self._at:
            self.failed_at = place
            if self._rolls_back and raw(self._db).in_transaction:
                raw(self._db).execute("ROLLBACK")
            raise self._error()


def full() -> BaseException:
    return sqlite3.OperationalError("database or disk is full")


def ioerr() -> BaseException:
    return sqlite3.OperationalError("disk I/O error")


@pytest.fixture
def scene(opened: Open) -> tuple[Database, Database, str]:
    """A writer, a reader, and a document that was there before."""
    db = opened()
    declare(db, MESSAGES)
    (before,) = insert(db, "messages", {"channel": "a", "score": 0, "n": "before"})
    return db, opened(reader=True), before


@pytest.mark.parametrize(
    ("error", "rolls_back"),
    [(full, True), (full, False), (ioerr, True), (MemoryError, True), (MemoryError, False)],
    ids=["full", "full, savepoint kept", "ioerr", "nomem", "nomem, savepoint kept"],
)
def test_whichever_statement_fails_nothing_of_the_batch_is_ever_seen(
    opened: Open,
    path: Path,
    scene: tuple[Database, Database, str],
    error: Callable[[], BaseException],
    rolls_back: bool,
) -> None:
    db, reader, before = scene
    head = db.head
    failed: list[str] = []
    while True:
        batch = db.begin()
        hook = FailAt(db, len(failed), error, rolls_back=rolls_back)
        with fail_point.installed(hook), contextlib.suppress(BatchFailed):
            careless_batch(batch, before)
        if hook.failed_at is None:
            break  # this time every statement worked
        failed.append(hook.failed_at)
        with pytest.raises(BatchFailed):
            batch.transaction("later")
        with pytest.raises(BatchFailed):
            batch.commit()
        with pytest.raises(BatchFailed):
            db.begin()
        with reader.snapshot() as snapshot:
            assert snapshot.ts == head.ts, hook.failed_at
            assert values(list(snapshot.scan("messages"))) == ["before"], hook.failed_at
        db.close()
        db = opened()  # the next process
        assert db.head.ts == head.ts
        assert values(read(db, "messages")) == ["before"]
        assert db.catalog.table("undeclared") is None
        assert raw(db).execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert values(read(db, "messages")) == ["replaced by 3", 1, 2, 3]
    assert failed.count("SAVEPOINT call_0") == failed.count("RELEASE call_0") == 3
    assert "structure" in failed
    assert failed[-1] == "COMMIT"


@contextlib.contextmanager
def disk_full(db: Database) -> Iterator[None]:
    """A real SQLITE_FULL: the file may not grow any more."""
    (pages,) = raw(db).execute("PRAGMA page_count").fetchone()
    raw(db).execute(f"PRAGMA max_page_count = {pages}")
    yield


def test_a_really_full_disk_fails_the_batch_and_no_later_call_commits_by_itself(
    scene: tuple[Database, Database, str],
) -> None:
    db, reader, _ = scene
    with disk_full(db):
        batch = db.begin()
        first = batch.transaction("first")
        first.insert("messages", {"channel": "a", "n": "first"})
        first.release()
        second = batch.transaction("second")
        with contextlib.suppress(Exception):
            for _ in range(1000):
                second.insert("messages", {"channel": "a", "n": "second", "text": "x" * 10_000})
        with pytest.raises(BatchFailed, match="full"):
            second.release()
        with pytest.raises(BatchFailed):
            batch.transaction("third")
        with reader.snapshot() as snapshot:
            assert values(list(snapshot.scan("messages"))) == ["before"]
        with pytest.raises(BatchFailed):
            batch.commit()
    with reader.snapshot() as snapshot:
        assert values(list(snapshot.scan("messages"))) == ["before"]


def test_a_real_interrupt_that_user_code_swallows_still_fails_the_batch(scene: tuple[Database, Database, str]) -> None:
    db, reader, _ = scene
    batch = db.begin()
    t = batch.transaction("test")
    raw(db).set_progress_handler(lambda: 1, 1)
    with contextlib.suppress(Exception):
        t.insert("messages", {"channel": "a", "n": "lost"})
    raw(db).set_progress_handler(None, 1)
    with pytest.raises(BatchFailed):
        t.release()
    with pytest.raises(BatchFailed):
        batch.commit()
    with reader.snapshot() as snapshot:
        assert values(list(snapshot.scan("messages"))) == ["before"]


def test_an_exception_between_document_and_index_rows_cannot_be_caught_away(
    scene: tuple[Database, Database, str],
) -> None:
    """A signal handler may raise anywhere; half a document must not be committed."""
    db, _, _ = scene
    batch = db.begin()
    t = batch.transaction("test")

    def strike(place: str) -> None:
        if "i_" in place:
            raise TimeoutError

    with fail_point.installed(strike), pytest.raises(TimeoutError):
        t.insert("messages", {"channel": "a", "n": 1})
    with pytest.raises(BatchFailed):
        t.release()


def test_a_transaction_that_ended_behind_our_back_is_noticed(scene: tuple[Database, Database, str]) -> None:
    db, reader, _ = scene
    batch = db.begin()
    t = batch.transaction("test")
    t.insert("messages", {"channel": "a", "n": 1})
    raw(db).execute("ROLLBACK")
    with pytest.raises(BatchFailed):
        t.release()
    with reader.snapshot() as snapshot:
        assert values(list(snapshot.scan("messages"))) == ["before"]


def test_a_savepoint_is_never_opened_outside_of_a_batch(scene: tuple[Database, Database, str]) -> None:
    db, _, _ = scene
    batch = db.begin()
    batch.abandon()
    with pytest.raises(BatchFailed):
        batch.transaction("too late")
    assert not raw(db).in_transaction


def test_errors_of_user_code_are_no_engine_failure(scene: tuple[Database, Database, str]) -> None:
    db, _, _ = scene
    batch = db.begin()
    failing = batch.transaction("test")
    failing.insert("messages", {"channel": "a", "n": 1})
    failing.rollback()
    t = batch.transaction("test")
    t.insert("messages", {"channel": "a", "n": 2})
    t.release()
    batch.commit()
    assert db.failure is None
    assert values(read(db, "messages")) == ["before", 2]
