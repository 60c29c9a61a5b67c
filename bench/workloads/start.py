"""W9: from the command to the first answer."""

from __future__ import annotations

import statistics
from typing import ClassVar

from bench.subjects.reactor import Reactor
from bench.subjects.subject import Subject
from bench.workloads.workload import Goal, Reading, Workload

DOCUMENTS = 1_000_000
STARTS = 3


class StartUp(Workload):
    """An empty data folder; the first answer is that to a query."""

    name: ClassVar[str] = "W9"
    title: ClassVar[str] = "start: from the command to the first query answered"
    shown: ClassVar[tuple[str, ...]] = ("start_seconds", "cpu_seconds")
    plotted: ClassVar[tuple[str, ...]] = ("start_seconds", "cpu_seconds")
    subjects: ClassVar[tuple[str, ...]] = ("reactor", "fastapi-shared", "pocketbase", "parse")
    goals: ClassVar[tuple[Goal, ...]] = (Goal("start_seconds", "less", 1.0, 0.5, absolute=True),)

    async def run(self, subject: Subject, seconds: float) -> Reading:  # noqa: ARG002 it takes what it takes
        return {"start_seconds": subject.started_in, "cpu_seconds": subject.cpu_seconds()}


class StartFull(Workload):
    """A data folder of a million documents, three times: filling it is what takes long."""

    name: ClassVar[str] = "W9b"
    title: ClassVar[str] = "start with 1,000,000 documents: from the command to the first query answered"
    shown: ClassVar[tuple[str, ...]] = ("start_seconds",)
    subjects: ClassVar[tuple[str, ...]] = ("reactor",)
    on_both_cores: ClassVar[tuple[str, ...]] = ()
    rounds: ClassVar[int | None] = 1
    goals: ClassVar[tuple[Goal, ...]] = (Goal("start_seconds", "less", 2.0, 1.0, absolute=True),)

    async def run(self, subject: Subject, seconds: float) -> Reading:  # noqa: ARG002 as above
        assert isinstance(subject, Reactor)
        await subject.fill_rows(DOCUMENTS)
        took: list[float] = []
        for _ in range(STARTS):
            subject.stop()
            await subject.run()
            took.append(subject.started_in)
        return {"start_seconds": statistics.median(took)}
