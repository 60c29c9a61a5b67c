"""Actions in their processes: what they may use, how they share, what ends them, how they wait for each other."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.execution.pools import LIMITS, Pool, until, value_of

WORLD = """
import asyncio, hashlib, os, socket, threading, time, urllib.request, zlib
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
from reactor import ActionCtx, SyncActionCtx, action, internal_action
from functions import notes

class Hello(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, *args):
        pass

@action
def use_the_world(ctx: SyncActionCtx) -> list[str]:
    server = HTTPServer(("127.0.0.1", 0), Hello)
    thread = threading.Thread(target=server.handle_request)
    thread.start()
    with urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}", timeout=5) as response:
        text = response.read().decode()
    thread.join()
    server.server_close()
    with ThreadPoolExecutor(4) as pool:
        sums = list(pool.map(lambda n: zlib.crc32(hashlib.sha256(bytes(n)).digest() * 1000), range(8)))
        written = list(pool.map(lambda text: ctx.run_mutation(notes.add, text=text), "ab"))
    return [text, str(len(set(sums))), *written]

@action
async def open_a_stream(ctx: ActionCtx) -> str:
    async def answer(reader, writer):
        writer.write(await reader.readline())
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"line\\n")
        line = await reader.readline()
        writer.close()
    return line.decode()

@action
async def many_at_once(ctx: ActionCtx, count: int) -> int:
    return len(await asyncio.gather(*(ctx.run_query(notes.one) for _ in range(count))))

@action
async def nest(ctx: ActionCtx, levels: int, wide: int = 1) -> int:
    if levels == 0:
        return 1
    return sum(await asyncio.gather(*(ctx.run_action(nest, levels=levels - 1, wide=wide) for _ in range(wide))))

@action(concurrency="shared")
async def together(ctx: ActionCtx, seconds: float = 0) -> int:
    await ctx.run_query(notes.one)
    await asyncio.sleep(seconds)
    return os.getpid()

@action
async def alone(ctx: ActionCtx) -> int:
    return os.getpid()

@action(concurrency="shared")
async def hang(ctx: ActionCtx) -> None:
    await asyncio.Event().wait()

@action(concurrency="shared")
async def cancel_oneself(ctx: ActionCtx) -> None:
    raise asyncio.CancelledError

@action(concurrency="shared")
async def block(ctx: ActionCtx) -> None:
    time.sleep(1000)

@action(concurrency="shared")
async def leave(ctx: ActionCtx) -> None:
    await asyncio.sleep(0.1)
    os._exit(3)

@action(concurrency="shared")
async def both(ctx: ActionCtx) -> list[int]:
    return [os.getpid(), await ctx.run_action(together), await ctx.run_action(alone)]

@action
def slow(ctx: SyncActionCtx) -> None:
    time.sleep(1000)
"""


@asynccontextmanager
async def world(folder: Path, **limits: Any) -> AsyncIterator[Pool]:
    """A running pool with the module `world`."""
    pool = Pool(folder, replace(LIMITS, **limits), None)
    pool.write("functions/world.py", WORLD)
    try:
        async with asyncio.timeout(30):
            pool.nursery = await pool.pool.load(pool.root)
            pool.hello = await pool.pool.start(pool.nursery)
            pool.head = pool.hello.head
            yield pool
    finally:
        await pool.pool.stop()
    assert pool.broken == []


async def test_an_action_may_use_threads_sockets_and_libraries_and_call_from_any_thread(tmp_path: Path) -> None:
    async with world(tmp_path, action_wall=20.0) as pool:
        assert value_of(await pool.act("world:use_the_world")) == ["hello", "8", "a", "b"]
        assert value_of(await pool.act("world:open_a_stream")) == "line\n"
        assert sorted(await pool.texts()) == ["a", "b"]


async def test_a_plain_action_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    """Reference §4.6 has 30 minutes; here the limit action_wall."""
    async with world(tmp_path, action_wall=0.3) as pool:
        failure = (await pool.act("world:slow")).failure
        assert failure is not None
        assert failure.text == (
            "Function execution timed out (maximum duration: 0.3s). The setting is `action_wall` in [tool.reactor.limits]."
        )


async def test_only_so_many_calls_of_an_action_wait_at_once(tmp_path: Path) -> None:
    """Reference §4.6: concurrent I/O per function 1000."""
    async with world(tmp_path, nested_concurrency=20, action_wall=20.0) as pool:
        assert value_of(await pool.act("world:many_at_once", count=20)) == 20
        failure = (await pool.act("world:many_at_once", count=21)).failure
        assert failure is not None
        assert failure.code == "TooManyConcurrentRequests"
        assert "Too many calls of an action at once (limit: 20)" in failure.text


async def test_actions_that_wait_for_actions_never_wait_for_each_other(tmp_path: Path) -> None:
    async with world(tmp_path, action_runners=2, action_wall=20.0) as pool:
        outcomes = await asyncio.gather(*(pool.act("world:nest", levels=3, wide=2) for _ in range(4)))
        assert [value_of(outcome) for outcome in outcomes] == [8] * 4


async def test_depth_is_counted_over_processes(tmp_path: Path) -> None:
    """Reference §4.6: nested call depth ≤ 8."""
    async with world(tmp_path, action_wall=20.0, nested_calls=3) as pool:
        assert value_of(await pool.act("world:nest", levels=3)) == 1
        failure = (await pool.act("world:nest", levels=4)).failure
        assert failure is not None
        assert "more than 3 deep" in failure.text


# ── shared ────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_shared_actions_are_in_one_process_and_others_in_their_own(tmp_path: Path) -> None:
    async with world(tmp_path, action_runners=1, action_wall=20.0) as pool:
        began = time.monotonic()
        shared = await asyncio.gather(*(pool.act("world:together", seconds=0.2) for _ in range(50)))
        assert time.monotonic() - began < 5
        pids = {value_of(outcome) for outcome in shared}
        assert len(pids) == 1
        assert value_of(await pool.act("world:alone")) not in pids
        assert {value_of(await pool.act("world.js:together"))} == pids, "however its path is spelt"


async def test_a_shared_action_calls_shared_and_other_actions(tmp_path: Path) -> None:
    async with world(tmp_path, action_wall=20.0) as pool:
        own, together, alone = value_of(await pool.act("world:both"))
        assert own == together != alone


async def test_a_shared_action_past_its_time_is_ended_alone(tmp_path: Path) -> None:
    async with world(tmp_path, action_wall=0.6) as pool:
        hanging, good = await asyncio.gather(pool.act("world:hang"), pool.act("world:together", seconds=0.4))
        assert hanging.failure is not None
        assert hanging.failure.text == (
            "Function execution timed out (maximum duration: 0.6s). The setting is `action_wall` in [tool.reactor.limits]."
        )
        assert value_of(good) == value_of(await pool.act("world:together"))
        cancelled = (await pool.act("world:cancel_oneself")).failure
        assert cancelled is not None
        assert cancelled.text.startswith("Uncaught CancelledError\n    at cancel_oneself (")
        assert value_of(await pool.act("world:together")) == value_of(good)


async def test_a_shared_action_that_blocks_ends_all_and_new_ones_run(tmp_path: Path) -> None:
    async with world(tmp_path, action_wall=20.0, shared_stall=0.8) as pool:
        before = value_of(await pool.act("world:together"))
        hanging, blocking = await asyncio.gather(pool.act("world:hang"), pool.act("world:block"))
        for outcome in (hanging, blocking):
            assert outcome.failure is not None
            assert "blocked the loop it shares for 0.8s (limit shared_stall)" in outcome.failure.text
        assert value_of(await pool.act("world:together")) != before


async def test_a_shared_action_that_crashes_takes_the_others_with_it(tmp_path: Path) -> None:
    """What sharing costs; each is answered all the same, and none runs twice."""
    async with world(tmp_path, action_wall=20.0) as pool:
        outcomes = await asyncio.gather(pool.act("world:hang"), pool.act("world:leave"))
        assert [outcome.failure.code for outcome in outcomes if outcome.failure] == ["FunctionCrashed"] * 2
        value_of(await pool.act("world:together"))


async def test_shared_actions_end_in_the_code_they_began_with(tmp_path: Path) -> None:
    async with world(tmp_path, action_wall=20.0) as pool:
        old = asyncio.create_task(pool.act("world:together", seconds=1.0))
        await until(lambda: bool(pool.pool._actions.running))
        (runner,) = pool.pool._actions.running
        pool.write("functions/world.py", WORLD.replace("return os.getpid()", "return -os.getpid()"))
        await pool.pool.switch(await pool.pool.load(pool.root))
        assert value_of(await pool.act("world:together")) < 0
        assert value_of(await old) > 0
        await runner.gone()
