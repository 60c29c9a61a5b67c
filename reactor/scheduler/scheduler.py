"""Starts due jobs: exactly once for mutations, at most once for actions (engine D8).

A mutation job is one transaction that checks the job is pending, runs the function inside, and records how it ended.
An action job is claimed by a commit before it starts, and finished by another; one that was claimed when the server
died is failed at the next start. Runs of crons are jobs that the Crontab has written.

Everything is read from the database again after every change, so that what this process believes never matters: a job
started twice by mistake finds that it is not pending any more.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from reactor.clock import Clock
from reactor.engine.engine import Engine
from reactor.engine.follower import Follower
from reactor.errors import FunctionCrashed, FunctionTimeout, Overloaded
from reactor.execution.frames import Outcome
from reactor.scheduler.crontab import Crontab
from reactor.scheduler.due import plan
from reactor.scheduler.job import Job
from reactor.values.value import Value, decode, encode

PENDING = "_system/scheduler:pending"
CLAIM = "_system/scheduler:claim"
FINISH = "_system/scheduler:finish"
GIVE_BACK = "_system/scheduler:giveBack"
SWEEP = "_system/scheduler:sweep"
CLEAN = "_system/scheduler:clean"

RETRY = 1.0  # seconds before a job that was refused for overload is tried again
CLEAN_EVERY = 300.0  # seconds between looks for jobs that have outlived their time

_DIED = (FunctionTimeout.tag, FunctionCrashed.tag)

_log = logging.getLogger("reactor.scheduler")


class Scheduler:
    """Follows the pending jobs and runs those that are due, a few at a time."""

    def __init__(self, engine: Engine, clock: Clock, kind_of: Callable[[str], str | None]) -> None:
        self._engine = engine
        self._clock = clock
        self._kind_of = kind_of
        self._crontab = Crontab(engine, clock)
        self._running: dict[str, asyncio.Task[None]] = {}  # by job id
        self._told: Outcome | None = None  # the newest reading of the pending jobs
        self._known: list[Job] = []  # what it says
        self._settled: dict[str, int] = {}  # job id → when it was settled, until the jobs are read as of then
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
        await self._sweep()
        async with asyncio.TaskGroup() as group:
            for work in (self._follow, self._crontab.run, self._clean):
                group.create_task(_keep_going(work))

    async def _sweep(self) -> None:
        """Actions that ran when the last server died are lost, and their jobs say so."""
        while await self._system(SWEEP, {}) not in (b"0", b"0.0", None):
            pass

    async def _follow(self) -> None:
        with Follower(self._engine, PENDING, b"{}", self._wake.set) as pending:
            while True:
                self._wake.clear()
                if pending.failure is not None:  # told once, and not run again before new code: ask anew
                    _log.error("could not read the scheduled functions: %s", pending.failure.text)
                    return
                step = plan(
                    self._jobs(pending),
                    self._running,
                    self._clock.now_ns() / 1e6,
                    self._engine.limits.scheduled_parallelism,
                )
                for job in step.start:
                    task = asyncio.get_running_loop().create_task(self._make(job))
                    self._running[job.id] = task
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), step.sleep)

    async def _clean(self) -> None:
        """Forget jobs that ended long ago."""
        while True:
            before = self._clock.now_ns() / 1e6 - self._engine.limits.job_retention * 1000
            more = await self._system(CLEAN, {"before": before}) == b"true"
            await asyncio.sleep(0 if more else CLEAN_EVERY)

    # ── what is to be done ───────────────────────────────────────────────────────────────────────────────────────────

    def _jobs(self, pending: Follower) -> list[Job]:
        outcome = pending.outcome
        if outcome is not self._told:
            self._told = outcome
            self._known = _jobs_of(outcome)
        self._settled = {job: ts for job, ts in self._settled.items() if ts > pending.ts}
        return [job for job in self._known if job.id not in self._settled]

    # ── doing it ─────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _make(self, job: Job) -> None:
        try:
            if self._kind_of(job.path) == "action":
                await self._act(job)
            else:
                await self._mutate(job)
        except Overloaded:
            await asyncio.sleep(RETRY)
        except Exception:  # noqa: BLE001  # a bug of ours: the job is tried again, and the others go on
            _log.exception("a job could not be run", extra={"job": job.id, "path": job.path})
            await asyncio.sleep(RETRY)
        finally:
            self._running.pop(job.id, None)
            self._wake.set()

    async def _mutate(self, job: Job) -> None:
        """One transaction. A function that is gone fails there, like one that throws."""
        outcome = await self._engine.mutation(job.path, encode(job.args), None, internal=True, job=job.id)
        if outcome.failure is not None and outcome.failure.code in _DIED:
            await self._finish(job, outcome)  # the process may have died in it, and nothing was recorded (engine A4)
        else:
            self._settled[job.id] = outcome.ts

    async def _act(self, job: Job) -> None:
        claimed = await self._engine.mutation(CLAIM, encode({"id": job.id}), None, internal=True)
        self._settled[job.id] = claimed.ts
        if claimed.value != b"true":
            return
        outcome = await self._engine.action(job.path, encode(job.args), None, internal=True, job=job.id)
        if outcome.failure is not None and outcome.failure.retry:  # it has not begun
            await self._system(GIVE_BACK, {"id": job.id})
            await asyncio.sleep(RETRY)
        else:
            await self._finish(job, outcome)

    async def _finish(self, job: Job, outcome: Outcome) -> None:
        error = None if outcome.failure is None else outcome.failure.text
        await self._system(FINISH, {"id": job.id, "error": error})

    async def _system(self, path: str, args: dict[str, Value]) -> bytes | None:
        """Run one of the engine's own mutations, however busy it is. None when it failed, which is a bug of ours."""
        while True:
            try:
                outcome = await self._engine.mutation(path, encode(args), None, internal=True)
            except Overloaded:
                await asyncio.sleep(RETRY)
                continue
            if outcome.failure is not None:
                _log.error("%s failed: %s", path, outcome.failure.text)
            elif "id" in args:
                self._settled[str(args["id"])] = outcome.ts
            return outcome.value


async def _keep_going(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Do it for ever, again when it returns: neither a killed process nor a bug of ours ends all that happens later."""
    while True:
        try:
            await work()
        except Exception:  # noqa: BLE001  # see above
            _log.exception("the scheduler stumbled")
        await asyncio.sleep(RETRY)


def _jobs_of(outcome: Outcome | None) -> list[Job]:
    if outcome is None or outcome.value is None:
        return []
    documents: Any = decode(outcome.value)
    return [
        Job(document["_id"], document["name"], document["args"][0], float(document["scheduledTime"]))
        for document in documents
    ]
