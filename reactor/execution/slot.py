"""Slot: sixteen bytes of shared memory in which a runner says which call runs in it, since when (engine A4).

The runner writes with two plain stores and no system call; the server reads whenever it likes, also after the runner
is dead. That is how a deadline is watched and how the guilty call of a dead process is known. Not a queue, not a lock:
exactly one process writes.
"""

from __future__ import annotations

import mmap
from dataclasses import dataclass
from pathlib import Path

_SIZE = 16


@dataclass(frozen=True, slots=True)
class Occupant:
    """The call in a slot and when it began, on the machine-wide monotonic clock."""

    call: int
    started: float


class Slot:
    """One runner's slot: a small file both processes have mapped."""

    __slots__ = ("_calls", "_map", "_times", "path")

    def __init__(self, path: Path) -> None:
        """Map the file, which `create` made."""
        self.path = path
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), _SIZE)
        self._calls = memoryview(self._map)[:8].cast("Q")  # [0] starts as 0, is the call's id from begin() to end()
        self._times = memoryview(self._map)[8:].cast("d")  # [0] is set by begin()

    @classmethod
    def create(cls, path: Path) -> Slot:
        """Make the file, empty, and map it. The server does this before the runner exists."""
        path.write_bytes(bytes(_SIZE))
        return cls(path)

    def begin(self, call: int, now: float) -> None:
        """This call runs from now on. The id is stored last: whoever sees it sees the time that belongs to it."""
        self._times[0] = now
        self._calls[0] = call

    def end(self) -> None:
        """No call runs."""
        self._calls[0] = 0

    def read(self) -> Occupant | None:
        """Who runs now, or ran when the process died. None while no call does."""
        while call := self._calls[0]:
            started = self._times[0]
            if self._calls[0] == call:  # else it changed between the two loads
                return Occupant(call, started)
        return None

    def close(self) -> None:
        """Unmap; the file stays."""
        self._calls.release()
        self._times.release()
        self._map.close()

    def remove(self) -> None:
        """Unmap and delete the file."""
        self.close()
        self.path.unlink(missing_ok=True)
