"""Transaction: one call's reads and writes, a savepoint of the open batch.

Writes reach the engine at once, so reads see them without an overlay. `release` gives them to the batch, `rollback`
takes them back; what was read, and what was counted, stays (engine A7). Nobody commits here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from reactor.database.catalog import (
    SYSTEM_INDEX,
    VARIABLE_NAMES_KEY,
    Catalog,
    TableInfo,
    table_name_key,
    table_number_key,
    variable_key,
)
from reactor.database.reading import Reading, Writes
from reactor.database.stored import Stored
from reactor.database.usage import Usage
from reactor.errors import DocumentNotFound, InvalidQuery, InvalidValue
from reactor.footprint.commit import Commit
from reactor.footprint.read_set import ReadSetBuilder
from reactor.footprint.write_set import Change, Version, WriteSet
from reactor.storage.storage import Storage, VariableRow, Variables
from reactor.values.id import decode_id, encode_id, internal_id
from reactor.values.names import is_identifier
from reactor.values.value import Value, check_document, encode

STEPS_PER_MS = 1024  # of `_creationTime`: a power of two, so that every step is a float of its own

if TYPE_CHECKING:  # a Transaction belongs to a Batch, which makes it
    from reactor.database.batch import Batch


class Transaction(Reading):
    """Made by Batch.transaction() or begin_nested(); to be ended by exactly one of `release` and `rollback`."""

    __slots__ = ("_batch", "_catalog_before", "_depth", "_mark", "_parent", "_requests", "open", "source", "write_set")

    def __init__(self, batch: Batch, ts: int, source: str, parent: Transaction | None = None) -> None:
        if parent is None:
            super().__init__(batch.storage.documents, ts, ReadSetBuilder(), Usage(batch.limits), Writes(may_come=True))
            self._depth = 0
            self.write_set = WriteSet()
        else:
            super().__init__(parent.documents, ts, parent.reads, parent.usage, parent.writes)
            self._depth = parent._depth + 1
            self.write_set = parent.write_set
        self.source = source
        self.open = True  # False after release() and rollback()
        self._batch = batch
        self._parent = parent
        self._mark = self.write_set.mark()
        self._catalog_before = batch.catalog
        self._requests: list[
            tuple[str, int, bytes, bytes]
        ] = []  # written by the batch when a released call's ts is known
        batch.storage.savepoint(self._depth)

    @property
    def catalog(self) -> Catalog:
        return self._batch.catalog

    @property
    def bundle(self) -> str:
        return self._batch.bundle

    @property
    def _storage(self) -> Storage:
        return self._batch.storage

    @property
    def _variables(self) -> Variables:
        return self._batch.storage.variables

    # ── writing ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def insert(
        self, table: str, fields: dict[str, Value], *, id: str | None = None, creation_time: float | None = None
    ) -> Stored:
        """Add a document; an undeclared table comes into being. `id` and `creation_time` are for imports only.

        Raises InvalidValue for fields that cannot be stored, InvalidQuery for a name no table can have.
        """
        _refuse_system_fields(fields)
        size = check_document(fields, self._batch.limits)
        self.usage.count_write(size)
        info = self._batch.catalog.table(table) or self._create_table(table)
        created = self._batch.next_creation_time(self.ts) if creation_time is None else creation_time
        if id is None:
            new = encode_id(info.number, internal_id(int(created * STEPS_PER_MS), self._batch.entropy()))
        elif decode_id(id).table_number != info.number or self.documents.get(info.place, id) is not None:
            raise InvalidValue(f"The id {id} cannot be given to a new document of table {table}.")
        else:
            new = id
        document = {**fields, "_id": new, "_creationTime": created}
        data = encode(document)
        keys = info.keys_of(document, created, new)
        rows = [(place, keys[number]) for number, place, _ in info.keyed]
        self.documents.insert(info.place, new, created, data, rows)
        self._change_facts(info, new, created, {}, keys)
        self._wrote(Change(new, None, Version(data, keys)))
        self.writes.born[new] = self.writes.count
        return Stored(new, table, created, data)

    def replace(self, id: str, fields: dict[str, Value], before: Stored | None = None) -> Stored:
        """Give a document other fields. Equal ones are no write. Raises DocumentNotFound, InvalidId, InvalidValue.

        `before` spares reading it: what `get` gave of it just now.
        """
        _refuse_system_fields(fields)
        size = check_document(fields, self._batch.limits)
        info = self._table_of(id)
        if info is None or before is None:
            info, before = self._existing(id, "Update")
        document = {**fields, "_id": id, "_creationTime": before.creation_time}
        data = encode(document)
        if data == before.data:
            return before
        self.usage.count_write(size)
        old = Version(before.data, self._batch.keys_of(info, before))
        keys = info.keys_of(document, before.creation_time, id)
        moved = [(number, place) for number, place, _ in info.keyed if old.keys[number] != keys[number]]
        self.documents.replace(
            info.place,
            id,
            data,
            [(place, old.keys[number]) for number, place in moved],
            [(place, keys[number]) for number, place in moved],
        )
        self._change_facts(info, id, before.creation_time, old.keys, keys)
        version = Version(data, keys)
        self._batch.versions[id] = info, version
        self._wrote(Change(id, old, version))
        return Stored(id, before.table, before.creation_time, data)

    def delete(self, id: str) -> None:
        """Remove a document. Raises DocumentNotFound, InvalidId."""
        info, before = self._existing(id, "Delete")
        self.usage.count_write(0)
        keys = self._batch.keys_of(info, before)
        self.documents.delete(info.place, id, [(place, keys[number]) for number, place, _ in info.keyed])
        self._change_facts(info, id, before.creation_time, keys, {})
        self._wrote(Change(id, Version(before.data, keys), None))

    def set_variable(self, name: str, value: str | None) -> bool:
        """Give an environment variable a value, or take it away with None. False when it was like that already.

        Which names and sizes are allowed: environment.py.
        """
        variables = self._batch.storage.variables
        before = variables.get(name)
        if value == (None if before is None else before.value):
            return False
        if value is None:
            variables.remove(name)
        else:
            variables.set(name, VariableRow(value, self.ts))
        self.write_set.touch(SYSTEM_INDEX, variable_key(name))
        if value is None or before is None:
            self.write_set.touch(SYSTEM_INDEX, VARIABLE_NAMES_KEY)
        return True

    def record_request(self, session: str, request: int, outcome: bytes, binding: bytes) -> None:
        """Remember what a client's mutation came to, in the same commit (engine A13). Gone if this rolls back."""
        self._requests.append((session, request, outcome, binding))

    # ── ending ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def begin_nested(self) -> Transaction:
        """A savepoint inside this one. End it before using this one again."""
        return Transaction(self._batch, self.ts, self.source, self)

    def release(self) -> Commit | None:
        """Keep the writes. The outermost release gives the Commit, None when nothing changed in the end.

        Raises BatchFailed after an engine error and LimitExceeded after a limit passed, also if user code caught them;
        after LimitExceeded `rollback` is still to be called.
        """
        self._batch.check()
        self.usage.check()
        self.open = False
        self._batch.storage.release(self._depth)
        if self._parent is not None:
            self._parent._requests += self._requests
            return None
        return self._batch.take(self)

    def rollback(self) -> None:
        """Undo the writes; reads and counters stay. Raises BatchFailed after an engine error."""
        self.open = False
        self.writes.count += 1
        self.write_set.truncate(self._mark)
        self._batch.catalog = self._catalog_before
        self._requests.clear()
        self._batch.storage.rollback(self._depth)

    @property
    def requests(self) -> list[tuple[str, int, bytes, bytes]]:
        """What record_request collected: session, request, outcome, binding."""
        return self._requests

    # ── parts ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _change_facts(
        self, info: TableInfo, id: str, creation_time: float, old: Mapping[int, bytes], new: Mapping[int, bytes]
    ) -> None:
        """Bring what the table's searched indexes hold of a document from the old facts to the new ones."""
        storage = self._batch.storage
        for index in info.searched:
            before, after = old.get(index.number), new.get(index.number)
            if before != after:
                try:
                    storage.fact_indexes[index.kind].change(index.place, id, creation_time, before, after)
                except BaseException as error:  # the document is written already: nothing may be caught and forgotten
                    storage.fail(error)
                    raise

    def _wrote(self, change: Change) -> None:
        self.write_set.record(change)
        self.writes.count += 1

    def _existing(self, id: str, verb: str) -> tuple[TableInfo, Stored]:
        info = self._table_of(id)
        before = None if info is None else self._look_up(info, id)
        if info is None or before is None:
            raise DocumentNotFound(f"{verb} on nonexistent document ID {id}")
        return info, before

    def _create_table(self, name: str) -> TableInfo:
        if not is_identifier(name) or name.startswith("_"):
            raise InvalidQuery(
                f"`{name}` cannot be the name of a table: use letters, digits and underscores, not one in front."
            )
        info = self._batch.create_table(name)
        self.touch_table(info)
        return info

    def touch_table(self, table: TableInfo) -> None:
        """Say that the structure of a table changed: readers of it are met."""
        self.write_set.touch(SYSTEM_INDEX, table_name_key(table.name))
        self.write_set.touch(SYSTEM_INDEX, table_number_key(table.number))


def _refuse_system_fields(fields: dict[str, Value]) -> None:
    if "_id" in fields or "_creationTime" in fields:
        raise InvalidValue("`_id` and `_creationTime` are the system's: leave them out of what is written.")
