"""Subscriber: a client that follows a query on a socket of its own, and reports each Transition."""

from __future__ import annotations

import asyncio
import time

import orjson

from reactor.cli.bench.deliveries import Deliveries
from reactor.cli.bench.place import Place
from reactor.cli.bench.sync_socket import SyncSocket, end_version, failure_in
from reactor.cli.remote import Unreachable
from reactor.errors import BadRequest, Forbidden

_TRANSITION = b'{"type":"Transition"'
_REFUSALS = (b'{"type":"FatalError"', b'{"type":"AuthError"')
_PATIENCE = 30.0  # seconds for the first result


class Subscriber:
    """`open`; then `deliveries` hear of it until `close`."""

    def __init__(self, place: Place, path: str, args: bytes, deliveries: Deliveries) -> None:
        self.lost: str | None = None  # why the connection is no more, once it is not
        self._watcher = deliveries.add()
        self._deliveries = deliveries
        self._add = b'{"type":"Add","queryId":0,"udfPath":%b,"args":[%b]}' % (orjson.dumps(path), args)
        self._socket = SyncSocket(place, self._message, self._closed)
        self._first: asyncio.Future[None] = asyncio.get_running_loop().create_future()  # done with the first result

    async def open(self) -> None:
        """Returns when it has the first result. Raises Unreachable, and CallerErrors for what the server refuses."""
        await self._socket.open()
        self._socket.send_text(
            b'{"type":"ModifyQuerySet","baseVersion":0,"newVersion":1,"modifications":[%b]}' % self._add
        )
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._first
        except TimeoutError:
            raise Unreachable(f"a subscriber has waited {_PATIENCE:g} s for its first result") from None

    def close(self) -> None:
        """Leave."""
        self._socket.close()

    def _message(self, data: bytes) -> None:
        if data.startswith(_TRANSITION):
            self._transition(data)
        elif data.startswith(_REFUSALS) and not self._first.done():
            told = orjson.loads(data)
            self._first.set_exception(Forbidden("BadDeployKey", f"{told['error']} (is the admin key right?)"))

    def _transition(self, data: bytes) -> None:
        at = time.perf_counter()
        version = end_version(data)
        if version.query_set == 0:
            return
        self._deliveries.shown(self._watcher, version.ts, at)
        if not self._first.done():
            problem = failure_in(data, 0)
            if problem is None:
                self._first.set_result(None)
            else:
                self._first.set_exception(BadRequest(problem.code, f"a subscriber's query failed: {problem.text}"))

    def _closed(self, reason: str) -> None:
        self.lost = reason
        if not self._first.done():
            self._first.set_exception(Unreachable(f"a subscriber was refused: {reason}"))
