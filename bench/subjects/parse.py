"""Parse Server with LiveQuery, on PostgreSQL: events of a class, filtered by channel; the counter by Cloud Code."""

from __future__ import annotations

import asyncio
import json
import shutil
from typing import Any, ClassVar

from bench import parse_packages
from bench.clients.http import Http
from bench.clients.websocket import WebSocket
from bench.subjects import postgres
from bench.subjects.postgres import PostgresCluster
from bench.subjects.rest import RestWriter
from bench.subjects.subject import OnPush, Subject, Writer

HEADERS = {"X-Parse-Application-Id": "bench", "X-Parse-Master-Key": "only-on-loopback"}
DATABASE = "parse"
_PORTS_AWAY = 4000  # PostgreSQL's from Parse's


class Parse(Subject):
    """Pushes the changed object, not the query's result: what a client makes of it is its own work."""

    name: ClassVar[str] = "parse"
    durable: ClassVar[str] = "fsync before the answer (PostgreSQL as it comes: fsync and synchronous_commit on)"
    warm: ClassVar[float] = 4.0  # V8 is still compiling for some seconds

    @classmethod
    def missing(cls) -> str | None:
        return parse_packages.missing() or postgres.missing()

    async def start(self) -> None:
        self.fresh_folder()
        cluster = PostgresCluster(self.folder, self.port + _PORTS_AWAY)
        self.spawn(await asyncio.to_thread(cluster.create), user=cluster.user)
        address = await asyncio.to_thread(cluster.create_database, DATABASE)
        self._run(address)
        await self.up("/parse/health")
        await self._create_classes(cluster)

    def _run(self, address: str) -> None:
        """Beside its packages, where Node looks for them."""
        node = parse_packages.tool("node")
        assert node is not None
        app = self.folder / "app"
        app.mkdir()
        shutil.copy(parse_packages.APP / "server.mjs", app)
        (app / "node_modules").symlink_to(parse_packages.folder() / "node_modules")
        env = {"DATABASE": address, "PORT": str(self.port), "NODE_ENV": "production"}
        self.spawn([node, "server.mjs"], env, cwd=app)

    async def _create_classes(self, cluster: PostgresCluster) -> None:
        """Its first object makes a class; the index is what its guide says to add."""
        connection = await Http.open(self.port)
        message = {"channel": "first", "author": "ann", "text": ""}
        await connection.call("POST", "/parse/classes/Message", message, HEADERS)
        answer = await connection.call("POST", "/parse/classes/Counter", {"value": 0}, HEADERS)
        self._counter = answer["objectId"]
        connection.close()
        index = 'CREATE INDEX by_channel ON "Message"(channel, "createdAt")'
        await asyncio.to_thread(cluster.execute, DATABASE, index)

    async def subscribe(self, channel: str, on_push: OnPush) -> WebSocket:
        """Follow a channel's objects."""
        subscribed = asyncio.get_running_loop().create_future()

        def on_message(message: bytes) -> None:
            if message.startswith(b'{"op":"create"'):
                on_push(message)
            elif b'"op":"connected"' in message:
                query = {"className": "Message", "where": {"channel": channel}}
                socket.send(json.dumps({"op": "subscribe", "requestId": 1, "query": query}))
            elif b'"op":"subscribed"' in message:
                subscribed.set_result(None)
            elif b'"op":"error"' in message and not subscribed.done():
                subscribed.set_exception(RuntimeError(message[:300]))

        socket = await WebSocket.open(self.port, "/", on_message)
        socket.send(json.dumps({"op": "connect", "applicationId": HEADERS["X-Parse-Application-Id"]}))
        await asyncio.wait_for(subscribed, 60)
        return socket

    async def writer(self) -> Writer:
        args: dict[str, Any] = {"id": self._counter}
        connection = await Http.open(self.port)
        return RestWriter(
            connection, "/parse/classes/Message", "/parse/functions/increment", headers=HEADERS, args=args
        )

    async def counter(self) -> int:
        connection = await Http.open(self.port)
        answer = await connection.call("GET", f"/parse/classes/Counter/{self._counter}", None, HEADERS)
        connection.close()
        return int(answer["value"])
