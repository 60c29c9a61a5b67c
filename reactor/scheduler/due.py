"""Which jobs start now, and when to look again. Pure: time is a number."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from reactor.scheduler.job import Job

LONGEST_SLEEP = 1.0  # seconds: a clock that is set forward is noticed within it (engine D8)


@dataclass(frozen=True, slots=True)
class Plan:
    """`start` in due order; look again after `sleep` seconds, None when only news can bring something."""

    start: tuple[Job, ...]
    sleep: float | None


def plan(pending: Sequence[Job], running: Collection[str], now_ms: float, parallelism: int) -> Plan:
    """What to do at `now_ms`, given the pending jobs in due order and the ids of those under way."""
    free = max(0, parallelism - len(running))
    due = [job for job in pending if job.due <= now_ms and job.id not in running]
    later = [job for job in pending if job.due > now_ms]
    sleep = min(LONGEST_SLEEP, (later[0].due - now_ms) / 1000) if later else None
    return Plan(tuple(due[:free]), sleep)
