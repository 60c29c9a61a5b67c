"""CallQueue: what waits for the writer, in two lines that take turns: scheduled functions, and everybody else.

Each line keeps its order. Taking turns, at most half of a batch are jobs while anybody else waits (engine D8).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from reactor.execution.frames import Call


class CallQueue:
    """`extend`, then `pop` while it is true."""

    __slots__ = ("_calls", "_jobs", "_was_job")

    def __init__(self) -> None:
        self._calls: deque[Call] = deque()
        self._jobs: deque[Call] = deque()
        self._was_job = False  # the last one taken; moves in pop()

    def __len__(self) -> int:
        return len(self._calls) + len(self._jobs)

    @property
    def only_jobs(self) -> bool:
        """Whether nobody waits but jobs; also when nothing does."""
        return not self._calls

    @property
    def next(self) -> Call:
        """The call that `pop` will give."""
        return self._line()[0]

    def extend(self, calls: Iterable[Call]) -> None:
        """These have arrived, in this order."""
        for call in calls:
            (self._calls if call.job is None else self._jobs).append(call)

    def pop(self) -> Call:
        """Take the next call."""
        line = self._line()
        self._was_job = line is self._jobs
        return line.popleft()

    def clear(self) -> None:
        """Forget them all."""
        self._calls.clear()
        self._jobs.clear()

    def _line(self) -> deque[Call]:
        if not self._jobs or not self._calls:
            return self._jobs or self._calls
        return self._calls if self._was_job else self._jobs
