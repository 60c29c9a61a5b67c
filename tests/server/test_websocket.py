"""The sync endpoint over real sockets, in our own server and mounted in one that offers plain ASGI only."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from starlette.types import ASGIApp, Receive, Scope, Send
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import InvalidStatus

from reactor.server.socket import AsgiSocket
from reactor.server.websocket_protocol import EXTENSION, DirectSocket
from reactor.sync.client_info import ClientInfo
from tests.server.pretend import running, until
from tests.server.raw import upgraded


def direct(app: ASGIApp) -> ASGIApp:
    return app


def plain(app: ASGIApp) -> ASGIApp:
    """As another server would run it: without our extension."""

    async def elsewhere(scope: Scope, receive: Receive, send: Send) -> None:
        scope.get("extensions", {}).pop(EXTENSION, None)
        await app(scope, receive, send)

    return elsewhere


both = pytest.mark.parametrize("wrap", [direct, plain])
Wrap = Callable[[ASGIApp], ASGIApp]


async def closed_with(client: ClientConnection) -> tuple[int | None, str | None]:
    await client.wait_closed()
    return client.close_code, client.close_reason


@pytest.mark.parametrize(("wrap", "kind"), [(direct, DirectSocket), (plain, AsgiSocket)])
async def test_each_server_gives_the_socket_it_can(wrap: Wrap, kind: type) -> None:
    async with running(wrap=wrap) as server, server.client() as (_, worker):
        assert isinstance(worker.socket, kind)


@pytest.mark.parametrize(
    ("path", "headers", "client"),
    [
        ("/api/1.48.0/sync", {}, ClientInfo("npm", (1, 48, 0))),
        ("/api/1.48.0/sync", {"Convex-Client": "python-0.8.1"}, ClientInfo("npm", (1, 48, 0))),
        ("/api/sync", {"Convex-Client": "python-0.8.1"}, ClientInfo("python", (0, 8, 1))),
        ("/api/sync", {}, ClientInfo()),
        ("/api/whatever/sync", {}, ClientInfo()),
    ],
)
async def test_both_addresses_are_served_and_say_who_speaks(
    path: str, headers: dict[str, str], client: ClientInfo
) -> None:
    async with running() as server, server.client(path, additional_headers=headers) as (_, worker):
        assert worker.client == client


@both
async def test_texts_reach_the_worker_in_order_and_answers_come_back(wrap: Wrap) -> None:
    texts = [f"{n} é😀" for n in range(500)]
    async with running(wrap=wrap, socket_backlog=1 << 20) as server, server.client() as (client, worker):
        worker.answers = False
        for text in texts:
            await client.send(text)
        await until(lambda: len(worker.heard) == 501)
        assert worker.heard[1:] == texts
        worker.say("x" * 300_000)
        assert await client.recv() == "x" * 300_000


async def test_what_is_sent_with_the_handshake_is_not_lost_or_reordered() -> None:
    async with running() as server, server.socket() as client:
        for n in range(50):
            await client.send(str(n))
        assert [await client.recv() for _ in range(50)] == [f"<{n}>" for n in range(50)]


@both
async def test_a_binary_message_is_refused(wrap: Wrap) -> None:
    async with running(wrap=wrap) as server, server.client() as (client, worker):
        await client.send(b"\x00")
        assert await closed_with(client) == (1003, "BinaryFrame")
        await worker.ended.wait()
        assert worker.heard == ["hello"]


@both
async def test_who_says_nothing_after_the_handshake_is_closed(wrap: Wrap) -> None:
    async with running(wrap=wrap, connect_wait=0.05) as server, server.socket() as client:
        assert await closed_with(client) == (1008, "NoConnect")
        await server.desk.worker.ended.wait()


@both
async def test_who_said_something_is_not(wrap: Wrap) -> None:
    async with running(wrap=wrap, connect_wait=0.05) as server, server.client() as (client, _):
        await asyncio.sleep(0.15)  # three times what the silent are given
        await client.send("still here")
        assert await client.recv() == "<still here>"


@both
async def test_a_bug_in_one_conversation_ends_that_one_only(wrap: Wrap) -> None:
    async with running(wrap=wrap) as server, server.client() as (other, _), server.client() as (client, worker):
        await client.send("break")
        assert await closed_with(client) == (1011, "InternalServerError")
        await worker.ended.wait()
        await other.send("and you?")
        assert await other.recv() == "<and you?>"


@both
async def test_the_worker_closes_after_what_it_said(wrap: Wrap) -> None:
    async with running(wrap=wrap) as server, server.client() as (client, worker):
        worker.say("fatal")
        worker.socket.close(1008, "BaseVersionMismatch")
        worker.say("never")
        assert await client.recv() == "fatal"
        assert await closed_with(client) == (1008, "BaseVersionMismatch")
        await worker.ended.wait()
        assert worker.ends == 1


@both
async def test_the_worker_hears_once_that_the_client_closed(wrap: Wrap) -> None:
    async with running(wrap=wrap) as server:
        async with server.client() as (client, worker):
            await client.close(1001, "tab closed")
            await worker.ended.wait()
        assert worker.ends == 1
        worker.say("to nobody")
        worker.socket.close(1000, "")


@both
async def test_the_worker_hears_once_that_the_line_broke(wrap: Wrap) -> None:
    async with running(wrap=wrap) as server:
        async with upgraded(server.address) as client:
            client.reset()
            worker = server.desk.worker
            await worker.ended.wait()
        assert worker.ends == 1
        assert worker.socket.on_clear is None


@both
async def test_a_stopping_server_sends_its_clients_away_to_come_back(wrap: Wrap) -> None:
    async with running(wrap=wrap) as server:
        client = await server.socket()
        await client.send("hello")
        await client.recv()
        worker = server.desk.worker
    assert await closed_with(client) == (1001, "ServerStopping")
    assert worker.ends == 1


async def test_a_server_stops_though_a_client_does_not_answer_the_close() -> None:
    async with asyncio.timeout(10):
        async with running() as server:
            holder = upgraded(server.address)
            await holder.__aenter__()
        await holder.__aexit__(None, None, None)


async def test_there_is_no_socket_elsewhere() -> None:
    async with running() as server:
        for path in ("/", "/api/query", "/api/a/b/sync"):
            with pytest.raises(InvalidStatus):
                async with server.socket(path):
                    pass


async def test_compression_is_not_agreed_to() -> None:
    async with running() as server, server.client(compression="deflate") as (client, worker):
        assert client.request is not None
        assert "Sec-WebSocket-Extensions" in client.request.headers
        assert client.protocol.extensions == []
        worker.say("x" * 1000)
        assert await client.recv() == "x" * 1000


async def test_many_clients_come_and_go() -> None:
    async with running() as server:
        for _ in range(3):
            clients = await asyncio.gather(*(server.socket() for _ in range(40)))
            for client in clients:
                await client.send("hello")
            for client in clients:
                await client.recv()
            await asyncio.gather(*(client.close() for client in clients))
        await until(lambda: all(worker.ends == 1 for worker in server.desk.workers))
        assert len(server.desk.workers) == 120
