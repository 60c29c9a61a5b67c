"""The HTTP protocol of our own server: uvicorn's, with bounds on what a client may take before its request is known.

Bare uvicorn keeps a connection that sends one header byte a minute, and headers of any size, for ever. Routes and
bodies are not its business: they are bounded where they are read (http_api.py).
"""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.responses import Response
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

from reactor.limits import DEFAULT_LIMITS, Limits
from reactor.server.direct_calls import DirectCalls

_URL_BYTES = 16 << 10
_HEAD_BYTES = 64 << 10
_HEADERS = 100
_PLAIN_BYTES = 16 << 10  # of a body that is answered directly: less than uvicorn would pause reading for
_NOT_PLAIN = frozenset(  # who asks, from where and by which way, is the business of others
    (
        b"authorization",
        b"expect",
        b"forwarded",
        b"origin",
        b"transfer-encoding",
        b"upgrade",
        b"x-forwarded-for",
        b"x-forwarded-proto",
    )
)


class _Refused(Exception):
    """Ends the parser's run; the answer is in `HttpProtocol._refusal`."""


class _DirectCycle:
    """What uvicorn's protocol knows of a request under way, for one that is answered directly."""

    __slots__ = ("_protocol", "body", "disconnected", "keep_alive", "message_event", "more_body", "response_complete")

    def __init__(self, protocol: HttpProtocol, keep_alive: bool) -> None:
        self._protocol = protocol
        self.keep_alive = keep_alive  # False also when the server stops
        self.body = bytearray()
        self.more_body = True
        self.disconnected = False
        self.response_complete = False
        self.message_event = _NOBODY_WAITS

    def answer(self, response: Response) -> None:
        """Write it whole and go on with what was sent behind the request."""
        protocol = self._protocol
        self.response_complete = True
        if self.disconnected or protocol.transport.is_closing():  # uvicorn tells only the newest cycle
            return
        head = [STATUS_LINE[response.status_code]]
        for name, value in (*protocol.server_state.default_headers, *response.raw_headers):
            head += (name, b": ", value, b"\r\n")
        head.append(b"\r\n" if self.keep_alive else b"connection: close\r\n\r\n")
        head.append(response.body)  # type: ignore[arg-type]  # bytes, as every answer of ours
        protocol.transport.write(b"".join(head))
        if not self.keep_alive:
            protocol.transport.close()
        protocol.on_response_complete()


class _Nobody:
    """In the place of an event nobody waits for."""

    def set(self) -> None:
        pass


_NOBODY_WAITS = _Nobody()


class HttpProtocol(HttpToolsProtocol):
    """One HTTP connection. Its head has `limits.connect_wait` seconds to arrive, 64 KiB and 100 headers."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        limits: Limits = DEFAULT_LIMITS,
        direct: DirectCalls | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._direct = direct
        self._direct_cycle: _DirectCycle | None = None  # of the request whose body is being read
        self._head_wait = limits.connect_wait
        self._head_timer: asyncio.TimerHandle | None = None  # runs while a head is awaited
        self._in_head = True
        self._head_bytes = 0  # received since the head was first awaited
        self._header_bytes = 0  # of the headers found in it, which may arrive together with much else
        self._refusal = 400

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_arrived()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._in_head:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._direct_cycle is not None:  # its body comes in pieces
            self._take_ordinary_way(self._direct_cycle)
        if self._in_head and self._head_bytes > _HEAD_BYTES and not self.transport.is_closing():
            self._refusal = 431
            self.send_400_response("Request headers are too large.")

    def handle_websocket_upgrade(self) -> None:
        self._head_arrived()
        if self.pipeline or (self.cycle is not None and not self.cycle.response_complete):  # type: ignore[redundant-expr]
            self.send_400_response("An upgrade has to wait for the answers before it.")
            return
        super().handle_websocket_upgrade()

    def send_400_response(self, msg: str) -> None:
        if self._refusal == 400:
            super().send_400_response(msg)
            return
        head = STATUS_LINE[self._refusal] + b"content-length: 0\r\nconnection: close\r\n\r\n"
        self.transport.write(head)
        self.transport.close()

    # ── what the parser finds ────────────────────────────────────────────────────────────────────────────────────────

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._unset_keepalive_if_required()  # an answer given at once, in this very chunk, may have set it
        self.scope["reactor.transport"] = self.transport  # type: ignore[typeddict-unknown-key] # to break off an answer
        self._header_bytes = 0
        if not self._in_head:
            self._await_head()

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > _URL_BYTES:
            self._refuse(414)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._header_bytes += len(name) + len(value)
        if len(self.headers) >= _HEADERS or self._header_bytes > _HEAD_BYTES:
            self._refuse(431)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._head_arrived()
        if self._direct is not None and self.url in self._direct and self._is_plain():
            self.cycle = self._direct_cycle = _DirectCycle(self, self.parser.should_keep_alive())  # type: ignore[assignment]
        else:
            super().on_headers_complete()

    def on_message_complete(self) -> None:
        cycle = self._direct_cycle
        if cycle is None:
            super().on_message_complete()
            return
        self._direct_cycle = None
        assert self._direct is not None
        self._direct.begin(self.url, self.headers, bytes(cycle.body), cycle.answer)

    # ── without ASGI ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _is_plain(self) -> bool:
        """Whether the request may be answered directly: nothing in it or before it wants more than the call itself."""
        size = -1
        for name, value in self.headers:
            if name in _NOT_PLAIN:
                return False
            if name == b"content-length":
                if not value.isdigit():
                    return False
                size = int(value)
        return (
            0 <= size <= _PLAIN_BYTES
            and (self.cycle is None or self.cycle.response_complete)  # type: ignore[redundant-expr] # before the first
            and not self.pipeline
            and not self.flow.write_paused  # the ordinary way waits until the client reads
            and not self.config.root_path
            and self.parser.get_method() == b"POST"
            and self.parser.get_http_version() == "1.1"
            and not self.parser.should_upgrade()
        )

    def _take_ordinary_way(self, cycle: _DirectCycle) -> None:
        """There it is bounded in time, and its client may leave."""
        self._direct_cycle = None
        self.cycle = None  # type: ignore[assignment]
        super().on_headers_complete()
        self.cycle.body += cycle.body
        self.cycle.message_event.set()

    # ── the head's bounds ────────────────────────────────────────────────────────────────────────────────────────────

    def _await_head(self) -> None:
        self._in_head = True
        self._head_bytes = 0
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(self._head_wait, self._too_slow)

    def _head_arrived(self) -> None:
        self._in_head = False
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _too_slow(self) -> None:
        self._head_timer = None
        self.transport.abort()

    def _refuse(self, status: int) -> None:
        self._refusal = status
        raise _Refused
