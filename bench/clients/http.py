"""Http: one keep-alive connection, one request at a time."""

from __future__ import annotations

import asyncio
import json
from typing import Any, cast

_LENGTH = b"content-length:"


class HttpFailed(RuntimeError):
    """An answer that was not asked for."""


class Http(asyncio.Protocol):
    """`request` returns the status and the body; `call` wants success and JSON."""

    def __init__(self) -> None:
        self.closed = False  # set when the peer ends it
        self._unread = b""  # grows in data_received until it holds an answer
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None  # from request() to its answer
        self._transport: asyncio.Transport | None = None

    @classmethod
    async def open(cls, port: int) -> Http:
        """A connection to a server on this machine."""
        _, connection = await asyncio.get_running_loop().create_connection(cls, "127.0.0.1", port)
        return connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self.closed = True
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionError("the server closed the connection"))

    def close(self) -> None:
        """End it."""
        assert self._transport is not None
        self._transport.close()

    def request(
        self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> asyncio.Future[tuple[int, bytes]]:
        """Send one; await the status and the body."""
        assert self._transport is not None
        lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {len(body)}"]
        if body:
            lines.append("Content-Type: application/json")
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        return self._answer

    async def call(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Any:
        """JSON in and out. Raises HttpFailed."""
        data = b"" if body is None else json.dumps(body).encode()
        status, answer = await self.request(method, path, data, headers)
        if status >= 300:
            raise HttpFailed(f"{method} {path}: {status} {answer[:300]!r}")
        return json.loads(answer) if answer else None

    def data_received(self, data: bytes) -> None:
        self._unread = unread = self._unread + data if self._unread else data
        end = unread.find(b"\r\n\r\n")
        if end < 0:
            return
        head = unread[:end].lower()
        at = head.find(_LENGTH)
        body = b""
        rest = b""
        if at >= 0:
            line_end = head.find(b"\r\n", at)
            size = int(head[at + len(_LENGTH) : line_end if line_end > 0 else len(head)])
            if len(unread) < end + 4 + size:
                return
            body, rest = unread[end + 4 : end + 4 + size], unread[end + 4 + size :]
        elif b"transfer-encoding: chunked" in head:
            if not unread.endswith(b"0\r\n\r\n"):
                return
            body = b"".join(_chunks(unread[end + 4 :]))
        self._unread = rest
        answer, self._answer = self._answer, None
        if answer is not None and not answer.done():
            answer.set_result((int(head[9:12]), body))


def _chunks(body: bytes) -> list[bytes]:
    parts: list[bytes] = []
    at = 0
    while True:
        line_end = body.index(b"\r\n", at)
        size = int(body[at:line_end], 16)
        if size == 0:
            return parts
        parts.append(body[line_end + 2 : line_end + 2 + size])
        at = line_end + size + 4
