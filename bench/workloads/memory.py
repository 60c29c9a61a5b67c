"""W8: what an idle connection costs."""

from __future__ import annotations

import asyncio
from typing import ClassVar

from bench.subjects.subject import Subject
from bench.workloads.workload import Goal, Reading, Workload, subscribe_all

CONNECTIONS = 5000


class IdleConnections(Workload):
    """5,000 connections, each with a subscription of its own."""

    name: ClassVar[str] = "W8"
    title: ClassVar[str] = "memory of an idle connection with one subscription, at 5,000"
    shown: ClassVar[tuple[str, ...]] = ("kb_each", "start_mb", "all_mb")
    subjects: ClassVar[tuple[str, ...]] = ("reactor", "fastapi-shared", "pocketbase", "parse")
    goals: ClassVar[tuple[Goal, ...]] = (Goal("kb_each", "less", 40, 32, absolute=True),)

    async def run(self, subject: Subject, seconds: float) -> Reading:  # noqa: ARG002 memory takes no time
        await subscribe_all(subject, [(f"warm{number}", _ignore) for number in range(50)])
        await asyncio.sleep(1)
        before = subject.memory()
        await subscribe_all(subject, [(f"idle{number}", _ignore) for number in range(CONNECTIONS)])
        await asyncio.sleep(1)
        after = subject.memory()
        return {
            "kb_each": (after - before) / CONNECTIONS / 1024,
            "start_mb": before / 1024**2,
            "all_mb": after / 1024**2,
        }


def _ignore(_push: bytes) -> None: ...
