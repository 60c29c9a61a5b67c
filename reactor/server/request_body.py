"""Reads the body of a request within bounds of size and time."""

from __future__ import annotations

import asyncio

from starlette.requests import ClientDisconnect, Request

from reactor.errors import BadRequest

_SECONDS = 30.0


async def read_body(request: Request, most: int) -> bytes:
    """The whole body. Raises BadRequest when it is larger than `most` bytes or takes longer than half a minute."""
    announced = request.headers.get("content-length", "0")
    if not announced.isdecimal() or int(announced) > most:
        raise _too_large(most)
    body = bytearray()
    try:
        async with asyncio.timeout(_SECONDS):
            async for chunk in request.stream():
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
