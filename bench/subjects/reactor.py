"""reactor itself: `reactor serve`, as shipped."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
import uuid
from pathlib import Path
from typing import Any, ClassVar

from bench.clients.http import Http
from bench.clients.websocket import WebSocket
from bench.subjects.subject import OnPush, Reader, Subject, Writer

SYNC = "/api/1.48.0/sync"
APP = Path(__file__).parent.parent / "apps" / "reactor_app"
READERS = 64
ASKS = "/api/query?path=bench%3Acounter&args=%7B%7D&format=json"  # a query: answered, so is everything it needs


class Reactor(Subject):
    """Writes and subscriptions by the sync protocol, as the official clients speak it."""

    name: ClassVar[str] = "reactor"
    durable: ClassVar[str] = "fsync before the answer, in groups (SQLite, WAL, synchronous=FULL), as shipped"

    _connection: Http | None = None  # for query(); opened by the first

    async def start(self) -> None:
        self.fresh_folder()
        self.runs_at = self.folder / "runs"
        await self.run()

    async def run(self) -> None:
        """Start it on the folder as it is, and wait until it answers a query."""
        project = self.folder / "project"
        if not project.exists():
            shutil.copytree(APP, project, ignore=shutil.ignore_patterns("__pycache__"))
        command = Path(sys.executable).with_name("reactor")
        self.spawn([str(command), "serve", "--port", str(self.port), "--data", str(self.folder / "data")], cwd=project)
        await self.up(ASKS)

    async def subscribe(self, channel: str, on_push: OnPush) -> WebSocket:
        """Follow the newest messages of a channel."""
        return await self.follow("bench:latest", {"channel": channel}, on_push)

    async def follow(self, path: str, args: Any, on_push: OnPush) -> WebSocket:
        """Follow a query, on a socket of its own."""
        first = asyncio.get_running_loop().create_future()

        def on_message(message: bytes) -> None:
            if b'"Transition"' in message[:40]:
                if first.done():
                    on_push(message)
                elif b'"QueryUpdated"' in message:
                    first.set_result(None)
            elif b'"Ping"' not in message[:40] and not first.done():
                first.set_exception(RuntimeError(message[:300]))

        socket = await WebSocket.open(self.port, SYNC, on_message)
        socket.send(_connect())
        socket.send(_modify(0, [_add(0, path, args)]))
        await asyncio.wait_for(first, 60)
        return socket

    async def writer(self) -> Writer:
        return await SocketWriter.open(self.port)

    async def counter(self) -> int:
        return int(await self.query("bench:counter", {}))

    async def fill_rows(self, count: int) -> None:
        """By mutations of 500 rows each."""
        writer = await SocketWriter.open(self.port)
        for start in range(0, count, 500):
            await writer.call("bench:fill", {"start": start, "count": min(500, count - start)})

    async def ranges(self, way: str, groups: int) -> list[Reader]:
        """By POST /api/query, or by adding a query to the socket's set and taking it away again."""
        if way == "http":
            return [_http_reader(await Http.open(self.port), groups) for _ in range(READERS)]
        return [(await SocketReader.open(self.port, groups)).read for _ in range(READERS)]

    async def query(self, path: str, args: Any) -> Any:
        """One query by HTTP."""
        if self._connection is None or self._connection.closed:
            self._connection = await Http.open(self.port)
        answer = await self._connection.call("POST", "/api/query", {"path": path, "args": args, "format": "json"})
        if answer["status"] != "success":
            raise RuntimeError(str(answer))
        return answer["value"]


class ReactorHttp(Reactor):
    """The same, with writes by HTTP as the peers have them."""

    name: ClassVar[str] = "reactor-http"

    async def writer(self) -> Writer:
        return HttpWriter(await Http.open(self.port))


class SocketWriter:
    """Mutations over one socket, one at a time."""

    def __init__(self) -> None:
        self._requests = 0
        self._answer: asyncio.Future[None] | None = None
        self._socket: WebSocket | None = None

    @classmethod
    async def open(cls, port: int) -> SocketWriter:
        """A client that has connected."""
        writer = cls()
        writer._socket = await WebSocket.open(port, SYNC, writer._on_message)
        writer._socket.send(_connect())
        return writer

    def _on_message(self, message: bytes) -> None:
        if b'"MutationResponse"' in message[:60]:
            assert self._answer is not None
            if b'"success":true' in message[:200]:
                self._answer.set_result(None)
            else:
                self._answer.set_exception(RuntimeError(message[:300]))

    def call(self, path: str, args: Any) -> asyncio.Future[None]:
        """Send one mutation; await its answer."""
        assert self._socket is not None
        self._answer = asyncio.get_running_loop().create_future()
        self._socket.send(
            json.dumps({"type": "Mutation", "requestId": self._requests, "udfPath": path, "args": [args]})
        )
        self._requests += 1
        return self._answer

    async def write(self, channel: str, text: str) -> None:
        await self.call("bench:write", {"channel": channel, "author": "ann", "text": text})

    async def increment(self) -> None:
        await self.call("bench:increment", {})


class HttpWriter:
    """Mutations over one keep-alive connection."""

    def __init__(self, connection: Http) -> None:
        self._connection = connection

    async def _call(self, path: str, args: Any) -> None:
        body = {"path": path, "args": args, "format": "json"}
        answer = await self._connection.call("POST", "/api/mutation", body)
        if answer["status"] != "success":
            raise RuntimeError(str(answer))

    async def write(self, channel: str, text: str) -> None:
        await self._call("bench:write", {"channel": channel, "author": "ann", "text": text})

    async def increment(self) -> None:
        await self._call("bench:increment", {})


class SocketReader:
    """One-off queries over the sync protocol: added, answered, removed."""

    def __init__(self, groups: int) -> None:
        self._groups = groups
        self._version = 0
        self._queries = 0
        self._answer: asyncio.Future[bytes] | None = None
        self._socket: WebSocket | None = None

    @classmethod
    async def open(cls, port: int, groups: int) -> SocketReader:
        """A client that has connected."""
        reader = cls(groups)
        reader._socket = await WebSocket.open(port, SYNC, reader._on_message)
        reader._socket.send(_connect())
        return reader

    def _on_message(self, message: bytes) -> None:
        if b'"QueryUpdated"' in message and self._answer is not None and not self._answer.done():
            self._answer.set_result(message)

    async def read(self, number: int) -> bytes:
        """The newest rows of one group; the query before it is taken away in the same message."""
        assert self._socket is not None
        changes = [_add(self._queries, "bench:rows", {"group": number % self._groups, "nonce": number})]
        if self._queries:
            changes.insert(0, {"type": "Remove", "queryId": self._queries - 1})
        self._answer = asyncio.get_running_loop().create_future()
        self._socket.send(_modify(self._version, changes))
        self._queries += 1
        self._version += 1
        return await self._answer


def _http_reader(connection: Http, groups: int) -> Reader:
    async def read(number: int) -> bytes:
        body = b'{"path":"bench:rows","args":{"group":%d,"nonce":%d},"format":"json"}' % (number % groups, number)
        status, answer = await connection.request("POST", "/api/query", body)
        if status != 200 or (b'"success"' not in answer[:40] and b'"success"' not in answer[-200:]):
            raise RuntimeError(f"{status} {answer[:300]!r}")
        return answer

    return read


def _connect() -> str:
    return json.dumps(
        {
            "type": "Connect",
            "sessionId": str(uuid.uuid4()),
            "connectionCount": 0,
            "lastCloseReason": "InitialConnect",
        }
    )


def _add(query_id: int, path: str, args: Any) -> dict[str, Any]:
    return {"type": "Add", "queryId": query_id, "udfPath": path, "args": [args]}


def _modify(base: int, changes: list[dict[str, Any]]) -> str:
    return json.dumps({"type": "ModifyQuerySet", "baseVersion": base, "newVersion": base + 1, "modifications": changes})
