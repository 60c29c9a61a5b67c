"""A secret of a data folder: made once, in a file that only its owner can read."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path


def secret_at(path: Path, make: Callable[[], str]) -> str:
    """The secret in this file, which is written (mode 600) if there is none yet. Of several at once, one writes."""
    with contextlib.suppress(FileNotFoundError):
        return path.read_text().strip()
    handle, draft = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # its mode is 600
    try:
        with os.fdopen(handle, "w") as file:
            file.write(make() + "\n")
            file.flush()
            os.fsync(handle)
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)  # whole or not at all, and never over another's
    finally:
        Path(draft).unlink()
    return path.read_text().strip()
