"""WriterCalls: system functions that work through a table in steps, so paced that mutations hardly notice.

A step is one call among the clients' mutations, in the same batches. How many documents it takes follows from how long
the last one took; between two steps the writer is left to others for as long.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, cast

from reactor.engine.engine import Engine
from reactor.errors import Overloaded, ReactorError
from reactor.values.value import Value, decode, encode

_STEP = 0.006  # seconds of the writer's time a step should take
_LEAST, _MOST = 10, 2000  # documents
_LONGEST_REST = 0.05  # seconds
_PATIENCE = 0.2  # seconds before an overloaded writer is asked again


class StepFailed(ReactorError):
    """A step could not be done; the text says why."""

    tag = "StepFailed"


class WriterCalls:
    """Of one engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.pause = _STEP  # seconds to leave to others after a step that does not tell how long it took
        self.limit = 100  # documents of the next step; moves in `step`

    async def call(self, path: str, args: Mapping[str, Value]) -> Any:
        """Run one, and wait until it is durable. Waits while the writer is overloaded. Raises StepFailed."""
        while True:
            try:
                outcome = await self._engine.mutation(path, encode(dict(args)), None, internal=True)
            except Overloaded:
                await asyncio.sleep(_PATIENCE)
                continue
            if outcome.failure is not None:
                raise StepFailed(outcome.failure.text.strip())
            assert outcome.value is not None
            return cast("Any", decode(outcome.value))

    async def step(self, path: str, args: Mapping[str, Value]) -> Any:
        """Run one that takes a `limit` and tells its `seconds`, and leave the writer to others for a while."""
        told = await self.call(path, {**args, "limit": self.limit})
        await self.rest(float(told["seconds"]))
        self.limit = min(
            max(int(self.limit * _STEP / max(float(told["seconds"]), 1e-5)), _LEAST), _MOST, 2 * self.limit
        )
        return told

    async def rest(self, seconds: float) -> None:
        """Let others have the writer for as long as it was busy with us, if there are others."""
        await asyncio.sleep(min(seconds, _LONGEST_REST) if self._engine.pool.mutations_outstanding else 0)
