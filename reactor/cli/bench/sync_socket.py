"""SyncSocket: a client's side of the sync protocol (reference §1), as much of it as calls and subscriptions need."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import orjson

from reactor.cli.bench.place import Place
from reactor.cli.bench.tally import Problem
from reactor.cli.bench.web_socket import WebSocket
from reactor.cli.remote import SYNC_PATH, Unreachable

_CHUNK = b'{"type":"TransitionChunk"'
_END = b'"endVersion":'
_MODIFICATIONS = b'"modifications":['
_NEAR = 200  # bytes: at most a removal stands before it


@dataclass(frozen=True, slots=True)
class Version:
    """Where a Transition leads."""

    query_set: int
    ts: int


class SyncSocket:
    """`open` connects and says who it is. `on_message` gets messages whole, Transitions in parts put together."""

    def __init__(self, place: Place, on_message: Callable[[bytes], None], on_closed: Callable[[str], None]) -> None:
        self._place = place
        self._on_message = on_message
        self._on_closed = on_closed
        self._parts: list[str] = []  # of a Transition that comes in chunks
        self._socket: WebSocket | None = None  # from open() on

    @property
    def closed(self) -> bool:
        return self._socket is None or self._socket.closed

    async def open(self) -> None:
        """Raises Unreachable."""
        place = self._place
        self._parts.clear()
        socket = await place.connect(
            lambda: WebSocket(place.name, f"{place.prefix}{SYNC_PATH}", self._message, self._on_closed)
        )
        try:
            await socket.ready
        except ConnectionError as error:
            raise Unreachable(f"{place.host}:{place.port} opens no socket: {error}") from error
        self._socket = socket
        self.send({
            "type": "Connect",
            "sessionId": str(uuid.uuid4()),
            "connectionCount": 0,
            "lastCloseReason": "InitialConnect",
            "clientTs": 0,
        })  # fmt: skip
        who: dict[str, Any] = {"type": "Authenticate", "tokenType": "Admin", "baseVersion": 0}
        who["value"] = place.credential.key
        if place.credential.acting_as is not None:
            who["impersonating"] = place.credential.acting_as
        self.send(who)

    def send(self, message: dict[str, Any]) -> None:
        """One message."""
        self.send_text(orjson.dumps(message))

    def send_text(self, message: bytes) -> None:
        """One message that is encoded."""
        assert self._socket is not None
        self._socket.send(message)

    def close(self) -> None:
        """End it; nobody is told."""
        if self._socket is not None:
            self._socket.close()

    def _message(self, data: bytes) -> None:
        if data.startswith(_CHUNK):
            chunk = orjson.loads(data)
            self._parts.append(chunk["chunk"])
            if len(self._parts) < chunk["totalParts"]:
                return
            data = "".join(self._parts).encode()
            self._parts.clear()
        self._on_message(data)


def end_version(transition: bytes) -> Version:
    """Where it leads."""
    at = transition.index(_END) + len(_END)
    return _version(transition[at : transition.index(b"}", at) + 1])


def failure_in(transition: bytes, query: int) -> Problem | None:
    """What a query that was just added failed with; None if it has a result."""
    at = transition.index(_MODIFICATIONS)
    if transition.find(b'{"queryId":%d,"type":"QueryFailed"' % query, at, at + _NEAR) < 0:
        return None
    told = orjson.loads(transition)["modifications"]
    failed = next(each for each in told if each["type"] == "QueryFailed")
    return Problem.of_function(failed["errorMessage"], failed.get("errorData"))


def timestamp(text: str) -> int:
    """As it is spelt on the wire."""
    return int.from_bytes(base64.b64decode(text), "little")


@lru_cache(64)  # a thousand subscribers are told the same
def _version(text: bytes) -> Version:
    told = orjson.loads(text)
    return Version(told["querySet"], timestamp(told["ts"]))
