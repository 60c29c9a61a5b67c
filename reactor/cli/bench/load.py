"""Load: clients that call, each again as soon as it is answered, or at a rate.

At a rate the moments of the calls are fixed beforehand. One that finds every client busy waits, and its latency counts
from the moment it was meant for: a server that stalls is not let off by being asked less ("coordinated omission").
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass

from reactor.cli.bench.client import Client
from reactor.cli.bench.pacer import Pacer
from reactor.cli.bench.tally import Problem, Tally
from reactor.cli.remote import Unreachable
from reactor.errors import ReactorError

_REOPENED = 3  # times in a row that a client is connected again in vain
_PAUSE = 0.2  # seconds before that
_ROUNDING = 1e-6  # of a call: 0.2 s at 100/s are 20 calls, not 21
_now = time.perf_counter


@dataclass(frozen=True, slots=True)
class Extent:
    """How long, how many calls at most, and how many are begun a second (None: as many as are answered)."""

    seconds: float | None
    calls: int | None
    rate: float | None = None


class Load:
    """One stretch of calls: `run` once."""

    def __init__(self, clients: Sequence[Client], extent: Extent, *, first: int = 0) -> None:
        """`first` is the number of the first call: what decides its arguments."""
        self.tally = Tally()
        self.begun = 0  # calls sent
        self.unanswered = 0  # calls that were not waited for; set at the end
        self.began = self.ended = 0.0  # by perf_counter: the start, the last answer
        self.lost: ReactorError | None = None  # why the server cannot be reached any more
        self._clients = clients
        self._extent = extent
        self._first = first
        self._free: list[Client] = []  # that have nothing to do
        self._due: deque[float] = deque()  # at a rate: moments of calls that wait for a client
        self._became_due = 0  # calls, ever
        self._under_way = 0
        self._stopping = False  # nothing further is begun; set by stop()
        loop = asyncio.get_running_loop()
        self._stopped: asyncio.Future[None] = loop.create_future()  # done by stop()
        self._over: asyncio.Future[None] = loop.create_future()  # done when all that was begun is answered, or given up
        self._tasks: set[asyncio.Task[None]] = set()  # of clients that connect again
        self._pacer: Pacer | None = None

    @property
    def never_begun(self) -> int:
        """Calls that were due at a rate and for which there was no client until the end."""
        return len(self._due)

    async def run(self, patience: float) -> None:
        """To the end. Calls under way then are waited for so many seconds."""
        loop = asyncio.get_running_loop()
        self.began = self.ended = _now()
        end = None if self._extent.seconds is None else loop.call_later(self._extent.seconds, self.stop)
        try:
            if self._extent.rate is None:
                for client in self._clients:
                    self._next(client)
            else:
                self._free = list(reversed(self._clients))
                self._pacer = Pacer(self._extent.rate, self._most(), self._became)
                self._pacer.start()
            await self._until_over(patience)
        finally:
            self.stop()
            if end is not None:
                end.cancel()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _until_over(self, patience: float) -> None:
        """`patience` begins when nothing further is begun."""
        await asyncio.wait((self._over, self._stopped), return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait((self._over,), timeout=patience)
        self.give_up()

    def stop(self) -> None:
        """Begin no further calls."""
        self._stopping = True
        if not self._stopped.done():
            self._stopped.set_result(None)
        if self._pacer is not None:
            self._pacer.stop()
        self._look_whether_over()

    def give_up(self) -> None:
        """Wait for nothing."""
        self.stop()
        if not self._over.done():
            self.unanswered = self._under_way
            self._over.set_result(None)

    def _most(self) -> int:
        extent = self._extent
        assert extent.rate is not None
        by_time = math.inf if extent.seconds is None else math.ceil(extent.seconds * extent.rate - _ROUNDING)
        return int(min(by_time, math.inf if extent.calls is None else extent.calls))

    # ── calls ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _became(self, count: int) -> None:
        """So many more calls are due."""
        assert self._pacer is not None
        assert self._extent.rate is not None
        for _ in range(count):
            self._due.append(self._pacer.began + self._became_due / self._extent.rate)
            self._became_due += 1
        while self._due and self._free:
            self._begin(self._free.pop(), self._due.popleft())

    def _next(self, client: Client) -> None:
        """The client has nothing to do."""
        if self._stopping:
            self._look_whether_over()
        elif self._extent.rate is not None:
            if self._due:
                self._begin(client, self._due.popleft())
            else:
                self._free.append(client)
                if self._became_due == self._most():
                    self._look_whether_over()
        elif self._extent.calls is None or self.begun < self._extent.calls:
            self._begin(client, _now())
        else:
            self._look_whether_over()

    def _begin(self, client: Client, meant: float) -> None:
        self._under_way += 1
        if client.closed:
            self._in_task(self._reopen(client, meant))
            return
        self._call(client, meant)

    def _call(self, client: Client, meant: float) -> None:
        number = self._first + self.begun
        self.begun += 1

        def done(problem: Problem | None) -> None:
            if self._over.done():  # given up
                return
            self.ended = now = _now()
            self._under_way -= 1
            self.tally.ended(now - meant, problem)
            self._next(client)

        client.call(number, meant, done)

    def _look_whether_over(self) -> None:
        if self._under_way == 0 and not self._over.done():
            self._over.set_result(None)

    # ── connections ──────────────────────────────────────────────────────────────────────────────────────────────────

    async def _reopen(self, client: Client, meant: float) -> None:
        for attempt in range(_REOPENED):
            try:
                await client.open()
            except Unreachable as error:
                if attempt + 1 == _REOPENED:
                    self.lost = error
                await asyncio.sleep(_PAUSE)
            else:
                self._call(client, meant)
                return
        self._under_way -= 1
        self.stop()

    def _in_task(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
