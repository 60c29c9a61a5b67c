"""Calls: functions called from the code of the application that reactor is mounted in.

By the function itself, with its arguments and results typed as Python has them, internal ones too: this is the server's
own side. Or by path, as clients do. The function's *code* runs in reactor's processes as ever; the object that is named
here only says which one is meant and what its types are.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, ParamSpec, Protocol, TypeVar, overload

from reactor.application import Application
from reactor.auth.identity import Identity
from reactor.definitions.function import AnyAction, Function, MutationFunction, QueryFunction
from reactor.definitions.function_definition import FunctionDefinition
from reactor.definitions.kinds import Kind
from reactor.definitions.schema import Schema
from reactor.definitions.wire_schema import Names
from reactor.errors import FunctionNotFound, Overloaded
from reactor.execution.outcome import error_of
from reactor.values.value import decode, encode

P = ParamSpec("P")
R = TypeVar("R")
Arguments = Mapping[str, Any]
PACKAGE = "functions."


class Running(Protocol):
    """Who has an Application, while it is started."""

    @property
    def application(self) -> Application:
        """Raises RuntimeError when it is not started."""
        ...


class Definitions:
    """The definitions of functions that were imported in this process, made when they are first called."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._known: dict[Function[..., Any], FunctionDefinition] = {}  # grows in `of`
        self._schema_is_named = False  # set by `of`: tables know the rule for names on the wire

    def of(self, fn: Function[..., Any]) -> FunctionDefinition:
        """Raises FunctionNotFound for what is no function of a project."""
        definition = self._known.get(fn)
        if definition is None:
            if not fn.__module__.startswith(PACKAGE):
                raise FunctionNotFound(
                    f"{fn!r} was not imported from functions/: write `from functions import …` in a process whose working "
                    "folder, or PYTHONPATH, is the project's."
                )
            if not self._schema_is_named:
                Schema.from_module(sys.modules.get("schema"), self._names)
                self._schema_is_named = True
            module = fn.__module__.removeprefix(PACKAGE)
            definition = self._known[fn] = FunctionDefinition.of(fn, module, fn.__name__, self._names)
        return definition


class Calls:
    """Calls as one user, or as nobody. Errors of functions are raised: AppError as it was, others as DeveloperError.

    Raises Overloaded for a call that was not run, and may be made again.
    """

    def __init__(self, running: Running, definitions: Definitions, identity: Identity | None) -> None:
        self._running = running
        self._definitions = definitions
        self._identity = identity

    @overload
    async def query(self, fn: QueryFunction[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R: ...
    @overload
    async def query(self, path: str, args: Arguments | None = None, /) -> Any: ...
    async def query(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        """The result of a query at the newest data."""
        return await self._call("query", fn, args, kwargs)

    @overload
    async def mutation(self, fn: MutationFunction[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R: ...
    @overload
    async def mutation(self, path: str, args: Arguments | None = None, /) -> Any: ...
    async def mutation(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        """The result of a mutation; it is durable then."""
        return await self._call("mutation", fn, args, kwargs)

    @overload
    async def action(self, fn: AnyAction[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R: ...
    @overload
    async def action(self, path: str, args: Arguments | None = None, /) -> Any: ...
    async def action(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        """The result of an action."""
        return await self._call("action", fn, args, kwargs)

    def as_user(self, who: Mapping[str, Any] | str) -> Calls:
        """Calls as a user the application has identified by its own means: a token's attributes, or a subject alone."""
        return Calls(self._running, self._definitions, Identity.of_user(who))

    async def _call(self, kind: Kind, fn: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if isinstance(fn, Function):
            definition = self._definitions.of(fn)
            value = await self._run(kind, definition.path, definition.encode_args(args, kwargs), internal=True)
            return definition.decode_result(value)
        return decode(await self._run(kind, fn, *args, internal=False, **kwargs))

    async def _run(self, kind: Kind, path: str, args: Arguments | None = None, *, internal: bool) -> bytes:
        application = self._running.application
        verbs = {
            "query": application.call_query,
            "mutation": application.call_mutation,
            "action": application.call_action,
        }
        outcome = await verbs[kind](path, encode(dict(args or {})), self._identity, internal=internal)
        failure = outcome.failure
        if failure is not None:
            raise Overloaded(failure.code, failure.text) if failure.retry else error_of(failure)
        assert outcome.value is not None
        return outcome.value
