"""A WebSocket client that is only a TCP socket: it sends what no library would, and reads when told to."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator

from reactor.server.listening import Address

HANDSHAKE = (
    b"GET /api/1.48.0/sync HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n%b\r\n"
)


def masked(opcode: int, payload: bytes, *, fin: bool = True) -> bytes:
    """A client's frame, under the mask of zeros."""
    size = len(payload)
    head = bytes([(0x80 if fin else 0) | opcode])
    if size < 126:
        return head + bytes([0x80 | size]) + bytes(4) + payload
    return head + b"\xfe" + struct.pack(">H", size) + bytes(4) + payload


class RawClient:
    """One connection. It reads nothing unless `read` or `close_frame` is awaited."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._loop = asyncio.get_running_loop()

    async def send(self, data: bytes) -> None:
        await self._loop.sock_sendall(self._socket, data)

    async def read(self, most: int = 1 << 16) -> bytes:
        """What is there, b"" when the line has ended."""
        try:
            return await self._loop.sock_recv(self._socket, most)
        except ConnectionError:
            return b""

    async def drain(self) -> bytes:
        """All until the line ends."""
        parts = []
        while part := await self.read():
            parts.append(part)
        return b"".join(parts)

    async def close_code(self) -> int | None:
        """The code of the close frame the server ends with; None when it says nothing."""
        rest = await self.drain()
        at = rest.rfind(b"\x88")
        return None if at < 0 else int.from_bytes(rest[at + 2 : at + 4], "big")

    def reset(self) -> None:
        """End the line with an RST."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()


@contextlib.asynccontextmanager
async def tcp(address: Address, *, receive_buffer: int | None = None) -> AsyncIterator[RawClient]:
    sock = socket.socket()
    sock.setblocking(False)
    if receive_buffer is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    with sock:
        await asyncio.get_running_loop().sock_connect(sock, (address.host, address.port))
        yield RawClient(sock)


@contextlib.asynccontextmanager
async def upgraded(
    address: Address, *, headers: bytes = b"", receive_buffer: int | None = None
) -> AsyncIterator[RawClient]:
    """After the handshake, with one text exchanged, so that the endpoint listens."""
    async with tcp(address, receive_buffer=receive_buffer) as client:
        await client.send(HANDSHAKE % headers)
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += await client.read()
        assert answer.startswith(b"HTTP/1.1 101 "), answer
        await client.send(masked(1, b"hello"))
        answer = answer.partition(b"\r\n\r\n")[2]
        while b"<hello>" not in answer:
            answer += await client.read()
        yield client
