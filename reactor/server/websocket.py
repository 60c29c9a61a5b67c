"""The sync endpoint: accepts a WebSocket and connects it with a worker. No opinion about what is said on it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from starlette.routing import BaseRoute, WebSocketRoute
from starlette.websockets import WebSocket

from reactor.limits import Limits
from reactor.server.errors import INTERNAL, close_code
from reactor.server.socket import AsgiSocket, Socket
from reactor.server.websocket_protocol import EXTENSION, DirectSocket
from reactor.sync.client_info import ClientInfo

_log = logging.getLogger("reactor.server")


class Worker(Protocol):
    """Who is told what happens on a socket. None of it waits."""

    def receive(self, text: str | bytes) -> None:
        """A text came."""
        ...

    def cleared(self) -> None:
        """The socket was BLOCKED and is CLEAR."""
        ...

    def closed(self) -> None:
        """The line ended; called once, last."""
        ...


WorkerFactory = Callable[[Socket, ClientInfo], Worker]


def sync_routes(make_worker: WorkerFactory, limits: Limits) -> list[BaseRoute]:
    """Both addresses: npm clients put their version into theirs, others say who they are in a header."""

    async def endpoint(websocket: WebSocket) -> None:
        version = websocket.path_params.get("version")
        header = websocket.headers.get("convex-client")
        client = ClientInfo.of_header(header) if version is None else ClientInfo.of_path(version)
        if websocket.client is not None:
            client = replace(client, address=websocket.client.host)
        await websocket.accept()
        await _converse(websocket, lambda socket: make_worker(socket, client), limits)

    return [WebSocketRoute("/api/sync", endpoint), WebSocketRoute("/api/{version}/sync", endpoint)]


async def _converse(websocket: WebSocket, make_worker: Callable[[Socket], Worker], limits: Limits) -> None:
    direct = websocket.scope.get("extensions", {}).get(EXTENSION)
    if isinstance(direct, DirectSocket):
        conversation = Conversation(direct, make_worker(direct), limits)
        direct.on_text = conversation.receive
        try:
            await conversation.listen(websocket)
        finally:
            direct.on_text = None
            conversation.end()
        return
    plain = AsgiSocket(websocket, limits)
    conversation = Conversation(plain, make_worker(plain), limits)
    sender = asyncio.create_task(plain.run())
    listener = asyncio.create_task(conversation.listen(websocket))
    try:
        await asyncio.wait((sender, listener), return_when=asyncio.FIRST_COMPLETED)
    finally:
        conversation.end()
        for task in (sender, listener):
            task.cancel()
        await asyncio.gather(sender, listener, return_exceptions=True)


class Conversation:
    """One socket and its worker, from the handshake until `end`, which must be called."""

    def __init__(self, socket: Socket, worker: Worker, limits: Limits) -> None:
        self._socket = socket
        self._worker = worker
        loop = asyncio.get_running_loop()
        self._silence: asyncio.TimerHandle | None  # until the first text; what it must be is the session's business
        self._silence = loop.call_later(limits.connect_wait, self._refuse, "NoConnect")
        socket.on_clear = worker.cleared

    def receive(self, text: str) -> None:
        """One text from the client. A worker that raises is our bug: this socket pays, no other."""
        if self._silence is not None:
            self._silence.cancel()
            self._silence = None
        try:
            self._worker.receive(text)
        except Exception:  # noqa: BLE001 whatever it is
            _log.exception("sync worker failed")
            self._refuse(INTERNAL)

    async def listen(self, websocket: WebSocket) -> None:
        """Pass on what comes through ASGI until the line ends."""
        while True:
            event = await websocket.receive()
            if event["type"] == "websocket.disconnect":
                return
            text = event.get("text")
            if text is None:
                self._refuse("BinaryFrame")
            else:
                self.receive(text)

    def end(self) -> None:
        """The line is gone: stop waiting, tell the worker."""
        if self._silence is not None:
            self._silence.cancel()
        self._socket.on_clear = None
        self._worker.closed()

    def _refuse(self, code: str) -> None:
        self._socket.close(close_code(code), code)
