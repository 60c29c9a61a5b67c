"""`reactor logs`: what functions printed and how they failed, of the server that runs or the last one that did."""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, Iterable
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from reactor.cli.address_file import AddressFile
from reactor.cli.project import DATA, Data, absolute, project_root, run_to_end
from reactor.cli.remote import Remote
from reactor.engine.call_log import FILE_NAME
from reactor.errors import DefinitionError
from reactor.server.operator_api import entry_of
from reactor.storage.admin_key import AdminKey
from reactor.storage.sqlite_call_log import SqliteCallLog

Entry = dict[str, Any]


def logs(
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what happens from now on.")] = False,
    history: Annotated[int, typer.Option(min=0, help="How many of the last calls to begin with.")] = 100,
    success: Annotated[bool, typer.Option("--success", help="Also tell of calls that went well.")] = False,
    jsonl: Annotated[bool, typer.Option("--jsonl", help="One JSON object a call.")] = False,
    data: Data = DATA,
    url: Annotated[str | None, typer.Option(envvar="REACTOR_URL", help="A server elsewhere.")] = None,
    admin_key: Annotated[str | None, typer.Option(envvar="REACTOR_ADMIN_KEY", help="Its admin key.")] = None,
) -> None:
    """Print what functions printed, and how they failed."""

    async def show() -> None:
        async for entries in _entries(data, url, admin_key, history, follow=follow):
            _print(entries, success=success, jsonl=jsonl)

    run_to_end(show(), interrupted=0)


async def _entries(
    data: Path, url: str | None, admin_key: str | None, history: int, *, follow: bool
) -> AsyncGenerator[list[Entry], None]:
    if url is None:
        project_root()
        folder = absolute(data)
        url = AddressFile(folder).read()
        admin_key = AdminKey.at(folder).text if url is not None else None
        if url is None or not await _answers(url):
            if follow:
                raise DefinitionError("No server of this project runs, so there is nothing to follow: reactor dev")
            yield _stored(folder / FILE_NAME, history)
            return
    if admin_key is None:
        raise typer.BadParameter("a server elsewhere needs its admin key: --admin-key, or REACTOR_ADMIN_KEY")
    async with Remote(url, admin_key) as remote:
        entries, cursor = await remote.calls(0, history)
        yield entries
        while follow:
            entries, cursor = await remote.calls(cursor)
            yield entries


async def _answers(url: str) -> bool:
    async with Remote(url, "") as remote:
        return await remote.answers()


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
    for entry in entries:
        if jsonl:
            print(orjson.dumps(entry).decode())
        else:
            for line in _lines(entry, success=success):
                print(line)
    sys.stdout.flush()


def _lines(entry: Entry, *, success: bool) -> list[str]:
    at = datetime.fromtimestamp(entry["timestamp"]).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    start = f"{at} {entry['udfType'][0]}({entry['identifier']})"
    lines = [f"{start} {line}" for line in entry["logLines"]]
    if entry["error"] is not None:
        lines.append(f"{start} [Request ID: {entry['requestId']}] {entry['error'].rstrip()}")
    elif success:
        lines.append(f"{start} done in {entry['executionTime'] * 1000:.0f} ms")
    return lines
