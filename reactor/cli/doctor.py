"""`reactor doctor`: looks over machine, project and data, and says of each trouble what to type."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.console import Console
from rich.text import Text

from reactor.cli import data_checks, machine_checks, project_checks
from reactor.cli.finding import Finding, Grade
from reactor.cli.project import DATA, Data, absolute, run_to_end

EXAMPLES = """
**Examples**

    reactor doctor                # 0: fit to run, perhaps with warnings.  1: something is broken

    reactor doctor --json | jq -r '.[] | select(.grade == "broken") | .fix'
"""
_SIGNS = {Grade.FINE: ("✓", "green"), Grade.WARNING: ("!", "yellow"), Grade.BROKEN: ("✗", "red")}


def doctor(
    port: Annotated[int, typer.Option(envvar="REACTOR_PORT", min=0, max=65535, help="Where it is to listen.")] = 3210,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
    data: Data = DATA,
) -> None:
    """Check machine, project and data, and say what to do.

    Looks and changes nothing; a running server is not disturbed.
    """
    root, folder = Path.cwd(), absolute(data)
    findings = [*machine_checks.all_findings(folder, port), *project_checks.all_findings(root, folder)]
    loads = any(each.about == "code" and each.grade is not Grade.BROKEN for each in findings)
    findings += run_to_end(data_checks.all_findings(root, folder, loads=loads))
    if as_json:
        print(orjson.dumps([each.to_tree() for each in findings], option=orjson.OPT_INDENT_2).decode())
    else:
        _show(findings)
    if any(each.grade is Grade.BROKEN for each in findings):
        raise typer.Exit(1)


def _show(findings: list[Finding]) -> None:
    console = Console(highlight=False, soft_wrap=True)
    width = max(len(each.about) for each in findings)
    for each in findings:
        sign, colour = _SIGNS[each.grade]
        console.print(Text.assemble((sign, colour), f" {each.about:<{width}}  {each.says}"))
        if each.fix:
            console.print(Text.assemble(" " * (width + 4), ("→ ", colour), (each.fix, "bold")))
    worst = [each for each in findings if each.grade is not Grade.FINE]
    if not worst:
        console.print(Text("Everything is in order.", style="green"))
    sys.stdout.flush()
