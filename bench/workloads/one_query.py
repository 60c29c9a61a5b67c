"""W1 and W2: many subscribers of one query."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import ClassVar

from bench.meter import Meter
from bench.subjects.subject import OnPush, Subject, Writer
from bench.workloads.workload import Goal, Numbered, Reading, Workload, newest, percentile, settle, subscribe_all

WRITES = 300
AT_LEAST = 50  # before it counts: the newest 20 are full then
MISSING = 5.0  # seconds until a push counts as lost


class LastSubscriber(Workload):
    """One writer writes when the last of 100 subscribers has the write before."""

    name: ClassVar[str] = "W1"
    title: ClassVar[str] = "100 subscribers of one query, one writer: from the write to the last subscriber"
    shown: ClassVar[tuple[str, ...]] = (
        "last_p50_ms", "last_p99_ms", "ack_p50_ms", "lost", "server_cpu_us", "load_core",
    )  # fmt: skip
    plotted: ClassVar[tuple[str, ...]] = ("last_p50_ms", "server_cpu_us")
    goals: ClassVar[tuple[Goal, ...]] = (
        Goal("last_p50_ms", "less", 1.2, 1.0),
        Goal("last_p99_ms", "less", 1.2, 1.0),
        Goal("server_cpu_us", "less", 0.8, 0.8, among=("fastapi-shared",)),
    )

    async def run(self, subject: Subject, seconds: float) -> Reading:
        texts = Numbered()
        watch = _Watch(100)
        await subscribe_all(subject, [("c0", watch.subscriber(each)) for each in range(100)])
        writer = await subject.writer()
        lasts: list[float] = []
        acks: list[float] = []
        warmed = time.perf_counter() + subject.warm
        while texts.last < AT_LEAST or time.perf_counter() < warmed:
            await self._write(writer, watch, texts, lasts, acks)
        lasts.clear()
        acks.clear()
        with Meter(subject) as meter:
            while len(acks) < WRITES and sum(lasts) < seconds * 2:  # a slow subject writes fewer
                await self._write(writer, watch, texts, lasts, acks)
        return {
            "last_p50_ms": percentile(lasts, 0.5),
            "last_p99_ms": percentile(lasts, 0.99),
            "ack_p50_ms": percentile(acks, 0.5),
            "lost": len(acks) - len(lasts),
            **meter.readings(len(acks)),
        }

    @staticmethod
    async def _write(writer: Writer, watch: _Watch, texts: Numbered, lasts: list[float], acks: list[float]) -> None:
        """One write, and wait until the last subscriber has it."""
        number, text = texts.text()
        arrived = watch.expect(number)
        began = time.perf_counter()
        await writer.write("c0", text)
        acks.append(time.perf_counter() - began)
        with contextlib.suppress(TimeoutError):
            lasts.append(await asyncio.wait_for(arrived, MISSING) - began)


class _Watch:
    """Who of many has seen a number."""

    def __init__(self, subscribers: int) -> None:
        self._seen = [0] * subscribers
        self._number = 0
        self._have = 0
        self._arrived: asyncio.Future[float] | None = None

    def expect(self, number: int) -> asyncio.Future[float]:
        """When the last one has it."""
        self._number, self._have = number, 0
        self._arrived = asyncio.get_running_loop().create_future()
        return self._arrived

    def subscriber(self, at: int) -> OnPush:
        """Notes what one of them is pushed."""

        def on_push(push: bytes) -> None:
            number = newest(push)
            if number <= self._seen[at]:
                return
            if self._seen[at] < self._number <= number:
                self._have += 1
                if self._have == len(self._seen) and self._arrived is not None and not self._arrived.done():
                    self._arrived.set_result(time.perf_counter())
            self._seen[at] = number

        return on_push


class FanOut(Workload):
    """One writer writes as fast as it is answered."""

    name: ClassVar[str] = "W2"
    title: ClassVar[str] = "1,000 subscribers of one query, one writer: deliveries"
    shown: ClassVar[tuple[str, ...]] = ("deliveries_s", "server_cpu_us", "writes_s", "behind", "load_core")
    plotted: ClassVar[tuple[str, ...]] = ("deliveries_s", "server_cpu_us")
    goals: ClassVar[tuple[Goal, ...]] = (
        Goal("server_cpu_us", "less", 0.75, 0.6, among=("fastapi-shared",)),
        Goal("deliveries_s", "more", 1.0, 1.4),
    )

    async def run(self, subject: Subject, seconds: float) -> Reading:
        texts = Numbered()
        seen = [0] * 1000
        pushes = 0

        def subscriber(at: int) -> OnPush:
            def on_push(push: bytes) -> None:
                nonlocal pushes
                pushes += 1
                seen[at] = newest(push)

            return on_push

        await subscribe_all(subject, [("c0", subscriber(at)) for at in range(1000)])
        writer = await subject.writer()
        warmed = time.perf_counter() + subject.warm
        while time.perf_counter() < warmed:
            await writer.write("c0", texts.text()[1])
        await settle(lambda: pushes)
        before, writes = pushes, 0
        number = 0
        with Meter(subject) as meter:
            began = time.perf_counter()
            while time.perf_counter() - began < seconds:
                number, text = texts.text()
                await writer.write("c0", text)
                writes += 1
            took, inside = time.perf_counter() - began, pushes - before
            meter.lap()
            await settle(lambda: pushes, 0.3)
            meter.stop()
        return {
            "deliveries_s": inside / took,
            "writes_s": writes / took,
            "behind": sum(each < number for each in seen),
            **meter.readings(pushes - before),
        }
