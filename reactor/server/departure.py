"""The end of a response that streams: its client leaves, or is left."""

from __future__ import annotations

import asyncio

from starlette.types import Receive

_LAST_BYTES = 1.0  # seconds for what was sent before a failure to leave


async def left(receive: Receive) -> None:
    """Wait until the client has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


class ResponseBrokenOff(Exception):
    """What tells somebody else's server to end a connection whose response cannot be finished."""


async def break_off(transport: asyncio.Transport | None, leaving: asyncio.Future[None]) -> None:
    """End the connection in the middle of the body: so the client knows that it is not complete."""
    if transport is None:  # not our own server: ASGI has no other word for it
        raise ResponseBrokenOff("After a part of the response was sent, the rest failed, or its client took nothing.")
    transport.close()
    await asyncio.wait((leaving,), timeout=_LAST_BYTES)
    if not leaving.done():
        transport.abort()  # what waits in its buffer will never be read
        await leaving
