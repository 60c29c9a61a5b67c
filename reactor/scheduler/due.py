"""Which jobs start now, and when to look again. Pure: time is a number."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from reactor.scheduler.job import Job

LONGEST_SLEEP = 1.0  # seconds: a clock that is set forward is noticed within it (engine D8)
SET_BACK = 1000.0  # milliseconds a clock must go back to be seen: less is its ordinary adjustment


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
    return Plan(tuple(due[:free]), sleep_until(later[0].due, now_ms) if later else None)


def sleep_until(due: float, now_ms: float) -> float:
    """Seconds to sleep for what is due then."""
    return min(LONGEST_SLEEP, max(0.0, due - now_ms) / 1000)


def crons_need_a_look(next_due: float, now_ms: float, looked_ms: float) -> bool:
    """Whether a cron is due, or was given its time by a clock that has been set back since."""
    return next_due <= now_ms or now_ms < looked_ms - SET_BACK
