"""LoadedProject: a project's code, loaded once, and an empty database of it, copied for each test.

To import a project and to build its tables takes most of the time of a small test; the rest is a few milliseconds.
"""

from __future__ import annotations

import datetime as dt
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from reactor.clock import Clock
from reactor.database.database import Database
from reactor.errors import DefinitionError
from reactor.execution.bundle import Bundle
from reactor.execution.caller import FunctionCaller
from reactor.execution.environment import Noted
from reactor.execution.frames import Prepared
from reactor.execution.guard import Guard
from reactor.execution.loader import load_bundle
from reactor.execution.push import SchemaPush
from reactor.limits import DEFAULT_LIMITS
from reactor.storage.storage import VariableRow
from reactor.testing.manual_clock import ManualClock

FILE = "reactor.sqlite"
BUILT_IN = {"CONVEX_CLOUD_URL": "http://127.0.0.1:3210", "CONVEX_SITE_URL": "http://127.0.0.1:3211"}
_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108  # where a commit need not wait for a disk
_LONG_AGO = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)  # no test's clock is before it


class LoadedProject:
    """A context manager, or to be closed. Module-level state of the project lives as long as this does."""

    def __init__(self, root: Path | str, *, env: Mapping[str, str] | None = None) -> None:
        """Load the project in `root`. `env` are environment variables that the code finds, then and in every test.

        Raises DefinitionError when there is no project, BundleBroken when its code does not load.
        """
        self.root = Path(root).resolve()
        if not is_project(self.root):
            raise DefinitionError(f"There is neither a schema.py nor a folder functions/ in {self.root}.")
        self.env = dict(env or {})
        self.bundle: Bundle = load_bundle(
            self.root, Noted({name: VariableRow(value, 0) for name, value in self.env.items()}, BUILT_IN)
        )
        try:
            self._template = self._make_template()
        except BaseException:
            self.close()
            raise

    def copy_to(self, folder: Path) -> None:
        """Put an empty database of the project into the folder."""
        for name, content in self._template.items():
            (folder / name).write_bytes(content)

    def close(self) -> None:
        """Forget the project's modules."""
        self.bundle.unload()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _make_template(self) -> dict[str, bytes]:
        """The files of an empty database: name → content."""
        clock: Clock = ManualClock(_LONG_AGO)
        with memory_folder("reactor-template-") as folder:
            path = Path(folder) / FILE
            database = Database.open_writer(path, clock=clock, boot="template", limits=DEFAULT_LIMITS)
            try:
                caller = FunctionCaller(self.bundle, DEFAULT_LIMITS, clock, guard=Guard(DEFAULT_LIMITS))
                push(database, self.bundle, caller, clock)
            finally:
                database.close()
            files = (file for file in Path(folder).iterdir() if file.name in (FILE, f"{FILE}-wal"))
            return {file.name: file.read_bytes() for file in files}


def push(database: Database, bundle: Bundle, caller: FunctionCaller, clock: Clock) -> None:
    """Bring the database up to the bundle, crons aside."""
    batch = database.begin()
    SchemaPush(batch, bundle, caller, Prepared()).carry_out(clock.now_ns() / 1e6)
    batch.set_bundle(bundle.hash, bundle.parts)
    batch.commit()


def is_project(root: Path) -> bool:
    """Whether there is anything to load."""
    return (root / "schema.py").is_file() or (root / "functions").is_dir()


def memory_folder(prefix: str) -> tempfile.TemporaryDirectory[str]:
    """A temporary folder, in memory if the machine has a place for that."""
    place = _SHARED_MEMORY if os.access(_SHARED_MEMORY, os.W_OK) else None
    return tempfile.TemporaryDirectory(prefix=prefix, dir=place)
