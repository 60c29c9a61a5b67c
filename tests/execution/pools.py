"""A pool over a small project with well and badly behaved functions, for tests with real processes."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import textwrap
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from reactor.clock import SystemClock
from reactor.execution.frames import Batch, Call, Outcome, WriterHello
from reactor.execution.nursery import Nursery
from reactor.execution.pool import RunnerPool
from reactor.limits import DEFAULT_LIMITS, Limits

LIMITS = replace(
    DEFAULT_LIMITS,
    function_cpu=0.2,
    function_cpu_grace=0.1,
    mutation_wall=0.6,
    query_wall=0.8,
    action_wall=1.0,
    array_length=1 << 20,  # some tests write for as long as something else takes
)
PATIENCE = 30.0  # seconds for anything a test waits for

SCHEMA = """
from reactor import Index, Table

class Note(Table, name="notes"):
    text: str
    by_text = Index("text")
"""

NOTES = """
import os
from reactor import ActionCtx, AppError, MutationCtx, QueryCtx, action, mutation, query
from schema import Note

@mutation
def add(ctx: MutationCtx, text: str) -> str:
    ctx.db.insert(Note(text=text))
    return text

@mutation
def add_unique(ctx: MutationCtx, text: str) -> str:
    if ctx.db.query(Note.by_text.eq(text)).first() is not None:
        raise AppError("taken")
    ctx.db.insert(Note(text=text))
    return text

@mutation
def nothing(ctx: MutationCtx) -> None:
    pass

@query
def texts(ctx: QueryCtx) -> list[str]:
    return [note.text for note in ctx.db.query(Note).collect()]

@query
def count(ctx: QueryCtx) -> int:
    return len(ctx.db.query(Note).collect())

@query
def one(ctx: QueryCtx) -> int:
    return 1

@action
async def process(ctx: ActionCtx) -> int:
    return os.getpid()

from functions import notes

@action
async def add_two(ctx: ActionCtx, text: str) -> int:
    await ctx.run_mutation(notes.add, text=text + "1")
    await ctx.run_mutation(notes.add, text=text + "2")
    return await ctx.run_query(notes.count)
"""

BAD = """
import asyncio, ctypes, os, signal, subprocess, time
from reactor import ActionCtx, MutationCtx, QueryCtx, action, mutation, query
from schema import Note

libc = ctypes.CDLL(None)

def loop():
    while True:
        pass

def swallow():
    while True:
        try:
            while True:
                pass
        except BaseException:
            pass

def inside_c():
    sum(range(10**12))

def asleep():
    libc.sleep(1000)

def leave():
    os._exit(3)

def crash():
    ctypes.string_at(0)

def devour():
    hoard = []
    while True:
        hoard.append(bytes(512 << 20))

ways = {way.__name__: way for way in (loop, swallow, inside_c, asleep, leave, crash, devour)}

@query
def as_query(ctx: QueryCtx, how: str) -> None:
    ways[how]()

@mutation
def as_mutation(ctx: MutationCtx, how: str) -> None:
    ctx.db.insert(Note(text="from a bad function"))
    ways[how]()

@action
async def as_action(ctx: ActionCtx, how: str) -> None:
    ways[how]()

@action
async def leaves_a_task(ctx: ActionCtx) -> int:
    async def stubborn():
        while True:
            try:
                await asyncio.sleep(1000)
            except asyncio.CancelledError:
                pass
    asyncio.get_running_loop().create_task(stubborn())
    await asyncio.sleep(0)
    return os.getpid()

@action
async def leaves_a_process(ctx: ActionCtx) -> None:
    child = subprocess.Popen(["sleep", "1000"])
    with open(os.environ["REACTOR_TEST_FAULTS"] + "/child", "w") as file:
        file.write(str(child.pid))
    os._exit(0)
"""

# Kills the process at a named place of the engine, once for each file in the folder that has the place's name.
FAULTS = """
import contextvars, os, signal, sqlite3
from reactor.storage import fail_point

folder = os.environ["REACTOR_TEST_FAULTS"]

def strike(place):
    writes = place.startswith(("INSERT", "UPDATE", "DELETE"))
    once = writes and "t_" in place and os.path.exists(f"{folder}/full")
    if once or (writes and os.path.exists(f"{folder}/stays full")):
        if once:
            os.unlink(f"{folder}/full")
        error = sqlite3.OperationalError("database or disk is full")
        error.sqlite_errorcode = sqlite3.SQLITE_FULL
        raise error
    if len(place) < 60 and os.path.exists(f"{folder}/{place}"):
        os.unlink(f"{folder}/{place}")
        os.kill(os.getpid(), signal.SIGKILL)

fail_point.hook = lambda place: contextvars.Context().run(strike, place)  # not part of the call it strikes
"""


class Pool:
    """A RunnerPool and its listener. Answers are futures; what breaks the contract is noted and fails the test."""

    def __init__(self, folder: Path, limits: Limits, start_method: str | None) -> None:
        self.session: str | None = None  # of a client that numbers its mutations; None: they are numbered by nobody
        self.root = folder / "project"
        self.faults = folder / "faults"
        self.batches: list[Batch] = []
        self.broken: list[str] = []
        self.unrun: list[int] = []
        self.head = 0
        self.hello: WriterHello
        self.nursery: Nursery
        self._ids = itertools.count(1)
        self._answers: dict[int, asyncio.Future[Outcome]] = {}
        self._waiting: list[tuple[int, list[Call]]] = []
        runtime = folder / "run"
        os.environ["REACTOR_TEST_FAULTS"] = str(self.faults)  # for the processes this test starts
        for path in (self.root / "functions", self.faults, runtime):
            path.mkdir(parents=True)
        self.write("schema.py", SCHEMA)
        self.write("functions/notes.py", NOTES)
        self.write("functions/bad.py", BAD)
        self.write("functions/faults.py", FAULTS)
        self.runtime = runtime
        self.pool = RunnerPool(
            database=folder / "data.db",
            runtime_dir=runtime,
            limits=limits,
            clock=SystemClock(),
            listener=self,
            start_method=start_method,
        )
        self.pool.on_reader_idle = self._submit_waiting

    def write(self, path: str, text: str) -> None:
        (self.root / path).write_text(textwrap.dedent(text))

    def strike_at(self, place: str) -> None:
        """The next process that reaches this place dies there."""
        (self.faults / place).touch()

    @property
    def writer_pid(self) -> int:
        runner = self.pool._lane.runner
        assert runner is not None
        assert runner.pid is not None
        return runner.pid

    # ── PoolListener ──────────────────────────────────────────────────────────────────────────────────────────────

    def batch_done(self, batch: Batch, outcomes: Sequence[Outcome]) -> None:
        if batch.prev_ts != self.head:
            self.broken.append(f"batch follows {batch.prev_ts}, not {self.head}")
        self.head = batch.ts
        self.batches.append(batch)
        for outcome in outcomes:
            if not outcome.ts <= batch.ts:
                self.broken.append(f"{outcome} is newer than its batch")
            self._answer(outcome)

    def queries_done(self, batch_id: int, ts: int, calls: Sequence[Call], outcomes: Sequence[Outcome]) -> None:
        if [call.id for call in calls] != [outcome.call for outcome in outcomes]:
            self.broken.append(f"{calls} answered by {outcomes}")
        for outcome in outcomes:
            self._answer(outcome)

    def queries_unrun(self, batch_id: int, calls: Sequence[Call]) -> None:
        self.unrun.extend(call.id for call in calls)
        self._waiting.append((batch_id, list(calls)))
        asyncio.get_running_loop().call_soon(self._submit_waiting)

    def _answer(self, outcome: Outcome) -> None:
        answer = self._answers[outcome.call]
        if answer.cancelled():  # whoever asked has gone away
            return
        if answer.done():
            self.broken.append(f"call {outcome.call} answered twice")
        else:
            answer.set_result(outcome)

    def _submit_waiting(self) -> None:
        while self._waiting and self.pool.submit_queries(*self._waiting[0], self.head):
            self._waiting.pop(0)

    # ── calls ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _call(self, kind: Any, path: str, args: dict[str, Any]) -> tuple[Call, asyncio.Future[Outcome]]:
        call = Call(next(self._ids), kind, path, json.dumps(args).encode(), internal=path.startswith("_system/"))
        answer = self._answers[call.id] = asyncio.get_running_loop().create_future()
        return call, answer

    def mutate(self, path: str, **args: Any) -> asyncio.Future[Outcome]:
        call, answer = self._call("mutation", path, args)
        if self.session is not None:
            call = msgspec.structs.replace(call, session=self.session, request=call.id)
        self.pool.submit_mutation(call)
        return answer

    def ask_together(self, *asked: tuple[str, dict[str, Any]]) -> list[asyncio.Future[Outcome]]:
        """Queries in one batch."""
        pairs = [self._call("query", path, args) for path, args in asked]
        calls = [call for call, _ in pairs]
        self._waiting.append((calls[0].id, calls))
        self._submit_waiting()
        return [answer for _, answer in pairs]

    def ask(self, path: str, **args: Any) -> asyncio.Future[Outcome]:
        return self.ask_together((path, args))[0]

    async def act(self, path: str, **args: Any) -> Outcome:
        call, _ = self._call("action", path, args)
        return await self.pool.run_action(call, self._nested)

    async def _nested(self, call: Call) -> Outcome:
        if call.kind == "action":
            return await self.pool.run_action(msgspec.structs.replace(call, id=next(self._ids)), self._nested)
        args = json.loads(call.args)
        if isinstance(args, list):
            (args,) = args
        return await (self.mutate if call.kind == "mutation" else self.ask)(call.path, **args)

    async def texts(self) -> list[str]:
        return value_of(await self.ask("notes:texts"))  # type: ignore[no-any-return]


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something no event tells of, such as the death of a foreign process."""
    while not condition():  # noqa: ASYNC110
        await asyncio.sleep(0.005)


def value_of(outcome: Outcome) -> Any:
    assert outcome.failure is None, outcome.failure.text
    assert outcome.value is not None
    return json.loads(outcome.value)


@asynccontextmanager
async def running_pool(
    folder: Path,
    limits: Limits = LIMITS,
    start_method: str | None = None,
    prepare: Callable[[Pool], None] = lambda _: None,
) -> AsyncIterator[Pool]:
    """A started pool; at the end it is stopped and has kept its contract. `prepare` may write more functions."""
    pool = Pool(folder, limits, start_method)
    prepare(pool)
    try:
        async with asyncio.timeout(PATIENCE):
            pool.nursery = await pool.pool.load(pool.root)
            pool.hello = await pool.pool.start(pool.nursery)
            pool.head = pool.hello.head
            yield pool
    finally:
        await pool.pool.stop()
    assert pool.broken == []
    assert [path.name for path in pool.runtime.iterdir()] == [], "slots or sources were left"
