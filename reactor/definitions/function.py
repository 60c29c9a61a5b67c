"""query, mutation, action: decorators that make a record of a function. The record stays callable.

Nothing is registered anywhere: the loader collects the records of a bundle's modules. What a record comes to on the
wire is a FunctionDefinition (function_definition.py), made when everything has been imported.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, ClassVar, Concatenate, Generic, ParamSpec, Protocol, TypeVar, overload

from reactor.errors import DefinitionError

if TYPE_CHECKING:
    from reactor.definitions.context import ActionCtx, MutationCtx, QueryCtx, SyncActionCtx
    from reactor.definitions.kinds import Concurrency, Kind, Visibility

P = ParamSpec("P")
R = TypeVar("R")


class Function(Generic[P, R]):
    """A decorated function: what it is, and who may call it. Calling it calls the function as it was written."""

    kind: ClassVar[Kind]
    is_async: ClassVar[bool] = False
    concurrency: Concurrency = "own"

    def __init__(self, fn: Callable[..., Any], visibility: Visibility) -> None:
        _check(fn, self.kind, is_async=self.is_async)
        self.fn = fn
        self.visibility: Visibility = visibility
        self.__wrapped__ = fn
        self.__name__ = fn.__name__
        self.__qualname__ = fn.__qualname__
        self.__module__ = fn.__module__
        self.__doc__ = fn.__doc__

    def __repr__(self) -> str:
        return f"<{self.visibility} {self.kind} {self.__module__}.{self.__name__}>"


class QueryFunction(Function[P, R]):
    """Reads; is run again whenever what it read changes."""

    kind = "query"

    def __call__(self, ctx: QueryCtx, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.fn(ctx, *args, **kwargs)  # type: ignore[no-any-return]


class MutationFunction(Function[P, R]):
    """Reads and writes, as one transaction."""

    kind = "mutation"

    def __call__(self, ctx: MutationCtx, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.fn(ctx, *args, **kwargs)  # type: ignore[no-any-return]


class AnyAction(Function[P, R]):
    """Does what queries and mutations must not: talks to the world, and calls them."""

    kind = "action"


class ActionFunction(AnyAction[P, R]):
    """An action written `async def`."""

    is_async = True

    def __init__(self, fn: Callable[..., Any], visibility: Visibility, concurrency: Concurrency = "own") -> None:
        super().__init__(fn, visibility)
        self.concurrency = concurrency

    async def __call__(self, ctx: ActionCtx, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return await self.fn(ctx, *args, **kwargs)  # type: ignore[no-any-return]


class SyncActionFunction(AnyAction[P, R]):
    """An action written `def`."""

    def __call__(self, ctx: SyncActionCtx, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.fn(ctx, *args, **kwargs)  # type: ignore[no-any-return]


def query(fn: Callable[Concatenate[QueryCtx, P], R], /) -> QueryFunction[P, R]:
    """A function that reads, open to clients."""
    return QueryFunction(fn, "public")


def internal_query(fn: Callable[Concatenate[QueryCtx, P], R], /) -> QueryFunction[P, R]:
    """A function that reads, for other functions only."""
    return QueryFunction(fn, "internal")


def mutation(fn: Callable[Concatenate[MutationCtx, P], R], /) -> MutationFunction[P, R]:
    """A function that writes, open to clients."""
    return MutationFunction(fn, "public")


def internal_mutation(fn: Callable[Concatenate[MutationCtx, P], R], /) -> MutationFunction[P, R]:
    """A function that writes, for other functions and the scheduler only."""
    return MutationFunction(fn, "internal")


class AsyncActionDecorator(Protocol):
    """What `@action(concurrency=…)` puts above an `async def`."""

    def __call__(self, fn: Callable[Concatenate[ActionCtx, P], Coroutine[Any, Any, R]], /) -> ActionFunction[P, R]: ...


@overload
def action(fn: Callable[Concatenate[ActionCtx, P], Coroutine[Any, Any, R]], /) -> ActionFunction[P, R]: ...
@overload
def action(fn: Callable[Concatenate[SyncActionCtx, P], R], /) -> SyncActionFunction[P, R]: ...
@overload
def action(*, concurrency: Concurrency) -> AsyncActionDecorator: ...
def action(fn: Callable[..., Any] | None = None, /, *, concurrency: Concurrency = "own") -> Any:
    """A function that may do I/O, open to clients: `async def` with ActionCtx, or `def` with SyncActionCtx.

    It has a process of its own while it runs. `@action(concurrency="shared")` puts an `async def` action on one event
    loop together with all others that say so: thousands can wait there at once, and one that blocks makes all wait.
    """
    return _action(fn, "public", concurrency)


@overload
def internal_action(fn: Callable[Concatenate[ActionCtx, P], Coroutine[Any, Any, R]], /) -> ActionFunction[P, R]: ...
@overload
def internal_action(fn: Callable[Concatenate[SyncActionCtx, P], R], /) -> SyncActionFunction[P, R]: ...
@overload
def internal_action(*, concurrency: Concurrency) -> AsyncActionDecorator: ...
def internal_action(fn: Callable[..., Any] | None = None, /, *, concurrency: Concurrency = "own") -> Any:
    """A function that may do I/O, for other functions and the scheduler only. `concurrency` as for `action`."""
    return _action(fn, "internal", concurrency)


def _action(fn: Callable[..., Any] | None, visibility: Visibility, concurrency: Concurrency) -> Any:
    if fn is None:
        return lambda fn: _action(fn, visibility, concurrency)
    if concurrency not in ("own", "shared"):
        raise DefinitionError(f'`concurrency` of an action is "own" or "shared", not {concurrency!r}.')
    if inspect.iscoroutinefunction(fn):
        return ActionFunction(fn, visibility, concurrency)
    if concurrency == "shared":
        raise DefinitionError(
            f"{fn.__module__}.{fn.__name__} is a plain `def`, which would block the loop it shares: write `async def`, "
            'or leave `concurrency="shared"` out.'
        )
    return SyncActionFunction(fn, visibility)


def _check(fn: Any, kind: Kind, *, is_async: bool) -> None:
    if isinstance(fn, Function):
        raise DefinitionError(f"{fn.__module__}.{fn.__name__} is decorated twice: it is a {fn.kind} already.")
    if not inspect.isfunction(fn):
        raise DefinitionError(f"@{kind} is for functions, and {fn!r} is none. Write `@{kind}` above a `def`.")
    if kind != "action" and (inspect.iscoroutinefunction(fn) or inspect.isasyncgenfunction(fn)):
        raise DefinitionError(
            f"{fn.__module__}.{fn.__name__} is `async def`, but a {kind} awaits nothing: "
            "write `def`, or make it an action if it talks to the world."
        )
    if inspect.isgeneratorfunction(fn) or inspect.isasyncgenfunction(fn):
        raise DefinitionError(f"{fn.__module__}.{fn.__name__} has a `yield`: a {kind} returns its result.")
    _check_context(fn, kind, is_async=is_async)


_CONTEXTS = {
    ("query", False): ("QueryCtx",),
    ("mutation", False): ("MutationCtx", "QueryCtx"),
    ("action", True): ("ActionCtx",),
    ("action", False): ("SyncActionCtx",),
}
_ALL_CONTEXTS = frozenset(name for names in _CONTEXTS.values() for name in names)


def _check_context(fn: Any, kind: Kind, *, is_async: bool) -> None:
    """Type checkers say this too; not everybody runs one."""
    names = fn.__code__.co_varnames[: fn.__code__.co_argcount]
    annotation = fn.__annotations__.get(names[0]) if names else None
    given = (annotation if isinstance(annotation, str) else getattr(annotation, "__name__", "")).rpartition(".")[2]
    right = _CONTEXTS[kind, is_async]
    if given in _ALL_CONTEXTS and given not in right:
        form = ("`async def` action" if is_async else "plain `def` action") if kind == "action" else kind
        raise DefinitionError(f"{fn.__module__}.{fn.__name__}: a {form} takes a {right[0]}, not a {given}.")
