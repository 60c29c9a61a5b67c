"""W4 and W5: writers alone."""

from __future__ import annotations

import asyncio
import time
from typing import ClassVar

from bench.meter import Meter
from bench.subjects.subject import Subject, Writer
from bench.workloads.channels import Channels
from bench.workloads.workload import Goal, Reading, Workload, percentile

WRITERS = 32
INCREMENTS = 5000


class Durable(Workload):
    """32 writers, nobody subscribed."""

    name: ClassVar[str] = "W4"
    title: ClassVar[str] = "32 writers, durable: mutations"
    shown: ClassVar[tuple[str, ...]] = ("writes_s", "ack_p50_ms", "ack_p99_ms", "server_cpu_us", "load_core")
    plotted: ClassVar[tuple[str, ...]] = ("writes_s", "server_cpu_us")
    subjects: ClassVar[tuple[str, ...]] = (
        "reactor", "reactor-http", "fastapi-shared", "fastapi-naive", "pocketbase", "parse",
    )  # fmt: skip
    goals: ClassVar[tuple[Goal, ...]] = (
        Goal("writes_s", "more", 2.0, 3.0, among=("fastapi-shared", "fastapi-naive", "parse")),
    )

    async def run(self, subject: Subject, seconds: float) -> Reading:
        channels = Channels(1000, "c")
        await channels.load(subject, WRITERS, subject.warm)
        with Meter(subject) as meter:
            load = await channels.load(subject, WRITERS, seconds)
            meter.stop()
        return {
            "writes_s": load.writes / load.seconds,
            "ack_p50_ms": percentile(load.acks, 0.5),
            "ack_p99_ms": percentile(load.acks, 0.99),
            **meter.readings(load.writes),
        }


class HotCounter(Workload):
    """5,000 increments of one counter, each a read and a write."""

    name: ClassVar[str] = "W5"
    title: ClassVar[str] = "32 writers on one counter: increments"
    shown: ClassVar[tuple[str, ...]] = ("increments_s", "lost", "failed", "server_cpu_us", "load_core")
    plotted: ClassVar[tuple[str, ...]] = ("increments_s", "lost")
    subjects: ClassVar[tuple[str, ...]] = ("reactor", "reactor-http", "fastapi-shared", "pocketbase", "parse")
    goals: ClassVar[tuple[Goal, ...]] = (
        Goal("increments_s", "more", 1.7, 2.5),
        Goal("lost", "less", 0, 0, absolute=True),
        Goal("failed", "less", 0, 0, absolute=True),
    )

    async def run(self, subject: Subject, seconds: float) -> Reading:  # noqa: ARG002 a number of increments, not a time
        before = await subject.counter()
        left, failed = INCREMENTS, 0

        async def one(writer: Writer) -> None:
            nonlocal left, failed
            while left > 0:
                left -= 1
                try:
                    await writer.increment()
                except RuntimeError:
                    failed += 1

        writers = [await subject.writer() for _ in range(WRITERS)]
        with Meter(subject) as meter:
            began = time.perf_counter()
            await asyncio.gather(*map(one, writers))
            took = time.perf_counter() - began
            meter.stop()
        done = await subject.counter() - before
        return {
            "increments_s": done / took,  # lost ones do not count
            "lost": INCREMENTS - failed - done,
            "failed": failed,
            **meter.readings(INCREMENTS),
        }
