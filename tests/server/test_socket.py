"""The fallback over plain ASGI, against a server whose sends end when the test says so."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace

from starlette.types import Message
from starlette.websockets import WebSocket, WebSocketState

from reactor.limits import DEFAULT_LIMITS
from reactor.server.socket import AsgiSocket, frame_text
from reactor.sync.codec import ws_frame


class Outside:
    """An ASGI server."""

    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def receive(self) -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    async def send(self, message: Message) -> None:
        await self.gate.wait()
        self.sent.append(message)

    @property
    def texts(self) -> list[str]:
        return [message["text"] for message in self.sent if message["type"] == "websocket.send"]


@contextlib.asynccontextmanager
async def plain(**limits: object) -> AsyncIterator[tuple[AsgiSocket, Outside, asyncio.Task[None]]]:
    outside = Outside()
    websocket = WebSocket({"type": "websocket"}, outside.receive, outside.send)
    websocket.client_state = websocket.application_state = WebSocketState.CONNECTED
    socket = AsgiSocket(websocket, replace(DEFAULT_LIMITS, **limits))  # type: ignore[arg-type]
    task = asyncio.create_task(socket.run())
    yield socket, outside, task
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def turns(count: int = 20) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_frames_go_out_in_order_as_texts() -> None:
    async with plain() as (socket, outside, _):
        for text in ("a", "é" * 100, "x" * 70_000):
            socket.send_frame(ws_frame(text.encode()))
        await turns()
        assert outside.texts == ["a", "é" * 100, "x" * 70_000]


async def test_it_is_blocked_until_the_send_came_back_and_says_when() -> None:
    async with plain() as (socket, outside, _):
        clears = []
        socket.on_clear = lambda: clears.append(socket.clear)
        outside.gate.clear()
        socket.send_frame(ws_frame(b"a"))
        await turns()
        assert not socket.clear
        assert socket.blocked_since is not None
        socket.send_frame(ws_frame(b"b"))
        outside.gate.set()
        await turns()
        assert outside.texts == ["a", "b"]
        assert clears == [True]


async def test_what_is_sent_from_within_the_clearing_goes_out_too() -> None:
    async with plain() as (socket, outside, _):
        left = [ws_frame(b"b"), ws_frame(b"c")]
        socket.on_clear = lambda: socket.send_frame(left.pop(0)) if left else None
        socket.send_frame(ws_frame(b"a"))
        await turns(40)
        assert outside.texts == ["a", "b", "c"]


async def test_past_the_backlog_it_closes() -> None:
    async with plain(socket_backlog=100) as (socket, outside, task):
        outside.gate.clear()
        socket.send_frame(ws_frame(b"x" * 5000))
        await turns()
        for _ in range(3):
            socket.send_frame(ws_frame(b"y" * 40))
        outside.gate.set()
        await task
        assert outside.texts == ["x" * 5000]
        assert (outside.sent[-1]["code"], outside.sent[-1]["reason"]) == (1013, "SlowReader")


async def test_what_was_said_before_the_close_goes_out_and_nothing_after() -> None:
    async with plain() as (socket, outside, task):
        socket.send_frame(ws_frame(b"fatal"))
        socket.close(1008, "BaseVersionMismatch")
        socket.send_frame(ws_frame(b"never"))
        socket.close(1011, "InternalServerError")
        await task
        assert outside.texts == ["fatal"]
        assert [message.get("code") for message in outside.sent] == [None, 1008]


async def test_a_send_that_never_comes_back_ends_it() -> None:
    async with plain(socket_stall=0.05) as (socket, outside, task):
        outside.gate.clear()
        socket.send_frame(ws_frame(b"x"))
        await task
        assert outside.sent == []


def test_the_text_of_a_frame_is_found_behind_every_length() -> None:
    for size in (0, 1, 125, 126, 65_535, 65_536):
        assert frame_text(ws_frame(b"x" * size)) == "x" * size
