"""WebSocket: text messages over a raw connection; no extensions, and a mask of zeros, which is nothing to compute."""

from __future__ import annotations

import asyncio
import base64
import os
import struct
from collections.abc import Callable
from typing import cast

_MASKED = 0x80
_ZERO_MASK = b"\0\0\0\0"
_TEXT, _CLOSE, _PONG, _FINAL = 1, 8, 10, 0x80


class WebSocket(asyncio.Protocol):
    """Calls `on_message` with each message's bytes, and `on_closed` once with the reason, when the other side ends it."""

    def __init__(
        self, host: str, path: str, on_message: Callable[[bytes], None], on_closed: Callable[[str], None]
    ) -> None:
        self.closed = False  # set when either side ends it
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()  # done when it is upgraded
        self._hello = (
            f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}\r\nSec-WebSocket-Version: 13\r\n\r\n"
        ).encode()
        self._on_message = on_message
        self._on_closed = on_closed
        self._unread = b""  # not yet whole
        self._fragments: list[bytes] = []  # of a message that comes in several frames
        self._reason = "the server closed the connection"  # another one once the server has said so
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(self._hello)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        if not self.ready.done():
            self.ready.set_exception(ConnectionError("closed before it was upgraded"))
        elif not self.closed:
            self.closed = True
            self._on_closed(self._reason)

    def close(self) -> None:
        """End it; nobody is told."""
        self.closed = True
        if self._transport is not None:
            self._transport.abort()

    def send(self, text: bytes) -> None:
        """One text message."""
        self._write(_FINAL | _TEXT, text)

    def _write(self, first: int, data: bytes) -> None:
        size = len(data)
        if size < 126:
            head = bytes([first, _MASKED | size])
        elif size < 1 << 16:
            head = bytes([first, _MASKED | 126]) + struct.pack(">H", size)
        else:
            head = bytes([first, _MASKED | 127]) + struct.pack(">Q", size)
        assert self._transport is not None
        self._transport.write(head + _ZERO_MASK + data)

    def data_received(self, data: bytes) -> None:
        unread = self._unread + data if self._unread else data
        at = 0
        if not self.ready.done():
            end = unread.find(b"\r\n\r\n")
            if end < 0:
                self._unread = unread
                return
            if b" 101 " not in unread[:16]:
                self.ready.set_exception(ConnectionError(f"not upgraded: {unread[:60]!r}"))
                self.close()
                return
            self.ready.set_result(None)
            at = end + 4
        self._unread = unread[self._take_frames(unread, at) :]

    def _take_frames(self, unread: bytes, at: int) -> int:
        """Hand out what is whole; how far that went."""
        end = len(unread)
        while end - at >= 2:
            first, size, start = unread[at], unread[at + 1] & 127, at + 2
            if size >= 126:
                start += 2 if size == 126 else 8
                if end < start:
                    break
                size = int.from_bytes(unread[at + 2 : start], "big")
            if end < start + size:
                break
            at = start + size
            self._frame(first, unread[start:at])
        return at

    def _frame(self, first: int, body: bytes) -> None:
        match first & 15:
            case _ if self.closed:
                pass
            case 9:  # ping
                self._write(_FINAL | _PONG, body)
            case 8:  # close: a code of two bytes, then why
                self._reason = body[2:].decode(errors="replace") or self._reason
                self._write(_FINAL | _CLOSE, body[:2])
            case 0 | 1 | 2:
                self._fragments.append(body)
                if first & _FINAL:
                    whole = body if len(self._fragments) == 1 else b"".join(self._fragments)
                    self._fragments.clear()
                    self._on_message(whole)
            case _:
                pass
