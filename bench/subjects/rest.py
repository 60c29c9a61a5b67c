"""RestWriter: writes by one keep-alive HTTP connection."""

from __future__ import annotations

from typing import Any

from bench.clients.http import Http


class RestWriter:
    """Posts messages and increments to two paths."""

    def __init__(
        self,
        connection: Http,
        messages: str,
        increment: str,
        *,
        headers: dict[str, str] | None = None,
        args: Any = None,
    ) -> None:
        self._connection = connection
        self._messages = messages
        self._increment = increment
        self._headers = headers
        self._args = args  # what an increment is sent with

    async def write(self, channel: str, text: str) -> None:
        """Add a message."""
        body = {"channel": channel, "author": "ann", "text": text}
        await self._connection.call("POST", self._messages, body, self._headers)

    async def increment(self) -> None:
        """Add one to the counter."""
        await self._connection.call("POST", self._increment, self._args, self._headers)
