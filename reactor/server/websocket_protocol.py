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
import os
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

try:
    from websockets.speedups import apply_mask
except ImportError:  # installed without its C
    from websockets.utils import apply_mask

_UNSENT = 16 << 10  # bytes the kernel may hold unsent: beyond the network's own flight they only hide a slow reader
_SEND_BUFFER = 256 << 10  # where the kernel cannot be told the former
CLOSE_GRACE = 5.0  # seconds for the client to answer a close frame
_NO_MASK = bytes(4)
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
        "_descriptor",
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
        self._descriptor = -1  # of the line, if frames may be written to it past the transport; set by connected()
        self._open = False  # frames may be written: found by _opened(), False again in closing()
        self._blocked_since: float | None = None  # set by blocked(), None again by unblocked()
        self._queued_bytes = 0  # answers sent since it is BLOCKED; zero again when CLEAR
        self._queued_items = 0
        self._written = 0  # bytes of frames ever given to the transport, not counting what went past it
        self._baseline = 0  # of those, what had left the process when the stall timer was last set
        self._stall: asyncio.TimerHandle | None = None  # runs while BLOCKED

    @property
    def clear(self) -> bool:
        return self._blocked_since is None  # the transport's limit is zero: it says so as soon as it holds a byte

    @property
    def blocked_since(self) -> float | None:
        return self._blocked_since

    @property
    def buffered(self) -> int:
        """Bytes that wait in this process."""
        return self._transport.get_write_buffer_size()

    def send_frame(self, frame: bytes) -> None:
        # The way of every push to every client: it touches few objects, for they are in no cache when there are many.
        if not (self._open or self._opened()):
            return
        rest: bytes | memoryview = frame
        if self._blocked_since is None:  # the transport holds nothing: its limit is zero
            if self._descriptor >= 0:
                try:
                    taken = os.write(self._descriptor, frame)
                except OSError:  # full or broken: the transport finds out which
                    taken = 0
                if taken == len(frame):
                    return
                rest = memoryview(frame)[taken:]
        else:
            self._queued_bytes += len(frame)
            self._queued_items += 1
            if self._queued_bytes > self._limits.socket_backlog or self._queued_items > BACKLOG_ITEMS:
                self.refuse("SlowReader")
                return
        self._written += len(rest)
        self._transport.write(rest)

    def close(self, code: int, reason: str) -> None:
        self._protocol.close(code, reason)

    def refuse(self, code: str) -> None:
        """Close for a reason of the transport's own."""
        self._protocol.close(close_code(code), code)

    def abort(self) -> None:
        self.closing()
        self._transport.abort()

    def _opened(self) -> bool:
        conn = self._protocol.conn
        self._open = conn.state is State.OPEN and not conn.extensions and not self._transport.is_closing()
        return self._open

    # ── told by the protocol ─────────────────────────────────────────────────────────────────────────────────────────

    def connected(self, transport: asyncio.Transport) -> None:
        """The line is there; the handshake follows."""
        self._transport = transport
        line = transport.get_extra_info("socket")
        if line is not None and transport.get_extra_info("sslcontext") is None:
            self._descriptor = line.fileno()

    def closing(self) -> None:
        """No frame is written any more: a close frame is, or the transport closes. Its descriptor may soon be another's."""
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
        self._most = limits.socket_message
        self._unread = b""  # the beginning of a frame's head
        self._owed = 0  # bytes of a frame the library has the beginning of
        self._in_pieces = False  # the library has a message of which more frames follow
        self._second = 0.0  # start of the second in which `_pings` are counted
        self._pings = 0

    # ── the transport ────────────────────────────────────────────────────────────────────────────────────────────────

    def connection_made(self, transport: BaseTransport) -> None:
        super().connection_made(transport)
        self.socket.connected(self.transport)
        self.transport.set_write_buffer_limits(high=0)
        keep_unsent_small(self.transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.socket.closing()
        self.socket.stop_watching()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self.socket.blocked()

    def resume_writing(self) -> None:
        super().resume_writing()
        self.socket.unblocked()

    # ── what the client sends ────────────────────────────────────────────────────────────────────────────────────────

    def data_received(self, data: bytes) -> None:
        # Texts in one frame, all that clients send all day, are taken out here: the library's parser is a generator in
        # Python and costs several times as much. It gets everything else, and frames it has the beginning of, so that
        # it always stands where a frame begins or knows how much of one is missing.
        if not self.handshake_initiated:
            super().data_received(data)
            return
        if self._unread:
            data, self._unread = self._unread + data, b""
        at, end = 0, len(data)
        if self._owed:
            at = min(self._owed, end)
            self._owed -= at
            self._give(data[:at])
        while at < end:
            if end - at < 2:
                self._unread = data[at:]
                return
            first, size, start = data[at], data[at + 1] & 0x7F, at + 6
            if size > 125:
                start += 2 if size == 126 else 8
                if end < start - 4:
                    self._unread = data[at:]
                    return
                size = int.from_bytes(data[at + 2 : start - 4])
            masked = data[at + 1] & 0x80
            stop = start + size if masked else end  # without a mask it is no client's frame
            if first == 0x81 and masked and stop <= end and size <= self._most and self._takes_texts():
                payload = data[start:stop]
                mask = data[start - 4 : start]
                if mask != _NO_MASK:
                    payload = apply_mask(payload, mask)
                self._take_text(payload)
            else:
                if first & 0x08 == 0:
                    self._in_pieces = first & 0x80 == 0
                self._owed = max(0, stop - end)
                self._give(data[at:stop])
                if self.transport.is_closing():
                    return
            at = stop

    def _give(self, data: bytes) -> None:
        """Have the library read it."""
        super().data_received(data)
        if self.conn.state is not State.OPEN:
            self.socket.closing()

    def _takes_texts(self) -> bool:
        """Whether a whole text may be taken past the library."""
        return (
            not self._in_pieces
            and not self.close_sent
            and self.socket.on_text is not None
            and self.conn.state is State.OPEN
        )

    def _take_text(self, payload: bytes) -> None:
        try:
            text = payload.decode()
        except UnicodeDecodeError:
            self.close(1007, "")
            return
        assert self.socket.on_text is not None
        self.socket.on_text(text)

    async def run_asgi(self) -> None:
        extensions: dict[str, object] = self.scope["extensions"]  # type: ignore[assignment]
        extensions[EXTENSION] = self.socket
        try:
            await super().run_asgi()
        finally:
            self.socket.closing()

    def send_receive_event_to_app(self) -> None:
        if self.socket.on_text is None or self.curr_msg_data_type != "text" or self.close_sent:
            super().send_receive_event_to_app()
            return
        data = self.frames[0] if len(self.frames) == 1 else b"".join(self.frames)
        self.frames = []
        self._take_text(bytes(data))

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

    def keepalive_timeout(self) -> None:
        super().keepalive_timeout()
        self.socket.closing()

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
