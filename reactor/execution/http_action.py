"""HTTP routes in a runner: a handler is called with Starlette's Request, its Response is run as the ASGI application it
is, and what that sends is checked and passed on (reference §2.5).

A client that goes away ends a streaming response, as Starlette does; a handler that has not answered yet is left to
finish. Nothing here knows where the client is: the server's sockets and tests have a Client each.
"""

from __future__ import annotations

import asyncio
import inspect
import re
from typing import Any, Protocol
from urllib.parse import unquote_to_bytes

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.types import Message, Receive, Scope

from reactor.definitions.http import HttpRoute, Request
from reactor.definitions.http_routes import NOT_ENABLED, NoRoute, RouteTable
from reactor.errors import InvalidResponse, LimitExceeded, WebhookError
from reactor.execution.actions import ActionContext, Errand, SyncActionContext
from reactor.execution.frames import HttpRequest
from reactor.limits import Limits

Headers = list[tuple[bytes, bytes]]

_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_UNSAFE = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_OURS = frozenset(
    (b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade")
)
_BODILESS = (204, 304)


class Client(Protocol):
    """Who gets the response."""

    gone: asyncio.Event  # nobody does, any more

    async def head(self, status: int, headers: Headers) -> None:
        """The first line and the headers."""
        ...

    async def chunk(self, data: bytes) -> None:
        """Some of the body. Returns when there is room for more."""
        ...

    async def end(self) -> None:
        """The body is complete."""
        ...


async def answer(
    table: RouteTable[HttpRoute] | None, errand: Errand, request: HttpRequest, client: Client, limits: Limits
) -> None:
    """Answer the request. Raises what the handler raised, or InvalidResponse; the client may have a part by then."""
    found = NOT_ENABLED if table is None else table.find(request.method, request.path)
    outbound = _Outbound(client, limits, head_only=request.method == "HEAD")
    if isinstance(found, NoRoute):  # the server asked the table of other code
        response: Response = PlainTextResponse(found.text, found.status, found.headers)
        await response(_scope(request, {}), outbound.receive, outbound.send)
        return
    scope = _scope(request, found.parameters)
    try:
        response = await _call(found.route, errand, Request(scope, _body_of(request, client)))
    except HTTPException as error:
        response = PlainTextResponse(error.detail, error.status_code, error.headers)
    except WebhookError as error:
        response = JSONResponse({"code": error.tag, "message": str(error)}, 401)
    try:
        await response(scope, outbound.receive, outbound.send)
    finally:
        if isinstance(response, StreamingResponse):
            await _close(response)
    if not outbound.begun:
        raise InvalidResponse(f"The response, {_article(response)}, sent nothing.")


async def _close(response: StreamingResponse) -> None:
    """Run the generator's `finally` now, when its stream was broken off: collected as garbage, it would run any time."""
    close = getattr(response.body_iterator, "aclose", None)
    if close is not None:
        await close()


async def _call(route: HttpRoute, errand: Errand, request: Request) -> Response:
    handler: Any = route.handler
    if inspect.iscoroutinefunction(inspect.unwrap(handler)):
        result = await handler(ActionContext(errand), request)
    else:
        context = SyncActionContext(errand, asyncio.get_running_loop())
        result = await asyncio.to_thread(handler, context, request)
    if not isinstance(result, Response):
        raise InvalidResponse(
            f"The handler of {route.method} {route.pattern.text} returned {_article(result)}; return a Response, for "
            "example JSONResponse(data)."
        )
    return result


def _article(result: object) -> str:
    return "None" if result is None else f"an object of type {type(result).__name__}"


def _scope(request: HttpRequest, parameters: dict[str, str]) -> Scope:
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},  # 2.3: a streaming response watches for the client's leaving
        "http_version": "1.1",
        "method": request.method,
        "scheme": request.scheme,
        "path": unquote_to_bytes(request.path).decode("utf-8", "replace"),
        "raw_path": request.path,
        "query_string": request.query,
        "root_path": "",
        "headers": request.headers,
        "client": request.client,
        "server": request.server,
        "path_params": parameters,
        "reactor.body": request.body,
    }


def _body_of(request: HttpRequest, client: Client) -> Receive:
    given = False

    async def receive() -> Message:
        nonlocal given
        if given:
            await client.gone.wait()
            return {"type": "http.disconnect"}
        given = True
        return {"type": "http.request", "body": request.body, "more_body": False}

    return receive


class _Outbound:
    """The ASGI messages of one response, checked and passed on to the client."""

    def __init__(self, client: Client, limits: Limits, *, head_only: bool) -> None:
        self._client = client
        self._most = limits.http_response
        self._head_only = head_only  # also True once the status says that there is no body
        self._enough = asyncio.Event()  # set when the client wants no more of the body
        self.begun = False  # the head is sent; set by _start
        self._sent = 0  # bytes of the body; grows in send
        self._announced: int | None = None  # the Content-Length, if there is one

    async def receive(self) -> Message:
        """Waits for the client's leaving."""
        waits = [asyncio.ensure_future(event.wait()) for event in (self._client.gone, self._enough)]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waits:
                each.cancel()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """Raises InvalidResponse, or LimitExceeded for a body that is too large."""
        match message["type"]:
            case "http.response.start":
                await self._start(message["status"], list(message.get("headers", ())))
            case "http.response.body":
                await self._body(bytes(message.get("body", b"")))
                if not message.get("more_body", False) and not self._head_only:
                    await self._end()
            case other:
                raise InvalidResponse(f"The response sends `{other}`, which this server does not know.")

    async def _start(self, status: Any, headers: Headers) -> None:
        if not isinstance(status, int) or not 200 <= status <= 599:
            raise InvalidResponse(f"The response's status is {status!r}; it must be from 200 to 599.")
        checked = [_header(name, value) for name, value in headers if name.lower() not in _OURS]
        self._head_only = self._head_only or status in _BODILESS
        if status in _BODILESS:
            checked = [each for each in checked if each[0] != b"content-length"]
        lengths = {value for name, value in checked if name == b"content-length"}
        if not self._head_only:
            self._announced = self._length(lengths)
        self.begun = True
        await self._client.head(int(status), checked)
        if self._head_only:
            await self._client.end()
            self._enough.set()

    def _length(self, values: set[bytes]) -> int | None:
        if not values:
            return None
        (value, *more) = values
        if more or not value.isdigit() or len(value) > 18:
            raise InvalidResponse("The response's header content-length is no single length.")
        length = int(value)
        if length > self._most:
            raise self._too_large()
        return length

    async def _body(self, data: bytes) -> None:
        if self._head_only or self._client.gone.is_set():
            await asyncio.sleep(0)  # nobody reads: the place where a stream that awaits nothing is cancelled
            return
        if not data:
            return
        self._sent += len(data)
        if self._sent > self._most:
            raise self._too_large()
        if self._announced is not None and self._sent > self._announced:
            raise InvalidResponse(f"The response's body is longer than its content-length, {self._announced}.")
        await self._client.chunk(data)

    async def _end(self) -> None:
        if self._announced is not None and self._sent < self._announced and not self._client.gone.is_set():
            raise InvalidResponse(f"The response's body ended after {self._sent} of {self._announced} bytes.")
        await self._client.end()

    def _too_large(self) -> LimitExceeded:
        return LimitExceeded(
            f"The response's body is too large (maximum size {self._most} bytes: http_response).",
            code="HttpResponseTooLarge",
        )


def _shown(name: bytes) -> str:
    return name.decode("ascii", "backslashreplace")


def _header(name: bytes, value: bytes) -> tuple[bytes, bytes]:
    """A header that ends where it ends: no name and no value can start another one, or the body."""
    name = name.lower()
    value = value.strip(b" \t")
    if _TOKEN.fullmatch(name) is None:
        raise InvalidResponse(f"The response has a header called {_shown(name)!r}, which is no name of a header.")
    if _UNSAFE.search(value) is not None:
        raise InvalidResponse(f"The response's header {_shown(name)} has a line break or control character in it.")
    return name, value
