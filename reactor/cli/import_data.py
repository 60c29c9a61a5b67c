"""`reactor import`: data from a file, all of it or nothing."""

from __future__ import annotations

import enum
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from reactor.cli.bar import Bar
from reactor.cli.project import DATA, Data, run_to_end
from reactor.cli.target import Key, Target, Url
from reactor.cli.terminal import Terminal
from reactor.cli.transfer_client import TransferClient
from reactor.values.int64 import Int64
from reactor.values.value import from_json

EXAMPLES = """
**Examples**

    reactor import snapshot.zip                            # into empty tables

    reactor import snapshot.zip --replace-all --yes        # afterwards there is what the archive holds, and nothing else

    reactor import --table messages messages.csv --append
"""


class Format(enum.Enum):
    """What the file is."""

    CSV = "csv"
    JSON_LINES = "jsonLines"
    JSON_ARRAY = "jsonArray"
    ZIP = "zip"


_BY_SUFFIX = {".csv": Format.CSV, ".jsonl": Format.JSON_LINES, ".json": Format.JSON_ARRAY, ".zip": Format.ZIP}


def import_data(
    path: Annotated[Path, typer.Argument(help="The file.", exists=True, dir_okay=False)],
    table: Annotated[str | None, typer.Option(help="The table, for every format but zip.")] = None,
    format: Annotated[  # as it is spelt on the command line
        Format | None, typer.Option(help="What the file is.  [default: what its name says]")
    ] = None,
    append: Annotated[bool, typer.Option("--append", help="Add to the documents there are.")] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace the documents of the tables in the file.")
    ] = False,
    replace_all: Annotated[bool, typer.Option("--replace-all", help="The same, and empty all other tables.")] = False,
    schedules: Annotated[
        bool, typer.Option("--schedules/--no-schedules", help="Also calls that were to be made later.")
    ] = True,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before documents are deleted.")] = False,
    data: Data = DATA,
    url: Url = None,
    admin_key: Key = None,
) -> None:
    """Read data from a file.

    A snapshot archive of `reactor export` or `npx convex export`, or one table as JSON lines, a JSON array or CSV. Every
    document is checked first; then all come in one commit, or nothing has changed. Ids and creation times are kept.
    """
    if append + replace + replace_all > 1:
        raise typer.BadParameter("say one of --append, --replace and --replace-all")
    found = format or _BY_SUFFIX.get(path.suffix)
    if found is None:
        raise typer.BadParameter("the name of the file does not say what it is: use --format")
    if (found is Format.ZIP) == (table is not None):
        raise typer.BadParameter("a zip names its tables: leave --table out" if table else "name the --table")
    mode = "append" if append else "replace" if replace else "replaceAll" if replace_all else "requireEmpty"
    wanted = {"format": found.value, "mode": mode, "tableName": table, "schedules": schedules}
    count = run_to_end(_import(Target(data, url, admin_key), path, wanted, yes=yes))
    if count is None:
        Terminal(Path.cwd()).warn("Nothing was imported.")
        raise typer.Exit(1)
    Terminal(Path.cwd()).done(f"Added {count:,} documents")


async def _import(target: Target, path: Path, wanted: dict[str, Any], *, yes: bool) -> int | None:
    with Bar() as bar:
        async with target.reached() as remote:
            client = TransferClient(remote, bar)
            own_id = await client.upload(path, wanted)
            state = await client.until(own_id, "waiting_for_confirmation")
            bar.hide()
            print(state["message_to_confirm"], file=sys.stderr)
            if state["require_manual_confirmation"] and not yes:
                agreed = False
                try:
                    agreed = _agreed()
                finally:
                    if not agreed:
                        await client.cancel(own_id)
                if not agreed:
                    return None
            await client.confirm(own_id)
            done = from_json((await client.until(own_id, "completed"))["num_rows_written"])
            assert isinstance(done, Int64)
            return int(done)


def _agreed() -> bool:
    if not sys.stdin.isatty():
        raise typer.BadParameter("documents would be deleted: say --yes if that is meant")
    return typer.confirm("Perform the import?", err=True)
