"""What a push does in its one commit: the last documents against the new schema, tables and indexes, migrated tables.

Most of it was done before, while the old code served (deploy/preparation.py); `Prepared` says what. Here is what is left:
the documents that changed since, and everything where nothing was prepared (engine D6, D7). The commit itself is the
writer's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from reactor.database.batch import Batch
from reactor.database.catalog import TableInfo, filling
from reactor.database.draft import DraftNote, DraftRow, note_of
from reactor.database.known_shape import KnownShape
from reactor.database.stored import Stored
from reactor.database.structure import IndexShape, TableStructure, documents_after, filled_shape
from reactor.definitions.schema import Schema
from reactor.definitions.table_definition import TableDefinition
from reactor.errors import NotPrepared, SchemaViolation
from reactor.execution.examination import Examination
from reactor.execution.frames import Offence, Prepared
from reactor.execution.migration_rows import record_done
from reactor.execution.refusal import NAMED, refusal
from reactor.values.validator import ObjectV
from reactor.values.value import Value

if TYPE_CHECKING:
    from reactor.execution.bundle import Bundle
    from reactor.execution.caller import FunctionCaller

_COMMITS = 20_000  # since the last look: more are looked at while mutations are served
_FILL = 1000


class SchemaPush:
    """One push, inside its batch."""

    def __init__(self, batch: Batch, bundle: Bundle, caller: FunctionCaller, prepared: Prepared) -> None:
        self._batch = batch
        self._bundle = bundle
        self._prepared = prepared
        self._examination = Examination(bundle, caller, batch.limits)

    def carry_out(self, now_ms: float) -> bool:
        """Make the database what the bundle's schema says. Raises SchemaViolation, or NotPrepared; then abandon the batch.

        True when an index or a table was put in the place of another: who read the old one must be run again, though no
        document changed.
        """
        batch, schema = self._batch, self._bundle.schema
        before = _numbers(batch)
        shapes = {name: self._shape(name, table) for name, table in schema.tables.items()}
        batch.apply_schema(structures_of(schema, shapes), filled=self._prepared.filled)
        for name, shape in shapes.items():
            batch.set_shape(name, shape)
        for info in batch.catalog.tables():
            if info.name not in shapes and not info.is_draft and not info.name.startswith("_"):
                batch.set_shape(info.name, None)  # anybody may write anything there now
        batch.discard(())
        done = [
            each
            for each, migration in self._bundle.migrations.items()
            if self._was_migrated(str(migration.table.__definition__.name))
        ]
        transaction = batch.transaction("migrations")
        record_done(transaction, self._bundle.migrations, done, now_ms)
        transaction.release()
        return not before <= _numbers(batch)

    # ── parts ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _was_migrated(self, name: str) -> bool:
        """Also a table without documents: there was nothing to do."""
        return name in self._prepared.drafts or is_empty(self._batch, self._info(name))

    def _shape(self, name: str, table: TableDefinition) -> KnownShape:
        """What is known of the table's documents once this push is through; what is not known yet is looked at."""
        batch = self._batch
        info = batch.catalog.table(name)
        demanded = KnownShape(table.stored, table.constraints, table.defaults)
        if info is None or is_empty(batch, info):
            return demanded.filled()
        if name in self._prepared.drafts:
            self._finish_draft(name, table, self._prepared.drafts[name])
            return demanded.filled()
        known = batch.catalog.shape(info)
        if known is not None and not keeps_defaults(known, table.defaults):
            step = batch.fill_documents(name, None, _FILL)
            while step.after is not None:
                step = batch.fill_documents(name, step.after, _FILL)
            known = batch.catalog.shape(self._info(name))
        if known is None or known.falls_short(table.stored, table.constraints) is not None:
            self._check(name, info, self._prepared.checked.get(name))
        return shape_after(known, table.stored, table.constraints, table.defaults)

    def _info(self, name: str) -> TableInfo:
        info = self._batch.catalog.table(name)
        assert info is not None
        return info

    def _check(self, name: str, info: TableInfo, since: int | None) -> None:
        if since is None:
            documents: Iterator[Stored] = self._batch.stored_documents(name)
        else:
            documents = self._changed(info, self._changes(name, since))
        found = (each for stored in documents if (each := self._examination.offence(stored, self._batch.catalog)))
        offences = list(found)
        if offences:
            raise SchemaViolation(refusal(name, offences[:NAMED], len(offences)))

    def _changes(self, name: str, since: int) -> list[str]:
        changes = self._batch.changes(name, since, _COMMITS)
        if changes.more or changes.forgotten:
            raise NotPrepared(f"Too much was written to {name} since its documents were looked at. Push again.")
        return changes.ids

    def _changed(self, info: TableInfo, ids: Sequence[str]) -> Iterator[Stored]:
        for own_id in ids:
            found = self._batch.storage.documents.get(info.place, own_id)
            if found is not None:
                yield Stored(own_id, info.name, found.creation_time, found.data)

    def _finish_draft(self, name: str, table: TableDefinition, since: int) -> None:
        """Bring what changed since the last look into the draft, and the draft into the table's place."""
        batch, info = self._batch, self._info(name)
        note = note_of(batch.catalog, name)
        if note is None or note.bundle != self._bundle.hash or not note.walked:
            raise NotPrepared(f"Too much was written to {name} since its documents were looked at. Push again.")
        names = [each for each, migration in self._bundle.migrations.items() if migration.table is table.cls]
        names = [each for each in names if each not in done_migrations(batch)]
        ids = self._changes(name, since)
        rows: list[DraftRow] = []
        offences: list[Offence] = []
        for stored in self._changed(info, ids):
            transaction = batch.transaction("migrate")
            found = self._examination.migrate(stored, names, transaction)
            transaction.rollback()
            if isinstance(found, Offence):
                offences.append(found)
            else:
                rows.append(DraftRow(found.id, found.creation_time, found.fields))
        if offences:
            raise SchemaViolation(refusal(name, offences[:NAMED], len(offences)))
        batch.write_draft(name, rows, set(ids) - {row.id for row in rows}, DraftNote(note.bundle, since, None))
        batch.adopt_draft(structure_of(table, {}))


def _numbers(batch: Batch) -> set[int]:
    """Of all indexes that can be read."""
    tables = (info for info in batch.catalog.tables() if not info.is_draft)
    return {index.number for info in tables for index in info.indexes.values() if index.state == "ready"}


def done_migrations(batch: Batch) -> set[str]:
    """Names of migrations that need not be run any more."""
    found = (stored.fields() for stored in batch.stored_documents("_migrations"))
    return {str(each["name"]) for each in found if each["state"] == "done"}


def is_empty(batch: Batch, info: TableInfo) -> bool:
    """Whether a table has no document."""
    return not documents_after(batch.storage, info, None, 1)


def keeps_defaults(known: KnownShape, defaults: Mapping[str, Value]) -> bool:
    """Whether what a table is still being filled with may go on: the new schema says the same."""
    return all(name in defaults and defaults[name] == value for name, value in known.missing.items())


def shape_after(
    known: KnownShape | None, stored: ObjectV, constraints: Mapping[str, str], defaults: Mapping[str, Value]
) -> KnownShape:
    """What is known of documents that fit `stored`, given what was known before."""
    missing = {name: value for name, value in defaults.items() if known is None or not known.has(name)}
    return narrowed(KnownShape(stored, constraints, defaults), missing)


def narrowed(shape: KnownShape, missing: Mapping[str, Value]) -> KnownShape:
    """The shape when only `missing` may be missing of what defaults fill."""
    present = KnownShape(
        shape.validator,
        shape.constraints,
        {name: value for name, value in shape.missing.items() if name not in missing},
    )
    return KnownShape(present.filled().validator, shape.constraints, missing)


def structures_of(schema: Schema, shapes: Mapping[str, KnownShape] | None = None) -> list[TableStructure]:
    """The tables and indexes the schema asks for, given what documents may lack."""
    return [structure_of(table, shapes[name].missing if shapes else {}) for name, table in schema.tables.items()]


def structure_of(table: TableDefinition, missing: Mapping[str, Value]) -> TableStructure:
    """One table's."""
    assert table.name is not None
    searched = {
        name: IndexShape((field,), "search", filters) for name, (field, filters) in table.search_indexes.items()
    }
    vectors = {
        name: IndexShape((field,), "vector", filters, dimensions)
        for name, (field, dimensions, filters) in table.vector_indexes.items()
    }
    return TableStructure(
        table.name,
        {name: tuple(filling(each, missing) for each in fields) for name, fields in table.indexes.items()},
        tuple(table.wire_path(field) for field in table.field_names),
        {name: filled_shape(shape, missing) for name, shape in (searched | vectors).items()},
    )
