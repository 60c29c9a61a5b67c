"""Reporter: tells how a transfer stands, no more often than anybody wants to know."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable

from reactor.errors import ReactorError
from reactor.values.value import Value

_EVERY = 0.4  # seconds
_log = logging.getLogger("reactor.transfer")


class Reporter:
    """Of one transfer. `end` or `stop` comes last."""

    def __init__(self, tell: Callable[[Value], Awaitable[object]], state: str) -> None:
        """`state` is the one that news belong to."""
        self._tell = tell
        self._state = state
        self._latest: Value = None  # news not told yet; None when there are none
        self._task: asyncio.Task[None] | None = None  # tells the news; from the first ones to stop()

    def news(self, what: str, done: int, total: int) -> None:
        """Something goes forward."""
        told = f"{what}: {done:,} of {total:,}" if total else f"{what}: {done:,}" if done else what
        self._latest = {"state": self._state, "progress_message": told, "done": float(done), "total": float(total)}
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._tell_news())

    async def say(self, state: Value) -> None:
        """It stands otherwise: tell now."""
        await self.stop()
        await self._tell(state)

    async def end(self, state: Value) -> None:
        """It is over."""
        try:
            await self.say(state)
        except ReactorError:
            _log.exception("could not write down how a transfer ended")

    async def stop(self) -> None:
        """No more news."""
        self._latest = None
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def _tell_news(self) -> None:
        while (latest := self._latest) is not None:
            self._latest = None
            with contextlib.suppress(ReactorError):
                await asyncio.shield(asyncio.ensure_future(self._tell(latest)))
            await asyncio.sleep(_EVERY)
