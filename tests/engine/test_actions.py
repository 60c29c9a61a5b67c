"""Actions through the engine: always answered, and what they call knows whose call it is."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from reactor.clock import SystemClock
from reactor.engine.call_log import CallLog
from reactor.engine.engine import Engine
from reactor.engine.function_log import FunctionLog
from reactor.errors import Overloaded
from reactor.execution.frames import Call, Outcome
from reactor.limits import DEFAULT_LIMITS

Nested = Callable[[Call], Awaitable[Outcome]]


class PretendPool:
    """Does with actions what the test says; mutations are noted and answered by it."""

    def __init__(self, act: Callable[[Call, Nested], Awaitable[Outcome]]) -> None:
        self.run_action = act
        self.mutations: list[Call] = []
        self.on_reader_idle: Any = None
        self.readers_idle = 0

    def submit_mutation(self, call: Call) -> None:
        self.mutations.append(call)


def engine_over(act: Callable[[Call, Nested], Awaitable[Outcome]]) -> tuple[Engine, PretendPool]:
    clock = SystemClock()
    functions = FunctionLog("test", CallLog(DEFAULT_LIMITS, clock), clock)
    engine, pool = Engine(DEFAULT_LIMITS, functions, clock), PretendPool(act)
    engine.attach(pool)  # type: ignore[arg-type]
    return engine, pool


async def test_an_action_that_is_refused_is_answered_and_may_be_sent_again() -> None:
    async def refuse(call: Call, nested: Nested) -> Outcome:
        raise Overloaded("TooManyConcurrentRequests", "Too many actions are waiting")

    engine, _pool = engine_over(refuse)
    async with asyncio.timeout(5):
        outcome = await engine.action("m:f", b"{}", None)
    assert outcome.failure is not None
    assert (outcome.failure.code, outcome.failure.retry) == ("TooManyConcurrentRequests", True)


async def test_what_an_action_calls_has_an_id_of_its_own_and_keeps_its_depth_and_job() -> None:
    async def act(call: Call, nested: Nested) -> Outcome:
        if call.depth == 0:
            inner = Call(0, "action", "m:g", b"{}", internal=True, caller_job=call.job, depth=1)
            return await nested(inner)
        return Outcome(call.id, f'"{call.caller_job} {call.depth} {call.id > 1}"'.encode())

    engine, _pool = engine_over(act)
    async with asyncio.timeout(5):
        outcome = await engine.action("m:f", b"{}", None, internal=True, job="job1")
    assert outcome.value == b'"job1 1 True"'


async def test_a_mutation_called_by_an_action_tells_the_writer_of_the_job() -> None:
    async def act(call: Call, nested: Nested) -> Outcome:
        return await nested(Call(0, "mutation", "m:g", b"{}", internal=True, caller_job=call.job, depth=1))

    engine, pool = engine_over(act)
    engine.submit_action("m:f", b"{}", None, lambda outcome: None, internal=True, job="job1")
    async with asyncio.timeout(5):
        while not pool.mutations:  # noqa: ASYNC110
            await asyncio.sleep(0)
    (mutation,) = pool.mutations
    assert (mutation.caller_job, mutation.job, mutation.depth, mutation.internal) == ("job1", None, 1, True)
    assert mutation.id > 1
    await engine.close()
