"""HttpRouter: what `functions/http.py` declares. It collects routes; serving them is not built yet."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from starlette.requests import Request
from starlette.responses import Response

from reactor.definitions.context import ActionCtx
from reactor.errors import DefinitionError

Handler: TypeAlias = Callable[[ActionCtx, Request], Coroutine[Any, Any, Response]]


@dataclass(frozen=True, slots=True)
class HttpRoute:
    """One method of one path, and who answers it."""

    method: str
    path: str
    handler: Handler


class HttpRouter:
    """The routes of a deployment's own HTTP interface."""

    def __init__(self) -> None:
        self.routes: list[HttpRoute] = []  # appended to by `route`

    def route(self, path: str, /, *, methods: Sequence[str] = ("GET",)) -> Callable[[Handler], Handler]:
        """Let the decorated function answer these methods of a path."""
        if not path.startswith("/"):
            raise DefinitionError(f'The HTTP route "{path}" must start with `/`.')

        def add(handler: Handler) -> Handler:
            for method in methods:
                if any(each.method == method.upper() and each.path == path for each in self.routes):
                    raise DefinitionError(f"{method.upper()} {path} is declared twice.")
                self.routes.append(HttpRoute(method.upper(), path, handler))
            return handler

        return add
