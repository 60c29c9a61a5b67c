"""Pipe: the runner's end of its socket to the server, blocking, in whole frames.

The server's end is non-blocking and lives in runner.py.
"""

from __future__ import annotations

import socket
from collections import deque

from reactor.execution.frames import AnyFrame, Unpacker, pack

_CHUNK = 1 << 18


class Pipe:
    """Frames out, frames in."""

    __slots__ = ("_arrived", "_ended", "_socket", "_unpacker")

    def __init__(self, connected: socket.socket) -> None:
        connected.setblocking(True)
        self._socket = connected
        self._unpacker = Unpacker()
        self._arrived: deque[AnyFrame] = deque()  # whole frames not yet taken
        self._ended = False  # True once the server's end is closed

    def receive(self) -> AnyFrame | None:
        """The next frame, however long it takes; None when the server is gone."""
        while not self._arrived:
            if self._ended:
                return None
            self._feed(self._socket.recv(_CHUNK))
        return self._arrived.popleft()

    def peek(self) -> AnyFrame | None:
        """The next frame if it is here already, left in place; None if there is none. Never waits."""
        if not self._arrived and not self._ended:
            try:
                self._feed(self._socket.recv(_CHUNK, socket.MSG_DONTWAIT))
            except BlockingIOError:
                return None
        return self._arrived[0] if self._arrived else None

    def take(self) -> AnyFrame:
        """Remove and return the frame `peek` showed."""
        return self._arrived.popleft()

    def hand_over(self) -> tuple[socket.socket, Unpacker, list[AnyFrame]]:
        """For who reads on its own from now on: the socket, what was read of the next frame, frames not yet taken."""
        return self._socket, self._unpacker, list(self._arrived)

    def send(self, frame: AnyFrame) -> None:
        """Hand the frame to the kernel. A server that is gone shows as BrokenPipeError."""
        self._socket.sendall(pack(frame))

    def _feed(self, data: bytes) -> None:
        if data:
            self._arrived.extend(self._unpacker.feed(data))
        else:
            self._ended = True
