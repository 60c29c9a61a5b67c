"""EventStream: server-sent events over a chunked answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast


class EventStream(asyncio.Protocol):
    """Calls `on_event` with each event's block of lines."""

    def __init__(self, path: str, on_event: Callable[[bytes], None]) -> None:
        self.closed = False  # set when the peer ends it
        self._path = path
        self._on_event = on_event
        self._raw = b""  # not yet taken out of its chunks
        self._text = b""  # not yet a whole event
        self._has_head = False

    @classmethod
    async def open(cls, port: int, path: str, on_event: Callable[[bytes], None]) -> EventStream:
        """A stream from a server on this machine."""
        loop = asyncio.get_running_loop()
        _, stream = await loop.create_connection(lambda: cls(path, on_event), "127.0.0.1", port)
        return stream

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast("asyncio.Transport", transport).write(
            f"GET {self._path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n\r\n".encode()
        )

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self.closed = True

    def data_received(self, data: bytes) -> None:
        raw = self._raw + data if self._raw else data
        if not self._has_head:
            end = raw.find(b"\r\n\r\n")
            if end < 0:
                self._raw = raw
                return
            self._has_head, raw = True, raw[end + 4 :]
        at = 0
        while (line_end := raw.find(b"\r\n", at)) >= 0:
            size = int(raw[at:line_end], 16)
            if len(raw) < line_end + size + 4:
                break
            self._text += raw[line_end + 2 : line_end + 2 + size]
            at = line_end + size + 4
        self._raw = raw[at:]
        *events, self._text = self._text.split(b"\n\n")
        for event in events:
            self._on_event(event)
