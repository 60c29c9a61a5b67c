"""Trial: looks the function up, calls it once, warms up, measures."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import re
import resource
import signal
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from reactor.cli.bench.client import Client, Target
from reactor.cli.bench.deliveries import Deliveries
from reactor.cli.bench.delivering_client import NOT_DELIVERED, DeliveringClient
from reactor.cli.bench.function_list import Function, FunctionList
from reactor.cli.bench.http_client import HttpClient
from reactor.cli.bench.latencies import Latencies
from reactor.cli.bench.load import Extent, Load
from reactor.cli.bench.measured import Answer, Delivered, Measured
from reactor.cli.bench.place import Place
from reactor.cli.bench.plan import Live, Over, Plan
from reactor.cli.bench.progress import Progress
from reactor.cli.bench.server_profile import ServerProfile
from reactor.cli.bench.socket_client import SocketClient
from reactor.cli.bench.subscriber import Subscriber
from reactor.cli.bench.tally import HIDDEN
from reactor.cli.remote import Remote
from reactor.errors import BadRequest, ReactorError

_PATIENCE = 30.0  # seconds that calls under way at the end are waited for
_IMPATIENCE = 1.0  # the same once a person has interrupted
_AT_ONCE = 50  # connections that are opened at a time
_BARE = re.compile(r"\[Request ID: (\w+)\] Server Error")
_LOOKS, _LOG_WRITTEN, _LAST_CALLS = 5, 0.1, 1000  # times the log is looked at; seconds it takes to be written; calls
_OTHER_FILES = 100  # open files beside connections


class FirstCallFailed(ReactorError):
    """The function does not work at all with these arguments: nothing was measured."""

    tag = "FirstCallFailed"


class NothingMeasured(ReactorError):
    """It was ended before the measurement began."""

    tag = "NothingMeasured"


class Trial:
    """`of`, then `run` once."""

    def __init__(self, remote: Remote, plan: Plan, function: Function, query: Function | None) -> None:
        """`function` is the one that is called, `query` the one that is followed meanwhile."""
        self.function = function
        self._remote = remote
        self._plan = plan
        self._query = query
        self._place = Place.of(remote, plan.identity)
        self._interrupted = False  # set by the first Ctrl-C
        self._load: Load | None = None  # that is being run
        self._before = 0  # calls that are not measured

    @classmethod
    async def of(cls, remote: Remote, plan: Plan) -> Trial:
        """Look up the functions. Raises NotFound, and BadRequest for one of the wrong kind."""
        functions = FunctionList(await remote.functions())
        named = functions.find(plan.path)
        if plan.live is None:
            return cls(remote, plan, named, None)
        written = functions.find(plan.live.write)
        if named.kind != "query":
            raise BadRequest("WrongFunctionKind", f"{named.path} is {_a(named.kind)}: only a query has subscribers")
        if written.kind != "mutation":
            raise BadRequest("WrongFunctionKind", f"{written.path} is {_a(written.kind)}: --write takes a mutation")
        return cls(remote, plan, written, named)

    async def run(self, progress: Progress) -> Measured:
        """Raises FirstCallFailed, Unreachable, NothingMeasured."""
        plan = self._plan
        profile = ServerProfile(self._remote)
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(profile.close)
            stack.enter_context(self._interruptible())
            await profile.start()
            answer = await self._call_once(self._query or self.function, profile)
            if plan.live is None:
                clients = await self._open_clients(stack)
                return await self._measure(clients, profile, progress, answer)
            live = await _LiveSide.open(self._place, plan, self._target(plan.live), self._query, stack)
            await self._write_once(live)
            return await self._measure(live.writers, profile, progress, answer, live)

    async def _measure(
        self,
        clients: Sequence[Client],
        profile: ServerProfile,
        progress: Progress,
        answer: Answer,
        live: _LiveSide | None = None,
    ) -> Measured:
        extent, warm_up = self._plan.extent, self._plan.warm_up
        if warm_up > 0:
            load = Load(clients, Extent(warm_up, None, extent.rate), first=self._before)
            async with progress.of(load, "warming up", warm_up, None):
                await self._run(load)
            self._before += load.begun
            if load.lost is not None:
                raise load.lost
        if self._interrupted:
            raise NothingMeasured("Interrupted before anything was measured.")
        if live is not None:
            live.begin_anew()
        load = Load(clients, extent, first=self._before)
        await profile.begin()
        async with progress.of(load, "measuring", extent.seconds, extent.calls):
            share = await self._run(load)
        cost = await profile.end()
        if (hidden := load.tally.errors.get(HIDDEN)) is not None and load.lost is None:
            hidden.first = await self._in_full(hidden.first)
        return Measured(
            self._plan,
            self._remote.url,
            self.function,
            self._query,
            answer,
            load.tally,
            max(load.ended - load.began, 1e-9),
            load.unanswered,
            load.never_begun,
            self._before,
            self._interrupted,
            None if load.lost is None else str(load.lost),
            cost,
            share,
            None if live is None else live.delivered,
        )

    async def _run(self, load: Load) -> float:
        """The share of a core it took here."""
        self._load = load
        gc.collect()
        gc.freeze()
        gc.disable()  # calls leave no cycles, and looking for them would be counted as the server's time
        began, busy = time.perf_counter(), time.process_time()
        try:
            await load.run(_PATIENCE)
            return (time.process_time() - busy) / (time.perf_counter() - began)
        finally:
            gc.enable()
            gc.unfreeze()
            self._load = None

    # ── before ───────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _call_once(self, function: Function, profile: ServerProfile) -> Answer:
        """What is wrong with the call is told before it is made some thousands of times."""
        await profile.begin()
        args = orjson.Fragment(self._plan.arguments.fresh(0))
        result = await self._remote.call(function.path, args, self._plan.identity)
        if result.error is not None:
            text = await self._in_full(result.error.rstrip())
            raise FirstCallFailed(f"{function.path} fails with these arguments.\n{text}")
        self._before += not self._plan.live
        cost = await profile.end()
        return Answer(
            len(orjson.dumps(result.value)), _items(result.value), None if cost is None else cost.of(function.path)
        )

    async def _in_full(self, error: str) -> str:
        """An error's text, where `reactor serve` keeps it from clients: an operator may read the log."""
        bare = _BARE.fullmatch(error)
        for _ in range(_LOOKS if bare is not None else 0):
            entries, _cursor = await self._remote.calls(0, _LAST_CALLS)
            for entry in entries:
                if bare is not None and entry["requestId"] == bare[1] and entry["error"]:
                    return f"{entry['error'].rstrip()}\n{error}"
            await asyncio.sleep(_LOG_WRITTEN)
        return error

    async def _write_once(self, live: _LiveSide) -> None:
        """Whether the subscribers hear of the mutation at all."""
        load = Load(live.writers[:1], Extent(None, 1))
        await self._run(load)
        self._before += load.begun
        if load.lost is not None:
            raise load.lost
        for code, kind in load.tally.errors.items():
            assert self._query is not None
            if code == NOT_DELIVERED:
                raise FirstCallFailed(
                    f"{self.function.path} was run, and the result of {self._query.path} did not change: {kind.first}. "
                    "Do their arguments go together?"
                )
            text = await self._in_full(kind.first)
            raise FirstCallFailed(f"{self.function.path} fails with these arguments.\n{text}")

    def _target(self, live: Live) -> Target:
        return Target(self.function.path, self.function.kind, live.arguments)

    async def _open_clients(self, stack: contextlib.AsyncExitStack) -> Sequence[Client]:
        target = Target(self.function.path, self.function.kind, self._plan.arguments)
        make = HttpClient if self._plan.over is Over.HTTP else SocketClient
        clients: list[Client] = [make(self._place, target) for _ in range(self._plan.clients)]
        await _open(clients, stack)
        return clients

    # ── Ctrl-C ───────────────────────────────────────────────────────────────────────────────────────────────────────

    @contextlib.contextmanager
    def _interruptible(self) -> Iterator[None]:
        """The first Ctrl-C ends the measurement, and what was measured is told; the second waits for no answers."""
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None
        loop.add_signal_handler(signal.SIGINT, self._interrupt, task)
        try:
            yield
        finally:
            loop.remove_signal_handler(signal.SIGINT)

    def _interrupt(self, task: asyncio.Task[Any]) -> None:
        load = self._load
        if load is None:
            task.cancel()
            return
        load.stop()
        if self._interrupted:
            load.give_up()
        else:
            asyncio.get_running_loop().call_later(_IMPATIENCE, load.give_up)
        self._interrupted = True


@dataclass(frozen=True, slots=True)
class _LiveSide:
    """Subscribers of a query, and who writes for them."""

    writers: Sequence[Client]
    subscribers: Sequence[Subscriber]
    deliveries: Deliveries
    answers: _Answers

    @classmethod
    async def open(
        cls, place: Place, plan: Plan, target: Target, query: Function | None, stack: contextlib.AsyncExitStack
    ) -> _LiveSide:
        assert plan.live is not None
        assert query is not None
        deliveries, answers = Deliveries(), _Answers()
        subscribers = [
            Subscriber(place, query.path, plan.arguments[number], deliveries) for number in range(plan.live.subscribers)
        ]
        await _open(subscribers, stack)
        writers = [DeliveringClient(place, target, deliveries, answers.add) for _ in range(plan.clients)]
        await _open(writers, stack)
        return cls(writers, subscribers, deliveries, answers)

    def begin_anew(self) -> None:
        self.deliveries.begin_anew()
        self.answers.begin_anew()

    @property
    def delivered(self) -> Delivered:
        lost = sum(each.lost is not None for each in self.subscribers)
        return Delivered(self.deliveries.latencies, self.answers.latencies, lost)


class _Answers:
    """How long mutations took to be answered, since the warm-up."""

    def __init__(self) -> None:
        self.latencies = Latencies()

    def begin_anew(self) -> None:
        self.latencies = Latencies()

    def add(self, seconds: float) -> None:
        self.latencies.add(seconds)


async def _open(connections: Sequence[Client] | Sequence[Subscriber], stack: contextlib.AsyncExitStack) -> None:
    """All of them, some at a time; closed with the stack. Raises what the first raises that cannot be opened."""
    _allow_files(len(connections))
    for start in range(0, len(connections), _AT_ONCE):
        some = connections[start : start + _AT_ONCE]
        for each in some:
            stack.callback(each.close)
        await asyncio.gather(*(each.open() for each in some))


def _allow_files(connections: int) -> None:
    """Systems let a process have few open files until it asks for more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = soft + connections + _OTHER_FILES
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _items(value: Any) -> int | None:
    if isinstance(value, dict) and isinstance(value.get("page"), list):
        value = value["page"]
    return len(value) if isinstance(value, list) else None


def _a(kind: str) -> str:
    return f"an {kind}" if kind[0] in "aeiou" else f"a {kind}"
