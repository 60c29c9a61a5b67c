"""LiveQuery: one query followed over the sync protocol, as any client follows it; reconnects when the line breaks.

The client's side of reference §1, as much of it as one query of an operator needs.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncGenerator, AsyncIterator
from typing import TYPE_CHECKING, Any

import orjson

from reactor.cli.remote import CallResult, Credential, Unreachable
from reactor.errors import Forbidden

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

_CONNECT_SECONDS = 5.0
_PAUSES = (0.1, 0.3, 1.0, 2.0, 5.0)  # seconds before each further attempt; the last one again and again


class LiveQuery:
    """A socket to come; `results` opens it."""

    def __init__(self, url: str, credential: Credential) -> None:
        self._url = url
        self._credential = credential
        self._session = str(uuid.uuid4())
        self._connections = 0  # opened so far
        self._max_ts: str | None = None  # of the newest Transition, as it was spelt

    async def results(self, path: str, args: dict[str, Any]) -> AsyncGenerator[CallResult, None]:
        """Every new result, for ever. Raises Unreachable when there never is one, Forbidden for a wrong key."""
        from websockets.asyncio.client import connect
        from websockets.exceptions import ConnectionClosed, WebSocketException

        failures = 0  # attempts in a row without a result
        last: CallResult | None = None
        while True:
            try:
                async with connect(
                    self._url, open_timeout=_CONNECT_SECONDS, max_size=None, compression=None, proxy=None
                ) as socket:
                    await self._ask(socket, path, args)
                    async for result in self._read(socket):
                        failures = 0
                        if last is None or (result.value, result.error) != (last.value, last.error):
                            last = result
                            yield result
            except ConnectionClosed as closed:
                reason = "" if closed.rcvd is None else closed.rcvd.reason
                if last is None and failures == len(_PAUSES):
                    raise Unreachable(f"{self._url} closes the connection: {reason or 'it does not say why'}") from None
            except (OSError, TimeoutError, WebSocketException) as error:
                if last is None:
                    raise Unreachable(f"{self._url} does not answer: {str(error) or type(error).__name__}") from error
            await asyncio.sleep(_PAUSES[min(failures, len(_PAUSES) - 1)])
            failures += 1

    async def _ask(self, socket: ClientConnection, path: str, args: dict[str, Any]) -> None:
        connect: dict[str, Any] = {
            "type": "Connect",
            "sessionId": self._session,
            "connectionCount": self._connections,
            "lastCloseReason": "InitialConnect" if not self._connections else "unknown",
            "clientTs": 0,
        }
        if self._max_ts is not None:
            connect["maxObservedTimestamp"] = self._max_ts
        self._connections += 1
        authenticate: dict[str, Any] = {
            "type": "Authenticate",
            "tokenType": "Admin",
            "baseVersion": 0,
            "value": self._credential.key,
        }
        if self._credential.acting_as is not None:
            authenticate["impersonating"] = self._credential.acting_as
        add = {"type": "Add", "queryId": 0, "udfPath": path, "args": [args]}
        modify = {"type": "ModifyQuerySet", "baseVersion": 0, "newVersion": 1, "modifications": [add]}
        for message in (connect, authenticate, modify):
            await socket.send(orjson.dumps(message).decode())

    async def _read(self, socket: ClientConnection) -> AsyncIterator[CallResult]:
        parts: list[str] = []  # of a Transition that comes in chunks
        async for text in socket:
            message = orjson.loads(text)
            if message["type"] == "TransitionChunk":
                parts.append(message["chunk"])
                if len(parts) < message["totalParts"]:
                    continue
                message = orjson.loads("".join(parts))
                parts.clear()
            match message["type"]:
                case "Transition":
                    self._max_ts = message["endVersion"]["ts"]
                    for modification in message["modifications"]:
                        yield CallResult.of(modification, failed=modification["type"] == "QueryFailed")
                case "AuthError":
                    raise Forbidden("BadDeployKey", f"{message['error']} (is the admin key the one of this server?)")
                case "FatalError":
                    raise Unreachable(f"The server refused: {message['error']}")
                case _:
                    pass
