"""When the write-ahead log is folded back into the database: the server's decision alone (engine C4)."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from pathlib import Path

from reactor.execution.pool import RunnerPool
from reactor.limits import Limits

INTERVAL = 0.5  # seconds between looks at the file's size
ALARM = 512 << 20  # bytes: something keeps checkpoints from getting through

_log = logging.getLogger("reactor.engine")


class Checkpoints:
    """Asks for a checkpoint when the WAL is past the soft limit and little goes on, or past the hard one."""

    def __init__(self, wal: Path, pool: RunnerPool, limits: Limits) -> None:
        self._wal = wal
        self._pool = pool
        self._limits = limits
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def size(self) -> int:
        """Bytes of the WAL file. `stat` only: opening it would drop SQLite's locks (engine A10)."""
        try:
            return self._wal.stat().st_size
        except FileNotFoundError:
            return 0

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(INTERVAL)
            size = self.size()
            if size > self._limits.wal_hard or (size > self._limits.wal_soft and self._pool.quiet):
                left = await self._pool.checkpoint()
                if left > ALARM:
                    _log.warning("the write-ahead log holds %d MB: a reader keeps it from being folded back", left >> 20)
