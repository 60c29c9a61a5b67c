"""W8: what an idle connection costs."""

from __future__ import annotations

import asyncio
from typing import ClassVar

from bench.subjects.subject import Subject
from bench.workloads.workload import Goal, Reading, Workload, ignore, subscribe_all

CONNECTIONS = 5000


class IdleConnections(Workload):
    """5,000 connections, each with a subscription of its own."""

    name: ClassVar[str] = "W8"
    title: ClassVar[str] = "memory of an idle connection with one subscription, at 5,000"
    shown: ClassVar[tuple[str, ...]] = ("each_kb", "start_mb", "all_mb")
    plotted: ClassVar[tuple[str, ...]] = ("each_kb", "all_mb")
    subjects: ClassVar[tuple[str, ...]] = ("reactor", "fastapi-shared", "pocketbase", "parse")
    on_both_cores: ClassVar[tuple[str, ...]] = ()
    rounds: ClassVar[int | None] = 1
    goals: ClassVar[tuple[Goal, ...]] = (Goal("each_kb", "less", 40, 32, absolute=True),)

    async def run(self, subject: Subject, seconds: float) -> Reading:  # noqa: ARG002 memory takes no time
        await subscribe_all(subject, [(f"warm{number}", ignore) for number in range(50)])
        await asyncio.sleep(1)
        before = subject.memory()
        await subscribe_all(subject, [(f"idle{number}", ignore) for number in range(CONNECTIONS)])
        await asyncio.sleep(1)
        after = subject.memory()
        return {
            "each_kb": (after - before) / CONNECTIONS / 1024,
            "start_mb": before / 1024**2,
            "all_mb": after / 1024**2,
        }
