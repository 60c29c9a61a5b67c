"""DirectCalls: queries and mutations by plain POSTs, answered by our own HTTP protocol without going through ASGI.

A request becomes a scope, a task, a Request and two messages before an endpoint sees it, and its answer two more: more
work than all the rest of a query. What is *plain*, and so looks the same without, `http_protocol.py` decides; all else
takes the ordinary way, whose endpoints share what is done here (http_api.py).
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping

from starlette.types import ASGIApp, Receive, Scope, Send

from reactor.server.http_api import Answer, HttpApi, Submit


class DirectCalls:
    """The addresses that may be answered directly."""

    def __init__(self, api: HttpApi, submits: Mapping[bytes, Submit]) -> None:
        """`submits` by address, as it is sent."""
        self._api = api
        self._submits = dict(submits)

    def __contains__(self, address: bytes) -> bool:
        return address in self._submits

    def begin(self, address: bytes, headers: list[tuple[bytes, bytes]], body: bytes, answer: Answer) -> None:
        """Carry out a plain request; `answer` is called once, possibly at once."""
        client: str | None = None
        asked_id: str | None = None
        for name, value in headers:  # of equal ones the first counts
            if name == b"convex-client" and client is None:
                client = value.decode("latin-1")
            elif name == b"convex-request-id" and asked_id is None:
                asked_id = value.decode("latin-1")
        self._api.call_at_once(self._submits[address], body, client, asked_id or "", answer)


class DirectApp:
    """An ASGI application of which our own server may answer some requests directly."""

    def __init__(self, app: ASGIApp, direct: DirectCalls) -> None:
        self.direct = direct
        self._app = app

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        return self._app(scope, receive, send)
