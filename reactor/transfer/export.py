"""Export: what a copy of the database says, written as a snapshot archive or as one table's documents.

The archive is laid out as `npx convex export` gets it, so that `npx convex import` reads it:

    README.md
    _tables/documents.jsonl                    names and numbers of the tables: ids hold the numbers
    <table>/documents.jsonl                    see values/lossless_json.py
    <table>/generated_schema.jsonl             "uniform"
    _storage/documents.jsonl, _storage/<id>.<extension>      with files
    _scheduled_functions/documents.jsonl       ours: others pass over it

Environment variables are never in it.
"""

from __future__ import annotations

import base64
import csv
import io
import mimetypes
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import orjson

from reactor.database.catalog import TableInfo
from reactor.database.database import Database
from reactor.database.snapshot import Snapshot
from reactor.database.structure import all_documents
from reactor.errors import TransferRefused
from reactor.storage.storage import ScanRow
from reactor.transfer.blobs import Blobs
from reactor.transfer.options import ExportOptions
from reactor.values.lossless_json import to_lossless_json
from reactor.values.names import is_identifier
from reactor.values.value import Value, decode, to_json

Progress = Callable[[str, int, int], None]  # what is being done, how much of it is done, how much it is

FILES, JOBS, BLOBS = "_storage", "_scheduled_functions", "_blobs"
_EVERY = 0.2  # seconds between two words about progress
_LARGE = 1 << 30  # bytes from which an entry is written so that it may pass 4 GiB
_README = """# A snapshot of the tables of a reactor deployment

Documents are lines of JSON in <table>/documents.jsonl: numbers with a fraction are floats, those without are int64.
`_tables` holds the tables' numbers, `_storage` files, `_scheduled_functions` calls that were to be made later.

Read it with `reactor import`; it can be read with `npx convex import`, too.
"""


class Export:
    """Of one copy, which nobody changes."""

    def __init__(self, copy: Path, blobs: Blobs, progress: Progress) -> None:
        self._copy = copy
        self._blobs = blobs
        self._progress = _Seldom(progress)

    def write(self, out: Path, options: ExportOptions) -> int:
        """Write a new file; how many documents are in it. Raises TransferRefused."""
        database = Database.open_reader(self._copy)
        try:
            with database.snapshot() as snapshot:
                if options.format == "zip":
                    return _SnapshotWriter(snapshot, self._blobs, self._progress).write(out, options)
                return _write_table(snapshot, out, options, self._progress)
        finally:
            database.close()


class _SnapshotWriter:
    def __init__(self, snapshot: Snapshot, blobs: Blobs, progress: Progress) -> None:
        self._snapshot = snapshot
        self._blobs = blobs
        self._progress = progress
        self._moment = time.gmtime(snapshot.ts / 1e9)[:6]
        self._count = 0

    def write(self, out: Path, options: ExportOptions) -> int:
        tables = [table for table in self._snapshot.catalog.tables() if is_users(table.name)]
        with zipfile.ZipFile(out, "x", zipfile.ZIP_DEFLATED, compresslevel=3) as archive:
            self._text(archive, "README.md", _README.encode())
            numbers = [{"name": table.name, "id": table.number} for table in tables]
            self._text(archive, "_tables/documents.jsonl", b"".join(orjson.dumps(each) + b"\n" for each in numbers))
            for table in tables:
                self._documents(archive, table, _line)
                self._text(archive, f"{table.name}/generated_schema.jsonl", b'"uniform"\n')
            self._documents(archive, self._table(JOBS), _line)
            if options.include_files:
                self._files(archive)
        return self._count

    def _table(self, name: str) -> TableInfo:
        found = self._snapshot.catalog.table(name)
        assert found is not None, f"every database has {name}"
        return found

    def _documents(self, archive: zipfile.ZipFile, table: TableInfo, line: Callable[[ScanRow], bytes]) -> None:
        what = f"Exporting {table.name}"
        count, size = _measure(self._snapshot, table)
        with self._entry(archive, f"{table.name}/documents.jsonl", size) as entry:
            for done, row in enumerate(all_documents(self._snapshot.storage, table), 1):
                entry.write(line(row))
                self._progress(what, done, count)
        self._count += count

    def _files(self, archive: zipfile.ZipFile) -> None:
        keys = {
            str(fields["file"]): str(fields["key"])
            for row in all_documents(self._snapshot.storage, self._table(BLOBS))
            if "file" in (fields := _fields(row))
        }
        table = self._table(FILES)
        self._documents(archive, table, lambda row: _file_line(row, keys.get(row.id)))
        for done, row in enumerate(all_documents(self._snapshot.storage, table), 1):
            fields = _fields(row)
            key, size = keys.get(row.id), int(fields["size"])
            if key is None:
                raise TransferRefused(f"Nothing says where the bytes of the file {row.id} are.")
            kind = str(fields.get("contentType") or "").partition(";")[0].strip()
            name = f"{FILES}/{row.id}{mimetypes.guess_extension(kind) or ''}"
            with self._entry(archive, name, size) as entry:
                for piece in self._blobs.read(key, size, base64.b64decode(fields["sha256"])):
                    entry.write(piece)
            self._progress("Exporting files", done, len(keys))

    def _text(self, archive: zipfile.ZipFile, name: str, data: bytes) -> None:
        with self._entry(archive, name, len(data)) as entry:
            entry.write(data)

    def _entry(self, archive: zipfile.ZipFile, name: str, size: int) -> IO[bytes]:
        info = zipfile.ZipInfo(name, self._moment)
        info.compress_type = zipfile.ZIP_DEFLATED
        info.external_attr = 0o100644 << 16
        return archive.open(info, "w", force_zip64=size > _LARGE)


def _line(row: ScanRow) -> bytes:
    """Every float with a fraction: also those that are stored without."""
    return orjson.dumps(to_lossless_json(decode(row.data))) + b"\n"


def _file_line(row: ScanRow, key: str | None) -> bytes:
    fields = _fields(row)
    told = {
        "_id": row.id,
        "_creationTime": row.creation_time,
        "sha256": fields["sha256"],
        "size": int(fields["size"]),
        "contentType": fields.get("contentType"),
        "internalId": key,
    }
    return orjson.dumps(told) + b"\n"


def _fields(row: ScanRow) -> dict[str, Any]:
    fields: Any = decode(row.data)
    return fields  # type: ignore[no-any-return]


def is_users(table: str) -> bool:
    """Whether it is a table of the application's own."""
    return is_identifier(table) and not table.startswith("_")


def _measure(snapshot: Snapshot, table: TableInfo) -> tuple[int, int]:
    return snapshot.storage.documents.measure(table.place)


# ── one table ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _write_table(snapshot: Snapshot, out: Path, options: ExportOptions, progress: Progress) -> int:
    name = options.table
    table = snapshot.catalog.table(name) if name is not None and (is_users(name) or name in (FILES, JOBS)) else None
    if table is None:
        known = ", ".join(each.name for each in snapshot.catalog.tables() if is_users(each.name))
        raise TransferRefused(f"There is no table `{name}`. Tables: {known or 'none'}.")
    count, _ = _measure(snapshot, table)
    with out.open("xb") as file:
        rows = _told(all_documents(snapshot.storage, table), f"Exporting {name}", count, progress)
        if options.format == "jsonl":
            for row in rows:
                file.write(row.data + b"\n")
        else:
            names = sorted({field for row in all_documents(snapshot.storage, table) for field in _fields(row)})
            first = ["_id", "_creationTime"]
            _write_csv(file, rows, first + [each for each in names if each not in first])
    return count


def _told(rows: Iterator[ScanRow], what: str, count: int, progress: Progress) -> Iterator[ScanRow]:
    for done, row in enumerate(rows, 1):
        yield row
        progress(what, done, count)


def _write_csv(file: IO[bytes], rows: Iterator[ScanRow], names: list[str]) -> None:
    text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=False)
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    for row in rows:
        fields = _fields(row)
        writer.writerow([_cell(fields[name]) if name in fields else "" for name in names])
    text.flush()
    text.detach()


def _cell(value: Value) -> str:
    """Text as it is; everything else as JSON."""
    return value if isinstance(value, str) else orjson.dumps(to_json(value)).decode()


class _Seldom:
    """Passes on the first and the last word about each thing, and one now and then."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._last = 0.0

    def __call__(self, what: str, done: int, total: int) -> None:
        now = time.monotonic()
        if done in (1, total) or now - self._last > _EVERY:
            self._last = now
            self._progress(what, done, total)
