"""SocketClient: calls over the sync protocol, as browsers make them: a query is added to the client's set, answered by
a Transition, and taken out of it with the next."""

from __future__ import annotations

import orjson

from reactor.cli.bench.client import Done, Target
from reactor.cli.bench.place import Place
from reactor.cli.bench.sync_socket import SyncSocket, end_version, failure_in, timestamp
from reactor.cli.bench.tally import Problem

_TRANSITION = b'{"type":"Transition"'
_RESPONSES = (b'{"type":"MutationResponse"', b'{"type":"ActionResponse"')
_REFUSALS = (b'{"type":"FatalError"', b'{"type":"AuthError"')


class SocketClient:
    """See Client."""

    def __init__(self, place: Place, target: Target) -> None:
        self.committed = 0  # timestamp of the last mutation that was answered
        self._target = target
        self._socket = SyncSocket(place, self._message, self._lost)
        self._made = 0  # calls on this connection: number of a request, version of the query set
        self._done: Done | None = None  # from call() to its end
        path = orjson.dumps(target.path)
        self._request = b'{"type":"%b","udfPath":%b,"requestId":' % (target.kind.title().encode(), path)
        self._add = b'{"type":"Add","udfPath":%b,"queryId":' % path

    @property
    def closed(self) -> bool:
        return self._socket.closed

    async def open(self) -> None:
        self._made = 0
        await self._socket.open()

    def call(self, number: int, meant: float, done: Done) -> None:
        del meant
        self._done = done
        args = self._target.arguments[number]
        made = self._made
        self._made += 1
        if self._target.kind != "query":
            self._socket.send_text(b'%b%d,"args":[%b]}' % (self._request, made, args))
            return
        remove = b'{"type":"Remove","queryId":%d},' % (made - 1) if made else b""
        self._socket.send_text(
            b'{"type":"ModifyQuerySet","baseVersion":%d,"newVersion":%d,"modifications":[%b%b%d,"args":[%b]}]}'
            % (made, made + 1, remove, self._add, made, args)
        )

    def close(self) -> None:
        self._socket.close()

    def _message(self, data: bytes) -> None:
        if data.startswith(_RESPONSES):
            self._response(data)
        elif data.startswith(_TRANSITION):
            if self._target.kind == "query" and self._done is not None and end_version(data).query_set == self._made:
                self._end(failure_in(data, self._made - 1))
        elif data.startswith(_REFUSALS):
            told = orjson.loads(data)
            self._end(Problem(told["type"], told["error"]))

    def _response(self, data: bytes) -> None:
        told = orjson.loads(data)
        if told["success"]:
            if "ts" in told:
                self.committed = timestamp(told["ts"])
            self._end(None)
        else:
            self._end(Problem.of_function(told["result"], told.get("errorData")))

    def _lost(self, reason: str) -> None:
        self._end(Problem("ConnectionLost", reason))

    def _end(self, problem: Problem | None) -> None:
        done, self._done = self._done, None
        if done is not None:
            done(problem)
