"""Too much work is answered, never left waiting."""

from __future__ import annotations

import asyncio
from typing import Any

from reactor.engine.engine import Engine
from reactor.engine.function_log import FunctionLog
from reactor.errors import Overloaded
from reactor.execution.frames import Call, Outcome
from reactor.limits import DEFAULT_LIMITS


class FullPool:
    """A pool that takes no further action."""

    async def run_action(self, call: Call, nested: Any) -> Outcome:
        raise Overloaded("TooManyConcurrentRequests", "Too many actions are waiting to run, try again later")


async def test_an_action_that_cannot_even_wait_is_answered_with_that() -> None:
    engine = Engine(DEFAULT_LIMITS, FunctionLog("a"))
    pool: Any = FullPool()
    engine.attach(pool)
    async with asyncio.timeout(2):
        outcome = await engine.action("m:f", b"{}", None)
    assert outcome.failure is not None
    assert (outcome.failure.code, outcome.failure.retry) == ("TooManyConcurrentRequests", True)
