"""A plain POST, which is answered without ASGI, gets the answer that the ordinary way gives, byte for byte."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import uvloop

from reactor.errors import Overloaded
from reactor.execution.frames import Outcome
from reactor.limits import DEFAULT_LIMITS
from reactor.server.assembly import assemble
from reactor.server.direct_calls import DirectApp, DirectCalls
from reactor.server.http_api import HttpApi
from reactor.server.listening import Address, listening
from reactor.server.settings import ServerSettings
from tests.server.pretend import Desk, PretendVerbs, failed, succeeded
from tests.server.raw import RawClient, tcp

_DATE = re.compile(rb"date: [^\r]*\r\n")
BY_THE_ORDINARY_WAY = {"X-Forwarded-Proto": "http"}  # changes nothing but the way


@dataclass
class Directly:
    """Answers as PretendVerbs do, now or when the test says so."""

    verbs: PretendVerbs
    taken: int = 0
    waiting: list[Callable[[], None]] = field(default_factory=list)
    holds: bool = False

    def begin(self, path: str, args: bytes, done: Callable[[Outcome], None]) -> None:
        self.taken += 1
        outcome = self.verbs._answer("query", path, args, None, internal=False)
        if self.holds:
            self.waiting.append(lambda: done(outcome))
        else:
            done(outcome)


@dataclass
class Served:
    address: Address
    verbs: PretendVerbs
    directly: Directly

    async def ask(self, body: bytes, headers: dict[str, str] | None = None, path: str = "/api/query") -> bytes:
        async with tcp(self.address) as client:
            await client.send(request(body, headers, path))
            return _DATE.sub(b"", await answer(client))


def request(body: bytes, headers: dict[str, str] | None = None, path: str = "/api/query") -> bytes:
    lines = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
    return f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n{lines}\r\n".encode() + body


async def answer(client: RawClient) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        part = await client.read()
        assert part, data
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head)
    assert length is not None
    while len(body) < int(length[1]):
        body += await client.read()
    return head + b"\r\n\r\n" + body


@contextlib.asynccontextmanager
async def served(*, redact: bool = False, **limits: Any) -> AsyncIterator[Served]:
    verbs, numbers, settings = PretendVerbs(), replace(DEFAULT_LIMITS, **limits), ServerSettings(redact=redact)
    directly = Directly(verbs)
    direct = DirectCalls(HttpApi(verbs, settings, numbers), {b"/api/query": directly.begin})  # type: ignore[arg-type]
    app = DirectApp(assemble(verbs, Desk(), settings, numbers), direct)  # type: ignore[arg-type]
    async with listening(app, limits=numbers) as address:
        yield Served(address, verbs, directly)


ARGS = b'{"path":"m:f","args":{"a":1},"format":"json"}'


@pytest.mark.parametrize(
    "outcome",
    [
        succeeded(b'{"a":1.5,"text":"\xc3\xbc"}'),
        succeeded(b'{"$integer":"AQAAAAAAAAA="}'),
        succeeded(b"null", "[LOG] 'line'"),
        failed("E", "Uncaught Error: boom\n    at m.py:3"),
        failed("AppError", "Uncaught AppError", b'{"code":"empty"}'),
        failed("TooManyConcurrentRequests", "later", retry=True),
        failed("InternalServerError", "no"),
        Overloaded("TooManyConcurrentRequests", "Too many", retry_after=2.5),
        RuntimeError("a bug"),
    ],
    ids=range(9),
)
@pytest.mark.parametrize("headers", [{}, {"Convex-Client": "python-0.8.1"}, {"Convex-Request-Id": "mine-7"}])
@pytest.mark.parametrize("redact", [False, True])
async def test_whatever_a_call_comes_to(outcome: Outcome | Exception, headers: dict[str, str], redact: bool) -> None:
    async with served(redact=redact) as server:
        server.verbs.outcome = outcome
        for body in (ARGS, ARGS.replace(b',"format":"json"', b"")):
            ordinary = await server.ask(body, headers | BY_THE_ORDINARY_WAY)
            assert server.directly.taken == 0
            assert await server.ask(body, headers) == ordinary
            assert server.directly.taken == 1
            server.directly.taken = 0
        assert server.verbs.asked[0] == server.verbs.asked[1]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b"\xff",
        b'{"path":5}',
        b'{"path":"m:f","args":[]}',
        b'{"path":"m:f","args":[{},{}]}',
        b'{"path":"m:f","args":"x"}',
        b'{"path":"m:f","args":  [ {"a":1} ]}',
        b'{"path":"m:f"}',
        b'{"path":"m:f","format":"yaml"}',
        b'{"path":"m:f","componentPath":"c"}',
        b'{"path":"m:f","args":{"a":' + b"[" * 5000 + b"]" * 5000 + b"}}",
    ],
    ids=range(14),
)
async def test_whatever_a_body_is(body: bytes) -> None:
    async with served() as server:
        assert await server.ask(body) == await server.ask(body, BY_THE_ORDINARY_WAY)


@pytest.mark.parametrize(
    ("headers", "path"),
    [
        ({"Authorization": "Convex local|sesame"}, "/api/query"),
        ({"Origin": "http://elsewhere"}, "/api/query"),
        ({"X-Forwarded-For": "10.0.0.1"}, "/api/query"),
        ({"Expect": "100-continue"}, "/api/query"),
        ({}, "/api/query?adminKey=local%7Csesame"),
        ({}, "/api/action"),
        ({}, "//api/query"),
    ],
    ids=range(7),
)
async def test_what_is_not_plain_takes_the_ordinary_way(headers: dict[str, str], path: str) -> None:
    async with served() as server, tcp(server.address) as client:
        await client.send(request(ARGS, headers, path))
        await answer_or_continue(client)
        assert server.directly.taken == 0


async def answer_or_continue(client: RawClient) -> None:
    assert (await client.read()).startswith(b"HTTP/1.1 ")


async def test_a_body_that_comes_in_pieces_or_is_large_takes_the_ordinary_way() -> None:
    async with served() as server:
        whole = request(ARGS)
        for at in range(whole.index(b"\r\n\r\n") + 4, len(whole)):
            async with tcp(server.address) as client:
                await client.send(whole[:at])
                await asyncio.sleep(0.002)
                await client.send(whole[at:])
                assert b'"success"' in await answer(client)
        assert server.directly.taken <= 1  # where the kernel put two pieces together
        taken = server.directly.taken
        large = b'{"path":"m:f","args":{"a":"' + b"x" * 20_000 + b'"}}'
        assert b'"success"' in await server.ask(large)
        assert server.directly.taken == taken


async def test_answers_to_requests_sent_together_keep_their_order() -> None:
    async with served() as server, tcp(server.address) as client:
        server.directly.holds = True
        await client.send(request(ARGS) + request(b"{}") + request(ARGS))
        while not server.directly.waiting:  # noqa: ASYNC110 it looks at what has no event
            await asyncio.sleep(0.001)
        assert server.directly.taken == 1
        server.directly.holds = False
        server.directly.waiting.pop()()
        data = b""
        while data.count(b"HTTP/1.1 ") < 3 or not data.endswith(b"}"):
            data += await client.read()
        assert re.findall(rb"HTTP/1.1 (\d+)", data) == [b"200", b"400", b"200"]


async def test_a_connection_is_kept_or_closed_as_the_client_asks() -> None:
    async with served() as server, tcp(server.address) as client:
        for _ in range(3):
            await client.send(request(ARGS))
            assert b"connection" not in (await answer(client)).lower()
        await client.send(request(ARGS, {"Connection": "close"}))
        assert b"\r\nconnection: close\r\n" in await client.drain()
        assert server.directly.taken == 4


async def test_a_client_that_left_is_told_nothing() -> None:
    async with served() as server:
        server.directly.holds = True
        async with tcp(server.address) as client:
            await client.send(request(ARGS))
            while not server.directly.waiting:  # noqa: ASYNC110 it looks at what has no event
                await asyncio.sleep(0.001)
            client.reset()
        await asyncio.sleep(0.02)
        server.directly.waiting.pop()()
        server.directly.holds = False
        assert json.loads((await server.ask(ARGS)).partition(b"\r\n\r\n")[2])["status"] == "success"


async def test_a_client_that_reads_nothing_is_not_answered_without_bound() -> None:
    """Its requests take the ordinary way once the answers pile up, which waits until it reads."""
    async with served() as server, tcp(server.address, receive_buffer=4096) as client:
        server.verbs.outcome = succeeded(b'"' + b"x" * 100_000 + b'"')

        async def send() -> None:
            with contextlib.suppress(ConnectionError):
                await client.send(request(ARGS) * 2000)

        sending = asyncio.create_task(send())
        before = -1
        while len(server.verbs.asked) != before:  # until it stands still
            before = len(server.verbs.asked)
            await asyncio.sleep(0.1)
        assert 0 < before < 200  # of 2,000: what the kernel holds, and one or two
        sending.cancel()


async def _leave_with(address: Address, more: bytes) -> bytes:
    """One packet: a plain POST, the same once more, and `more`. What comes back before the server has had enough."""
    reader, writer = await asyncio.open_connection(address.host, address.port)
    writer.write(request(ARGS) + more)
    await asyncio.sleep(0.05)  # the server has read it all; nothing tells when
    writer.transport.abort()
    return await reader.read()


@pytest.mark.parametrize(
    "more",
    [
        request(ARGS) + b"garbage\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
    ],
    ids=["garbage", "upgrade"],
)
def test_an_answer_for_a_client_that_is_gone_raises_nothing(more: bytes) -> None:
    """On the server's own loop, whose closed transports refuse to be written to: the engine's turn is everybody's."""

    async def run() -> None:
        async with served() as server:
            server.directly.holds = True
            with contextlib.suppress(ConnectionError):
                await _leave_with(server.address, more)
            for answer_now in server.directly.waiting:
                answer_now()
            assert server.directly.taken >= 1

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(asyncio.wait_for(run(), 20))


async def test_an_upgrade_waits_for_the_answers_before_it() -> None:
    async with served() as server, tcp(server.address) as client:
        server.directly.holds = True
        upgrade = b"GET /api/1.0.0/sync HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
        upgrade += b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        await client.send(request(ARGS) + upgrade)
        assert (await client.read()).startswith(b"HTTP/1.1 400")
        for answer_now in server.directly.waiting:
            answer_now()
