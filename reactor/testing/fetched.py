"""FetchedResponse: what a project's HTTP route answered, for tests; and the client that collects it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from starlette.datastructures import Headers

from reactor.execution.frames import HttpRequest

_JSON = "application/json"
_SAFE = "/%:@!$&'()*+,;=~"  # of a path, which may be percent-encoded already


@dataclass(frozen=True, slots=True)
class FetchedResponse:
    """A whole response. `chunks` are the pieces in which the handler sent its body."""

    status_code: int
    headers: Headers
    chunks: tuple[bytes, ...] = ()

    @property
    def content(self) -> bytes:
        """The body."""
        return b"".join(self.chunks)

    @property
    def text(self) -> str:
        """The body as text."""
        return self.content.decode()

    def json(self) -> Any:
        """The body, parsed."""
        return json.loads(self.content)


def request_of(method: str, target: str, headers: Mapping[str, str], body: bytes, *, is_json: bool) -> HttpRequest:
    """The request a server would have read."""
    path, _, query = target.partition("?")
    given = {name.lower(): value for name, value in headers.items()}
    sent = (
        {"host": "testserver", "content-length": str(len(body))} | ({"content-type": _JSON} if is_json else {}) | given
    )
    return HttpRequest(
        method.upper(),
        "http",
        quote(path, safe=_SAFE).encode(),
        query.encode(),
        [(name.encode("latin-1"), value.encode("latin-1")) for name, value in sent.items()],
        body,
        client=("testclient", 50000),
        server=("testserver", 80),
    )


class Collector:
    """A client that stays to the end: see http_action.Client."""

    def __init__(self) -> None:
        self.gone = asyncio.Event()  # never set
        self._status = 0  # set by head
        self._headers: list[tuple[bytes, bytes]] = []  # set by head
        self._chunks: list[bytes] = []  # grows in chunk

    async def head(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        self._status, self._headers = status, headers

    async def chunk(self, data: bytes) -> None:
        self._chunks.append(data)

    async def end(self) -> None:
        pass

    @property
    def response(self) -> FetchedResponse:
        """What has come."""
        return FetchedResponse(self._status, Headers(raw=self._headers), tuple(self._chunks))
