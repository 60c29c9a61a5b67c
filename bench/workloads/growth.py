"""W10: how the cost of a call grows with the table."""

from __future__ import annotations

import asyncio
import time
from typing import ClassVar

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

    async def run(self, subject: Subject, seconds: float) -> Reading:  # noqa: ARG002 a number of calls, not a time
        assert isinstance(subject, Reactor)
        reading: Reading = {}
        writer = await SocketWriter.open(subject.port)
        have = 0
        for size in SIZES:
            for start in range(have, size, 500):
                await writer.call("bench:fill", {"start": start, "count": min(500, size - start)})
            have = size
            for what, took in (await self._calls(subject, writer, size)).items():
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
        await subject.follow("bench:newest", {"group": 10**9 + size}, lambda _: pushed.append(time.perf_counter()))
        for at in range(CALLS):
            began = time.perf_counter()
            await writer.call("bench:fill", {"start": (10**9 + size) * 100, "count": 1})
            took["insert"].append(time.perf_counter() - began)
            while len(pushed) <= at:
                await asyncio.sleep(0)
            took["rerun"].append(pushed[-1] - began)
            began = time.perf_counter()
            await subject.query("bench:one", {"id": ids[at % len(ids)], "nonce": at + size})
            took["point"].append(time.perf_counter() - began)
            began = time.perf_counter()
            await read(at * 7919)
            took["range"].append(time.perf_counter() - began)
        return took
