"""Commands as they are typed, run in this process: what they come to is the same, and Python need not start for each."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from typer.testing import CliRunner

from reactor.cli.commands import app
from reactor.errors import ReactorError


@dataclass(frozen=True)
class Said:
    """What a command came to."""

    returncode: int
    stdout: str
    stderr: str


def reactor(folder: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> Said:
    """`reactor …` typed in a folder, its output going nowhere near a terminal."""
    with contextlib.chdir(folder):
        said = CliRunner().invoke(app, list(arguments), env={"COLUMNS": "200", **(environment or {})})
    failure = ""
    if isinstance(said.exception, ReactorError):
        failure = f"error: {said.exception}\n"  # as main() prints it
    elif said.exception is not None and not isinstance(said.exception, SystemExit):
        raise said.exception
    return Said(said.exit_code, said.stdout, said.stderr + failure)
