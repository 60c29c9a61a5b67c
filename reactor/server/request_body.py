"""Reads the body of a request within bounds of size and time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from starlette.requests import ClientDisconnect, Request

from reactor.errors import BadRequest

_SECONDS = 30.0


async def read_body(request: Request, most: int, count: Callable[[int], None] = lambda _: None) -> bytes:
    """The whole body. Raises BadRequest when it is larger than `most` bytes or takes longer than half a minute.

    `count` is told the size of each piece that arrives, and may refuse it by raising.
    """
    announced = request.headers.get("content-length", "0")
    if not announced.isdecimal() or int(announced) > most:
        raise _too_large(most)
    body = bytearray()
    try:
        async with asyncio.timeout(_SECONDS):
            async for chunk in request.stream():
                count(len(chunk))
                body += chunk
                if len(body) > most:
                    raise _too_large(most)
    except TimeoutError:
        raise BadRequest("RequestTooSlow", "The request's body did not arrive in time") from None
    except ClientDisconnect:
        raise BadRequest("ClientDisconnect", "The client went away before its request was complete") from None
    return bytes(body)


def _too_large(most: int) -> BadRequest:
    return BadRequest("RequestTooLarge", f"The request's body is larger than {most} bytes")
