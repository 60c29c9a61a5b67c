"""Batch: what one COMMIT makes durable. Transactions run in it one after another; nothing of it may be told before.

Timestamps: each writing call has its own, rising within the batch; the batch end is the last of them (engine A8). A
batch in which nothing was written commits nothing and keeps the head, and what it recorded about its calls is dropped
with it: running such a call twice does no harm.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from reactor.database import draft, structure
from reactor.database.catalog import (
    BUNDLE_KEY,
    DRAFT,
    SYSTEM_INDEX,
    SYSTEM_TABLES,
    Catalog,
    IndexInfo,
    TableInfo,
    code_key,
)
from reactor.database.changes import Changes, changes_after
from reactor.database.draft import DraftNote, DraftRow
from reactor.database.known_shape import KnownShape
from reactor.database.stored import Stored
from reactor.database.structure import FILL_CHUNK, IndexShape, TableStructure
from reactor.database.transaction import STEPS_PER_MS, Transaction
from reactor.errors import InvalidValue
from reactor.footprint.commit import Commit
from reactor.footprint.write_set import Version
from reactor.storage.storage import Head, LogRow, RequestRow
from reactor.values.value import decode

if TYPE_CHECKING:  # a Batch belongs to a Committer, which makes it
    from reactor.database.committer import Committer


@dataclass(frozen=True, slots=True)
class CommittedBatch:
    """A batch that is durable. With no commits nothing was written, and `ts` is still the head."""

    ts: int
    prev_ts: int
    commits: list[Commit]


class Filled(NamedTuple):
    """One step of filling documents with defaults."""

    after: str | None  # the last one's id; None at the table's end
    seen: int  # documents looked at
    left: int  # of those, that still lack a default


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
        # What was written over a document last, also by calls that were rolled back; grows in Transaction.replace()
        self.versions: dict[str, tuple[TableInfo, Version]] = {}

    # ── calls ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    def transaction(self, source: str) -> Transaction:
        """Begin a call. `source` names the function, or what the engine does; it stands in the log."""
        self.check()
        return Transaction(self, max(self._committer.clock.now_ns(), self.last_ts + 1), source)

    def recorded_request(self, session: str, request: int) -> RequestRow | None:
        """What this mutation of a client came to when it ran before, in this batch or any other."""
        return self.storage.requests.find(session, request)

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
            if info.name in SYSTEM_TABLES or info.is_draft:
                continue
            wanted = declared.get(info.name, TableStructure(info.name))
            self._finish_indexes(transaction, info, wanted, filled)
            self.storage.structure.describe_table(info.row, wanted.fields)
        self._is_changed = True
        return transaction.release()

    def add_indexes(self, tables: Sequence[TableStructure]) -> list[IndexInfo]:
        """Make the tables and indexes that are missing; the indexes are maintained from now on, and not yet ready.

        Returns the indexes to be filled with `backfill`. One whose fields changed stays in use meanwhile: the new one
        has a name of its own until `apply_schema` puts it in its place.
        """
        transaction = self.transaction("schema")
        unfilled = []
        for wanted in tables:
            info = self.catalog.table(wanted.name)
            if info is None:
                info = self.create_table(wanted.name)
                transaction.touch_table(info)
            for name, shape in wanted.shapes.items():
                info, index = self._add_index(self._table(wanted.name), name, shape)
                if index.state != "ready":
                    unfilled.append(index)
        transaction.release()
        return unfilled

    def discard(self, tables: Sequence[TableStructure], drafts: Collection[str] = ()) -> bool:
        """Take away what a push prepared that came to nothing: unfilled indexes none of `tables` wants, other drafts."""
        wanted = {table.name: table.shapes for table in tables}
        for info in self.catalog.tables():
            if info.is_draft:
                if structure.declared_name(info.name) not in drafts:
                    self.catalog = draft.drop(self.storage, self.catalog, info)
                    self._is_changed = True
                continue
            for name, index in structure.own_indexes(info).items():
                shape = wanted.get(info.name, {}).get(structure.declared_name(name))
                if index.state != "ready" and structure.shape_of(index) != shape:
                    current = self._table(info.name)
                    self.catalog = structure.retire_index(self.storage, self.catalog, current, index)
                    self._is_changed = True
        return self._is_changed

    def sweep(self, limit: int) -> bool:
        """Let go of some of what dropped indexes hold. False when there is nothing."""
        found = self.storage.structure.sweep(limit)
        self._is_changed = self._is_changed or found
        return found

    def backfill(self, index: int, after: str | None = None, limit: int = FILL_CHUNK) -> str | None:
        """Fill an index with the documents behind the id `after`; gives the next `after`, None when it is full."""
        for info in self.catalog.tables():
            for each in info.indexes.values():
                if each.number == index and each.state != "ready":
                    self._is_changed = True
                    return structure.fill_step(self.storage, info, each, after, limit)
        return None

    # ── documents of before (engine C8, D7) ───────────────────────────────────────────────────────────────────────────

    def set_shape(self, table: str, shape: KnownShape | None) -> None:
        """Say what is known of all documents of a table from this commit on."""
        info = self._table(table)
        told = None if shape is None else shape.to_bytes()
        if told != self.catalog.note(info):
            self.storage.structure.set_shape(info.number, told)
            self.catalog = self.catalog.with_shape(info, told)
            self._is_changed = True

    def fill_documents(self, table: str, after: str | None, limit: int, *, settle: bool = True) -> Filled:
        """Give documents behind the id `after` the defaults they lack. A large one that has no room is left as it is.

        The last step says that every document is filled, unless `settle` is False: some were left by earlier steps.
        """
        info = self.catalog.table(table)
        shape = None if info is None else self.catalog.shape(info)
        if info is None or shape is None or not shape.missing:
            return Filled(None, 0, 0)
        found = structure.documents_after(self.storage, info, after, limit)
        rows = structure.first_of(found, self.limits.bytes_written // 4)
        transaction = self.transaction("fill")
        left = 0
        for row in rows:
            fields = Stored(row.id, table, row.creation_time, row.data).fields()
            lacking = {name: value for name, value in shape.missing.items() if name not in fields}
            if lacking:
                try:
                    transaction.replace(row.id, {**fields, **lacking})
                except InvalidValue:  # past the limit of a document; it is filled whenever it is read
                    left += 1
        transaction.release()
        if len(rows) == limit or len(rows) < len(found):
            return Filled(rows[-1].id, len(rows), left)
        if left or not settle:
            return Filled(None, len(rows), left)
        self.set_shape(table, shape.filled())
        self.catalog, _ = draft.settle(self.storage, self.catalog, self._table(table))
        self._is_changed = True
        return Filled(None, len(rows), 0)

    def retain(self, since: int | None) -> None:
        """Keep the log from a timestamp on while a push needs it (engine D7); None: no more than usual."""
        self._committer.retained = since

    def changes(self, table: str, since: int, limit: int) -> Changes:
        """Which documents of a table changed after `since`; see changes.py."""
        return changes_after(self.storage, self.last_ts, self._table(table), since, limit)

    def begin_draft(self, table: TableStructure, note: DraftNote) -> None:
        """An empty draft of a table; one that is there gives way. See draft.py."""
        present = self.catalog.draft(table.name)
        if present is not None:
            self.catalog = draft.drop(self.storage, self.catalog, present)
        self.catalog = draft.begin(self.storage, self.catalog, table.name, table.shapes)
        self.catalog = draft.note(self.storage, self.catalog, self._draft(table.name), note)
        self._is_changed = True

    def write_draft(self, table: str, rows: Iterable[DraftRow], gone: Iterable[str], note: DraftNote) -> None:
        """Put documents into a draft and take others out of it."""
        draft.write(self.storage, self._draft(table), rows, gone)
        self.catalog = draft.note(self.storage, self.catalog, self._draft(table), note)
        self._is_changed = True

    def adopt_draft(self, table: TableStructure) -> Commit | None:
        """The draft is the table from now on."""
        transaction = self.transaction("migrate")
        made = self._draft(table.name)
        self.storage.structure.set_shape(made.number, None)
        self.catalog, info = draft.adopt(self.storage, self.catalog, self._table(table.name), made, table.fields)
        transaction.touch_table(info)
        return transaction.release()

    def set_bundle(self, bundle: str, parts: Mapping[str, str], *, everybody: bool = False) -> Commit | None:
        """From this commit on the database belongs to that bundle. `parts` are hashes of all parts of its code.

        Whoever read a part that is new, gone or different is met, and nobody else (engine D6); with `everybody` all are:
        an index they may have read is no more, so nothing else would ever meet them.
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
                if everybody:
                    transaction.write_set.touch(SYSTEM_INDEX, code_key(part))
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

    def keys_of(self, table: TableInfo, stored: Stored) -> Mapping[int, bytes]:
        """The keys a stored document has. Those of one this batch has written are known: counters are written often."""
        known = self.versions.get(stored.id)
        if known is not None and known[0] is table and known[1].data == stored.data:
            return known[1].keys
        document: Any = decode(stored.data)
        return table.keys_of(document, stored.creation_time, stored.id)

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

    def _draft(self, table: str) -> TableInfo:
        return self._table(table + DRAFT)

    def _add_index(self, info: TableInfo, name: str, shape: IndexShape) -> tuple[TableInfo, IndexInfo]:
        """The index of that name and shape, made if it is missing."""
        present = info.indexes.get(name)
        if present is not None and structure.shape_of(present) != shape and present.state == "ready":
            name = structure.pending_name(name)
            present = info.indexes.get(name)
        if present is not None and structure.shape_of(present) != shape:  # of a push that came to nothing
            self.catalog = structure.retire_index(self.storage, self.catalog, info, present)
            present = None
        if present is None:
            info = self._table(info.name)
            self.catalog = structure.add_index(self.storage, self.catalog, info, name, shape, "backfilling")
            self._is_changed = True
        info = self._table(info.name)
        return info, info.indexes[name]

    def _table(self, name: str) -> TableInfo:
        info = self.catalog.table(name)
        assert info is not None, "the table was made just now"
        return info

    def _finish_indexes(
        self, transaction: Transaction, info: TableInfo, wanted: TableStructure, filled: Collection[int]
    ) -> None:
        for name, index in structure.own_indexes(info).items():
            current = self._table(info.name)
            declared = structure.declared_name(name)
            shape = wanted.shapes.get(declared)
            if index.number not in {each.number for each in current.indexes.values()}:
                continue  # its successor has taken its place
            if shape != structure.shape_of(index):  # not declared, or otherwise: then its successor is there too
                self.catalog = structure.retire_index(self.storage, self.catalog, current, index)
            elif index.state != "ready":
                if index.number not in filled:
                    after = structure.fill_step(self.storage, current, index, None, FILL_CHUNK)
                    while after is not None:
                        after = structure.fill_step(self.storage, current, index, after, FILL_CHUNK)
                self.catalog = structure.set_ready(self.storage, self.catalog, current, index)
                succeeding = structure.declared_name(name) != name
                if succeeding:
                    self._take_place(info.name, declared, index.number)
            else:
                continue
            transaction.touch_table(info)

    def _take_place(self, table: str, name: str, number: int) -> None:
        """A pending index takes the name, and with it the place, of the one before it."""
        info = self._table(table)
        before = info.indexes.get(name)
        if before is not None:
            self.catalog = structure.retire_index(self.storage, self.catalog, info, before)
        info = self._table(table)
        index = next(each for each in info.indexes.values() if each.number == number)
        self.catalog = structure.rename_index(self.storage, self.catalog, info, index, name)

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
