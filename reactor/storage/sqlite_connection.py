"""SqliteConnection: the one way statements reach SQLite. It knows transactions and failures, and no table.

Two rules live here. An error of the engine is sticky (engine A1): SQLite may have rolled the whole transaction back, so
after it nothing more is run. And no statement stays open while anybody else's code runs (A6): results are fetched
whole.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reactor.errors import StorageError, StorageLocked
from reactor.storage import fail_point
from reactor.storage.storage import BatchFailed

if TYPE_CHECKING:
    import sqlite_utils

BUSY_TIMEOUT_MS = 5_000
BUSY_ROUNDS = 6  # of the timeout, for BEGIN IMMEDIATE: a reader's recovery or a tool with the file open passes
_WAL_KEPT = 4 << 20  # the file shrinks to this after a checkpoint, so that its size says something

_SETTINGS = (
    f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}",
    "PRAGMA synchronous = FULL",
    "PRAGMA wal_autocheckpoint = 0",
    f"PRAGMA journal_size_limit = {_WAL_KEPT}",
    "PRAGMA cache_size = -65536",
    "PRAGMA temp_store = MEMORY",
    "PRAGMA secure_delete = OFF",
)


class SqliteConnection:
    """A connection of one process, for one thread at a time. It must not cross a fork."""

    def __init__(self, path: Path, *, writing: bool) -> None:
        self.path = path
        self.failure: BaseException | None = None  # set once in fail(), never cleared
        target = str(path) if writing else f"{path.absolute().as_uri()}?mode=ro"
        try:
            self._raw = sqlite3.connect(
                target,
                uri=not writing,
                isolation_level=None,
                cached_statements=512,
                timeout=BUSY_TIMEOUT_MS / 1000,
                check_same_thread=False,
            )
        except sqlite3.Error as error:
            raise StorageError(f"Cannot open the database {path}: {error}.") from error
        cursor = self._raw.cursor()
        self._execute = cursor.execute
        self._execute_many = cursor.executemany
        try:
            for setting in _SETTINGS:
                self._raw.execute(setting).fetchall()
            if writing:
                mode = self._raw.execute("PRAGMA journal_mode = WAL").fetchall()[0][0]
                if mode != "wal":
                    raise StorageError(
                        f"The file system of {path} cannot hold a write-ahead log (journal mode stays {mode!r}). "
                        "Put the data folder on a local disk."
                    )
            else:
                self._raw.execute("PRAGMA query_only = ON")
                self._raw.execute("PRAGMA schema_version").fetchall()
        except sqlite3.Error as error:
            self._raw.close()
            raise StorageError(f"Cannot use the database {path}: {error}.") from error
        except StorageError:
            self._raw.close()
            raise

    @property
    def in_transaction(self) -> bool:
        """Whether a batch or a snapshot is open."""
        return self._raw.in_transaction

    def fail(self, error: BaseException) -> BatchFailed:
        """Make an error sticky; the first one stays. The result is what to raise."""
        if self.failure is None:
            self.failure = error
        return BatchFailed(f"The storage engine failed: {self.failure}. This process must end.")

    def run(self, sql: str, parameters: tuple[Any, ...] = ()) -> None:
        """Run a statement that gives no rows."""
        if self.failure is not None:
            raise self.fail(self.failure)
        try:
            if fail_point.hook is not None:
                fail_point.hook(sql)
            self._execute(sql, parameters)
        except (sqlite3.Error, MemoryError) as error:
            raise self.fail(error) from error

    def rows(self, sql: str, parameters: tuple[Any, ...] = ()) -> list[Any]:
        """Run a statement and fetch all its rows."""
        if self.failure is not None:
            raise self.fail(self.failure)
        try:
            if fail_point.hook is not None:
                fail_point.hook(sql)
            return self._execute(sql, parameters).fetchall()
        except (sqlite3.Error, MemoryError) as error:
            raise self.fail(error) from error

    def run_many(self, sql: str, parameters: Iterable[tuple[Any, ...]]) -> None:
        """Run a statement for each of many parameters."""
        if self.failure is not None:
            raise self.fail(self.failure)
        try:
            if fail_point.hook is not None:
                fail_point.hook(sql)
            self._execute_many(sql, parameters)
        except (sqlite3.Error, MemoryError) as error:
            raise self.fail(error) from error

    def begin_immediate(self) -> None:
        """Begin to write. Waits while others hold the database for a moment; raises StorageLocked if they keep it."""
        if self.failure is not None:
            raise self.fail(self.failure)
        for _ in range(BUSY_ROUNDS):
            try:
                fail_point.reach("BEGIN IMMEDIATE")
                self._execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                    raise self.fail(error) from error
            except (sqlite3.Error, MemoryError) as error:
                raise self.fail(error) from error
            else:
                return
        raise StorageLocked(f"Something else keeps {self.path} locked for writing. Close it and start again.")

    def require_transaction(self) -> None:
        """Raises BatchFailed when the transaction has ended behind our back, as SQLite does on some errors."""
        if self.failure is not None or not self._raw.in_transaction:
            raise self.fail(self.failure or StorageError("the transaction was rolled back by the engine"))

    def commit(self) -> None:
        """Make it durable. After an error the outcome is unknown, and sticky like every other."""
        self.require_transaction()
        fail_point.reach("before commit")
        self.run("COMMIT")
        if self._raw.in_transaction:
            raise self.fail(StorageError("COMMIT did not end the transaction"))
        fail_point.reach("after commit")

    def abandon(self) -> None:
        """Undo what is open. Never raises: an engine that cannot even undo has failed for good."""
        fail_point.reach("before abandon")
        try:
            if self._raw.in_transaction:
                self._raw.execute("ROLLBACK")
        except sqlite3.Error as error:
            self.fail(error)

    @contextmanager
    def structure_change(self) -> Iterator[sqlite_utils.Database]:
        """The only door for changes of structure: sqlite-utils on this connection, inside the open batch (engine A11)."""
        from reactor.storage.lean_import import (
            sqlite_utils,
        )  # here: it takes a third of a runner's start, and structure seldom changes

        self.require_transaction()
        try:
            fail_point.reach("structure")
            yield sqlite_utils.Database(self._raw, recursive_triggers=False, execute_plugins=False)
        except (sqlite3.Error, MemoryError) as error:
            raise self.fail(error) from error
        self.require_transaction()

    def close(self) -> None:
        """Undo what is open and let go of the file."""
        self.abandon()
        self._raw.close()
