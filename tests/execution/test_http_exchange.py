"""HTTP requests in real runner processes: how much they send ahead, what their leaving client ends, what they reuse."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reactor.execution.frames import Call, HttpRequest, Outcome, ResponseChunk, ResponseEnd, ResponseHead
from reactor.execution.http_exchange import HttpExchange
from reactor.execution.pool import RunnerPool
from tests.execution.pools import LIMITS, Pool, running_pool

WINDOW = 200_000
HTTP = """
import asyncio, os
from reactor import *
from functions import notes

http = HttpRouter()

@http.route("/pid")
async def pid(ctx: ActionCtx, request: Request) -> Response:
    return Response(str(os.getpid()))

@http.route("/endless")
async def endless(ctx: ActionCtx, request: Request) -> Response:
    async def chunks():
        try:
            while True:
                yield b"x" * 10_000
        finally:
            open(os.environ["REACTOR_TEST_FAULTS"] + "/closed", "w").close()
    return StreamingResponse(chunks())

@http.route("/asleep")
def asleep(ctx: SyncActionCtx, request: Request) -> Response:
    import time
    time.sleep(1000)
    return Response()

@http.route("/task")
async def task(ctx: ActionCtx, request: Request) -> Response:
    asyncio.get_running_loop().create_task(asyncio.sleep(1000))
    return Response(str(os.getpid()))
"""


class Fetch:
    """One request in a pool."""

    def __init__(self, pool: Pool, path: str, number: int = 1) -> None:
        self.exchange = HttpExchange(HttpRequest("GET", "http", path.encode(), b"", []))
        call = Call(number, "action", f"GET {path}", b"{}")
        self.task = asyncio.ensure_future(pool.pool.run_action(call, pool._nested, self.exchange))
        self.exchange.waiting(self.task.cancel)

    async def body(self) -> bytes:
        """All of it, taken as it comes."""
        assert isinstance(await self.exchange.next(), ResponseHead)
        whole = b""
        while isinstance(part := await self.exchange.next(), ResponseChunk):
            whole += part.data
            self.exchange.taken(len(part.data))
        assert isinstance(part, ResponseEnd)
        await self.task
        return whole


@asynccontextmanager
async def routed(folder: Path, **limits: Any) -> AsyncIterator[Pool]:
    settings = replace(LIMITS, **{"action_wall": 30.0, "http_window": WINDOW, "action_runners": 1} | limits)
    write = Pool.write

    class Routed(Pool):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            write(self, "functions/http.py", HTTP)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tests.execution.pools.Pool", Routed)
        async with running_pool(folder, settings) as pool:
            yield pool


async def test_a_handler_sends_ahead_as_far_as_the_window_and_waits(tmp_path: Path) -> None:
    async with routed(tmp_path) as pool:
        fetch = Fetch(pool, "/endless")
        assert isinstance(await fetch.exchange.next(), ResponseHead)
        ahead = 0
        while ahead < WINDOW:  # nothing is said to be taken
            part = await fetch.exchange.next()
            assert isinstance(part, ResponseChunk)
            ahead += len(part.data)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(fetch.exchange.next(), 0.3)
        fetch.exchange.taken(10_000)
        assert isinstance(await fetch.exchange.next(), ResponseChunk)
        fetch.exchange.leave()
        outcome = await fetch.task
        assert outcome.failure is None
        assert (pool.faults / "closed").exists()


async def test_a_clean_finish_is_used_again_also_after_a_client_that_left(tmp_path: Path) -> None:
    async with routed(tmp_path) as pool:
        first = await Fetch(pool, "/pid").body()
        fetch = Fetch(pool, "/endless", 2)
        assert isinstance(await fetch.exchange.next(), ResponseHead)
        fetch.exchange.leave()
        await fetch.task
        assert await Fetch(pool, "/pid", 3).body() == first
        assert (await pool.act("notes:process")).value == first  # actions and routes share it
        assert await Fetch(pool, "/task", 4).body() == first  # what it left running is ended
        assert await Fetch(pool, "/pid", 5).body() == first


async def test_past_its_time_a_handler_is_killed_and_the_next_has_a_new_process(tmp_path: Path) -> None:
    async with routed(tmp_path, action_wall=0.5) as pool:
        first = await Fetch(pool, "/pid").body()
        outcome: Outcome = await Fetch(pool, "/asleep", 2).task
        assert outcome.failure is not None
        assert outcome.failure.text.startswith("Function execution timed out (maximum duration: 0.5s)")
        assert await Fetch(pool, "/pid", 3).body() != first


async def test_a_request_that_waits_for_a_runner_is_given_up_with_its_client(tmp_path: Path) -> None:
    async with routed(tmp_path) as pool:
        running = Fetch(pool, "/endless")
        assert isinstance(await running.exchange.next(), ResponseHead)
        waiting = Fetch(pool, "/pid", 2)
        await asyncio.sleep(0)
        waiting.exchange.leave()
        with pytest.raises(asyncio.CancelledError):
            await waiting.task
        assert isinstance(pool.pool, RunnerPool)
        assert pool.pool._actions._queued == 0
        running.exchange.leave()
        await running.task
