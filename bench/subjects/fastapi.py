"""The hand-written services: one hard-wired query, no auth, no schema, no isolation between writers and readers."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import ClassVar

from bench.clients.http import Http
from bench.clients.websocket import WebSocket
from bench.subjects.rest import RestWriter
from bench.subjects.subject import OnPush, Reader, Subject, Writer

APP = Path(__file__).parent.parent / "apps" / "fastapi_app"
READERS = 64


class FastApiShared(Subject):
    """Tuned by hand: a changed channel's query runs once for all its subscribers."""

    name: ClassVar[str] = "fastapi-shared"
    durable: ClassVar[str] = "fsync before the answer, one by one (SQLite, WAL, synchronous=FULL, its default)"
    mode: ClassVar[str] = "shared"

    async def start(self) -> None:
        self.fresh_folder()
        self.runs_at = self.folder / "runs"
        command = [str(Path(sys.executable).with_name("uvicorn")), "--app-dir", str(APP), "server:app"]
        self.spawn(
            [*command, "--port", str(self.port), "--no-access-log", "--log-level", "warning"],
            {"MODE": self.mode, "DATABASE": str(self.folder / "app.db")},
        )
        await self.up("/counter")

    async def subscribe(self, channel: str, on_push: OnPush) -> WebSocket:
        """Follow the newest messages of a channel."""
        first = asyncio.get_running_loop().create_future()
        socket = await WebSocket.open(self.port, f"/live/{channel}", lambda _: first.set_result(None))
        await first
        socket.on_message = on_push
        return socket

    async def writer(self) -> Writer:
        return RestWriter(await Http.open(self.port), "/messages", "/increment")

    async def counter(self) -> int:
        connection = await Http.open(self.port)
        answer = await connection.call("GET", "/counter")
        connection.close()
        return int(answer["value"])

    async def fill_rows(self, count: int) -> None:
        connection = await Http.open(self.port)
        await connection.call("POST", f"/fill/{count}")
        connection.close()

    async def ranges(self, way: str, groups: int) -> list[Reader]:
        if way == "http":
            return [_http_reader(await Http.open(self.port), groups) for _ in range(READERS)]
        return [await _socket_reader(self.port, groups) for _ in range(READERS)]


class FastApiNaive(FastApiShared):
    """As the tutorials have it: every subscriber's query runs again, and then the writer is answered."""

    name: ClassVar[str] = "fastapi-naive"
    mode: ClassVar[str] = "naive"


def _http_reader(connection: Http, groups: int) -> Reader:
    async def read(number: int) -> bytes:
        status, answer = await connection.request("GET", f"/rows/{number % groups}")
        if status != 200:
            raise RuntimeError(f"{status} {answer[:300]!r}")
        return answer

    return read


async def _socket_reader(port: int, groups: int) -> Reader:
    answers: asyncio.Queue[bytes] = asyncio.Queue()
    socket = await WebSocket.open(port, "/rows", answers.put_nowait)

    async def read(number: int) -> bytes:
        socket.send(str(number % groups))
        return await answers.get()

    return read
