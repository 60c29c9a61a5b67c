"""Actions: their ctx, and how one is run. They touch no data; what they ask for goes over a bridge, call by call.

An `async def` action runs on the event loop it is called on, a plain one in a thread beside it, blocking where the
other awaits. Both see ordinary Python: real clocks, sockets, files.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from reactor.clock import Clock
from reactor.definitions.function_definition import FunctionDefinition
from reactor.definitions.id import Id
from reactor.definitions.kinds import Kind
from reactor.definitions.vector import Nearest, VectorMatch
from reactor.errors import InvalidQuery, LimitExceeded, WrongFunctionKind
from reactor.execution.context import Auth, check_depth, environment_of, moment
from reactor.execution.frames import Call, Outcome
from reactor.execution.neighbours import search_of
from reactor.execution.outcome import error_of
from reactor.execution.run import Run
from reactor.execution.scheduling import JobRequest, Origin, request_after, request_at
from reactor.execution.stored_files import AwaitedFiles, BlockingFiles
from reactor.limits import Limits
from reactor.values.value import Value, decode, encode

if TYPE_CHECKING:
    from reactor.execution.bundle import Bundle

MATCHES = 10  # of a vector search that does not say how many (reference §4.13)

Bridge = Callable[[Call], Awaitable[Outcome]]
"""Has one nested call run wherever it belongs, and gives its outcome. The call's id is 0: the server gives one."""


class Errand:
    """What an action asks of the rest of the house: the shared half of both contexts."""

    __slots__ = ("_bridge", "_clock", "_waiting", "bundle", "limits", "run")

    def __init__(self, bundle: Bundle, clock: Clock, limits: Limits, run: Run, bridge: Bridge) -> None:
        self.bundle = bundle
        self._clock = clock
        self.limits = limits
        self._bridge = bridge
        self._waiting = 0  # calls made and not answered; moves in _ask
        self.run = run

    @property
    def now_ns(self) -> int:
        """The time, which passes in actions."""
        return self._clock.now_ns()

    async def call(self, kind: Kind, fn: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call a function of the project; its result as the function returned it. Raises what it came to."""
        definition = self.bundle.functions.of(fn)
        if definition.kind != kind:
            raise WrongFunctionKind(
                f"{definition.path} is defined as {definition.kind}: use ctx.run_{definition.kind}."
            )
        data = await self._ask(kind, definition.path, definition.encode_args(args, kwargs))
        return definition.decode_result(data)

    async def vector_search(self, nearest: Any, limit: Any) -> list[VectorMatch[Any]]:
        """What is nearest in the newest data."""
        if not isinstance(nearest, Nearest):
            raise InvalidQuery(
                f"`ctx.vector_search` takes what to look for, not {nearest!r}. "
                "For example ctx.vector_search(Image.by_embedding.nearest(vector), limit=5)."
            )
        search = search_of(nearest, limit, "limit")
        search.check(self.limits)
        data: Any = decode(await self._ask("query", "_system/vectors:nearest", search.to_value()))
        return [VectorMatch(Id(found), score) for found, score in data]

    async def schedule_after(self, delay: Any, fn: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Id[Any]:
        """Write a job due so many seconds from now."""
        return await self._schedule(request_after(self._origin, delay, fn, args, kwargs))

    async def schedule_at(self, when: Any, fn: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Id[Any]:
        """Write a job due then."""
        return await self._schedule(request_at(self._origin, when, fn, args, kwargs))

    async def cancel(self, id: Any) -> None:
        """Keep a job from running."""
        await self._ask("mutation", "_system/scheduler:cancel", {"id": id})

    async def system(self, kind: Kind, path: str, args: dict[str, Value]) -> Value:
        """Call a function of the engine's, or have the server do something."""
        return decode(await self._ask(kind, path, args))

    async def _schedule(self, request: JobRequest) -> Id[Any]:
        args: dict[str, Value] = {
            "name": request.name,
            "args": request.args,
            "due": request.due,
            "scheduledBy": self.run.job,
        }
        return Id(decode(await self._ask("mutation", "_system/scheduler:schedule", args)))

    @property
    def _origin(self) -> Origin:
        return Origin(self.bundle.functions, self.now_ns / 1e6, self.limits)

    async def _ask(self, kind: Kind, path: str, args: dict[str, Value]) -> bytes:
        run, limits = self.run, self.limits
        check_depth(run.depth, limits)
        if self._waiting >= limits.nested_concurrency:
            raise LimitExceeded(
                f"Too many calls of an action at once (limit: {limits.nested_concurrency}). Await some before making "
                "more. The setting is `nested_concurrency` in [tool.reactor.limits].",
                code="TooManyConcurrentRequests",
            )
        call = Call(
            id=0,
            kind=kind,
            path=path,
            args=encode(args),
            identity=run.identity,
            internal=True,
            caller_job=run.job,
            depth=run.depth + 1,
        )
        self._waiting += 1
        try:
            outcome = await self._bridge(call)
        finally:
            self._waiting -= 1
        if outcome.failure is not None:
            raise error_of(outcome.failure)
        assert outcome.value is not None
        return outcome.value


class _ActionBase:
    __slots__ = ("_errand",)

    def __init__(self, errand: Errand) -> None:
        self._errand = errand

    @property
    def auth(self) -> Auth:
        """Who is asking."""
        return Auth(self._errand.run)

    @property
    def now(self) -> dt.datetime:
        """The time."""
        return moment(self._errand.now_ns)

    @property
    def env(self) -> Mapping[str, str]:
        """The environment variables, as they were when the action began."""
        return environment_of(self._errand.run)


class ActionContext(_ActionBase):
    """The ctx of an `async def` action."""

    __slots__ = ()

    @property
    def scheduler(self) -> AwaitedScheduler:
        """Calls functions later."""
        return AwaitedScheduler(self._errand)

    @property
    def storage(self) -> AwaitedFiles:
        """Files."""
        return AwaitedFiles(self._errand)

    async def run_query(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Call a query, which reads the newest data."""
        return await self._errand.call("query", fn, args, kwargs)

    async def run_mutation(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Call a mutation; it is durable when this returns."""
        return await self._errand.call("mutation", fn, args, kwargs)

    async def run_action(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Call another action."""
        return await self._errand.call("action", fn, args, kwargs)

    async def vector_search(self, search: Any, /, *, limit: int = MATCHES) -> Any:
        """The nearest documents of the newest data: their ids and scores."""
        return await self._errand.vector_search(search, limit)


class AwaitedScheduler:
    """`ctx.scheduler` of an `async def` action."""

    __slots__ = ("_errand",)

    def __init__(self, errand: Errand) -> None:
        self._errand = errand

    async def run_after(self, delay: Any, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Call `fn` after so many seconds."""
        return await self._errand.schedule_after(delay, fn, args, kwargs)

    async def run_at(self, when: Any, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Call `fn` at this time."""
        return await self._errand.schedule_at(when, fn, args, kwargs)

    async def cancel(self, id: Any, /) -> None:
        """Do not call it, if it has not begun."""
        await self._errand.cancel(id)


class SyncActionContext(_ActionBase):
    """The ctx of a plain `def` action. Its thread blocks while the event loop does what is asked."""

    __slots__ = ("_loop",)

    def __init__(self, errand: Errand, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(errand)
        self._loop = loop

    @property
    def scheduler(self) -> BlockingScheduler:
        """Calls functions later."""
        return BlockingScheduler(self._errand, self._loop)

    @property
    def storage(self) -> BlockingFiles:
        """Files."""
        return BlockingFiles(self._errand, self._loop)

    def run_query(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Call a query, which reads the newest data."""
        return _wait(self._loop, self._errand.call("query", fn, args, kwargs))

    def run_mutation(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Call a mutation; it is durable when this returns."""
        return _wait(self._loop, self._errand.call("mutation", fn, args, kwargs))

    def run_action(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Call another action."""
        return _wait(self._loop, self._errand.call("action", fn, args, kwargs))

    def vector_search(self, search: Any, /, *, limit: int = MATCHES) -> Any:
        """The nearest documents of the newest data: their ids and scores."""
        return _wait(self._loop, self._errand.vector_search(search, limit))


class BlockingScheduler:
    """`ctx.scheduler` of a plain `def` action."""

    __slots__ = ("_errand", "_loop")

    def __init__(self, errand: Errand, loop: asyncio.AbstractEventLoop) -> None:
        self._errand = errand
        self._loop = loop

    def run_after(self, delay: Any, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Call `fn` after so many seconds."""
        return _wait(self._loop, self._errand.schedule_after(delay, fn, args, kwargs))

    def run_at(self, when: Any, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Call `fn` at this time."""
        return _wait(self._loop, self._errand.schedule_at(when, fn, args, kwargs))

    def cancel(self, id: Any, /) -> None:
        """Do not call it, if it has not begun."""
        _wait(self._loop, self._errand.cancel(id))


def _wait(loop: asyncio.AbstractEventLoop, work: Any) -> Any:
    return asyncio.run_coroutine_threadsafe(work, loop).result()


async def perform(definition: FunctionDefinition, errand: Errand, args: dict[str, Value]) -> bytes:
    """Run an action; its encoded result."""
    keywords = definition.bind(args)
    if definition.function.is_async:
        result = await definition.fn(ActionContext(errand), **keywords)
    else:
        context = SyncActionContext(errand, asyncio.get_running_loop())
        result = await asyncio.to_thread(definition.fn, context, **keywords)
    return definition.encode_result(result)
