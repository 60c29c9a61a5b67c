"""Profile: what functions cost, added up per function while somebody looks.

Nobody looking, a call is not even told to count. Whoever looks holds the profile for some seconds at a time, and takes
the difference of two looks: so any number can look at once, and one who was killed leaves nothing on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Literal

import msgspec

from reactor.execution.frames import Kind, Outcome

CallKind = Kind | Literal["httpAction"]


class FunctionTally(msgspec.Struct, rename="camel"):
    """One function since the profile is held. Sums; the latter are those of `counted` runs alone."""

    path: str
    kind: CallKind
    runs: int = 0
    failed: int = 0
    cpu: float = 0.0  # seconds of user code; nobody measures that of actions
    counted: int = 0  # runs that said what they read: not those of actions, of killed runs, of runs begun before
    documents_read: int = 0
    bytes_read: int = 0
    index_ranges: int = 0
    documents_written: int = 0
    bytes_written: int = 0


class Profile:
    """Of one server's functions. `hold` it, and look at `tallies`."""

    __slots__ = ("_end", "_tallies", "held")

    def __init__(self) -> None:
        self.held = False  # True from hold() until nobody has held it for the seconds that were asked for
        self._tallies: dict[tuple[str, CallKind], FunctionTally] = {}  # emptied when it is let go
        self._end: asyncio.TimerHandle | None = None  # while held

    def hold(self, seconds: float) -> None:
        """Count from now on, for so long at least."""
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        if self._end is not None:
            until = max(until, self._end.when())
            self._end.cancel()
        self._end = loop.call_at(until, self._let_go)
        self.held = True

    def _let_go(self) -> None:
        self.held, self._end = False, None
        self._tallies.clear()

    @property
    def tallies(self) -> Sequence[FunctionTally]:
        """What came to an end since it is held, a record per function."""
        return list(self._tallies.values())

    def add(self, kind: CallKind, path: str, outcome: Outcome) -> None:
        """A call ended."""
        path = path.replace(".js:", ":")
        tally = self._tallies.get((path, kind))
        if tally is None:
            tally = self._tallies[path, kind] = FunctionTally(path, kind)
        tally.runs += 1
        tally.failed += outcome.failure is not None
        tally.cpu += outcome.cpu
        counts = outcome.counts
        if counts is not None:
            tally.counted += 1
            tally.documents_read += counts.documents_read
            tally.bytes_read += counts.bytes_read
            tally.index_ranges += counts.index_ranges
            tally.documents_written += counts.documents_written
            tally.bytes_written += counts.bytes_written
