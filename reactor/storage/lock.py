"""FileLock: one holder at a time, by `flock` on a file that SQLite never opens (engine A10).

Held until `release` or the holder's death, kill −9 included. Not a lock between threads of one process.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Self

from reactor.errors import StorageError, StorageLocked


def make_folder(data: Path) -> None:
    """The data folder, in which locks lie. Raises StorageError for a place where there can be none."""
    try:
        data.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"The data folder {data} cannot be made: {error.strerror}.") from error


class FileLock:
    """Take it after the last fork: a child that inherits the descriptor would hold the lock as well."""

    __slots__ = ("_descriptor",)

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor  # -1 after release()

    @classmethod
    def take(cls, path: Path, what: str) -> Self:
        """Raises StorageLocked at once if somebody has it. `what` names the holder's role: "writer", "server"."""
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            raise StorageLocked(
                f"Another {what} is using this database (it holds {path}). Stop it first; "
                "a database has one server and one writer."
            ) from error
        return cls(descriptor)

    def release(self) -> None:
        """Let the next one have it. Twice is no error."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
