"""Channels: subscribers of many queries, each told of its own only; used by W3 and W6."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass

from bench.subjects.subject import OnPush, Subject, Writer
from bench.workloads.workload import Numbered, numbers

LOST = 10.0  # seconds a closed loop waits for a delivery


@dataclass(frozen=True, slots=True)
class Load:
    """What was written, and how long each answer took."""

    writes: int
    acks: list[float]
    seconds: float


class Channels:
    """Checks every push for messages that are new, told twice, or not this subscriber's."""

    def __init__(self, count: int, prefix: str) -> None:
        self.names = [f"{prefix}{number}" for number in range(count)]
        self._texts = Numbered()
        self._owner: dict[int, int] = {}  # message → channel it was written to
        self._waiting: list[dict[int, float]] = [{} for _ in range(count)]  # by channel: message → when it was sent
        self.begin()

    def begin(self) -> None:
        """Forget what came so far."""
        self.latencies: list[float] = []
        self.delivered = 0
        self.needless = 0  # pushes that brought nothing new
        self.misdirected = 0  # messages of other channels
        self._first = self._texts.last + 1
        for waiting in self._waiting:
            waiting.clear()

    def subscriber(self, at: int) -> OnPush:
        """For the channel at that place."""
        waiting = self._waiting[at]

        def on_push(push: bytes) -> None:
            now = time.perf_counter()
            fresh = 0
            told = set(numbers(push))
            for number in told:
                sent = waiting.pop(number, None)
                if sent is not None:
                    self.latencies.append(now - sent)
                    fresh += 1
                elif self._owner.get(number) != at:
                    self.misdirected += 1
            self.delivered += fresh
            if not fresh and max(told, default=self._first) >= self._first:
                self.needless += 1

        return on_push

    async def load(
        self, subject: Subject, writers: int, seconds: float, *, closed: bool = False, first: int | None = None
    ) -> Load:
        """Write to random channels, or to the `first` ones only; each writer waits for its answer and, if `closed`, for
        the delivery."""
        chance = random.Random(1)
        among = len(self.names) if first is None else first
        acks: list[float] = []
        clients = [await subject.writer() for _ in range(writers)]
        began = time.perf_counter()
        end = began + seconds

        async def one(writer: Writer) -> None:
            while time.perf_counter() < end:
                at = chance.randrange(among)
                number, text = self._texts.text()
                self._owner[number] = at
                sent = self._waiting[at][number] = time.perf_counter()
                await writer.write(self.names[at], text)
                acks.append(time.perf_counter() - sent)
                while closed and number in self._waiting[at] and time.perf_counter() - sent < LOST:
                    await asyncio.sleep(0)

        await asyncio.gather(*map(one, clients))
        return Load(len(acks), acks, time.perf_counter() - began)
