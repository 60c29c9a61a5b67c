"""Targets: the tables that get documents, as they will be when these are there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from reactor.database.catalog import BY_CREATION_TIME, BY_ID, Catalog, IndexInfo, TableInfo
from reactor.database.snapshot import Snapshot
from reactor.database.structure import all_documents, has_documents
from reactor.definitions.schema import Schema
from reactor.definitions.table_definition import TableDefinition
from reactor.errors import InvalidId, TransferRefused
from reactor.storage.storage import TableRow
from reactor.transfer.export import BLOBS, FILES, JOBS, is_users
from reactor.transfer.numbering import Numbering, Present, number_tables
from reactor.transfer.options import ImportMode
from reactor.values.id import decode_id
from reactor.values.validator import ArrayV, IdV, ObjectV, RecordV, UnionV, Validator
from reactor.values.value import Value, decode


class Stock:
    """What the database held at one moment, as far as an import must know. It outlives the snapshot."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.head = snapshot.head
        self.catalog: Catalog = snapshot.catalog
        tables = [table for table in snapshot.catalog.tables() if not table.is_draft]
        self.tables = tuple(tables)
        self.full = frozenset(table.name for table in tables if has_documents(snapshot.storage, table))
        blobs = snapshot.catalog.table(BLOBS)
        rows = [] if blobs is None else all_documents(snapshot.storage, blobs)
        self.blobs = {_key(decode(row.data)) for row in rows}  # keys


def _key(document: Value) -> str:
    assert isinstance(document, dict)
    return str(document["key"])


@dataclass(slots=True)
class Target:
    """A table that gets documents, or loses all it has."""

    info: TableInfo  # with the number it will have
    definition: TableDefinition | None
    replaces: bool
    place: int  # in the staging file
    count: int = 0  # documents staged


class Targets:
    """All of an import's, and the numbers all tables will have."""

    def __init__(self, stock: Stock, schema: Schema, mode: ImportMode, coming: Mapping[str, int | None]) -> None:
        """`coming`: the tables, each with the number its ids have, if they bring ids. Raises TransferRefused."""
        self._stock = stock
        self._schema = schema
        replaces = mode in ("replace", "replaceAll")
        if mode == "requireEmpty":
            self._require_empty(coming)
        wiped = [name for name in stock.full if is_users(name) and name not in coming] if mode == "replaceAll" else []
        replaced = {*wiped, *(coming if replaces else ())}
        self._present = {
            table.name: Present(table.number, stays=table.name in stock.full and table.name not in replaced)
            for table in stock.tables
        }
        self.numbering = number_tables(self._present, coming)
        self._check_references()
        self._names = self._names_by_number()
        self.by_name: dict[str, Target] = {}
        for name in [*coming, *([BLOBS] if FILES in coming else []), *sorted(wiped)]:
            self.by_name[name] = Target(
                self._info(name, self.numbering),
                schema.tables.get(name) or schema.system_tables.get(name),
                replaces=replaces and name != BLOBS,
                place=len(self.by_name),
            )

    def table_of_id(self, text: str) -> str | None:
        """The table that an id will be of."""
        try:
            return self._names.get(decode_id(text).table_number)
        except InvalidId:
            return None

    @property
    def renumbered_empty(self) -> tuple[str, ...]:
        """Tables that get another number though nothing comes: they must still be empty then."""
        return tuple(name for name in self.numbering.renumbered if name not in self._stock.full)

    def _require_empty(self, coming: Iterable[str]) -> None:
        for name in coming:
            if name in self._stock.full and name != JOBS:
                what = "There are stored files." if name == FILES else f"Table {name} has documents."
                raise TransferRefused(f"{what} Say whether to --append to them, or to --replace them.")

    def _names_by_number(self) -> dict[int, str]:
        names = {self.numbering.renumbered.get(name, table.number): name for name, table in self._present.items()}
        return names | {number: name for name, number in self.numbering.created.items()}

    def _info(self, name: str, numbering: Numbering) -> TableInfo:
        """A table that is to be made has the two indexes all tables have."""
        info = self._stock.catalog.table(name)
        if info is None:
            row = TableRow(numbering.created[name], name, "")
            own = [(BY_ID, "_id"), (BY_CREATION_TIME, "_creationTime")]
            return TableInfo(
                row, [IndexInfo(-at, each, (path,), "ready", each) for at, (each, path) in enumerate(own, 1)]
            )
        row = TableRow(numbering.renumbered.get(name, info.number), name, info.place)
        return TableInfo(row, info.indexes.values())

    def _check_references(self) -> None:
        """Documents that stay may hold ids of a table only under the number it has."""
        for name in self.numbering.renumbered.keys() & self._stock.full:
            for other, table in self._present.items():
                definition = self._schema.tables.get(other)
                if table.stays and definition is not None and _may_name(definition.validator, name):
                    raise TransferRefused(
                        f"The ids of table {name} have another table number than here, and documents of table {other}, "
                        f"which stay, hold ids of {name}. Import both, or use --replace-all."
                    )


def _may_name(validator: Validator, table: str) -> bool:
    """Whether values of this kind may hold ids of the table."""
    match validator:
        case IdV(named):
            return named == table
        case ArrayV(item):
            return _may_name(item, table)
        case RecordV(keys, values):
            return _may_name(keys, table) or _may_name(values, table)
        case ObjectV(fields=fields):
            return any(_may_name(each.validator, table) for each in fields if each.name != "_id")
        case UnionV(members):
            return any(_may_name(each, table) for each in members)
        case _:
            return False
