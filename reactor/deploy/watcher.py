"""Which source files changed: the developer saves, and milliseconds later a set of paths comes out.

Operating system events only say *when to look*; what changed is found by looking, so an event lost, doubled or seen
too early costs nothing. What the loader would not import (environments, caches, generated files, tests, reactor itself
where it is developed in the same folder) is neither watched nor walked.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from pathlib import Path

from reactor.execution.project import Project

# From a save to its event these cost 2–15 ms; the defaults (50 and 1600) cost 75. An editor's rename-over is one change.
STEP = 5
DEBOUNCE = 50

NO_SOURCES = frozenset({"__pycache__", "_generated", "node_modules"})
FOREIGN = ("pyvenv.cfg", "reactor.db")  # an environment, and a server's data, which holds the code pushed to it


@dataclass(frozen=True, slots=True)
class Sources:
    """The Python files below a root as they are now, and the directories that may hold some."""

    directories: frozenset[Path]
    files: Mapping[Path, tuple[int, int]]  # modification time in ns, and size

    @classmethod
    def of(cls, root: Path) -> Sources:
        """Walk `root`. What disappears on the way is not there."""
        project = Project(root)
        directories, files = set(), {}
        for folder, children, names in os.walk(root):
            here = Path(folder)
            directories.add(here)
            children[:] = [child for child in children if _may_hold_sources(project, here / child)]
            for name in names:
                if _is_source(name) or (name == "pyproject.toml" and here == root):
                    try:
                        status = (here / name).stat()
                    except OSError:
                        continue
                    files[here / name] = (status.st_mtime_ns, status.st_size)
        return cls(frozenset(directories), files)

    def changed_since(self, before: Sources) -> frozenset[Path]:
        """Files that are new, gone or different."""
        return frozenset(path for path, _ in self.files.items() ^ before.files.items())


class Watcher:
    """Follows the sources of one project. Changes since *construction* are reported, also those before `changes()`."""

    def __init__(self, root: Path, *, generated: frozenset[Path] = frozenset()) -> None:
        """`generated` are files that a push writes: their change is its end and no new one's beginning."""
        self._root = root.resolve()
        self._generated = generated
        self._seen = Sources.of(self._root)  # replaced in _look()

    async def changes(self) -> AsyncGenerator[frozenset[Path], None]:
        """Yield the paths that changed, for ever. What changes while the caller is busy comes as one set."""
        import watchfiles  # with `multiprocessing`: a server that is not developed on does without

        while True:
            watched = self._seen.directories
            events = watchfiles.awatch(*watched, watch_filter=None, recursive=False, step=STEP, debounce=DEBOUNCE)
            event = asyncio.ensure_future(anext(events))
            try:
                await asyncio.sleep(0)  # the generator is now in its first wait, the watch stands: look after that
                while True:
                    if changed := self._look():
                        yield changed
                    if self._seen.directories != watched:
                        break
                    await event
                    event = asyncio.ensure_future(anext(events))
            except FileNotFoundError:
                continue  # a directory went between looking and watching
            finally:
                event.cancel()
                await asyncio.gather(event, return_exceptions=True)
                await events.aclose()

    def _look(self) -> frozenset[Path]:
        before, self._seen = self._seen, Sources.of(self._root)
        return self._seen.changed_since(before) - self._generated


def _may_hold_sources(project: Project, directory: Path) -> bool:
    name = directory.name
    if name.startswith(".") or name in NO_SOURCES or (name == "tests" and directory.parent == project.root):
        return False
    return project.owns(str(directory)) and not any((directory / mark).exists() for mark in FOREIGN)


def _is_source(name: str) -> bool:
    return name.endswith(".py") and not name.startswith("test_") and name != "conftest.py"
