"""W7: queries nobody watches and nothing has cached."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable
from typing import ClassVar

from bench.meter import Meter
from bench.subjects.subject import Reader, Subject
from bench.workloads.workload import Goal, Reading, Workload, in_turn, percentile

ROWS = 100_000
IN_GROUP = 100
GROUPS = ROWS // IN_GROUP
TAKEN = 20
_STEP = 7  # has no divisor in common with GROUPS


class RangeReads(Workload):
    """64 clients read 20 of 100,000 rows by an index, every time of another group, by HTTP and by socket."""

    name: ClassVar[str] = "W7"
    title: ClassVar[str] = "100,000 documents, an index range of 20, 64 clients: uncached queries"
    shown: ClassVar[tuple[str, ...]] = (
        "http_queries_s", "http_p50_ms", "http_cpu_us", "http_load_core", "socket_queries_s", "socket_p50_ms", "socket_cpu_us",
        "socket_load_core",
    )  # fmt: skip
    plotted: ClassVar[tuple[str, ...]] = ("http_queries_s", "socket_queries_s")
    on_both_cores: ClassVar[tuple[str, ...]] = ("reactor", "fastapi-shared")
    subjects: ClassVar[tuple[str, ...]] = ("reactor", "fastapi-shared")
    goals: ClassVar[tuple[Goal, ...]] = (
        Goal("http_queries_s", "more", 0.8, 1.2),
        Goal("socket_queries_s", "more", 0.8, 1.2),
    )

    async def run(self, subject: Subject, seconds: float) -> Reading:
        await subject.fill_rows(ROWS)
        reading: Reading = {}
        for way in ("http", "socket"):
            numbers = itertools.count()
            readers = [_next_group(each, numbers) for each in await subject.ranges(way, GROUPS)]
            await in_turn(readers, 0.5)
            with Meter(subject) as meter:
                count, took = await in_turn(readers, seconds / 2)
                meter.stop()
            reading[f"{way}_queries_s"] = count / meter.seconds
            reading[f"{way}_p50_ms"] = percentile(took, 0.5)
            used = meter.readings(count)
            reading[f"{way}_cpu_us"] = used["server_cpu_us"]
            reading[f"{way}_load_core"] = used["load_core"]
            reading["other_core"] = max(reading.get("other_core", 0), used["other_core"])
        return reading


def _next_group(read: Reader, numbers: itertools.count[int]) -> Callable[[], Awaitable[None]]:
    """Another group each time, all of them before one comes again; the answer must be its newest rows."""

    async def client() -> None:
        number = next(numbers) * _STEP
        answer = await read(number)
        last = number % GROUPS * IN_GROUP + IN_GROUP - 1
        if answer.count(b'"title"') != TAKEN or b'"row %d"' % last not in answer:
            raise RuntimeError(f"not the rows of group {number % GROUPS}: {answer[:300]!r}")

    return client
