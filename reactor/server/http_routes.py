"""The project's own HTTP routes (reference §2.5): under `/http/` of the API's listener, and at the root of the site's.

Requests without a route are answered here, without a process. All others are read whole, handed over, and their
response is passed on as it comes. No CORS headers, no credential is ever refused: both are the routes' own business.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Callable, Iterator
from typing import assert_never

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Message, Receive, Scope, Send

from reactor.auth.identity import Identity
from reactor.definitions.http_routes import NOT_ENABLED, ManifestRoute, Match, RouteTable
from reactor.definitions.manifest import Manifest
from reactor.errors import CallerError, Overloaded
from reactor.execution.frames import HttpRequest, Outcome, ResponseChunk, ResponseEnd, ResponseHead
from reactor.execution.http_exchange import HttpExchange
from reactor.limits import Limits
from reactor.server.credentials import caller_of
from reactor.server.departure import break_off, left
from reactor.server.errors import INTERNAL, INTERNAL_TEXT, error_response, refusal
from reactor.server.request_body import read_body
from reactor.server.route_path import raw_route_path
from reactor.server.settings import ServerSettings
from reactor.server.verbs import Verbs
from reactor.sync.codec import json_text
from reactor.sync.error_text import uncaught_texts

_FORWARDED_PROTO = re.compile(r'(?:^|[;,\s])proto="?(https?)\b', re.IGNORECASE)


class HttpRoutes:
    """An ASGI application. Where it is mounted is no part of the routes' paths."""

    def __init__(self, verbs: Verbs, settings: ServerSettings, limits: Limits) -> None:
        self._verbs = verbs
        self._redact = settings.redact
        self._limits = limits
        self._bodies = _BodyBudget(limits.http_bodies)
        self._known: tuple[Manifest, RouteTable[ManifestRoute] | None] | None = None  # the last manifest and its table

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1000})
            return
        path = raw_route_path(scope)
        found = self._find(scope["method"], path)
        if isinstance(found, Response):
            await found(scope, receive, send)
            return
        request = Request(scope, receive)
        with self._bodies.one() as count:
            try:
                body = await read_body(request, self._limits.http_request, count)
                identity = await self._identity(request)
                name = f"{found.route.method} {found.route.pattern.text}"
                exchange = self._verbs.open_http(name, _whole(request, path, body), identity)
            except (CallerError, Overloaded) as error:
                await error_response(error)(scope, receive, send)
                return
            await self._relay(exchange, scope, receive, send)

    def _find(self, method: str, path: bytes) -> Response | Match[ManifestRoute]:
        table = self._table()
        found = NOT_ENABLED if table is None else table.find(method, path)
        return found if isinstance(found, Match) else PlainTextResponse(found.text, found.status, found.headers)

    def _table(self) -> RouteTable[ManifestRoute] | None:
        manifest = self._verbs.manifest
        if self._known is None or self._known[0] is not manifest:
            routes = manifest.routes
            self._known = manifest, None if routes is None else RouteTable.of(map(ManifestRoute.of, routes))
        return self._known[1]

    async def _identity(self, request: Request) -> Identity | None:
        """Nobody for a credential that is not ours: the header may be meant for the route."""
        try:
            return (await caller_of(request, self._verbs)).identity
        except (CallerError, Overloaded):
            return None

    # ── the response ──────────────────────────────────────────────────────────────────────────────────────────────────

    async def _relay(self, exchange: HttpExchange, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the response on until it ends, its client leaves, or the client takes nothing of it any more."""
        leaving = asyncio.ensure_future(left(receive))
        leaving.add_done_callback(lambda _: exchange.leave())
        relaying = asyncio.ensure_future(self._pass_on(exchange, scope, receive, send))
        try:
            await asyncio.wait((leaving, relaying), return_when=asyncio.FIRST_COMPLETED)
            if relaying.done() and not relaying.result():
                await break_off(scope.get("reactor.transport"), leaving)
        finally:
            exchange.leave()
            relaying.cancel()
            leaving.cancel()
            await asyncio.gather(relaying, leaving, return_exceptions=True)

    async def _pass_on(self, exchange: HttpExchange, scope: Scope, receive: Receive, send: Send) -> bool:
        """False when the client has only a part of the response, and will not get the rest."""
        part = await exchange.next()
        if isinstance(part, Outcome):  # it failed before it had begun to answer
            await self._failed(part)(scope, receive, send)
            return True
        while not isinstance(part, Outcome):
            try:
                await asyncio.wait_for(send(_message(part)), self._limits.http_stall)
            except TimeoutError:
                return False
            if isinstance(part, ResponseEnd):
                return True
            if isinstance(part, ResponseChunk):
                exchange.taken(len(part.data))
            part = await exchange.next()
        return False

    def _failed(self, outcome: Outcome) -> Response:
        failure = outcome.failure
        assert failure is not None
        if failure.retry:
            return error_response(Overloaded(failure.code, failure.text))
        if failure.code == INTERNAL:
            return refusal(500, INTERNAL, INTERNAL_TEXT)
        code, trace = uncaught_texts(self._verbs.request_name(outcome.call), failure, self._redact)
        body = b'{"code":%b' % json_text(code)
        if trace is not None:
            body += b',"trace":%b' % json_text(trace)
        if failure.data is not None:
            body += b',"data":%b' % failure.data
        return Response(body + b"}", 500, media_type="application/json")


def _message(part: ResponseHead | ResponseChunk | ResponseEnd) -> Message:
    match part:
        case ResponseHead(status=status, headers=headers):
            return {"type": "http.response.start", "status": status, "headers": headers}
        case ResponseChunk(data=data):
            return {"type": "http.response.body", "body": data, "more_body": True}
        case ResponseEnd():
            return {"type": "http.response.body"}
        case _:
            assert_never(part)


# ── requests ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _whole(request: Request, path: bytes, body: bytes) -> HttpRequest:
    scope = request.scope
    return HttpRequest(
        scope["method"],
        _scheme(request),
        path,
        scope["query_string"],
        list(scope["headers"]),
        body,
        scope.get("client"),
        scope.get("server"),
    )


def _scheme(request: Request) -> str:
    """What the client used, as the proxies in front of us say it."""
    given = request.headers.get("x-forwarded-proto", "").partition(",")[0].strip().lower()
    if given in ("http", "https"):
        return given
    match = _FORWARDED_PROTO.search(request.headers.get("forwarded", ""))
    return "http" if match is None else match[1].lower()


class _BodyBudget:
    """How many bytes of request bodies are held at once."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._held = 0  # grows and shrinks in one()

    @contextlib.contextmanager
    def one(self) -> Iterator[Callable[[int], None]]:
        """For one request: call it with the size of what has arrived. It raises Overloaded past the budget."""
        mine = 0

        def count(size: int) -> None:
            nonlocal mine
            mine += size
            self._held += size
            if self._held > self._most:
                raise Overloaded("TooManyConcurrentRequests", "Too many request bodies are waiting, try again later")

        try:
            yield count
        finally:
            self._held -= mine
