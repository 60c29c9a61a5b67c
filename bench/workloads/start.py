"""W9: from the command to the first answer."""

from __future__ import annotations

from typing import ClassVar

from bench.subjects.reactor import Reactor
from bench.subjects.subject import Subject
from bench.workloads.workload import Goal, Reading, Workload

DOCUMENTS = 1_000_000


class StartUp(Workload):
    """An empty data folder, and one of a million documents."""

    name: ClassVar[str] = "W9"
    title: ClassVar[str] = "start: from the command to the first answer"
    shown: ClassVar[tuple[str, ...]] = ("empty_s", "million_s", "cpu_s")
    subjects: ClassVar[tuple[str, ...]] = ("reactor", "fastapi-shared", "pocketbase")
    goals: ClassVar[tuple[Goal, ...]] = (
        Goal("empty_s", "less", 1.0, 0.5, absolute=True),
        Goal("million_s", "less", 2.0, 1.0, absolute=True),
    )

    async def run(self, subject: Subject, seconds: float) -> Reading:  # noqa: ARG002 it takes what it takes
        reading: Reading = {"empty_s": subject.started_in, "cpu_s": subject.cpu_seconds()}
        if isinstance(subject, Reactor):
            await subject.fill_rows(DOCUMENTS)
            subject.stop()
            subject.run()
            await subject.up("/version")
            reading["million_s"] = subject.started_in
        return reading
