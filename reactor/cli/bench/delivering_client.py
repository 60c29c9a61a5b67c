"""DeliveringClient: writes, and counts a write as done when every subscriber has been shown it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from reactor.cli.bench.client import Done, Target
from reactor.cli.bench.deliveries import Deliveries, Write
from reactor.cli.bench.place import Place
from reactor.cli.bench.socket_client import SocketClient
from reactor.cli.bench.tally import Problem

PATIENCE = 5.0  # seconds a write may take to the last subscriber
NOT_DELIVERED = "NotDelivered"


class DeliveringClient:
    """See Client."""

    def __init__(
        self, place: Place, target: Target, deliveries: Deliveries, on_answer: Callable[[float], None]
    ) -> None:
        """`on_answer` is told how many seconds a mutation took to be answered."""
        self._socket = SocketClient(place, target)
        self._deliveries = deliveries
        self._on_answer = on_answer

    @property
    def closed(self) -> bool:
        return self._socket.closed

    async def open(self) -> None:
        await self._socket.open()

    def close(self) -> None:
        self._socket.close()

    def call(self, number: int, meant: float, done: Done) -> None:
        def answered(problem: Problem | None) -> None:
            if problem is not None:
                done(problem)
                return
            self._on_answer(time.perf_counter() - meant)
            self._deliver(meant, done)

        self._socket.call(number, meant, answered)

    def _deliver(self, meant: float, done: Done) -> None:
        ended = False

        def delivered() -> None:
            nonlocal ended
            ended = True
            if timer is not None:
                timer.cancel()
            done(None)

        def too_late(write: Write) -> None:
            self._deliveries.give_up(write)
            seen = len(self._deliveries.watchers) - write.missing
            done(
                Problem(
                    NOT_DELIVERED, f"{seen} of {len(self._deliveries.watchers)} subscribers saw it in {PATIENCE:g} s"
                )
            )

        timer: asyncio.TimerHandle | None = None
        write = self._deliveries.written(self._socket.committed, meant, delivered)
        if not ended:
            timer = asyncio.get_running_loop().call_later(PATIENCE, too_late, write)
