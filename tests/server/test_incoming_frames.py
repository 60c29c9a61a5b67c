"""However a client's bytes are cut, the same texts arrive: those taken past the library's parser and those it reads."""

from __future__ import annotations

import asyncio
import os
import socket

import pytest
from websockets.frames import apply_mask

from reactor.server.listening import Address
from reactor.server.websocket_protocol import DirectSocket, SocketProtocol
from tests.server.pretend import NotingWorker, running, until
from tests.server.raw import masked, upgraded

MASK = b"\x01\x80\xfe\x7f"


def under_a_mask(text: str) -> bytes:
    payload = text.encode()
    size = len(payload)
    head = bytes([0x81, 0x80 | size]) if size < 126 else b"\x81\xfe" + size.to_bytes(2, "big")
    return head + MASK + apply_mask(payload, MASK)


STREAM = b"".join(
    (
        under_a_mask("plain"),
        masked(9, b"ping"),
        under_a_mask("ünï€ode 😀"),
        masked(1, b"in ", fin=False) + masked(9, b"") + masked(0, b"two ", fin=False) + masked(0, b"three pieces"),
        under_a_mask("x" * 125),
        under_a_mask("y" * 126),
        masked(1, b""),
        masked(10, b"a pong nobody asked for"),
        under_a_mask("end"),
    )
)
TEXTS = ["plain", "ünï€ode 😀", "in two three pieces", "x" * 125, "y" * 126, "", "end"]


async def heard(address: Address, worker_of: list[NotingWorker], *pieces: bytes) -> list[str | bytes]:
    """What arrives of pieces, each of which is one segment."""
    async with upgraded(address) as client:
        client._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        worker = worker_of[-1]
        worker.answers = False
        for piece in pieces:
            await client.send(piece)
            await asyncio.sleep(0)
        await until(lambda: worker.heard[-1] == "end")
        return worker.heard[1:]


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library reads everything."""
    monkeypatch.setattr(SocketProtocol, "_takes_texts", lambda _self: False)


async def test_a_stream_cut_anywhere_gives_the_same_texts() -> None:
    async with running() as server:
        for at in range(1, len(STREAM)):
            assert await heard(server.address, server.desk.workers, STREAM[:at], STREAM[at:]) == TEXTS, at


@pytest.mark.usefixtures("slow")
async def test_the_library_alone_gives_them_as_well() -> None:
    async with running() as server:
        for at in range(1, len(STREAM), 7):
            assert await heard(server.address, server.desk.workers, STREAM[:at], STREAM[at:]) == TEXTS, at


@pytest.mark.parametrize("size", [1, 2, 3, 5])
async def test_bytes_that_come_a_few_at_a_time_give_the_same_texts(size: int) -> None:
    pieces = [STREAM[at : at + size] for at in range(0, len(STREAM), size)]
    async with running() as server:
        assert await heard(server.address, server.desk.workers, *pieces) == TEXTS


async def test_texts_behind_a_close_frame_are_not_heard() -> None:
    async with running() as server, upgraded(server.address) as client:
        worker = server.desk.worker
        await client.send(under_a_mask("before") + masked(8, b"\x03\xe8") + under_a_mask("behind"))
        await worker.ended.wait()
        assert worker.heard == ["hello", "before"]


async def test_texts_behind_a_broken_frame_are_not_heard() -> None:
    async with running() as server, upgraded(server.address) as client:
        worker = server.desk.worker
        await client.send(under_a_mask("before") + masked(3, b"") + under_a_mask("behind"))
        await worker.ended.wait()
        assert await client.close_code() == 1002
        assert worker.heard == ["hello", "before"]


async def test_a_text_in_the_midst_of_another_is_an_error_though_it_is_whole() -> None:
    async with running() as server, upgraded(server.address) as client:
        worker = server.desk.worker
        await client.send(masked(1, b"half", fin=False) + under_a_mask("whole"))
        assert await client.close_code() == 1002
        assert worker.heard == ["hello"]


async def test_a_whole_text_larger_than_the_limit_is_refused_though_it_came_at_once() -> None:
    async with running(socket_message=100) as server, upgraded(server.address) as client:
        await client.send(under_a_mask("x" * 101))
        assert await client.close_code() == 1009
        assert server.desk.worker.heard == ["hello"]


async def test_what_the_kernel_takes_in_part_arrives_whole_and_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr("reactor.server.websocket_protocol.os.write", lambda fd, data: write(fd, data[:7]))
    async with running() as server, server.client() as (client, worker):
        texts = [f"{number} " + "x" * number for number in range(100)]
        for text in texts:
            worker.say(text)
        assert [await client.recv() for _ in texts] == texts


async def test_a_line_that_breaks_while_it_is_written_to_ends_as_any_other() -> None:
    async with running() as server, upgraded(server.address) as client:
        worker = server.desk.worker
        client.reset()
        for _ in range(3):
            worker.say("x" * 1000)  # the server has not seen the end yet
        await worker.ended.wait()
        worker.say("after the end")
        assert worker.ends == 1


async def test_nothing_is_written_to_a_line_that_ends_whoever_has_its_descriptor_then() -> None:
    async with running() as server, upgraded(server.address) as client:
        worker = server.desk.worker
        await client.send(masked(8, b"\x03\xe8"))
        await worker.ended.wait()
        assert isinstance(worker.socket, DirectSocket)
        descriptor = worker.socket._descriptor
        await client.drain()
        pairs = [socket.socketpair() for _ in range(20)]  # one of them gets the number that has become free
        try:
            (theirs,) = (pair[1 - at] for pair in pairs for at in (0, 1) if pair[at].fileno() == descriptor)
            worker.say("never")
            theirs.setblocking(False)
            with pytest.raises(BlockingIOError):
                theirs.recv(100)
        finally:
            for one in (end for pair in pairs for end in pair):
                one.close()
