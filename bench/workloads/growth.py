"""W10: how the cost of a call grows with the table."""

from __future__ import annotations

import asyncio
import itertools
import time
from typing import ClassVar

from bench.meter import Meter
from bench.subjects.reactor import Reactor, SocketWriter
from bench.subjects.subject import Subject
from bench.workloads.workload import Goal, Reading, Workload, percentile

SIZES = (1_000, 10_000, 100_000, 1_000_000)
CALLS = 200


class Growth(Workload):
    """The same insert, point read, range read and live update with 10³ … 10⁶ documents in the table."""

    name: ClassVar[str] = "W10"
    title: ClassVar[str] = "insert, point read, range read and live update at 10³ … 10⁶ documents"
    shown: ClassVar[tuple[str, ...]] = tuple(
        f"{what}_{size}" for what in ("insert_ms", "point_ms", "range_ms", "rerun_ms") for size in (SIZES[0], SIZES[-1])
    )
    plotted: ClassVar[tuple[str, ...]] = ("insert_ms", "point_ms", "range_ms", "rerun_ms")  # over the sizes
    subjects: ClassVar[tuple[str, ...]] = ("reactor",)
    on_both_cores: ClassVar[tuple[str, ...]] = ()
    rounds: ClassVar[int | None] = 1
    goals: ClassVar[tuple[Goal, ...]] = tuple(
        Goal(f"{what}_growth", "less", 2.0, 1.5, absolute=True) for what in ("insert", "point", "range", "rerun")
    )

    def __init__(self) -> None:
        self._numbers = itertools.count()

    async def run(self, subject: Subject, seconds: float) -> Reading:  # noqa: ARG002 a number of calls, not a time
        assert isinstance(subject, Reactor)
        reading: Reading = {}
        writer = await SocketWriter.open(subject.port)
        have = 0
        for size in SIZES:
            for start in range(have, size, 500):
                await writer.call("bench:fill", {"start": start, "count": min(500, size - start)})
            if not have:
                await self._calls(subject, writer, size)  # to warm up
            have = size
            with Meter(subject) as meter:
                calls = await self._calls(subject, writer, size)
            reading["other_core"] = max(reading.get("other_core", 0), meter.readings(CALLS)["other_core"])
            for what, took in calls.items():
                reading[f"{what}_ms_{size}"] = percentile(took, 0.5)
        for what in ("insert", "point", "range", "rerun"):
            reading[f"{what}_growth"] = reading[f"{what}_ms_{SIZES[-1]}"] / reading[f"{what}_ms_{SIZES[0]}"]
        return reading

    async def _calls(self, subject: Reactor, writer: SocketWriter, size: int) -> dict[str, list[float]]:
        groups = size // 100
        ids = await subject.query("bench:ids", {"groups": [number * groups // CALLS for number in range(CALLS)]})
        took: dict[str, list[float]] = {"insert": [], "point": [], "range": [], "rerun": []}
        read = (await subject.ranges("http", groups))[0]
        pushed: list[float] = []
        watched = 10**9 + next(self._numbers)  # a group of its own
        await subject.follow("bench:newest", {"group": watched}, lambda _: pushed.append(time.perf_counter()))
        for at in range(CALLS):
            number = next(self._numbers)  # no call is made twice: it would be answered from the cache
            began = time.perf_counter()
            await writer.call("bench:fill", {"start": watched * 100, "count": 1})
            took["insert"].append(time.perf_counter() - began)
            while len(pushed) <= at:
                await asyncio.sleep(0)
            took["rerun"].append(pushed[-1] - began)
            began = time.perf_counter()
            await subject.query("bench:one", {"id": ids[at % len(ids)], "nonce": number})
            took["point"].append(time.perf_counter() - began)
            began = time.perf_counter()
            await read(number)
            took["range"].append(time.perf_counter() - began)
        return took
