"""SqliteStorage: the engine of one node, on the standard library's SQLite.

Opened for writing it holds `<database>.writer` until death (engine A10). Checkpoints are never automatic: whoever
dispatches readers says when (C4).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from reactor.errors import ForeignCommit, StaleWriter, StorageError
from reactor.limits import DEFAULT_LIMITS
from reactor.storage.lock import FileLock
from reactor.storage.sqlite_calls import SqliteCalls
from reactor.storage.sqlite_code import SqliteCode
from reactor.storage.sqlite_connection import SqliteConnection
from reactor.storage.sqlite_documents import SqliteDocuments
from reactor.storage.sqlite_log import SqliteLog
from reactor.storage.sqlite_requests import SqliteRequests
from reactor.storage.sqlite_schema import APPLICATION_ID, FORMAT, SqliteStructure, ensure_system_tables
from reactor.storage.sqlite_texts import SqliteTexts
from reactor.storage.sqlite_variables import SqliteVariables
from reactor.storage.sqlite_vectors import SqliteVectors
from reactor.storage.storage import BatchFailed, FactIndexes, Head, IndexKind

_MAX_DEPTH = 64  # far above any nesting limit: the texts exist so that statements stay prepared
_SAVEPOINT = tuple(f"SAVEPOINT call_{depth}" for depth in range(_MAX_DEPTH))
_RELEASE = tuple(f"RELEASE call_{depth}" for depth in range(_MAX_DEPTH))
_ROLLBACK = tuple(f"ROLLBACK TO call_{depth}" for depth in range(_MAX_DEPTH))
_FRAME_HEADER = 24  # of each page in the write-ahead log


class SqliteStorage:
    """Implements storage.Storage."""

    def __init__(
        self,
        connection: SqliteConnection,
        lock: FileLock | None = None,
        data_version: int = 0,
        requests_kept: int = DEFAULT_LIMITS.session_requests,
        vector_memory: int = DEFAULT_LIMITS.vector_memory,
    ) -> None:
        """Use `open_writer` or `open_reader`."""
        self._connection = connection
        self._lock = lock  # None in a reader
        self._data_version = data_version  # SQLite moves its own only when somebody else commits
        self.documents = SqliteDocuments(connection)
        self.texts = SqliteTexts(connection)
        self.vectors = SqliteVectors(connection, vector_memory)
        self.fact_indexes: Mapping[IndexKind, FactIndexes] = {"search": self.texts, "vector": self.vectors}
        self.structure = SqliteStructure(connection, {"search": self.texts, "vector": self.vectors})
        self.log = SqliteLog(connection)
        self.requests = SqliteRequests(connection, requests_kept)
        self.calls = SqliteCalls(connection)
        self.variables = SqliteVariables(connection)
        self.code = SqliteCode(connection)

    @classmethod
    def open_writer(
        cls,
        path: Path,
        *,
        requests_kept: int = DEFAULT_LIMITS.session_requests,
        vector_memory: int = DEFAULT_LIMITS.vector_memory,
    ) -> SqliteStorage:
        """Take the lock, open or create the file. Raises StorageLocked, or StorageError for a file that is not ours."""
        lock = FileLock.take(path.with_name(path.name + ".writer"), "writer")
        try:
            connection = SqliteConnection(path, writing=True)
            try:
                connection.begin_immediate()
                ensure_system_tables(connection)
                data_version = _data_version(connection)
                connection.commit()
            except BaseException:
                connection.close()
                raise
        except BaseException:
            lock.release()
            raise
        return cls(connection, lock, data_version, requests_kept, vector_memory)

    @classmethod
    def open_reader(cls, path: Path, *, vector_memory: int = DEFAULT_LIMITS.vector_memory) -> SqliteStorage:
        """Open an existing database for snapshots. Raises StorageError if there is none."""
        connection = SqliteConnection(path, writing=False)
        try:
            found = connection.rows(
                "SELECT (SELECT application_id FROM pragma_application_id), "
                "(SELECT user_version FROM pragma_user_version)"
            )[0]
            if found != (APPLICATION_ID, FORMAT):
                raise StorageError(f"{path} is not a reactor database this release can read.")
        except BaseException:
            connection.close()
            raise
        return cls(connection, vector_memory=vector_memory)

    @property
    def failure(self) -> BaseException | None:
        return self._connection.failure

    def fail(self, error: BaseException) -> BatchFailed:
        return self._connection.fail(error)

    def read_head(self) -> Head:
        return Head(*self._connection.rows("SELECT ts, epoch, boot, bundle, created, catalog FROM _head")[0])

    def begin_read(self) -> Head:
        self._connection.run("BEGIN")
        return self.read_head()

    def end_read(self) -> None:
        self._connection.abandon()

    def begin_batch(self, epoch: int) -> Head:
        self._connection.begin_immediate()
        head = self.read_head()
        stranger: StorageError | None = None
        if head.epoch != epoch:
            stranger = StaleWriter(
                f"Writer of epoch {epoch} is stale: epoch {head.epoch} owns {self._connection.path}."
            )
        elif _data_version(self._connection) != self._data_version:
            stranger = ForeignCommit(
                f"Something else wrote to {self._connection.path} while it was in use (sqlite-utils, Datasette?). "
                "Stop the server before changing its file."
            )
        if stranger is not None:
            self._connection.abandon()
            self._connection.fail(stranger)
            raise stranger
        return head

    def savepoint(self, depth: int) -> None:
        self._connection.require_transaction()  # outside of one, SAVEPOINT would begin a transaction of its own
        self._connection.run(_SAVEPOINT[depth])

    def release(self, depth: int) -> None:
        self._connection.require_transaction()
        self._connection.run(_RELEASE[depth])
        self._connection.require_transaction()

    def rollback(self, depth: int) -> None:
        self._connection.require_transaction()
        self.requests.rolled_back()
        self.vectors.rolled_back()
        self._connection.run(_ROLLBACK[depth])
        self._connection.run(_RELEASE[depth])
        self._connection.require_transaction()

    def commit(self, head: Head) -> None:
        self._connection.require_transaction()
        self.requests.write()
        self._connection.run(
            "UPDATE _head SET ts = ?, epoch = ?, boot = ?, bundle = ?, created = ?, catalog = ?",
            (head.ts, head.epoch, head.boot, head.bundle, head.created, head.catalog),
        )
        self._connection.commit()
        self.requests.keep_changes()
        self.vectors.ended(committed=True)

    def abandon(self) -> None:
        self.requests.abandoned()
        self.vectors.ended(committed=False)
        self._connection.abandon()

    def checkpoint(self) -> int:
        if self._connection.in_transaction:
            raise StorageError("A checkpoint is made between batches.")
        busy, pages, moved = self._connection.rows("PRAGMA wal_checkpoint(RESTART)")[0]
        left = pages - moved if busy else 0
        page_size = self._connection.rows("PRAGMA page_size")[0][0]
        return int(left * (page_size + _FRAME_HEADER))

    def wal_bytes(self) -> int:
        # stat, never open: opening and closing the file would drop this process's POSIX locks on it (engine A10)
        wal = self._connection.path.with_name(self._connection.path.name + "-wal")
        try:
            return wal.stat().st_size
        except FileNotFoundError:
            return 0

    def close(self) -> None:
        self._connection.close()
        if self._lock is not None:
            self._lock.release()


def _data_version(connection: SqliteConnection) -> int:
    return int(connection.rows("PRAGMA data_version")[0][0])
