"""HttpExchange: one HTTP request and its response, as the server sees it while a runner answers.

Parts of the response come out in order. How much of the body may wait here is the runner's care: it is told what the
client has taken. Not thread-safe; on the loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from reactor.execution import frames
from reactor.execution.frames import AnyFrame, HttpRequest, Outcome, ResponseChunk, ResponseEnd, ResponseHead

ResponsePart = ResponseHead | ResponseChunk | ResponseEnd | Outcome


class HttpExchange:
    """Made for a request; `next` until it gives ResponseEnd, or an Outcome where the response broke off."""

    def __init__(self, request: HttpRequest) -> None:
        self.request = request
        self.left = False  # the client does not read any more; set by leave()
        self._parts: asyncio.Queue[ResponsePart] = asyncio.Queue()
        self._send: Callable[[AnyFrame], None] | None = None  # to the runner, from started() to released()
        self._give_up: Callable[[], object] | None = None  # until started()

    # ── the client's side ─────────────────────────────────────────────────────────────────────────────────────────────

    async def next(self) -> ResponsePart:
        """The next part of the response; an Outcome before ResponseEnd is a failure, of which there may be a head already."""
        return await self._parts.get()

    def taken(self, size: int) -> None:
        """The client has taken so many bytes of the body."""
        if self._send is not None:
            self._send(frames.ChunksTaken(size))

    def leave(self) -> None:
        """Nobody reads on. A handler that has not begun never will, one that has may finish."""
        if self.left:
            return
        self.left = True
        if self._send is not None:
            self._send(frames.ClientGone())
        elif self._give_up is not None:
            self._give_up()

    # ── the runner's side ─────────────────────────────────────────────────────────────────────────────────────────────

    def waiting(self, give_up: Callable[[], object]) -> None:
        """No runner is free yet; `give_up` takes the request out of the queue."""
        self._give_up = give_up

    def started(self, send: Callable[[AnyFrame], None]) -> None:
        """A runner has it, and can be talked to."""
        self._give_up = None
        self._send = send

    def arrived(self, part: ResponseHead | ResponseChunk | ResponseEnd) -> None:
        """The runner has sent a part."""
        if not self.left:
            self._parts.put_nowait(part)

    def released(self) -> None:
        """The runner is done with it, or dead: nothing said to that runner from now on is about this request."""
        self._send = None

    def ended(self, outcome: Outcome) -> None:
        """It is over, and this is what it came to."""
        self._send = self._give_up = None
        self._parts.put_nowait(outcome)
