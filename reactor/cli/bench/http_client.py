"""HttpClient: one keep-alive connection, as thin as can be, so that the server is what is measured."""

from __future__ import annotations

import asyncio
from typing import cast

import httptools
import orjson

from reactor.cli.bench.client import LOST, Done, Target
from reactor.cli.bench.place import Place
from reactor.cli.bench.tally import Problem

_SUCCESS = b'{"status":"success"'


class HttpClient:
    """See Client."""

    def __init__(self, place: Place, target: Target) -> None:
        self._place = place
        self._arguments = target.arguments
        self._head = (
            f"POST {place.prefix}/api/{target.kind} HTTP/1.1\r\nHost: {place.name}\r\n"
            f"Authorization: {place.authorization}\r\nContent-Type: application/json\r\nContent-Length: "
        ).encode()
        self._start = b'{"path":%b,"format":"convex_encoded_json","args":' % orjson.dumps(target.path)
        self._connection: _Connection | None = None  # from open() on

    @property
    def closed(self) -> bool:
        return self._connection is None or self._connection.closed

    async def open(self) -> None:
        self._connection = await self._place.connect(_Connection)

    def call(self, number: int, meant: float, done: Done) -> None:
        del meant
        assert self._connection is not None
        body = b"%b%b}" % (self._start, self._arguments[number])
        self._connection.send(b"%b%d\r\n\r\n%b" % (self._head, len(body), body), done)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()


class _Connection(asyncio.Protocol):
    def __init__(self) -> None:
        self.closed = False  # set when either side ends it
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._body: list[bytes] = []  # of the answer that is coming
        self._done: Done | None = None  # from send() to the answer

    def send(self, request: bytes, done: Done) -> None:
        assert self._transport is not None
        self._done = done
        self._transport.write(request)

    def close(self) -> None:
        self._done, self.closed = None, True
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self.closed = True
        self._end(LOST)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._end(Problem("NoHttp", f"the answer cannot be read: {error}"))
            self.close()

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        self._body = []
        status = self._parser.get_status_code()
        if not self._parser.should_keep_alive():
            self.closed = True
            assert self._transport is not None
            self._transport.close()
        self._end(None if status == 200 and body.startswith(_SUCCESS) else _problem(status, body))

    def _end(self, problem: Problem | None) -> None:
        done, self._done = self._done, None
        if done is not None:
            done(problem)


def _problem(status: int, body: bytes) -> Problem:
    try:
        tree = orjson.loads(body)
        if status == 200:
            return Problem.of_function(tree["errorMessage"], tree.get("errorData"))
        return Problem(tree["code"], tree["message"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return Problem(f"HTTP {status}", body[:200].decode(errors="replace"))
