"""Client: who makes calls, one at a time: what HTTP and sockets have in common."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from reactor.cli.bench.arguments import Arguments
from reactor.cli.bench.tally import Problem
from reactor.execution.frames import Kind

Done = Callable[[Problem | None], None]
LOST = Problem("ConnectionLost", "the server closed the connection")


@dataclass(frozen=True, slots=True)
class Target:
    """The function that is called, and with what."""

    path: str
    kind: Kind
    arguments: Arguments


class Client(Protocol):
    """`open`, then any number of calls; `open` again once it is `closed`."""

    @property
    def closed(self) -> bool:
        """Whether it has to be opened before the next call."""
        ...

    async def open(self) -> None:
        """Connect. Raises Unreachable, and CallerErrors for what the server refuses."""
        ...

    def call(self, number: int, meant: float, done: Done) -> None:
        """Make the call of that number, meant for that moment; `done` is called once, when it ends."""
        ...

    def close(self) -> None:
        """End it. A call under way is not ended for anybody."""
        ...
