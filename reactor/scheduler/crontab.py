"""Crontab: has the runs of crons written when they are due. To carry them out is the Scheduler's: they are jobs.

A run and the cron's next time are written by one commit, so that a run is neither lost nor doubled by a server that
dies (engine D8). What was missed meanwhile is one run.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging

from reactor.clock import Clock
from reactor.engine.engine import Engine
from reactor.engine.follower import Follower
from reactor.errors import Overloaded
from reactor.scheduler.due import crons_need_a_look, sleep_until
from reactor.values.value import decode, encode

NEXT = "_system/crons:next"
START = "_system/crons:start"

RETRY = 1.0  # seconds before it is tried again to write them

_log = logging.getLogger("reactor.scheduler")


class Crontab:
    """`run` it as a task; cancel that to stop."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock
        self._wake = asyncio.Event()
        self._written = 0  # the timestamp of the last change made here: what was read before it is past

    async def run(self) -> None:
        """Follow the crons. Returns when they cannot be read: run it again, then."""
        looked = float("inf")  # the clock may have been set back while no server ran: look once in any case
        with Follower(self._engine, NEXT, b"{}", self._wake.set) as following:
            while True:
                self._wake.clear()
                now = self._clock.now_ns() / 1e6
                if following.failure is not None:
                    _log.error("could not read the crons: %s", following.failure.text)
                    return
                next_due = self._next_due(following)
                if next_due is None:
                    sleep = None
                elif crons_need_a_look(next_due, now, looked):
                    sleep = await self._start(now)
                else:
                    sleep = sleep_until(next_due, now)
                if next_due is not None:
                    looked = now
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), sleep)

    def _next_due(self, following: Follower) -> float | None:
        """None while nothing is known, and without crons."""
        outcome = following.outcome
        if outcome is None or outcome.value is None or following.ts < self._written:
            return None
        found = decode(outcome.value)
        return None if found is None else float(found)  # type: ignore[arg-type]

    async def _start(self, now: float) -> float:
        """Write what is due. How long to sleep then: news of what was written comes sooner."""
        try:
            outcome = await self._engine.mutation(START, encode({"now": now}), None, internal=True)
        except Overloaded:
            return RETRY
        if outcome.failure is not None:
            _log.error("could not start crons: %s", outcome.failure.text)
            return RETRY
        if outcome.value != b"0" and outcome.value != b"0.0":
            self._written = outcome.ts
        return RETRY
