"""What the commands have in common: the project they are run in, its data folder, an event loop to the end."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
import uvloop

from reactor.errors import DefinitionError

T = TypeVar("T")
Data = Annotated[Path, typer.Option("--data", help="The folder that keeps the data.", file_okay=False)]
DATA = Path(".reactor")


def project_root() -> Path:
    """The folder the command was started in. Raises DefinitionError when that is no project."""
    root = Path.cwd()
    if not (root / "functions").is_dir() and not (root / "schema.py").is_file():
        raise DefinitionError(
            f"There is no functions/ and no schema.py in {root}: run this in the folder of a project, or start one "
            "with functions/hello.py."
        )
    return root


def absolute(data: Path) -> Path:
    """The data folder, wherever the process goes."""
    return Path.cwd() / data


def run_to_end(work: Coroutine[Any, Any, T], *, interrupted: int = 130) -> T:
    """Run to the end. `interrupted` is the status when told to stop before it."""
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(work)
    except (KeyboardInterrupt, asyncio.CancelledError):
        raise typer.Exit(interrupted) from None
