"""A copy of a project's sources as they were at one moment, for runners that each import the code themselves.

Forks have the code the nursery read; spawned runners start at any later time, when the developer may have saved again.
They import from the mirror, so that all runners of a nursery run one bundle. Files that are not Python are linked, not
copied: code finds its data beside itself. A nursery that died is made anew from a mirror too, of the sources it had.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

# Folders that hold no code of the developer's, by name; virtual environments are known by their pyvenv.cfg.
_SKIPPED = {".git", ".hg", ".mypy_cache", ".pytest_cache", ".reactor", ".ruff_cache", "__pycache__", "node_modules"}


def make_mirror(root: Path, mirror: Path) -> None:
    """Copy the project in `root` to the new folder `mirror`, which may lie inside of it."""
    mirror.mkdir(parents=True)
    _mirror_folder(root, mirror, top=mirror.resolve())


def put_back(mirror: Path, sources: Mapping[str, bytes]) -> None:
    """Make the Python files and the settings of a mirror what they once were: these sources, and no others."""
    (mirror / "pyproject.toml").unlink(missing_ok=True)
    for folder, _folders, names in os.walk(mirror):
        for name in names:
            if name.endswith(".py"):
                Path(folder, name).unlink()
    for name, text in sources.items():
        file = mirror / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.unlink(missing_ok=True)  # a link, and not to be written through
        file.write_bytes(text)


def _mirror_folder(source: Path, target: Path, top: Path) -> None:
    for entry in source.iterdir():
        copy = target / entry.name
        if entry.is_dir():
            skipped = entry.name in _SKIPPED or (entry / "pyvenv.cfg").exists() or top.is_relative_to(entry.resolve())
            if not skipped and not entry.is_symlink():
                copy.mkdir()
                _mirror_folder(entry, copy, top)
            elif entry.is_symlink():
                copy.symlink_to(entry.resolve())
        elif entry.suffix == ".py":
            shutil.copy2(entry, copy)
        else:
            copy.symlink_to(entry.resolve())


def remove_mirror(mirror: Path) -> None:
    """Delete what make_mirror made. What the links point to stays."""
    shutil.rmtree(mirror, ignore_errors=True)
