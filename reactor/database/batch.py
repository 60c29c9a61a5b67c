"""Batch: what one COMMIT makes durable. Transactions run in it one after another; nothing of it may be told before.

Timestamps: each writing call has its own, rising within the batch; the batch end is the last of them (engine A8). A
batch in which nothing was written commits nothing and keeps the head, and what it recorded about its calls is dropped
with it: running such a call twice does no harm.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from reactor.database import structure
from reactor.database.catalog import (
    BUNDLE_KEY,
    SYSTEM_INDEX,
    SYSTEM_TABLES,
    Catalog,
    IndexInfo,
    TableInfo,
    code_key,
)
from reactor.database.stored import Stored
from reactor.database.structure import FILL_CHUNK, TableStructure
from reactor.database.transaction import STEPS_PER_MS, Transaction
from reactor.footprint.commit import Commit
from reactor.storage.storage import Head, LogRow, RequestRow

if TYPE_CHECKING:  # a Batch belongs to a Committer, which makes it
    from reactor.database.committer import Committer


@dataclass(frozen=True, slots=True)
class CommittedBatch:
    """A batch that is durable. With no commits nothing was written, and `ts` is still the head."""

    ts: int
    prev_ts: int
    commits: list[Commit]


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a client's mutation came to. It answers a repetition only if `binding` (who, which function) is the same."""

    outcome: bytes
    binding: bytes
    ts: int  # the mutation's own timestamp


class Batch:
    """Made by Database.begin(); to be ended by exactly one of `commit` and `abandon`."""

    def __init__(self, committer: Committer, head: Head, catalog: Catalog) -> None:
        self.head = head  # as the batch began
        self.storage = committer.storage
        self.limits = committer.limits
        self.entropy = committer.entropy  # 8 bytes nobody can guess
        self.catalog = catalog  # start: the head's; replaced by changes of structure, put back by a rollback
        self.bundle = head.bundle  # changed in set_bundle()
        self.last_ts = head.ts  # rises with every writing call that is released
        self._committer = committer
        self.created = head.created  # rises with every insert, never falls within the batch
        self._is_changed = False  # something to commit that no reader can see: an index filled a bit, a view
        self._commits: list[Commit] = []
        self._documents: list[dict[str, bytes | None]] = []  # of each commit, for the log
        self._calls: list[tuple[int, bytes]] = []

    # ── calls ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    def transaction(self, source: str) -> Transaction:
        """Begin a call. `source` names the function, or what the engine does; it stands in the log."""
        self.check()
        return Transaction(self, max(self._committer.clock.now_ns(), self.last_ts + 1), source)

    def recorded_request(self, session: str, request: int) -> Recorded | None:
        """What this mutation of a client came to when it ran before, in this batch or any other."""
        row = self.storage.requests.find(session, request)
        return None if row is None else Recorded(row.outcome, row.binding, row.ts)

    def record_call(self, boot: str, call: int, outcome: bytes) -> None:
        """Keep the outcome of a call of the server until it has it (engine A3)."""
        self._committer.require_boot(boot)
        self._calls.append((call, outcome))

    def forget_calls(self, boot: str, calls: Iterable[int]) -> None:
        """The server has these outcomes; their rows go with this or the next batch that commits."""
        self._committer.require_boot(boot)
        self._committer.forgettable.update(calls)

    # ── ending ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def check(self) -> None:
        """Raises BatchFailed if the engine has failed, whoever caught that meanwhile (engine A1)."""
        if self.storage.failure is not None:
            raise self.storage.fail(self.storage.failure)

    def commit(self) -> CommittedBatch:
        """Make the batch durable. If it raises, its outcome is unknown and this process has to end (engine A14)."""
        self.check()
        if not self._commits and not self._is_changed:
            self.storage.abandon()
            return CommittedBatch(self.head.ts, self.head.ts, [])
        try:
            self._write_records()
            self.storage.commit(
                replace(
                    self.head,
                    ts=self.last_ts,
                    bundle=self.bundle,
                    created=self.created,
                    catalog=self.catalog.version,
                )
            )
        except BaseException as error:  # also a bug of ours must not leave a half-ended batch in use
            self.storage.fail(error)
            raise
        self._committer.committed(self.catalog)
        return CommittedBatch(self.last_ts, self.head.ts, self._commits)

    def abandon(self) -> None:
        """Undo everything. Never raises."""
        self.storage.abandon()

    # ── structure (engine D6, D7) ─────────────────────────────────────────────────────────────────────────────────────

    def apply_schema(self, tables: Sequence[TableStructure], *, filled: Collection[int] = ()) -> Commit | None:
        """Make tables and indexes what the schema says, and every index of it ready.

        Tables and indexes that are missing come to be, indexes no longer declared go, tables never do. `filled` are
        numbers of indexes that `backfill` has brought to the end; all others that are not ready are filled here.
        """
        self.add_indexes(tables)
        transaction = self.transaction("schema")
        declared = {table.name: table for table in tables}
        for info in self.catalog.tables():
            if info.name in SYSTEM_TABLES:
                continue
            wanted = declared.get(info.name, TableStructure(info.name))
            self._finish_indexes(transaction, info, wanted, filled)
            self.storage.structure.describe_table(info.row, wanted.fields)
        self._is_changed = True
        return transaction.release()

    def add_indexes(self, tables: Sequence[TableStructure]) -> list[IndexInfo]:
        """Make the tables and indexes that are missing; the indexes are maintained from now on, and not yet ready.

        Returns the indexes to be filled with `backfill`. An index whose shape changed gives way at once.
        """
        transaction = self.transaction("schema")
        unfilled = []
        for wanted in tables:
            info = self.catalog.table(wanted.name)
            if info is None:
                info = self.create_table(wanted.name)
                transaction.touch_table(info)
            for name, shape in wanted.shapes.items():
                present = info.indexes.get(name)
                if present is not None and structure.shape_of(present) != shape:
                    self.catalog = structure.drop_index(self.storage, self.catalog, info, present)
                    transaction.touch_table(info)
                    present = None
                if present is None:
                    info = self._table(wanted.name)
                    self.catalog = structure.add_index(self.storage, self.catalog, info, name, shape, "backfilling")
                    self._is_changed = True
                    info = self._table(wanted.name)
                if info.indexes[name].state != "ready":
                    unfilled.append(info.indexes[name])
        transaction.release()
        return unfilled

    def backfill(self, index: int, after: str | None = None, limit: int = FILL_CHUNK) -> str | None:
        """Fill an index with the documents behind the id `after`; gives the next `after`, None when it is full."""
        for info in self.catalog.tables():
            for each in info.indexes.values():
                if each.number == index:
                    self._is_changed = True
                    return structure.fill_step(self.storage, info, each, after, limit)
        return None

    def set_bundle(self, bundle: str, parts: Mapping[str, str]) -> Commit | None:
        """From this commit on the database belongs to that bundle. `parts` are hashes of all parts of its code.

        Whoever read a part that is new, gone or different is met, and nobody else (engine D6).
        """
        transaction = self.transaction("push")
        if bundle != self.bundle:
            self.bundle = bundle
            transaction.write_set.touch(SYSTEM_INDEX, BUNDLE_KEY)
        code = self.storage.code
        before = code.parts()
        for part in before.keys() | parts.keys():
            now = parts.get(part)
            if now == before.get(part):
                continue
            if now is None:
                code.remove(part)
            else:
                code.set(part, now)
            transaction.write_set.touch(SYSTEM_INDEX, code_key(part))
        return transaction.release()

    def stored_documents(self, table: str) -> Iterator[Stored]:
        """Every document of a table as the batch sees it, by id. Nothing is counted or recorded."""
        info = self.catalog.table(table)
        if info is not None:
            for row in structure.all_documents(self.storage, info):
                yield Stored(row.id, info.name, row.creation_time, row.data)

    # ── for the batch's transactions ──────────────────────────────────────────────────────────────────────────────────

    def next_creation_time(self, ts: int) -> float:
        """Milliseconds, later than every `_creationTime` given before; `ts` unless the clock is slower than we are."""
        self.created = max(self.created + 1, ts * STEPS_PER_MS // 1_000_000)
        return self.created / STEPS_PER_MS

    def create_table(self, name: str) -> TableInfo:
        """A new user table."""
        self.catalog, info = structure.create_table(self.storage, self.catalog, name)
        return info

    def take(self, transaction: Transaction) -> Commit | None:
        """Take over what an outermost transaction released."""
        changes = list(transaction.write_set.net())
        keys = transaction.write_set.keys(changes)
        commit = None
        if keys:
            commit = Commit(transaction.ts, self.last_ts, keys, transaction.source)
            self.last_ts = transaction.ts
            self._commits.append(commit)
            self._documents.append({change.id: change.new.data if change.new else None for change in changes})
        for session, request, outcome, binding in transaction.requests:
            self.storage.requests.add(session, request, RequestRow(self.last_ts, binding, outcome))
        return commit

    # ── parts ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _table(self, name: str) -> TableInfo:
        info = self.catalog.table(name)
        assert info is not None, "the table was made just now"
        return info

    def _finish_indexes(
        self, transaction: Transaction, info: TableInfo, wanted: TableStructure, filled: Collection[int]
    ) -> None:
        for name, index in structure.own_indexes(info).items():
            current = self._table(info.name)
            if name not in wanted.shapes:
                self.catalog = structure.drop_index(self.storage, self.catalog, current, index)
            elif index.state != "ready":
                if index.number not in filled:
                    after = structure.fill_step(self.storage, current, index, None, FILL_CHUNK)
                    while after is not None:
                        after = structure.fill_step(self.storage, current, index, after, FILL_CHUNK)
                self.catalog = structure.set_ready(self.storage, self.catalog, current, index)
            else:
                continue
            transaction.touch_table(info)

    def _write_records(self) -> None:
        if self._commits:
            self.storage.log.append(
                [
                    LogRow(commit.ts, commit.prev_ts, self.last_ts, commit.source, commit.keys, documents)
                    for commit, documents in zip(self._commits, self._documents, strict=True)
                ]
            )
        if self._calls:
            self.storage.calls.add(self._calls)
        self._committer.clean_up(self.last_ts, len(self._commits))
