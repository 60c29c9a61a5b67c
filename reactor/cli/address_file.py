"""AddressFile: where the server of a data folder listens, for other commands in the same project.

A hint, not a lock: a server that was killed leaves it behind. Whoever reads it asks the address whether it answers.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

FILE_NAME = "address"


class AddressFile:
    """The file in one data folder."""

    def __init__(self, data: Path) -> None:
        self._path = data / FILE_NAME

    def read(self) -> str | None:
        """The URL somebody served at, if they said so."""
        try:
            return self._path.read_text().strip() or None
        except (FileNotFoundError, NotADirectoryError):
            return None

    def write(self, url: str) -> None:
        """Say it."""
        self._path.write_text(f"{url}\n")

    @contextlib.contextmanager
    def cleared(self) -> Iterator[None]:
        """Take it back at the end of the block."""
        try:
            yield
        finally:
            self._path.unlink(missing_ok=True)
