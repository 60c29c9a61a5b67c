"""HttpRouter: what `functions/http.py` declares, and the Request its handlers are given (reference §2.5).

Routes are records; which of them answers a request is decided in http_routes.py, running one is execution's job.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar, overload

import starlette.requests
from starlette.datastructures import URL
from starlette.responses import Response

from reactor.definitions.context import ActionCtx, SyncActionCtx
from reactor.definitions.http_routes import METHODS, Pattern
from reactor.definitions.manifest import RouteManifest
from reactor.errors import DefinitionError


class Request(starlette.requests.Request):
    """Starlette's Request. The body has arrived before the handler is called, so it can be had without waiting."""

    @property
    def url(self) -> URL:
        """The address as it was sent, percent-encoding and all; Starlette's own is decoded."""
        return URL(scope={**self.scope, "path": self.scope["raw_path"].decode("ascii")})

    @property
    def raw_body(self) -> bytes:
        """The body as it was sent; what `await request.body()` gives, for handlers that are a plain `def`."""
        body = self.scope["reactor.body"]
        assert isinstance(body, bytes)
        return body


AsyncHandler: TypeAlias = Callable[[ActionCtx, Request], Coroutine[Any, Any, Response]]
SyncHandler: TypeAlias = Callable[[SyncActionCtx, Request], Response]
A = TypeVar("A", bound=AsyncHandler)
S = TypeVar("S", bound=SyncHandler)


@dataclass(frozen=True, slots=True)
class HttpRoute:
    """One method of one pattern, and who answers it."""

    method: str
    pattern: Pattern
    handler: AsyncHandler | SyncHandler

    @property
    def manifest(self) -> RouteManifest:
        """What the server may know of it."""
        doc = inspect.cleandoc(self.handler.__doc__ or "")
        return RouteManifest(self.method, self.pattern.text, self.pattern.is_prefix, doc)


class HttpRouter:
    """The routes of a deployment's own HTTP interface: `http = HttpRouter()` in functions/http.py."""

    def __init__(self) -> None:
        self.routes: list[HttpRoute] = []  # appended to by `route`

    @overload
    def route(self, path: str, /, *, methods: Sequence[str] = ...) -> _Decorator: ...
    @overload
    def route(self, /, *, prefix: str, methods: Sequence[str] = ...) -> _Decorator: ...
    def route(
        self, path: str | None = None, /, *, prefix: str | None = None, methods: Sequence[str] = ("GET",)
    ) -> _Decorator:
        """Let the decorated function answer these methods of a path, or of every path below a prefix.

        `"/images/{image_id}"` is a path with a parameter: one segment, found in `request.path_params`. A path without
        parameters goes before one with them, both before any prefix, and a longer prefix before a shorter one. HEAD is
        answered by the GET route. Raises DefinitionError for what cannot be routed.
        """
        if (path is None) == (prefix is None):
            raise DefinitionError(
                "A route has a path or a prefix: @http.route('/path') or @http.route(prefix='/dir/')."
            )
        pattern = Pattern.of_path(path) if path is not None else Pattern.of_prefix(prefix or "")
        return _Decorator(self.routes, pattern, _checked(methods, pattern))


class _Decorator:
    """What `route` gives: adds the function below it, and leaves the function as it is."""

    def __init__(self, routes: list[HttpRoute], pattern: Pattern, methods: Sequence[str]) -> None:
        self._routes = routes
        self._pattern = pattern
        self._methods = methods

    @overload
    def __call__(self, handler: A, /) -> A: ...
    @overload
    def __call__(self, handler: S, /) -> S: ...
    def __call__(self, handler: Any, /) -> Any:
        if not inspect.isfunction(handler):
            raise DefinitionError(
                f"{self._pattern.text} must be answered by a function `handler(ctx, request)`, not by {handler!r}: "
                "write `@http.route(…)` above a `def` of its own."
            )
        for method in self._methods:
            for other in self._routes:
                if other.method == method and other.pattern.shape == self._pattern.shape:
                    also = "" if other.pattern.text == self._pattern.text else f" (it is {other.pattern.text} too)"
                    raise DefinitionError(f"{method} {self._pattern.text} is declared twice{also}.")
            self._routes.append(HttpRoute(method, self._pattern, handler))
        return handler


def _checked(methods: Sequence[str], pattern: Pattern) -> list[str]:
    if isinstance(methods, str):
        raise DefinitionError(f'{pattern.text}: `methods` is a list of names: methods=("{methods}",).')
    if not methods:
        raise DefinitionError(f"{pattern.text}: `methods` is empty, so nothing would ever be routed there.")
    names = [method.upper() for method in methods]
    for name in names:
        if name == "HEAD":
            raise DefinitionError(f"{pattern.text}: HEAD is answered by the GET route; declare GET.")
        if name not in METHODS:
            raise DefinitionError(f"{pattern.text}: {name} cannot be routed, only {', '.join(METHODS)}.")
    return names
