"""W7: queries nobody watches and nothing has cached."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable
from typing import ClassVar

from bench.meter import Meter
from bench.subjects.subject import Subject
from bench.workloads.workload import Goal, Reading, Workload, in_turn, percentile

ROWS = 100_000


class RangeReads(Workload):
    """64 clients read 20 of 100,000 rows by an index, every time of another group, by HTTP and by socket."""

    name: ClassVar[str] = "W7"
    title: ClassVar[str] = "100,000 documents, an index range of 20, 64 clients: uncached queries"
    shown: ClassVar[tuple[str, ...]] = (
        "http_s", "http_p50_ms", "http_cpu_us", "socket_s", "socket_p50_ms", "socket_cpu_us",
    )  # fmt: skip
    subjects: ClassVar[tuple[str, ...]] = ("reactor", "fastapi-shared")
    goals: ClassVar[tuple[Goal, ...]] = (
        Goal("http_s", "more", 0.8, 1.2),
        Goal("socket_s", "more", 0.8, 1.2),
    )

    async def run(self, subject: Subject, seconds: float) -> Reading:
        await subject.fill_rows(ROWS)
        reading: Reading = {}
        for way in ("http", "socket"):
            numbers = itertools.count()
            readers = [_next_number(each, numbers) for each in await subject.ranges(way, ROWS // 100)]
            await in_turn(readers, 0.5)
            with Meter(subject) as meter:
                count, took = await in_turn(readers, seconds / 2)
                meter.stop()
            reading[f"{way}_s"] = count / meter.seconds
            reading[f"{way}_p50_ms"] = percentile(took, 0.5)
            reading[f"{way}_cpu_us"] = meter.readings(count)["server_cpu_us"]
        return reading


def _next_number(
    read: Callable[[int], Awaitable[None]], numbers: itertools.count[int]
) -> Callable[[], Awaitable[None]]:
    async def client() -> None:
        await read(next(numbers) * 7)

    return client
