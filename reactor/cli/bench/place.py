"""Place: where a server is and who calls there, as raw connections need it."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import urlsplit

from reactor.cli.remote import Credential, Remote, Unreachable

_P = TypeVar("_P", bound=asyncio.Protocol)
_PATIENCE = 5.0  # seconds to connect


@dataclass(frozen=True, slots=True)
class Place:
    """`prefix` is what stands before paths; `authorization` the header, `credential` what a socket says."""

    host: str
    port: int
    name: str  # for the header Host
    tls: ssl.SSLContext | None
    prefix: str
    authorization: str
    credential: Credential

    @classmethod
    def of(cls, remote: Remote, identity: dict[str, object] | None) -> Place:
        """Of the server, called as the operator or as a user."""
        parts = urlsplit(remote.url)
        secure = parts.scheme == "https"
        return cls(
            parts.hostname or "",
            parts.port or (443 if secure else 80),
            parts.netloc.rpartition("@")[2],
            ssl.create_default_context() if secure else None,
            parts.path.rstrip("/"),
            remote.authorization(identity),
            remote.credential(identity),
        )

    async def connect(self, protocol: Callable[[], _P]) -> _P:
        """A connection that speaks it. Raises Unreachable."""
        try:
            async with asyncio.timeout(_PATIENCE):
                _, made = await asyncio.get_running_loop().create_connection(
                    protocol, self.host, self.port, ssl=self.tls
                )
        except (OSError, TimeoutError) as error:
            reason = str(error) or type(error).__name__
            raise Unreachable(f"{self.host}:{self.port} does not answer: {reason}") from error
        return made
