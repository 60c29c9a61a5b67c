"""`reactor codegen` and `reactor function-spec`: what others may know of the code here, without starting anything."""

from __future__ import annotations

import difflib
import sys
import time
from pathlib import Path
from typing import Annotated

import orjson
import typer

import codegen
from reactor.cli.address_file import AddressFile
from reactor.cli.project import DATA, Data, absolute, load_here, project_root
from reactor.cli.settings import ProjectSettings
from reactor.cli.terminal import Terminal

CODEGEN_EXAMPLES = """
**Examples**

    reactor codegen               # write what changed

    reactor codegen --check       # in CI.  0: up to date.  1: stale, and the difference is printed
"""
SPEC_EXAMPLES = """
**Examples**

    reactor function-spec | jq '.functions[].identifier'

    reactor function-spec --file && npx convex-helpers ts-api-spec --input-file function_spec_*.json
"""
OPENAPI_EXAMPLES = """
**Examples**

    reactor openapi > openapi.json
"""
_DEFAULT_URL = "http://127.0.0.1:3210"


def write_types(
    check: Annotated[bool, typer.Option("--check", help="Write nothing; fail if something would be written.")] = False,
) -> None:
    """Write the types of your front end.

    Starts nothing. They go to `functions/_generated`, or to the folder that `generated` in `[tool.reactor]` names. `reactor dev` does
    this by itself on every save.
    """
    root = project_root()
    settings = ProjectSettings.read(root)
    outputs = settings.outputs(root)
    manifest = load_here(root).manifest
    terminal = Terminal(root, types=settings.generated)
    if check:
        stale = outputs.stale(manifest)
        for path, wanted in sorted(stale.items()):
            sys.stdout.write(_difference(root / path, wanted, str(path)))
        if stale:
            where = ", ".join(sorted({str(p.parent if str(p.parent) == settings.generated else p) for p in stale}))
            terminal.refused(f"{where} is stale: run `reactor codegen`, and commit what it writes")
            raise typer.Exit(1)
    changed = [] if check else outputs.write(manifest)
    terminal.generated(changed)
    if not changed:
        terminal.say(f"{settings.generated} is up to date")


def function_spec(
    to_file: Annotated[bool, typer.Option("--file", help="Write function_spec_<milliseconds>.json instead.")] = False,
    data: Data = DATA,
) -> None:
    """Print all signatures as JSON.

    Functions and HTTP routes, in the form of `npx convex function-spec`, for tools that generate clients.
    """
    root = project_root()
    url = AddressFile(absolute(data)).read() or _DEFAULT_URL
    spec = orjson.dumps(codegen.function_spec(load_here(root).manifest, url), option=orjson.OPT_INDENT_2).decode()
    if not to_file:
        print(spec)
        return
    file = Path.cwd() / f"function_spec_{time.time_ns() // 1_000_000}.json"
    file.write_text(spec + "\n", encoding="utf-8")
    print(f"Wrote {file.name}", file=sys.stderr)


def print_openapi() -> None:
    """Print the OpenAPI description.

    Of the public functions and HTTP routes, as `openapi` in `[tool.reactor]` has it written with every save.
    """
    root = project_root()
    settings = ProjectSettings.read(root)
    manifest = load_here(root).manifest
    description = codegen.openapi.render(manifest, title=settings.title, version=settings.version)
    print(codegen.openapi.to_text(description), end="")


def _difference(path: Path, wanted: str, name: str) -> str:
    try:
        found = path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        found = ""
    lines = difflib.unified_diff(
        found.splitlines(keepends=True), wanted.splitlines(keepends=True), f"{name} (on disk)", f"{name} (wanted)"
    )
    return "".join(lines)
