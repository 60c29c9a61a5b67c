"""Sources: the documents a file brings, table by table, as Values; read as often as they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reactor.definitions.schema import Schema
from reactor.errors import InvalidId, TransferRefused
from reactor.limits import Limits
from reactor.transfer.archive import Archive
from reactor.transfer.cells import value_of_cell
from reactor.transfer.export import FILES, JOBS, is_users
from reactor.transfer.lines import Line, csv_rows, json_array, json_lines
from reactor.transfer.options import ImportOptions
from reactor.transfer.staged_files import FileStager
from reactor.values.id import decode_id
from reactor.values.lossless_json import from_lossless_json
from reactor.values.validator import Validator
from reactor.values.value import Value, from_json

_TABLES = "_tables"


@dataclass(frozen=True, slots=True)
class Source:
    """Documents for one table."""

    table: str
    where: str  # for complaints
    lines: Callable[[], Iterator[Line]]
    to_value: Callable[[dict[str, Any]], Value]
    number: int | None = None  # of the table, where they come from, as far as the archive says

    def number_of_ids(self) -> int | None:
        """The table number of the ids that come, by the first document; None when they bring none."""
        for line in self.lines():
            text = line.tree.get("_id")
            if text is None or text == "":
                return None
            number = _number_of(text)
            if number is None:
                raise TransferRefused(f"{self.where}, line {line.number}: {str(text)[:80]!r} is no document id.")
            if self.number not in (None, number):
                raise TransferRefused(
                    f"{self.where}, line {line.number}: the id {text} has the table number {number}, but "
                    f"_tables/documents.jsonl gives {self.table} the number {self.number}."
                )
            return number
        return self.number


@contextmanager
def open_sources(
    path: Path, options: ImportOptions, schema: Schema, limits: Limits, taken: set[str]
) -> Iterator[tuple[list[Source], FileStager | None]]:
    """What the file brings while the block runs, stored files apart. `taken`: keys of blobs not to be used again.

    Raises TransferRefused.
    """
    if options.format != "zip":
        yield [_single(path, options, schema, limits)], None
        return
    with Archive(path, limits) as archive:
        sources = list(_archived(archive, options, limits))
        has_files = FILES in archive.tables or bool(archive.files)
        if not sources and not has_files:
            raise TransferRefused("The archive holds no <table>/documents.jsonl: it is no snapshot.")
        yield sources, FileStager(archive, limits, taken) if has_files else None


# ── an archive ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _archived(archive: Archive, options: ImportOptions, limits: Limits) -> Iterator[Source]:
    numbers = _read_numbers(archive, limits)
    for table, entry in archive.tables.items():
        if is_users(table) or (table == JOBS and options.schedules):
            to_value = from_lossless_json if _is_lossless(archive, table, limits) else from_json
            yield Source(table, entry, _lines_of(archive, entry, limits), to_value, numbers.pop(table, None))
        elif not table.startswith("_"):
            raise TransferRefused(f"No table can have the name {table[:80]!a}.")
    for table, number in sorted(numbers.items()):
        if is_users(table):  # of which there were no documents
            yield Source(table, table, lambda: iter(()), from_json, number)


def _lines_of(archive: Archive, entry: str, limits: Limits) -> Callable[[], Iterator[Line]]:
    def lines() -> Iterator[Line]:
        with archive.open(entry) as file:
            yield from json_lines(file, entry, limits)

    return lines


def _read_numbers(archive: Archive, limits: Limits) -> dict[str, int]:
    entry = archive.tables.get(_TABLES)
    numbers: dict[str, int] = {}
    if entry is not None:
        for line in _lines_of(archive, entry, limits)():
            name, number = line.tree.get("name"), line.tree.get("id")
            if not isinstance(name, str) or not isinstance(number, int) or not 1 <= number < 1 << 32:
                raise TransferRefused(f"{entry}, line {line.number}: expected the name and the number of a table.")
            numbers[name] = number
    return numbers


def _is_lossless(archive: Archive, table: str, limits: Limits) -> bool:
    """Whether the table's numbers without a fraction are int64."""
    if table.startswith("_"):
        return True
    entry = archive.shapes.get(table)
    if entry is None:
        return False
    with archive.open(entry) as file:
        line = file.readline(limits.import_line + 1)
    if line.strip() == b'"uniform"':
        return True
    if b"int64" in line or b"bytes" in line:
        raise TransferRefused(
            f"{entry} is of an older kind of export, which writes int64 and bytes as text. Export again with a present "
            "release of the server it came from."
        )
    return False


def _number_of(text: object) -> int | None:
    try:
        return decode_id(text).table_number if isinstance(text, str) else None
    except InvalidId:
        return None


# ── a file of one table ───────────────────────────────────────────────────────────────────────────────────────────────


def _single(path: Path, options: ImportOptions, schema: Schema, limits: Limits) -> Source:
    table = options.table
    if table is None or not is_users(table):
        raise TransferRefused(f"Documents cannot be imported into a table `{table}`: name one with --table.")

    def lines() -> Iterator[Line]:
        with path.open("rb") as file:
            match options.format:
                case "csv":
                    yield from csv_rows(file, table, limits)
                case "jsonArray":
                    yield from json_array(file, table)
                case _:
                    yield from json_lines(file, table, limits)

    if options.format != "csv":
        return Source(table, table, lines, from_json)
    definition = schema.tables.get(table)
    fields = None if definition is None else {each.name: each for each in definition.validator.fields}
    optional = frozenset() if fields is None else frozenset(each.name for each in fields.values() if each.optional)
    kinds = None if fields is None else {name: each.validator for name, each in fields.items()}
    return Source(table, table, lines, lambda cells: _of_cells(cells, kinds, optional))


def _of_cells(cells: dict[str, Any], kinds: Mapping[str, Validator] | None, optional: frozenset[str]) -> Value:
    """A row of texts as a document. An empty cell of an optional field, or of one nobody declared, is no field."""
    document: dict[str, Value] = {}
    for name, text in cells.items():
        if text == "" and (kinds is None or name in optional or name in ("_id", "_creationTime")):
            continue
        document[name] = text if name == "_id" else value_of_cell(text, None if kinds is None else kinds.get(name))
    return document
