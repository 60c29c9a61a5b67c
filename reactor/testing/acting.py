"""Acting: calls functions of a TestBackend as somebody, by path as clients do, or by the function itself.

A path is what a client sends: only public functions answer, arguments have wire names, results are plain Values. A function
is what the server's own code names: internal ones too, Python arguments, and results as the function returned them.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, overload

from reactor.auth.identity import Identity
from reactor.definitions.function import AnyAction, Function, MutationFunction, QueryFunction
from reactor.definitions.function_definition import FunctionDefinition
from reactor.execution.frames import Kind
from reactor.testing.fetched import FetchedResponse
from reactor.testing.live_query import LiveQuery
from reactor.values.value import decode

if TYPE_CHECKING:
    from reactor.testing.backend import TestBackend

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")
Arguments = Mapping[str, Any]


class Acting:
    """Whoever `identity` says; nobody if None. Made by `TestBackend.as_user`, and TestBackend itself is one."""

    _backend: TestBackend
    _identity: Identity | None = None

    # ── functions ─────────────────────────────────────────────────────────────────────────────────────────────────────

    @overload
    def query(self, fn: QueryFunction[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R: ...
    @overload
    def query(self, path: str, args: Arguments | None = None, /, *, identity: Identity | None = None) -> Any: ...
    def query(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        """The result of a query at the newest data."""
        __tracebackhide__ = True
        return self._now("query", fn, args, kwargs)

    @overload
    def mutation(self, fn: MutationFunction[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R: ...
    @overload
    def mutation(self, path: str, args: Arguments | None = None, /, *, identity: Identity | None = None) -> Any: ...
    def mutation(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        """The result of a mutation; it is committed."""
        __tracebackhide__ = True
        return self._now("mutation", fn, args, kwargs)

    @overload
    def action(self, fn: AnyAction[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R: ...
    @overload
    def action(self, path: str, args: Arguments | None = None, /, *, identity: Identity | None = None) -> Any: ...
    def action(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        """`run_action`, run to its end on an event loop of its own."""
        __tracebackhide__ = True
        return to_end(self._later(fn, args, kwargs))

    @overload
    async def run_action(self, fn: AnyAction[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R: ...
    @overload
    async def run_action(
        self, path: str, args: Arguments | None = None, /, *, identity: Identity | None = None
    ) -> Any: ...
    async def run_action(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        """The result of an action."""
        __tracebackhide__ = True
        return await self._later(fn, args, kwargs)

    @overload
    def subscribe(self, fn: QueryFunction[P, R], /, *args: P.args, **kwargs: P.kwargs) -> LiveQuery[R]: ...
    @overload
    def subscribe(
        self, path: str, args: Arguments | None = None, /, *, identity: Identity | None = None
    ) -> LiveQuery[Any]: ...
    def subscribe(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        """The query's result now, and again whenever a commit meets what it read and changes the result."""
        asked = self._asked(fn, args, kwargs)
        backend = self._backend

        def ask() -> tuple[Any, Any]:
            outcome = backend.outcome("query", asked.path, asked.args, identity=asked.identity, internal=asked.internal)
            cause = backend.cause
            return outcome, lambda: asked.decode(backend.result(outcome, cause))

        return LiveQuery(ask, backend.watchers)

    # ── HTTP routes ───────────────────────────────────────────────────────────────────────────────────────────────────

    def fetch(self, method: str, path: str, **request: Any) -> FetchedResponse:
        """`run_fetch`, run to its end on an event loop of its own."""
        __tracebackhide__ = True
        return to_end(self.run_fetch(method, path, **request))

    async def run_fetch(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | str = b"",
        json: Any = None,
        identity: Identity | None = None,
    ) -> FetchedResponse:
        """What the project's HTTP routes answer to a request; `path` may have a query, `json` is sent as the body.

        An error of the handler is raised. Where no route answers, the response is the server's 404 or 405.
        """
        who = self._identity if identity is None else identity
        __tracebackhide__ = True
        return await self._backend.answer(method, path, dict(headers or {}), body, json, who)

    # ── parts ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _now(self, kind: Kind, fn: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        __tracebackhide__ = True
        asked, backend = self._asked(fn, args, kwargs), self._backend
        outcome = backend.outcome(kind, asked.path, asked.args, identity=asked.identity, internal=asked.internal)
        return asked.decode(backend.result(outcome))

    async def _later(self, fn: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        __tracebackhide__ = True
        asked, backend = self._asked(fn, args, kwargs), self._backend
        outcome = await backend.act(asked.path, asked.args, identity=asked.identity, internal=asked.internal)
        return asked.decode(backend.result(outcome))

    def _asked(self, fn: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> _Asked:
        if isinstance(fn, Function):
            definition = self._backend.definition_of(fn)
            return _Asked(definition.path, definition.encode_args(args, kwargs), self._identity, definition)
        return _by_path(fn, *args, default=self._identity, **kwargs)


def _by_path(
    path: str, args: Arguments | None = None, *, default: Identity | None, identity: Identity | None = None
) -> _Asked:
    return _Asked(path, args, default if identity is None else identity, None)


class _Asked:
    """One call, as it is made."""

    def __init__(
        self, path: str, args: Arguments | None, identity: Identity | None, definition: FunctionDefinition | None
    ) -> None:
        self.path = path
        self.args = args
        self.identity = identity
        self.internal = definition is not None
        self._definition = definition

    def decode(self, value: bytes) -> Any:
        """The result, as this caller gets it."""
        return decode(value) if self._definition is None else self._definition.decode_result(value)


def to_end(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end on a loop of its own: in this thread, or in another if a loop is running here (an async test)."""
    __tracebackhide__ = True
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    run: Callable[..., T] = contextvars.copy_context().run
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(run, asyncio.run, work).result()
