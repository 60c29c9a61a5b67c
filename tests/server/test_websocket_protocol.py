"""CLEAR and BLOCKED, slow readers and broken frames, on a real transport of either event loop (engine D4)."""

from __future__ import annotations

import asyncio
import inspect

import pytest
import uvicorn
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from reactor.server.websocket_protocol import DirectSocket
from tests.server.pretend import NotingWorker, Running, running, until
from tests.server.raw import masked, upgraded


def fill(worker: NotingWorker, piece: int = 16_384, most: int = 4 << 20) -> int:
    """Write until the socket is BLOCKED; how many bytes that took. The kernels may still take a little later."""
    written = 0
    while worker.socket.clear:
        worker.say("x" * piece)
        written += piece
        assert written < most, "the kernel swallows everything a slow reader does not take"
    return written


def overfill(worker: NotingWorker) -> None:
    """Write until the socket is BLOCKED and stays so while the client does not read."""
    fill(worker)
    worker.say("x" * 200_000)


def idle(server: Running) -> NotingWorker:
    worker = server.desk.worker
    worker.answers = False
    return worker


def blocked_since(worker: NotingWorker) -> float | None:
    return worker.socket.blocked_since


async def test_a_healthy_client_is_clear_right_after_each_frame() -> None:
    async with running() as server, server.client() as (client, worker):
        for n in range(100):
            worker.say(f"{n}")
            assert worker.socket.clear
            assert worker.socket.blocked_since is None
        assert [await client.recv() for _ in range(100)] == [str(n) for n in range(100)]
        assert worker.clears == 0


async def test_a_client_that_does_not_read_is_blocked_soon_and_clear_once_it_read() -> None:
    async with running() as server, upgraded(server.address, receive_buffer=65_536) as client:
        worker = idle(server)
        assert fill(worker) < 1 << 20
        assert blocked_since(worker) is not None
        while worker.clears == 0:
            await client.read()
        assert worker.clears == 1
        assert worker.socket.clear
        assert blocked_since(worker) is None
        worker.say("after")
        rest = b""
        while not rest.endswith(b"\x81\x05after"):
            rest += await client.read()


async def test_a_large_frame_is_written_whole_to_a_clear_socket() -> None:
    async with running(socket_backlog=1000) as server, server.client() as (client, worker):
        worker.say("x" * 5_000_000)
        worker.say("small")
        assert await client.recv() == "x" * 5_000_000
        assert await client.recv() == "small"


async def test_answers_queue_up_to_the_backlog_and_then_the_socket_closes() -> None:
    async with running(socket_backlog=50_000) as server, upgraded(server.address, receive_buffer=65_536) as client:
        worker = idle(server)
        fill(worker)
        for _ in range(4):
            worker.say("y" * 10_000)
        assert not worker.ended.is_set()
        worker.say("z" * 20_000)
        await worker.ended.wait()
        await client.send(masked(8, b"\x03\xf5"))
        rest = await client.drain()
        assert rest.count(b"y") == 40_000
        assert b"z" not in rest
        assert rest.endswith(b"\x88\x0c\x03\xf5SlowReader")  # 1013


async def test_a_thousand_small_answers_are_too_many_as_well() -> None:
    async with running() as server, upgraded(server.address, receive_buffer=65_536) as client:
        worker = idle(server)
        fill(worker)
        for _ in range(1000):
            worker.say("y")
        await asyncio.sleep(0)
        assert not worker.ended.is_set()
        worker.say("y")
        await worker.ended.wait()
        await client.send(masked(8, b"\x03\xf5"))
        assert await client.close_code() == 1013


async def test_the_backlog_starts_anew_once_the_client_caught_up() -> None:
    async with running(socket_backlog=50_000) as server, upgraded(server.address, receive_buffer=65_536) as client:
        worker = idle(server)
        for round_number in (1, 2, 3):
            fill(worker)
            for _ in range(4):
                worker.say("y" * 10_000)
            while worker.clears < round_number:
                await client.read()
        assert not worker.ended.is_set()


async def test_a_client_that_takes_nothing_is_cut() -> None:
    async with running(socket_stall=0.1) as server, upgraded(server.address, receive_buffer=65_536) as client:
        worker = idle(server)
        overfill(worker)
        await worker.ended.wait()
        assert await client.close_code() is None


async def test_a_client_that_stalls_after_closing_is_cut_as_well() -> None:
    async with running(socket_stall=0.1) as server, upgraded(server.address, receive_buffer=65_536) as client:
        worker = idle(server)
        overfill(worker)
        await client.send(masked(8, b"\x03\xe8"))
        await worker.ended.wait()
        await client.drain()


async def test_a_slow_client_that_goes_on_reading_is_kept() -> None:
    async with running(socket_stall=0.2) as server, upgraded(server.address, receive_buffer=65_536) as client:
        worker = idle(server)
        worker.say("x" * 3_000_000)
        loop = asyncio.get_running_loop()
        start, read = loop.time(), 0
        while loop.time() < start + 0.8:  # four stall times; each sees far more than 64 KiB
            read += len(await client.read(20_000))
            await asyncio.sleep(0.01)
        assert not worker.ended.is_set()
        assert not worker.socket.clear
        while worker.clears == 0:
            await client.read()


async def test_nothing_is_written_after_the_close_frame() -> None:
    async with running() as server, upgraded(server.address) as client:
        worker = idle(server)
        worker.socket.close(1013, "ExpiredInQueue" * 20)
        worker.say("never")
        await client.send(masked(8, b"\x03\xf5"))
        rest = await client.drain()
        assert rest[:4] == b"\x88\x7d\x03\xf5"  # 123 bytes of reason with the code: the most a close frame holds
        assert b"never" not in rest


async def test_a_client_that_does_not_answer_the_close_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reactor.server.websocket_protocol.CLOSE_GRACE", 0.05)
    async with running() as server, upgraded(server.address) as client:
        idle(server).socket.close(1008, "x")
        assert await client.close_code() == 1008


async def test_abort_cuts_the_line() -> None:
    async with running() as server, upgraded(server.address) as client:
        worker = idle(server)
        worker.socket.abort()
        await worker.ended.wait()
        assert await client.drain() == b""


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\x81\x00", 1002),  # no mask
        (b"\xc1\x80\x00\x00\x00\x00", 1002),  # a reserved bit
        (masked(3, b""), 1002),
        (masked(9, b"", fin=False), 1002),
        (masked(9, b"x" * 126), 1002),
        (masked(0, b"x"), 1002),  # continues nothing
        (masked(1, b"x", fin=False) + masked(1, b"y"), 1002),
        (masked(1, b"\xff"), 1007),
        (masked(1, b"\xed\xa0\x80"), 1007),
        (masked(1, b"\xe2\x82", fin=False) + masked(0, b"x"), 1007),
        (b"\x81\xff" + (1 << 40).to_bytes(8, "big"), 1009),
        (b"\x81\xff" + ((1 << 63) - 1).to_bytes(8, "big"), 1009),
        (masked(1, b"", fin=False) + masked(0, b"", fin=False) * 1100, 1008),
        (masked(9, b"") * 150, 1008),
        (masked(2, b"x"), 1003),
    ],
    ids=range(15),
)  # fmt: skip
async def test_a_broken_frame_ends_the_line_with_its_code(data: bytes, code: int) -> None:
    async with running() as server, upgraded(server.address) as client:
        worker = idle(server)
        await client.send(data)
        await client.send(masked(8, code.to_bytes(2, "big")))
        assert await client.close_code() == code
        await worker.ended.wait()
        assert worker.heard == ["hello"]
        assert worker.ends == 1


async def test_a_text_may_come_in_pieces_cut_inside_a_character() -> None:
    async with running() as server, upgraded(server.address) as client:
        worker = idle(server)
        await client.send(masked(1, b"\xe2\x82", fin=False) + masked(9, b"p") + masked(0, b"\xac"))
        await until(lambda: len(worker.heard) == 2)
        assert worker.heard == ["hello", "€"]


async def test_a_message_larger_than_the_limit_is_refused_and_one_of_just_that_size_is_not() -> None:
    async with running(socket_message=1000) as server:
        async with server.client() as (client, worker):
            await client.send("x" * 1000)
            assert await client.recv() == "<" + "x" * 1000 + ">"
        async with upgraded(server.address) as raw:
            await raw.send(masked(1, b"x" * 1001))
            assert await raw.close_code() == 1009
        assert [len(text) for text in worker.heard] == [5, 1000]


async def test_pings_are_answered() -> None:
    async with running() as server, server.client() as (client, _):
        await (await client.ping())


async def test_pings_to_a_client_that_reads_nothing_do_not_fill_memory() -> None:
    async with running(socket_backlog=1000) as server, upgraded(server.address, receive_buffer=65_536) as client:
        worker = idle(server)
        worker.say("x" * 3_000_000)
        assert isinstance(worker.socket, DirectSocket)
        buffered = worker.socket.buffered
        assert buffered > 1000
        await client.send(masked(9, b"x" * 125) * 90 + masked(1, b"done"))
        await until(lambda: "done" in worker.heard)
        assert worker.socket.buffered <= buffered


def test_uvicorn_is_the_one_whose_internals_were_read() -> None:
    """A newer one may be fine: read websockets_sansio_impl.py again, run this file, then move the number."""
    assert uvicorn.__version__.split(".")[:2] == ["0", "54"]


def test_what_is_overridden_is_there() -> None:
    for name in (
        "connection_made", "connection_lost", "pause_writing", "resume_writing", "run_asgi", "handle_cont",
        "send_receive_event_to_app", "handle_ping", "stop_keepalive", "shutdown",
    ):  # fmt: skip
        assert inspect.isfunction(getattr(WebSocketsSansIOProtocol, name))
