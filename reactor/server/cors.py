"""Cross-origin requests to the API (reference §2.1). Pure ASGI, so that streams and errors pass through it alike.

Any origin may call: nothing here trusts a cookie, callers show what they may do by a header no other site can send for
them. The origin is named back, never `*`, because browsers refuse `*` for requests with credentials.
"""

from __future__ import annotations

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from reactor.server.route_path import route_path

_METHODS = "GET, POST, OPTIONS, PATCH, DELETE, PUT"
_MAX_AGE = "86400"
_VARY = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"


class Cors:
    """Answers preflights to paths under `prefix` and marks the other answers there as readable by the asking origin."""

    def __init__(self, app: ASGIApp, prefix: str = "/api/") -> None:
        self._app = app
        self._prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not route_path(scope).startswith(self._prefix):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        origin = headers.get("origin")
        if origin is None:
            await self._app(scope, receive, send)
        elif scope["method"] == "OPTIONS" and "access-control-request-method" in headers:
            await _preflight(origin, headers)(scope, receive, send)
        else:
            await self._app(scope, receive, _marking(send, origin))


def _preflight(origin: str, headers: Headers) -> Response:
    answer = {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Allow-Credentials": "true",
        "Access-Control-Allow-Methods": _METHODS,
        "Access-Control-Max-Age": _MAX_AGE,
        "Vary": _VARY,
    }
    requested = headers.get("access-control-request-headers")
    if requested is not None:
        answer["Access-Control-Allow-Headers"] = requested
    return Response(status_code=200, headers=answer)


def _marking(send: Send, origin: str) -> Send:
    async def marked(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["Access-Control-Allow-Origin"] = origin
            headers["Access-Control-Allow-Credentials"] = "true"
            headers.add_vary_header("Origin")
        await send(message)

    return marked
