"""What a sync worker holds of its client: something frames can be put on, that says when to hold back.

Two implementations: DirectSocket in websocket_protocol.py writes prebuilt frames to the transport of our own server;
AsgiSocket here speaks plain ASGI, for when the application is mounted under somebody else's. Neither knows what is in
a frame.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from starlette.websockets import WebSocket, WebSocketDisconnect

from reactor.limits import Limits
from reactor.server.errors import close_code
from reactor.sync.codec import frame_payload


class Socket(Protocol):
    """CLEAR: everything sent has left the process. BLOCKED: some has not; make nothing new for this client.

    Answers may still be sent while BLOCKED, up to `limits.socket_backlog` bytes and 1,000 of them; past that the socket
    closes itself with SlowReader. One that takes less than 64 KiB in `limits.socket_stall` seconds is cut.
    """

    on_clear: Callable[[], None] | None  # called, from the loop, each time BLOCKED becomes CLEAR

    @property
    def clear(self) -> bool: ...

    @property
    def blocked_since(self) -> float | None:
        """Loop time at which it became BLOCKED; None while CLEAR."""
        ...

    def send_frame(self, frame: bytes) -> None:
        """Put a frame made by `ws_frame` on the wire. After close it is dropped: the client is told nothing more."""
        ...

    def close(self, code: int, reason: str) -> None:
        """End the conversation after what was sent. The reason is a short code, at most 123 bytes of it."""
        ...

    def abort(self) -> None:
        """Cut the line now."""
        ...


BACKLOG_ITEMS = 1000
STALL_BYTES = 64 << 10


class AsgiSocket:
    """A Socket over plain ASGI: sends are awaited one at a time by a task of its own, `run`."""

    def __init__(self, websocket: WebSocket, limits: Limits) -> None:
        self.on_clear: Callable[[], None] | None = None
        self._websocket = websocket
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._queue: deque[bytes] = deque()  # frames not given to ASGI yet: send_frame adds, run takes
        self._queued = 0  # their bytes
        self._blocked_since: float | None = None  # set by send_frame, cleared by run when all is out
        self._close: tuple[int, str] | None = None  # code and reason, once close was asked for
        self._wake = asyncio.Event()

    @property
    def clear(self) -> bool:
        return self._blocked_since is None

    @property
    def blocked_since(self) -> float | None:
        return self._blocked_since

    def send_frame(self, frame: bytes) -> None:
        if self._close is not None:
            return
        if self._blocked_since is None:
            self._blocked_since = self._loop.time()
        elif self._queued + len(frame) > self._limits.socket_backlog or len(self._queue) >= BACKLOG_ITEMS:
            self._queue.clear()
            self.close(close_code("SlowReader"), "SlowReader")
            return
        self._queue.append(frame)
        self._queued += len(frame)
        self._wake.set()

    def close(self, code: int, reason: str) -> None:
        if self._close is None:
            self._close = (code, reason)
            self._wake.set()

    def abort(self) -> None:
        self._queue.clear()
        self.close(close_code("SlowReader"), "SlowReader")

    async def run(self) -> None:
        """Send until closed; returns then. The endpoint owns the task."""
        with suppress(WebSocketDisconnect, TimeoutError):
            while True:
                await self._wake.wait()
                self._wake.clear()
                while self._queue:
                    frame = self._queue.popleft()
                    self._queued -= len(frame)
                    async with asyncio.timeout(self._limits.socket_stall):
                        await self._websocket.send_text(frame_text(frame))
                if self._close is not None:
                    async with asyncio.timeout(self._limits.socket_stall):
                        await self._websocket.close(*self._close)
                    return
                if self._blocked_since is not None:
                    self._blocked_since = None
                    if self.on_clear is not None:
                        self.on_clear()


def frame_text(frame: bytes) -> str:
    """The payload of a frame made by `ws_frame`."""
    return str(frame_payload(frame), "utf-8")
