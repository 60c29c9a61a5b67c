"""What the commands have in common: the project they are run in, its data folder, an event loop to the end."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
import uvloop

from reactor.errors import DefinitionError

if TYPE_CHECKING:
    from reactor.execution.bundle import Bundle
    from reactor.execution.environment import Noted

T = TypeVar("T")
Data = Annotated[Path, typer.Option("--data", help="The folder that keeps the data.", file_okay=False)]
DATA = Path(".reactor")


def project_root() -> Path:
    """The folder the command was started in. Raises DefinitionError when that is no project."""
    root = Path.cwd()
    if not (root / "functions").is_dir() and not (root / "schema.py").is_file():
        raise DefinitionError(
            f"There is no functions/ and no schema.py in {root}: run this in the folder of a project, or make one: "
            "reactor init my-app."
        )
    return root


def load_here(root: Path, environment: Noted | None = None) -> Bundle:
    """Import the project in this process; what it prints meanwhile is not the command's result. Raises BundleBroken."""
    from reactor.execution.loader import load_bundle  # what runs user code: most commands leave that to a server

    with contextlib.redirect_stdout(sys.stderr):
        return load_bundle(root, environment)


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
