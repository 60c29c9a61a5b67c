"""WebSocket: text messages, no extensions, a zero mask (legal, and nothing to compute)."""

from __future__ import annotations

import asyncio
import base64
import os
import struct
from collections.abc import Callable, Mapping
from typing import cast

OnMessage = Callable[[bytes], None]

_MASKED = 0x80
_ZERO_MASK = b"\0\0\0\0"


class WebSocket(asyncio.Protocol):
    """Calls `on_message` with each message's bytes."""

    def __init__(self, path: str, on_message: OnMessage, headers: Mapping[str, str]) -> None:
        self.closed = False  # set when the peer ends it
        self.on_message = on_message
        self._path = path
        self._headers = headers
        self._unread = b""
        self._upgraded = False  # set by the server's answer
        self._fragments = b""  # of a message that comes in several frames
        self._ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._transport: asyncio.Transport | None = None

    @classmethod
    async def open(
        cls, port: int, path: str, on_message: OnMessage, headers: Mapping[str, str] | None = None
    ) -> WebSocket:
        """A socket to a server on this machine, once it is upgraded."""
        loop = asyncio.get_running_loop()
        _, socket = await loop.create_connection(lambda: cls(path, on_message, headers or {}), "127.0.0.1", port)
        await socket._ready
        return socket

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        lines = [
            f"GET {self._path} HTTP/1.1",
            "Host: 127.0.0.1",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
            "Sec-WebSocket-Version: 13",
            *(f"{name}: {value}" for name, value in self._headers.items()),
        ]
        self._transport.write("\r\n".join(lines).encode() + b"\r\n\r\n")

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self.closed = True
        if not self._ready.done():
            self._ready.set_exception(ConnectionError("closed before it was upgraded"))

    def close(self) -> None:
        """End it."""
        assert self._transport is not None
        self._transport.close()

    def send(self, text: str) -> None:
        """One text message."""
        assert self._transport is not None
        data = text.encode()
        size = len(data)
        if size < 126:
            head = bytes([0x81, _MASKED | size])
        elif size < 65536:
            head = b"\x81\xfe" + struct.pack(">H", size)
        else:
            head = b"\x81\xff" + struct.pack(">Q", size)
        self._transport.write(head + _ZERO_MASK + data)

    def data_received(self, data: bytes) -> None:
        unread = self._unread + data if self._unread else data
        if not self._upgraded:
            end = unread.find(b"\r\n\r\n")
            if end < 0:
                self._unread = unread
                return
            if b" 101 " not in unread[:16]:
                self._ready.set_exception(ConnectionError(f"not upgraded: {unread[:200]!r}"))
                self.close()
                return
            self._upgraded = True
            self._ready.set_result(None)
            unread = unread[end + 4 :]
        self._unread = unread[self._take_frames(unread) :]

    def _take_frames(self, unread: bytes) -> int:
        """Hand out what is complete; how far that went."""
        at, end = 0, len(unread)
        while end - at >= 2:
            first, size, start = unread[at], unread[at + 1] & 127, at + 2
            if size == 126:
                if end < at + 4:
                    break
                size, start = int.from_bytes(unread[start : start + 2], "big"), at + 4
            elif size == 127:
                if end < at + 10:
                    break
                size, start = int.from_bytes(unread[start : start + 8], "big"), at + 10
            if end < start + size:
                break
            self._frame(first, unread[start : start + size])
            at = start + size
        return at

    def _frame(self, first: int, body: bytes) -> None:
        final, kind = first & 0x80, first & 15
        if kind == 9:
            assert self._transport is not None
            self._transport.write(bytes([0x8A, _MASKED | len(body)]) + _ZERO_MASK + body)
        elif kind == 8:
            self.close()
        elif kind < 3:
            if final and kind and not self._fragments:
                self.on_message(body)
                return
            self._fragments += body
            if final:
                whole, self._fragments = self._fragments, b""
                self.on_message(whole)
