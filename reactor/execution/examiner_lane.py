"""ExaminerLane: the server's side of an examiner. One question at a time; it is started with the first one."""

from __future__ import annotations

import asyncio
from pathlib import Path

from reactor.errors import BundleBroken
from reactor.execution import frames
from reactor.execution.frames import AnyFrame, Examine, Examined
from reactor.execution.nursery import Nursery
from reactor.execution.process import describe_status
from reactor.execution.runner import Runner
from reactor.limits import Limits


class ExaminerLane:
    """Made for one bundle, by the pool; `close` at last."""

    def __init__(self, nursery: Nursery, database: Path, limits: Limits) -> None:
        self._nursery = nursery
        self._database = database
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._runner: Runner | None = None  # from the first question on, until it dies
        self._reply: asyncio.Future[AnyFrame] | None = None
        self._turn = asyncio.Lock()

    async def examine(self, asked: Examine) -> Examined:
        """Look at some documents. Raises BundleBroken when the process dies or hangs in it."""
        reply = await self._ask(asked)
        assert isinstance(reply, Examined), reply
        return reply

    async def count(self, table: str) -> int:
        """How many documents the table has."""
        reply = await self._ask(frames.CountDocuments(table))
        assert isinstance(reply, frames.Counted), reply
        return reply.documents

    async def close(self) -> None:
        """End the process."""
        if self._runner is not None:
            self._runner.kill()
            await self._runner.gone()

    async def _ask(self, frame: Examine | frames.CountDocuments) -> AnyFrame:
        async with self._turn:
            if self._runner is None:
                self._runner = self._nursery.launch("examiner", self)
                self._runner.send(frames.OpenReader(str(self._database)))
            self._reply = self._loop.create_future()
            self._runner.send(frame)
            try:
                async with asyncio.timeout(self._limits.query_wall):
                    return await self._reply
            except TimeoutError:
                await self.close()
                raise BundleBroken(
                    f"looking at documents took longer than {self._limits.query_wall:g} s (limit query_wall); "
                    "perhaps a migration waits for something."
                ) from None
            finally:
                self._reply = None

    # ── what it says, and its death ───────────────────────────────────────────────────────────────────────────────

    def runner_said(self, runner: Runner, frame: AnyFrame) -> None:
        """RunnerOwner."""
        if self._reply is None or not isinstance(frame, Examined | frames.Counted):
            runner.babbled(type(frame).__name__)
        elif not self._reply.done():
            self._reply.set_result(frame)

    def runner_ended(self, runner: Runner) -> None:
        """RunnerOwner."""
        self._runner = None
        assert runner.status is not None
        if self._reply is not None and not self._reply.done():
            self._reply.set_exception(
                BundleBroken(
                    f"The process that looks at documents died (exit status {runner.status}): "
                    f"{describe_status(runner.status)}"
                )
            )
