"""What every generated Python client begins with. Its text is copied: users of a client have `convex`, not reactor."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from typing import Any, Generic, ParamSpec, Self, TypeVar

from convex import ConvexClient, QuerySubscription
from convex.http_client import ConvexHttpClient

# ── begin ──

_P = ParamSpec("_P")
_R = TypeVar("_R")
UNSENT: Any = object()  # the default of arguments of which None is a value: left out, they are not sent


class _Ref(Generic[_P, _R]):
    """A function of the server: its path, and how it is called."""

    def __init__(self, path: str, signature: Callable[_P, _R], names: dict[str, str]) -> None:
        self.path = path
        self._signature = inspect.signature(signature)
        self._names = names  # of arguments, where the wire has another one
        self.__doc__ = signature.__doc__

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.path}>"

    def _unsent(self, name: str) -> object:
        parameter = self._signature.parameters.get(name)
        return UNSENT if parameter is None else parameter.default

    def wire(self, *args: _P.args, **kwargs: _P.kwargs) -> dict[str, Any]:
        """The arguments as they are sent. TypeError for a call that does not fit."""
        self._signature.bind(*args, **kwargs)
        return {self._names.get(name, name): value for name, value in kwargs.items() if value is not self._unsent(name)}


class QueryRef(_Ref[_P, _R]):
    """A query: for `query` and `subscribe`."""


class MutationRef(_Ref[_P, _R]):
    """A mutation."""


class ActionRef(_Ref[_P, _R]):
    """An action."""


def declare_query(path: str, **names: str) -> Callable[[Callable[_P, _R]], QueryRef[_P, _R]]:
    return lambda signature: QueryRef(path, signature, names)


def declare_mutation(path: str, **names: str) -> Callable[[Callable[_P, _R]], MutationRef[_P, _R]]:
    return lambda signature: MutationRef(path, signature, names)


def declare_action(path: str, **names: str) -> Callable[[Callable[_P, _R]], ActionRef[_P, _R]]:
    return lambda signature: ActionRef(path, signature, names)


class Subscription(Generic[_R]):
    """The results of a query, the present one first: `for` waits for the next one, `async for` without blocking.

    Ends with `unsubscribe()`, or with a `with` block. A failing query raises ConvexError, and may succeed later.
    """

    def __init__(self, inner: QuerySubscription) -> None:
        self._inner = inner

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> _R:
        value: Any = next(self._inner)
        result: _R = value
        return result

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> _R:
        value: Any = await anext(self._inner)
        result: _R = value
        return result

    def unsubscribe(self) -> None:
        """End it. Other subscriptions to the same query go on."""
        self._inner.unsubscribe()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.unsubscribe()


class Client:
    """Calls functions and waits: `client.query(users.get, user_id=…)`. `convex` is the untyped client below it.

    While it waits, other threads of the process wait too: in a program that has some, use AsyncClient.
    """

    def __init__(self, url: str) -> None:
        self.convex = ConvexClient(url)

    def query(self, fn: QueryRef[_P, _R], /, *args: _P.args, **kwargs: _P.kwargs) -> _R:
        """The result of a query. ConvexError for an AppError, Exception for others."""
        result: _R = self.convex.query(fn.path, fn.wire(*args, **kwargs))
        return result

    def mutation(self, fn: MutationRef[_P, _R], /, *args: _P.args, **kwargs: _P.kwargs) -> _R:
        """The result of a mutation; it is durable then."""
        result: _R = self.convex.mutation(fn.path, fn.wire(*args, **kwargs))
        return result

    def action(self, fn: ActionRef[_P, _R], /, *args: _P.args, **kwargs: _P.kwargs) -> _R:
        """The result of an action."""
        result: _R = self.convex.action(fn.path, fn.wire(*args, **kwargs))
        return result

    def subscribe(self, fn: QueryRef[_P, _R], /, *args: _P.args, **kwargs: _P.kwargs) -> Subscription[_R]:
        """The result of a query now and whenever it changes."""
        return Subscription(self.convex.subscribe(fn.path, fn.wire(*args, **kwargs)))

    def set_auth(self, token: str | None) -> None:
        """Call as the user of this JWT from now on; as nobody with None."""
        if token is None:
            self.convex.clear_auth()
        else:
            self.convex.set_auth(token)


class AsyncClient:
    """The same for asyncio: `await client.query(users.get, user_id=…)`.

    Calls go over HTTP, because those of ConvexClient stop the whole process while they wait; subscriptions over its socket.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.http = ConvexHttpClient(url)
        self._token: str | None = None  # set by set_auth
        self._socket: ConvexClient | None = None  # made by the first subscription

    async def query(self, fn: QueryRef[_P, _R], /, *args: _P.args, **kwargs: _P.kwargs) -> _R:
        """The result of a query. ConvexError for an AppError, Exception for others."""
        result: _R = await asyncio.to_thread(self.http.query, fn.path, fn.wire(*args, **kwargs))
        return result

    async def mutation(self, fn: MutationRef[_P, _R], /, *args: _P.args, **kwargs: _P.kwargs) -> _R:
        """The result of a mutation; it is durable then."""
        result: _R = await asyncio.to_thread(self.http.mutation, fn.path, fn.wire(*args, **kwargs))
        return result

    async def action(self, fn: ActionRef[_P, _R], /, *args: _P.args, **kwargs: _P.kwargs) -> _R:
        """The result of an action."""
        result: _R = await asyncio.to_thread(self.http.action, fn.path, fn.wire(*args, **kwargs))
        return result

    def subscribe(self, fn: QueryRef[_P, _R], /, *args: _P.args, **kwargs: _P.kwargs) -> Subscription[_R]:
        """The result of a query now and whenever it changes: `async for result in client.subscribe(…)`."""
        if self._socket is None:
            self._socket = ConvexClient(self.url)
            if self._token is not None:
                self._socket.set_auth(self._token)
        return Subscription(self._socket.subscribe(fn.path, fn.wire(*args, **kwargs)))

    def set_auth(self, token: str | None) -> None:
        """Call as the user of this JWT from now on; as nobody with None."""
        self._token = token
        for client in (self.http, self._socket):
            if client is not None and token is None:
                client.clear_auth()
            elif client is not None and token is not None:
                client.set_auth(token)
