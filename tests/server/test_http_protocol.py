"""Heads of requests are bounded in time and size, and what is not HTTP is refused (reliability 12, 13, 18 to 20)."""

from __future__ import annotations

import asyncio

import pytest

from tests.server.pretend import running
from tests.server.raw import HANDSHAKE, tcp

GET = b"GET /version HTTP/1.1\r\nHost: x\r\n"


async def test_a_connection_that_says_nothing_is_closed() -> None:
    async with running(connect_wait=0.1) as server, tcp(server.address) as client:
        assert await client.drain() == b""


async def test_a_head_that_comes_byte_by_byte_does_not_get_more_time() -> None:
    async with running(connect_wait=0.2) as server, tcp(server.address) as client:
        started = asyncio.get_running_loop().time()

        async def drip() -> None:
            for byte in GET * 100:
                await client.send(bytes([byte]))
                await asyncio.sleep(0.02)

        dripping = asyncio.create_task(drip())
        assert await client.drain() == b""
        assert asyncio.get_running_loop().time() - started < 2
        dripping.cancel()
        await asyncio.gather(dripping, return_exceptions=True)


async def test_the_second_head_on_a_connection_has_its_deadline_too() -> None:
    async with running(connect_wait=0.2) as server, tcp(server.address) as client:
        await client.send(GET + b"\r\n")
        assert (await client.read()).startswith(b"HTTP/1.1 200 ")
        await client.send(b"GET /ver")
        assert await client.drain() == b""


async def test_a_connection_between_requests_and_one_that_waits_for_its_answer_are_kept() -> None:
    async with running(connect_wait=0.1) as server, tcp(server.address) as client:
        for _ in range(3):
            await client.send(GET + b"\r\n")
            assert (await client.read()).startswith(b"HTTP/1.1 200 ")
            await asyncio.sleep(0.15)


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (GET + b"X: " + b"y" * 70_000 + b"\r\n\r\n", 431),
        (GET + b"X: y\r\n" * 101 + b"\r\n", 431),
        (GET + b"X" * 70_000, 431),
        (b"GET /" + b"x" * 17_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
        (b"GET /" + b"x" * 70_000, 414),
        (b"hello\r\n\r\n", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx", 400),
        (b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n", 400),
        (GET + b"A: b\r\n folded\r\n\r\n", 400),
        (GET + b"A: b\nC: d\n\r\n", 400),
        (HANDSHAKE.replace(b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", b"") % b"", 400),
        (HANDSHAKE.replace(b"Version: 13", b"Version: 12") % b"", 400),
    ],
    ids=range(14),
)  # fmt: skip
async def test_a_strange_head_is_refused_and_the_line_ends(head: bytes, status: int) -> None:
    async with running() as server, tcp(server.address) as client:
        await client.send(head)
        answer = await client.drain()
        assert answer.startswith(b"HTTP/1.1 %d " % status), answer[:100]
        assert server.desk.workers == []


async def test_a_thousand_pipelined_requests_are_all_answered() -> None:
    async with running() as server, tcp(server.address) as client:
        await client.send((GET + b"\r\n") * 1000)
        answers = b""
        while answers.count(b"HTTP/1.1 200 ") < 1000:
            answers += await client.read()
