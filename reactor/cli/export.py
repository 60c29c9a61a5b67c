"""`reactor export`: all data in one archive, or one table's documents, as of one moment."""

from __future__ import annotations

import enum
import os
import time
import uuid
from pathlib import Path
from typing import Annotated

import typer

from reactor.application import DATABASE
from reactor.cli.bar import Bar
from reactor.cli.project import DATA, Data, absolute, run_to_end
from reactor.cli.settings import ProjectSettings
from reactor.cli.target import Key, Target, Url
from reactor.cli.terminal import Terminal
from reactor.cli.transfer_client import TransferClient
from reactor.errors import TransferRefused
from reactor.files.bucket import BucketSettings
from reactor.files.folder import FOLDER
from reactor.storage.database_copy import copy_database
from reactor.storage.lock import FileLock
from reactor.transfer.blobs import Blobs
from reactor.transfer.export import Export
from reactor.transfer.options import ExportOptions

EXAMPLES = """
**Examples**

    reactor export --path backup.zip --include-file-storage

    reactor export --table messages --path messages.jsonl

    reactor export --table messages --path messages.csv
"""


class Format(enum.Enum):
    """What is written."""

    ZIP = "zip"
    JSONL = "jsonl"
    CSV = "csv"


def export(
    path: Annotated[
        Path | None,
        typer.Option(help="The file to write, or the folder to write it in.  [default: a new file here]"),
    ] = None,
    include_file_storage: Annotated[bool, typer.Option("--include-file-storage", help="Also stored files.")] = False,
    table: Annotated[str | None, typer.Option(help="Only this table, as JSON lines or CSV.")] = None,
    format: Annotated[  # as it is spelt on the command line
        Format | None, typer.Option(help="What to write.  [default: what the name of the file says, else zip]")
    ] = None,
    data: Data = DATA,
    url: Url = None,
    admin_key: Key = None,
) -> None:
    """Write all data to a file.

    A snapshot archive, as `npx convex export` has it: true at one moment, while the server serves. `reactor import` and
    `npx convex import` read it. Environment variables are not in it; `reactor backup` writes them, too.
    """
    wanted = _wanted(format, path, table)
    options = ExportOptions(wanted.value, include_files=include_file_storage, table=table)
    if table is not None and wanted is Format.ZIP:
        raise typer.BadParameter("a zip holds all tables: leave --table out, or say --format jsonl or csv")
    if table is None and wanted is not Format.ZIP:
        raise typer.BadParameter(f"{wanted.value} holds one table: name it with --table")
    out = new_file(path, f"{table}.{wanted.value}" if table else f"snapshot_{time.time_ns() // 1_000_000}.zip")
    count = run_to_end(_export(Target(data, url, admin_key), options, out))
    Terminal(Path.cwd()).done(f"{out}: {count:,} documents")


async def _export(target: Target, options: ExportOptions, out: Path) -> int:
    with Bar() as bar:
        async with target.running() as remote:
            if remote is None:
                return _export_offline(absolute(target.data), options, out, bar)
            client = TransferClient(remote, bar)
            asked = {"format": options.format, "includeStorage": "true" if options.include_files else "false"}
            state = await client.produce("export", asked | ({"table": options.table} if options.table else {}))
            await client.fetch(state, out)
            return int(state["num_documents"])


def _export_offline(data: Path, options: ExportOptions, out: Path, bar: Bar) -> int:
    """No server runs: read the data folder, which needs no code."""
    if not (data / DATABASE).is_file():
        raise TransferRefused(f"There is no data in {data}.")
    lock = FileLock.take(data / f"{DATABASE}.server", "server")
    copy = data / f"copy-{uuid.uuid4().hex}"
    try:
        copy_database(data / DATABASE, copy, lambda done, pages: bar.show("Copying the database", done, pages))
        with Blobs(data / FOLDER, bucket_here()) as blobs:
            return Export(copy, blobs, bar.show).write(out, options)
    finally:
        copy.unlink(missing_ok=True)
        lock.release()


def bucket_here() -> BucketSettings | None:
    """Where the project in this folder keeps files, if there is one."""
    return ProjectSettings.read(Path.cwd()).files_at(os.environ.get("REACTOR_FILES"))


def new_file(path: Path | None, name: str) -> Path:
    """The file to write: the path, or this name in the folder it is. Raises BadParameter if it is there."""
    found = Path(name) if path is None else path / name if path.is_dir() else path
    if found.exists():
        raise typer.BadParameter(f"{found} is there already: name another file")
    if not found.parent.is_dir():
        raise typer.BadParameter(f"there is no folder {found.parent}")
    return found


def _wanted(told: Format | None, path: Path | None, table: str | None) -> Format:
    if told is not None:
        return told
    by_name = {f".{each.value}": each for each in Format}
    return by_name.get("" if path is None else path.suffix, Format.ZIP if table is None else Format.JSONL)
