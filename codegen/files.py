"""Generated files on disk: written when their text changed, and only then, so that bundlers do not rebuild for nothing."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path


def write(directory: Path, files: Mapping[str, str]) -> list[str]:
    """Bring `directory` to hold `files`; returns the names of those that changed, sorted.

    A file is replaced in one step, so a bundler that watches never reads half of one. Other files are left alone.
    """
    directory.mkdir(parents=True, exist_ok=True)
    changed = stale(directory, files)
    for name in changed:
        unfinished = directory / f".{name}.{os.getpid()}.part"
        unfinished.write_text(files[name], encoding="utf-8", newline="\n")
        unfinished.replace(directory / name)
    return changed


def stale(directory: Path, files: Mapping[str, str]) -> list[str]:
    """The names of those that `write` would change."""
    return [name for name in sorted(files) if _text_of(directory / name) != files[name]]


def _text_of(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except (FileNotFoundError, UnicodeDecodeError):
        return None
