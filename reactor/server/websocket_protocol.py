"""The WebSocket protocol of our own server: uvicorn's sans-I/O one, opened up for prebuilt frames (engine D4).

uvicorn's `send` frames each message per connection and says nothing about what has left the process. Here the endpoint
gets a DirectSocket, in `scope["extensions"]["reactor.socket"]`, which writes ready frames straight to the transport and
knows CLEAR from BLOCKED; texts go straight to a callback instead of through a queue and two changes of task. Handshake,
close and ping frames stay with the library. This file leans on uvicorn's internals: tests/server/
test_websocket_protocol.py says which, and pins the version they were checked with.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from asyncio.transports import BaseTransport
from collections.abc import Callable
from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.frames import Frame
from websockets.protocol import State

from reactor.limits import DEFAULT_LIMITS, Limits
from reactor.server.errors import close_code
from reactor.server.socket import BACKLOG_ITEMS, STALL_BYTES

EXTENSION = "reactor.socket"

_UNSENT = 16 << 10  # bytes the kernel may hold unsent: beyond the network's own flight they only hide a slow reader
_SEND_BUFFER = 256 << 10  # where the kernel cannot be told the former
CLOSE_GRACE = 5.0  # seconds for the client to answer a close frame
_STOP_GRACE = 1.0  # the same when the server stops
_FRAGMENTS = 1024  # frames of one message
_PINGS = 100  # per second

_log = logging.getLogger("reactor.server")


class DirectSocket:
    """A server.socket.Socket on a transport of our own.

    The endpoint sets `on_text`; until then texts wait in ASGI's queue.
    """

    __slots__ = (
        "_baseline",
        "_blocked_since",
        "_limits",
        "_loop",
        "_open",
        "_protocol",
        "_queued_bytes",
        "_queued_items",
        "_stall",
        "_transport",
        "_written",
        "on_clear",
        "on_text",
    )

    def __init__(self, protocol: SocketProtocol, limits: Limits) -> None:
        self.on_clear: Callable[[], None] | None = None
        self.on_text: Callable[[str], None] | None = None
        self._protocol = protocol
        self._limits = limits
        self._loop = protocol.loop
        self._transport: asyncio.Transport  # set by connected()
        self._open = False  # frames may be written: found by _opened(), False again in closing()
        self._blocked_since: float | None = None  # set by blocked(), None again by unblocked()
        self._queued_bytes = 0  # answers sent since it is BLOCKED; zero again when CLEAR
        self._queued_items = 0
        self._written = 0  # bytes of frames ever given to the transport
        self._baseline = 0  # of those, what had left the process when the stall timer was last set
        self._stall: asyncio.TimerHandle | None = None  # runs while BLOCKED

    @property
    def clear(self) -> bool:
        return self._blocked_since is None and self._transport.get_write_buffer_size() == 0

    @property
    def blocked_since(self) -> float | None:
        return self._blocked_since

    @property
    def buffered(self) -> int:
        """Bytes that wait in this process."""
        return self._transport.get_write_buffer_size()

    def send_frame(self, frame: bytes) -> None:
        # The way of every push to every client: it touches few objects, for they are in no cache when there are many.
        transport = self._transport
        if not (self._open or self._opened()) or transport.is_closing():
            return
        if self._blocked_since is not None:
            self._queued_bytes += len(frame)
            self._queued_items += 1
            if self._queued_bytes > self._limits.socket_backlog or self._queued_items > BACKLOG_ITEMS:
                self.refuse("SlowReader")
                return
        self._written += len(frame)
        transport.write(frame)

    def close(self, code: int, reason: str) -> None:
        self._protocol.close(code, reason)

    def refuse(self, code: str) -> None:
        """Close for a reason of the transport's own."""
        self._protocol.close(close_code(code), code)

    def abort(self) -> None:
        self._transport.abort()

    def _opened(self) -> bool:
        conn = self._protocol.conn
        self._open = conn.state is State.OPEN and not conn.extensions
        return self._open

    # ── told by the protocol ─────────────────────────────────────────────────────────────────────────────────────────

    def connected(self, transport: asyncio.Transport) -> None:
        """The line is there; the handshake follows."""
        self._transport = transport

    def closing(self) -> None:
        """A close frame is written and the line stays up for its answer. (All other ends close the transport.)"""
        self._open = False

    def blocked(self) -> None:
        """The transport holds bytes the kernel did not take."""
        if self._blocked_since is None:
            self._blocked_since = self._loop.time()
            self._watch_stall()

    def unblocked(self) -> None:
        """The transport holds nothing any more."""
        self._blocked_since = None
        self._queued_bytes = self._queued_items = 0
        self.stop_watching()
        if self.on_clear is not None:
            self.on_clear()

    def stop_watching(self) -> None:
        """Drop the stall timer."""
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None

    def _drained(self) -> int:
        return self._written - self.buffered

    def _watch_stall(self) -> None:
        self._baseline = self._drained()
        self._stall = self._loop.call_later(self._limits.socket_stall, self._check_stall)

    def _check_stall(self) -> None:
        if self._drained() - self._baseline < STALL_BYTES:
            self.abort()
        else:
            self._watch_stall()


class SocketProtocol(WebSocketsSansIOProtocol):
    """One WebSocket connection."""

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
        self.socket = DirectSocket(self, limits)
        self._backlog = limits.socket_backlog
        self._second = 0.0  # start of the second in which `_pings` are counted
        self._pings = 0

    # ── the transport ────────────────────────────────────────────────────────────────────────────────────────────────

    def connection_made(self, transport: BaseTransport) -> None:
        super().connection_made(transport)
        self.socket.connected(self.transport)
        self.transport.set_write_buffer_limits(high=0)
        keep_unsent_small(self.transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.socket.stop_watching()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self.socket.blocked()

    def resume_writing(self) -> None:
        super().resume_writing()
        self.socket.unblocked()

    # ── what the client sends ────────────────────────────────────────────────────────────────────────────────────────

    async def run_asgi(self) -> None:
        extensions: dict[str, object] = self.scope["extensions"]  # type: ignore[assignment]
        extensions[EXTENSION] = self.socket
        await super().run_asgi()

    def send_receive_event_to_app(self) -> None:
        on_text = self.socket.on_text
        if on_text is None or self.curr_msg_data_type != "text" or self.close_sent:
            super().send_receive_event_to_app()
            return
        data = self.frames[0] if len(self.frames) == 1 else b"".join(self.frames)
        self.frames = []
        try:
            text = bytes(data).decode()
        except UnicodeDecodeError:
            self.close(1007, "")
            return
        on_text(text)

    def handle_cont(self, event: Frame) -> None:
        if len(self.frames) >= _FRAGMENTS:
            self.socket.refuse("TooManyFragments")
        elif not self.close_sent:
            super().handle_cont(event)

    def handle_ping(self) -> None:
        now = self.loop.time()
        if now - self._second >= 1.0:
            self._second, self._pings = now, 0
        self._pings += 1
        if self._pings > _PINGS:
            self.socket.refuse("TooManyPings")
        elif self.transport.get_write_buffer_size() > self._backlog:
            self.conn.data_to_send()  # the pong: to a client that pings but does not read
        else:
            super().handle_ping()

    # ── endings ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def close(self, code: int, reason: str, *, grace: float | None = None) -> None:
        """Send a close frame; cut the line if the client has not answered it after `grace` seconds."""
        if not self.handshake_complete or self.close_sent or self.disconnected or self.transport.is_closing():
            return
        if self.conn.state is not State.OPEN:
            return
        self.stop_keepalive()
        self.socket.closing()
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        self.conn.send_close(code, reason.encode()[:123].decode(errors="ignore"))
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()
        self.close_timer = self.loop.call_later(CLOSE_GRACE if grace is None else grace, self.transport.abort)

    def shutdown(self) -> None:
        """The server stops: tell the client to come back."""
        if self.handshake_complete and not self.close_sent:
            self.close(close_code("ServerStopping"), "ServerStopping", grace=_STOP_GRACE)
        else:
            super().shutdown()


def keep_unsent_small(transport: asyncio.Transport) -> None:
    """Have the kernel hold little that the network has not taken, so that the write buffer tells a slow reader soon.

    With defaults it swallows 4 MB for a client that never reads, which no process's memory shows.
    """
    sock = transport.get_extra_info("socket")
    if sock is None or sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
    lowat = getattr(socket, "TCP_NOTSENT_LOWAT", None)
    try:
        if lowat is not None:
            sock.setsockopt(socket.IPPROTO_TCP, lowat, _UNSENT)
        else:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
    except OSError as error:
        _log.debug("socket option not set: %s", error)
