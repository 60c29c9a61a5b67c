"""Database: the door of this room. Open it in a runner process, after the last fork, once as writer or as reader."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import groupby
from os import urandom
from pathlib import Path

from reactor.clock import Clock
from reactor.database.batch import Batch, CommittedBatch
from reactor.database.catalog import BY_CREATION_TIME, Catalog, TableInfo
from reactor.database.changes import Changes, changes_after
from reactor.database.committer import Committer
from reactor.database.snapshot import Snapshot
from reactor.database.stored import Stored
from reactor.database.structure import documents_after, first_of
from reactor.errors import StorageError
from reactor.footprint.commit import Commit
from reactor.limits import DEFAULT_LIMITS, Limits
from reactor.storage.sqlite import SqliteStorage
from reactor.storage.storage import Head, RequestRow, Storage


class Database:
    """One connection, for one thread at a time. A writer can also take snapshots, between batches."""

    def __init__(self, storage: Storage, limits: Limits, committer: Committer | None) -> None:
        """Use `open_writer` or `open_reader`."""
        self._storage = storage
        self._limits = limits
        self._committer = committer  # None in a reader
        self._catalog: Catalog | None = None  # a reader's, as of the last snapshot
        self._seen = 0  # the last snapshot's ts: the next one must not be older (engine A6)

    @classmethod
    def open_writer(
        cls,
        path: Path | str,
        *,
        clock: Clock,
        boot: str,
        limits: Limits = DEFAULT_LIMITS,
        entropy: Callable[[int], bytes] = urandom,
    ) -> Database:
        """Take the writer's lock, open or create the database, begin an epoch. `boot` names the server process.

        Raises StorageLocked if there is another writer, StorageError if the file cannot be used.
        """
        storage = SqliteStorage.open_writer(
            Path(path), requests_kept=limits.session_requests, vector_memory=limits.vector_memory
        )
        try:
            return cls(storage, limits, Committer(storage, clock, boot, limits, entropy))
        except BaseException:
            storage.close()
            raise

    @classmethod
    def open_reader(cls, path: Path | str, *, limits: Limits = DEFAULT_LIMITS) -> Database:
        """Open an existing database for snapshots. Raises StorageError if there is none."""
        return cls(SqliteStorage.open_reader(Path(path), vector_memory=limits.vector_memory), limits, None)

    @property
    def head(self) -> Head:
        """The head as of now; of the open batch or snapshot, if there is one."""
        return self._storage.read_head()

    @property
    def catalog(self) -> Catalog:
        """The tables there are, as of the last commit (writer) or snapshot (reader)."""
        if self._committer is not None:
            return self._committer.catalog
        if self._catalog is None:
            with self.snapshot() as snapshot:
                return snapshot.catalog
        return self._catalog

    @property
    def failure(self) -> BaseException | None:
        """The engine error after which this process has to end, once there was one (engine A1)."""
        return self._storage.failure

    def snapshot(self) -> Snapshot:
        """The data at the head of now. A context manager; one at a time."""
        head = self._storage.begin_read()
        try:
            if head.ts < self._seen:
                raise StorageError(f"the database went back from {self._seen} to {head.ts} while it was open")
            self._seen = head.ts
            if self._catalog is None or self._catalog.version != head.catalog:
                self._catalog = Catalog.load(head.catalog, self._storage.structure)
        except BaseException:
            self._storage.end_read()
            raise
        return Snapshot(self._storage, head, self._catalog, self._limits, self._storage.end_read)

    def begin(self) -> Batch:
        """Begin a batch; writers only. Raises StaleWriter or ForeignCommit, after which this process has to end."""
        if self._committer is None:
            raise StorageError("a reader cannot write: open_writer() makes the one that can")
        return self._committer.begin()

    def recorded_calls(self, boot: str, calls: Iterable[int]) -> dict[int, bytes]:
        """Outcomes of those calls that were committed; for the server process `boot` only (engine A3)."""
        if self.head.boot != boot:
            return {}
        return self._storage.calls.find(calls)

    def recorded_request(self, session: str, request: int) -> RequestRow | None:
        """What this mutation of a client came to, in any commit so far (engine A13)."""
        return self._storage.requests.find(session, request)

    def commits_after(self, ts: int) -> list[CommittedBatch]:
        """The batches after that batch end, as far as the log still has them.

        If the first one's `prev_ts` is later than `ts`, the log has forgotten what came between.
        """
        rows = self._storage.log.after(ts)
        return [
            CommittedBatch(
                batch_ts,
                group[0].prev_ts,
                [
                    Commit(row.ts, row.prev_ts, {index: tuple(keys) for index, keys in row.keys.items()}, row.source)
                    for row in group
                ],
            )
            for batch_ts, group in ((end, list(rows)) for end, rows in groupby(rows, lambda row: row.batch_ts))
        ]

    def changes(self, snapshot: Snapshot, table: TableInfo, since: int, limit: int) -> Changes:
        """Which documents of a table changed between `since` and an open snapshot; see changes.py."""
        return changes_after(self._storage, snapshot.ts, table, since, limit)

    def documents(self, table: TableInfo, after: str | None, limit: int) -> tuple[list[Stored], bool]:
        """Documents of a table behind the id `after`, by id, in the open snapshot, and whether there may be more.

        Nothing is counted or recorded.
        """
        found = documents_after(self._storage, table, after, limit)
        rows = first_of(found, self._limits.bytes_read // 4)
        documents = [Stored(row.id, table.name, row.creation_time, row.data) for row in rows]
        return documents, len(rows) == limit or len(rows) < len(found)

    def count(self, table: TableInfo) -> int:
        """How many documents a table has, in the open snapshot: it takes milliseconds for each 100,000."""
        return self._storage.documents.count(table.indexes[BY_CREATION_TIME].place)

    def checkpoint(self) -> int:
        """Writers: move the write-ahead log into the database. Bytes that had to stay because a reader needs them."""
        return self._storage.checkpoint()

    def wal_bytes(self) -> int:
        """Size of the write-ahead log on disk; it shrinks with the first commit after a checkpoint."""
        return self._storage.wal_bytes()

    def close(self) -> None:
        """Undo what is open, let go of file and lock."""
        self._storage.close()
