"""The end of a response that streams: its client leaves, or is left."""

from __future__ import annotations

import asyncio

from starlette.types import Receive

_LAST_BYTES = 1.0  # seconds for what was sent before a failure to leave


async def left(receive: Receive) -> None:
    """Wait until the client has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def break_off(transport: asyncio.Transport, leaving: asyncio.Future[None]) -> None:
    """End the connection in the middle of the body: so the client knows that it is not complete."""
    transport.close()
    await asyncio.wait((leaving,), timeout=_LAST_BYTES)
    if not leaving.done():
        transport.abort()  # what waits in its buffer will never be read
        await leaving
