"""`reactor logs`: what functions printed and how they failed, of the server that runs or the last one that did."""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, Iterable
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.text import Text

from reactor.cli.project import DATA, Data, absolute, project_root, run_to_end
from reactor.cli.target import Key, Target, Url, nobody_serves
from reactor.engine.call_log import FILE_NAME
from reactor.server.operator_api import entry_of
from reactor.storage.sqlite_call_log import SqliteCallLog

Entry = dict[str, Any]
EXAMPLES = """
**Examples**

    reactor logs --follow                 # what happens, as it happens

    reactor logs --history 20 --success   # also of a server that has ended

    reactor logs --jsonl | jq -r 'select(.error) | .identifier'
"""


def logs(
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what happens from now on.")] = False,
    history: Annotated[int, typer.Option(min=0, help="How many of the last calls to begin with.")] = 100,
    success: Annotated[bool, typer.Option("--success", help="Also tell of calls that went well.")] = False,
    jsonl: Annotated[bool, typer.Option("--jsonl", help="One JSON object a call.")] = False,
    data: Data = DATA,
    url: Url = None,
    admin_key: Key = None,
) -> None:
    """Print what functions printed and how they failed.

    Of the server that runs, or the last one that did. Colours are for terminals only.
    """

    async def show() -> None:
        async for entries in _entries(Target(data, url, admin_key), history, follow=follow):
            _print(entries, success=success, jsonl=jsonl)

    run_to_end(show(), interrupted=0)


async def _entries(target: Target, history: int, *, follow: bool) -> AsyncGenerator[list[Entry], None]:
    async with target.running() as remote:
        if remote is None:
            project_root()
            if follow:
                raise nobody_serves()
            yield _stored(absolute(target.data) / FILE_NAME, history)
            return
        entries, cursor = await remote.calls(0, history)
        yield entries
        while follow:
            entries, cursor = await remote.calls(cursor)
            yield entries


def _stored(file: Path, history: int) -> list[Entry]:
    """What the last server wrote down."""
    if not file.exists():
        return []
    log = SqliteCallLog(file)
    try:
        return [entry_of(stored) for stored in log.last(history)]
    finally:
        log.close()


def _print(entries: Iterable[Entry], *, success: bool, jsonl: bool) -> None:
    console = Console(highlight=False, soft_wrap=True)
    for entry in entries:
        if jsonl:
            print(orjson.dumps(entry).decode())
        else:
            for line, style in _lines(entry, success=success):
                console.print(Text(line, style=style))
    sys.stdout.flush()


def _lines(entry: Entry, *, success: bool) -> list[tuple[str, str]]:
    """Lines and their styles."""
    at = datetime.fromtimestamp(entry["timestamp"]).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    start = f"{at} {entry['udfType'][0]}({entry['identifier']})"
    lines = [(f"{start} {line}", _style(line)) for line in entry["logLines"]]
    if entry["error"] is not None:
        lines.append((f"{start} [Request ID: {entry['requestId']}] {entry['error'].rstrip()}", "red"))
    elif success:
        lines.append((f"{start} done in {entry['executionTime'] * 1000:.0f} ms", "dim"))
    return lines


def _style(line: str) -> str:
    return {"[ERROR]": "red", "[WARN]": "yellow", "[DEBUG]": "dim"}.get(line.partition(" ")[0], "")
