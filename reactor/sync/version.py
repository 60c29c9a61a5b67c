"""Where a client stands: the state version both ends of a socket agree on. Not its spelling on the wire (codec.py)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class StateVersion:
    """One point in a socket's life. A Transition moves the client from exactly this one to another.

    `query_set` and `identity` count the client's own changes, `ts` is the snapshot its results are true at
    (nanoseconds). None of the three ever goes back within a socket; on a new socket all start at zero.
    """

    query_set: int
    identity: int
    ts: int

    @property
    def key(self) -> tuple[int, int, int]:
        """What tells it apart: a tuple is hashed and compared in C."""
        return self.query_set, self.identity, self.ts

    START: ClassVar[StateVersion]


StateVersion.START = StateVersion(0, 0, 0)
