"""Starts due jobs: exactly once for mutations, at most once for actions (engine D8).

A mutation job is one transaction that checks the job is pending, runs the function inside, and records how it ended.
An action job is claimed by a commit before it starts, and finished by another; one that was claimed when the server
died is failed at the next start.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable

from reactor.clock import Clock
from reactor.engine.engine import Engine
from reactor.engine.follower import Follower
from reactor.errors import Overloaded
from reactor.execution.frames import Outcome
from reactor.scheduler.due import plan
from reactor.scheduler.job import Job
from reactor.values.value import decode, encode

PENDING = "_system/scheduler:pending"
CLAIM = "_system/scheduler:claim"
FINISH = "_system/scheduler:finish"
SWEEP = "_system/scheduler:sweep"

RETRY = 1.0  # seconds before a job that was refused for overload is tried again

_log = logging.getLogger("reactor.scheduler")


class Scheduler:
    """Follows the pending jobs and runs those that are due, a few at a time."""

    def __init__(self, engine: Engine, clock: Clock, kind_of: Callable[[str], str | None]) -> None:
        self._engine = engine
        self._clock = clock
        self._kind_of = kind_of
        self._running: dict[str, asyncio.Task[None]] = {}  # by job id
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Settle what an earlier server left under way, then follow the jobs."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """Start nothing more, and leave what is under way to the next server."""
        tasks = [task for task in (self._task, *self._running.values()) if task is not None]
        for task in tasks:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self) -> None:
        outcome = await self._engine.mutation(SWEEP, b"{}", None, internal=True)
        if outcome.failure is not None:
            _log.error("could not settle interrupted jobs: %s", outcome.failure.text)
        with Follower(self._engine, PENDING, b"{}", self._wake.set) as pending:
            while True:
                self._wake.clear()
                step = plan(
                    self._jobs(pending.outcome),
                    self._running,
                    self._clock.now_ns() / 1e6,
                    self._engine.limits.scheduled_parallelism,
                )
                for job in step.start:
                    task = asyncio.get_running_loop().create_task(self._make(job))
                    self._running[job.id] = task
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), step.sleep)

    def _jobs(self, outcome: Outcome | None) -> list[Job]:
        if outcome is None:
            return []
        if outcome.value is None:
            _log.error("could not read the scheduled functions: %s", outcome.failure and outcome.failure.text)
            return []
        documents = decode(outcome.value)
        assert isinstance(documents, list)
        return [self._job(document) for document in documents]

    def _job(self, document: object) -> Job:
        assert isinstance(document, dict)
        path = str(document["name"])
        kind = self._kind_of(path)
        return Job(str(document["_id"]), path, document["args"][0], float(document["scheduledTime"]), kind)

    async def _make(self, job: Job) -> None:
        try:
            if job.kind == "action":
                await self._act(job)
            else:
                await self._mutate(job)
        except Overloaded:
            await asyncio.sleep(RETRY)
        finally:
            self._running.pop(job.id, None)
            self._wake.set()

    async def _mutate(self, job: Job) -> None:
        """One transaction. A function that is gone fails there, like one that throws."""
        outcome = await self._engine.mutation(job.path, encode(job.args), None, internal=True, job=job.id)
        if outcome.failure is not None and outcome.failure.code in ("FunctionTimeout", "FunctionCrashed"):
            await self._finish(job, outcome)  # the process died in it, so the transaction recorded nothing (engine A4)

    async def _act(self, job: Job) -> None:
        claimed = await self._engine.mutation(CLAIM, encode({"id": job.id}), None, internal=True)
        if claimed.value != b"true":
            return
        outcome = await self._engine.action(job.path, encode(job.args), None, internal=True)
        await self._finish(job, outcome)

    async def _finish(self, job: Job, outcome: Outcome) -> None:
        error = None if outcome.failure is None else outcome.failure.text
        done = await self._engine.mutation(FINISH, encode({"id": job.id, "error": error}), None, internal=True)
        if done.failure is not None:
            _log.error("could not record the end of job %s: %s", job.id, done.failure.text)
