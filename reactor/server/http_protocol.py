"""The HTTP protocol of our own server: uvicorn's, with bounds on what a client may take before its request is known.

Bare uvicorn keeps a connection that sends one header byte a minute, and headers of any size, for ever. Routes and
bodies are not its business: they are bounded where they are read (http_api.py).
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

from reactor.limits import DEFAULT_LIMITS, Limits

_URL_BYTES = 16 << 10
_HEAD_BYTES = 64 << 10
_HEADERS = 100


class _Refused(Exception):
    """Ends the parser's run; the answer is in `HttpProtocol._refusal`."""


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
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
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
        if self._in_head and self._head_bytes > _HEAD_BYTES and not self.transport.is_closing():
            self._refusal = 431
            self.send_400_response("Request headers are too large.")

    def handle_websocket_upgrade(self) -> None:
        self._head_arrived()
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
        super().on_headers_complete()

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
