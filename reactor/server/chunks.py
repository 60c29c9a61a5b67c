"""A large Transition on its way in parts (reference §1.11), and the responses that wait until all of it is out.

One part is given to the socket each time it is CLEAR, so that no more than a part waits in this process (engine D4).
Between the parts of one Transition a client must hear nothing but Ping. Only the text, which other sockets may share,
is kept; parts are spelt when they are sent.
"""

from __future__ import annotations

from collections.abc import Sequence

from reactor.server.socket import BACKLOG_ITEMS
from reactor.sync.codec import chunk_bounds, encode_chunk, ws_frame


class Chunks:
    """Made for a Transition too large to be sent whole."""

    __slots__ = ("_backlog", "_bounds", "_next", "_text", "_waiting", "_waiting_bytes")

    def __init__(self, text: memoryview, backlog: int) -> None:
        """`text` is the Transition's, `backlog` the most that may wait behind it, in bytes."""
        self._text = text
        self._bounds = chunk_bounds(text)
        self._next = 0  # number of the part to be sent next; rises in next()
        self._backlog = backlog
        self._waiting: list[bytes] = []  # frames of responses, in order; grows in hold()
        self._waiting_bytes = 0

    @property
    def done(self) -> bool:
        """Whether every part was taken."""
        return self._next == len(self._bounds) - 1

    @property
    def waiting(self) -> Sequence[bytes]:
        """Frames to be sent after the last part."""
        return self._waiting

    def next(self) -> bytes:
        """The frame of the next part."""
        number, self._next = self._next, self._next + 1
        piece = str(self._text[self._bounds[number] : self._bounds[number + 1]], "utf-8")
        return ws_frame(encode_chunk(piece, number, len(self._bounds) - 1, len(self._text)))

    def hold(self, frame: bytes) -> bool:
        """Keep a response until all is out. False when too much waits."""
        self._waiting.append(frame)
        self._waiting_bytes += len(frame)
        return self._waiting_bytes <= self._backlog and len(self._waiting) <= BACKLOG_ITEMS
