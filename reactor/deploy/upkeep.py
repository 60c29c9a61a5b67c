"""Upkeep: what a push leaves to be done while its code serves already: documents to fill, dropped indexes to let go of.

It goes on after a restart, because what is left to do stands in the database.
"""

from __future__ import annotations

import asyncio
import logging

from reactor.deploy.preparation import fill_documents
from reactor.deploy.progress import Progress, Tell
from reactor.deploy.schema_work import unfilled_tables
from reactor.deploy.writer_calls import WriterCalls
from reactor.engine.engine import Engine
from reactor.errors import ReactorError
from reactor.execution import progress_rows
from reactor.execution.nursery import Nursery
from reactor.execution.system_names import STATE, SWEEP

_log = logging.getLogger("reactor.deploy")


class Upkeep:
    """`start` after each push and at the server's start, `stop` before the next one and at its end."""

    def __init__(self, engine: Engine, tell: Tell) -> None:
        self._engine = engine
        self._tell = tell
        self._task: asyncio.Task[None] | None = None

    def start(self, nursery: Nursery) -> None:
        """Begin, with a bundle that is in force."""
        self._task = asyncio.get_running_loop().create_task(self._run(nursery))

    async def stop(self) -> None:
        """Leave the rest for later."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def finished(self) -> None:
        """Wait until all is done."""
        if self._task is not None:
            await asyncio.shield(self._task)

    async def _run(self, nursery: Nursery) -> None:
        calls = WriterCalls(self._engine)
        progress = Progress(calls, self._tell)
        try:
            await calls.call(progress_rows.REPORT, {"works": []})  # what a killed server left
            unfilled = unfilled_tables(await calls.call(STATE, {}))
            if unfilled:
                examiner = self._engine.pool.examiner(nursery)
                try:
                    for table in unfilled:
                        await fill_documents(calls, progress, table, await examiner.count(table))
                finally:
                    await examiner.close()
                await progress.over()
            while (await calls.step(SWEEP, {}))["more"]:
                pass
        except ReactorError:
            _log.exception("upkeep after a push could not go on; the next start does")
        finally:
            self._tell(None)
