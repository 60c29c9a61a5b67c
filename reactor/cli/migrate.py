"""`reactor migrate`: runs the project's migrations over the documents there are, while everything else goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from reactor.cli.project import DATA, Data, project_root, run_to_end
from reactor.cli.remote import Remote
from reactor.cli.target import Key, Target, Url
from reactor.cli.terminal import Terminal
from reactor.deploy.migrator import MigrationStatus
from reactor.deploy.progress import Work
from reactor.execution.progress_rows import PROGRESS

EXAMPLES = """
**Examples**

    reactor migrate --status              # how far each has come

    reactor migrate add_locale --dry-run  # what it would do to every document

    reactor migrate                       # all that are pending
"""
_LOOK = 0.3  # seconds between looks at how far it is


def migrate(
    names: Annotated[list[str] | None, typer.Argument(help="Which to run; all that are pending without.")] = None,
    status: Annotated[bool, typer.Option("--status", help="Only tell how far each has come.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Try it on every document and write nothing.")] = False,
    restart: Annotated[bool, typer.Option("--restart", help="Run it over all documents again.")] = False,
    data: Data = DATA,
    url: Url = None,
    admin_key: Key = None,
) -> None:
    """Run migrations of functions/, a few documents at a time, while clients go on. Safe to repeat, and to interrupt.

    Uses the server of this project if one is running, else starts one for it.
    """
    if status and (names or dry_run or restart):
        raise typer.BadParameter("--status runs nothing: it goes with nothing else")
    asked: dict[str, Any] = {"names": names or [], "status": status, "dry_run": dry_run, "restart": restart}
    target = Target(data, url, admin_key)
    terminal = Terminal(Path.cwd() if url is not None else project_root())

    async def run() -> list[MigrationStatus]:
        async with target.reached() as remote:
            return await _migrate(remote, terminal, asked)

    found = run_to_end(run())
    _print(found, terminal)
    if any(each.state == "failed" for each in found):
        raise typer.Exit(1)


async def _migrate(remote: Remote, terminal: Terminal, asked: dict[str, Any]) -> list[MigrationStatus]:
    running = asyncio.ensure_future(remote.migrate(**asked))
    try:
        while True:
            done, _ = await asyncio.wait([running], timeout=_LOOK)
            if done:
                return running.result()
            told = await remote.call(PROGRESS, {})
            for each in told.value or ():
                work = Work(each["what"], each["table"], each["name"], int(each["done"]), int(each["total"]))
                terminal.progress(work)
    finally:
        terminal.progress(None)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def _print(found: Sequence[MigrationStatus], terminal: Terminal) -> None:
    """To stdout: it is what was asked for."""
    if not found:
        terminal.say("no migration is pending")
    for each in found:
        counts = f"{each.done:,} of {max(each.total, each.done):,} documents, {each.changed:,} changed"
        told = " (by a push)" if each.pushed else "" if each.state == "pending" else f" ({counts})"
        print(f"{each.state:<12} {each.name} {each.table}{told}")
        if each.error:
            print(f"             {each.error}")
