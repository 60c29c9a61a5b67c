"""Importing: what was staged becomes part of the database, inside a batch, so with its commit or not at all.

Everything was checked when it was staged (storage/staging.py). Here is looked once more at what may have changed since,
and then only copied. Such a commit does not list keys of documents: it meets everybody.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from reactor.database import structure
from reactor.database.batch import Batch
from reactor.database.catalog import BY_ID, EVERYTHING_KEY, SYSTEM_INDEX, Catalog, TableInfo
from reactor.database.structure import all_documents
from reactor.errors import TransferRefused
from reactor.storage.staging import StagingReader
from reactor.storage.storage import Storage
from reactor.values.value import decode, encode

_BLOBS = "_blobs"
_AGAIN = "Import again."


@dataclass(frozen=True, slots=True)
class StagedTable:
    """Documents for a table."""

    name: str
    number: int  # the table's, when all is done
    place: int  # in the staging file
    mode: Literal["requireEmpty", "append", "replace"]
    count: int


@dataclass(frozen=True, slots=True)
class ImportPlan:
    """What was found when the documents were staged, and what is to be done."""

    bundle: str  # whose schema they fit
    catalog: int
    created: int  # the newest creation time that was given, in steps
    renumbered: Mapping[str, int]  # table → number
    empty: tuple[str, ...]  # tables that were, and get another number for that
    tables: tuple[StagedTable, ...]
    replaces_files: bool
    blobs: tuple[str, ...]  # keys of files that come

    def to_json(self) -> dict[str, Any]:
        """For `from_json`."""
        return asdict(self)

    @classmethod
    def from_json(cls, tree: Any) -> ImportPlan:
        """The inverse."""
        tables = tuple(StagedTable(**each) for each in tree["tables"])
        return cls(**{**tree, "empty": tuple(tree["empty"]), "tables": tables, "blobs": tuple(tree["blobs"])})

    @property
    def count(self) -> int:
        """Documents that come, stored files among them."""
        return sum(table.count for table in self.tables if table.name != _BLOBS)


def carry_out(batch: Batch, staged: StagingReader) -> ImportPlan:
    """Put it all into the batch. Raises TransferRefused before anything is written: then abandon the batch."""
    plan = ImportPlan.from_json(staged.plan)
    _check(batch, plan, staged)
    storage = batch.storage
    if plan.renumbered:
        numbers = {_table(batch.catalog, name).number: number for name, number in plan.renumbered.items()}
        storage.structure.renumber(numbers)
        _reload(batch)
    for table in plan.tables:
        info = batch.catalog.table(table.name)
        if info is None:
            batch.catalog, info = structure.create_table(storage, batch.catalog, table.name, table.number)
        if table.mode == "replace":
            _empty(batch, info)
        _fill(batch, _table(batch.catalog, table.name), table, staged)
    if plan.replaces_files:
        _doom(storage, _table(batch.catalog, _BLOBS), plan.blobs)
    batch.created = max(batch.created, plan.created)
    _reload(batch)
    transaction = batch.transaction("import")
    transaction.write_set.touch(SYSTEM_INDEX, EVERYTHING_KEY)
    transaction.release()
    return plan


# ── what may have changed since ───────────────────────────────────────────────────────────────────────────────────────


def _check(batch: Batch, plan: ImportPlan, staged: StagingReader) -> None:
    if plan.bundle != batch.head.bundle:
        raise TransferRefused(f"Other code was pushed while the documents were checked. {_AGAIN}")
    if plan.catalog != batch.catalog.version:
        raise TransferRefused(f"Tables or indexes were changed while the documents were checked. {_AGAIN}")
    for name in [*plan.empty, *(table.name for table in plan.tables if table.mode == "requireEmpty")]:
        info = batch.catalog.table(name)
        if info is not None and structure.has_documents(batch.storage, info):
            raise TransferRefused(f"Table {name} has documents. Say whether to --append to them, or to --replace them.")
    for table in plan.tables:
        info = batch.catalog.table(table.name)
        if table.mode == "append" and info is not None and structure.has_documents(batch.storage, info):
            for own_id, _, _ in staged.documents(table.place):
                if batch.storage.documents.get(info.place, own_id) is not None:
                    raise TransferRefused(
                        f"Table {table.name} has a document of the id {own_id} already. Use --replace, or leave `_id` out."
                    )


# ── parts ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _empty(batch: Batch, table: TableInfo) -> None:
    """Take all documents out of a table; its searched indexes begin anew."""
    batch.storage.documents.clear(table.place)
    for index in table.indexes.values():
        if index.kind == "ordered":
            if index.name != BY_ID:
                batch.storage.documents.clear(index.place)
            continue
        current, shape = _table(batch.catalog, table.name), structure.shape_of(index)
        batch.catalog = structure.drop_index(batch.storage, batch.catalog, current, index)
        current = _table(batch.catalog, table.name)
        batch.catalog = structure.add_index(batch.storage, batch.catalog, current, index.name, shape, index.state)


def _fill(batch: Batch, table: TableInfo, staged_table: StagedTable, staged: StagingReader) -> None:
    storage, place = batch.storage, staged_table.place
    storage.documents.load(table.place, staged.documents(place))
    for index in table.indexes.values():
        if index.kind != "ordered":
            storage.fact_indexes[index.kind].fill(index.place, staged.facts(place, index.name))
        elif index.name != BY_ID:
            storage.documents.fill(index.place, staged.keys(place, index.name))


def _doom(storage: Storage, blobs: TableInfo, coming: Iterable[str]) -> None:
    """The bytes of files that were replaced are to go."""
    spared = set(coming)
    for row in all_documents(storage, blobs):
        before: Any = decode(row.data)
        if "file" not in before or before["key"] in spared:
            continue
        after = {"_id": row.id, "_creationTime": row.creation_time, "key": before["key"], "state": "doomed"}
        old, new = (blobs.keys_of(each, row.creation_time, row.id) for each in (before, after))
        moved = [(number, place) for number, place, _ in blobs.keyed if old[number] != new[number]]
        storage.documents.replace(
            blobs.place,
            row.id,
            encode(after),
            [(place, old[number]) for number, place in moved],
            [(place, new[number]) for number, place in moved],
        )


def _table(catalog: Catalog, name: str) -> TableInfo:
    found = catalog.table(name)
    assert found is not None, name
    return found


def _reload(batch: Batch) -> None:
    batch.catalog = Catalog.load(batch.catalog.version + 1, batch.storage.structure)
