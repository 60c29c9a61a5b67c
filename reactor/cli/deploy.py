"""`reactor deploy`: the sources here become the code of a running server, whole or not at all."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import orjson
import typer

from reactor.cli.project import DATA, Data, project_root, run_to_end
from reactor.cli.settings import ProjectSettings
from reactor.cli.target import Key, Target, Url, nobody_serves
from reactor.cli.terminal import Terminal
from reactor.deploy.plan import Change, DeployPlan
from reactor.deploy.source_archive import SourceArchive
from reactor.errors import BadRequest

EXAMPLES = """
**Examples**

    export REACTOR_URL=https://api.example.com

    export REACTOR_ADMIN_KEY="$(ssh api cat /srv/app/.reactor/admin_key)"

    reactor deploy --dry-run      # what would change, and what is in the way

    reactor deploy                # 0: live, or nothing to do.  1: refused
"""


def deploy(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would change, and change nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the server's answer as JSON.")] = False,
    data: Data = DATA,
    url: Url = None,
    admin_key: Key = None,
) -> None:
    """Push this project to a running `reactor serve`.

    The server loads the sources beside what is running, compares schema and documents, and switches in one commit.
    Sockets stay open. A push that does not load, or that stored documents do not fit, changes nothing.
    """
    root = project_root()
    archive = SourceArchive.of(root, ProjectSettings.read(root).include)

    async def push() -> dict[str, Any]:
        async with Target(data, url, admin_key).running() as remote:
            if remote is None:
                raise nobody_serves()
            return await remote.deploy(archive.to_bytes(), dry_run=dry_run)

    try:
        answer = run_to_end(push())
    except BadRequest as refusal:
        terminal = Terminal(root)
        terminal.refused(f"{refusal.code}: {refusal.message}")
        terminal.warn("Nothing has changed: what ran before runs on.")
        if as_json:
            _print_json({"status": "refused", "code": refusal.code, "message": refusal.message})
        raise typer.Exit(1) from None
    if as_json:
        _print_json(answer)
    else:
        _tell(Terminal(root), answer, len(archive.files))
    if answer["obstacle"]:
        raise typer.Exit(1)


def _print_json(tree: dict[str, Any]) -> None:
    print(orjson.dumps(tree, option=orjson.OPT_INDENT_2).decode())


def _tell(terminal: Terminal, answer: dict[str, Any], files: int) -> None:
    if answer["status"] == "unchanged":
        print("Nothing to do: the server has this code.", file=sys.stderr)
        return
    changes = tuple(Change(c["sign"], c["what"], c["name"], tuple(c["notes"])) for c in answer["changes"])
    terminal.plan(DeployPlan(changes, tuple(answer["modules"])))
    for line in answer["work"]:
        terminal.say(line)
    for warning in answer["warnings"]:
        terminal.warn(warning)
    named = f"{files} files, version {answer['digest'][:8]}"
    if answer["status"] == "deployed":
        terminal.done(f"live: {named}")
    elif answer["obstacle"]:
        terminal.refused(f"this push would be refused:\n{answer['obstacle']}")
    else:
        terminal.done(f"this push would go through: {named}. Nothing has changed.")
