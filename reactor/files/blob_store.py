"""BlobStore: the port. A blob is bytes under a key; it is written once, whole, and never changed.

Keys are random UUIDs in their usual spelling. No key is ever made from what a client sent: a client's is looked up in
the database, and the one found there is used.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator
from os import urandom
from pathlib import Path
from typing import NamedTuple, Protocol
from uuid import UUID

from reactor.errors import ReactorError

KEY = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
PIECE = 256 << 10  # bytes read at once


class BlobMissing(ReactorError):
    """There is no blob of that key."""

    tag = "BlobMissing"


class BlobAge(NamedTuple):
    """A blob that is there, and when it was written (seconds since the epoch)."""

    key: str
    written: float


class BlobStore(Protocol):
    """Where blobs are kept. Every method may raise OSError when the store cannot be used."""

    async def put(self, key: str, source: Path) -> None:
        """Keep the content of a file. It is durable when this returns; `source` may be gone then."""
        ...

    async def read(self, key: str, start: int, end: int) -> AsyncGenerator[bytes, None]:
        """The bytes from `start` up to `end`, in pieces. Raises BlobMissing at once, not with the first piece."""
        ...

    async def delete(self, key: str) -> None:
        """Forget a blob; that there is none is fine."""
        ...

    def blobs(self) -> AsyncIterator[BlobAge]:
        """All there are, in no order."""
        ...


def new_key() -> str:
    """A key nobody can guess."""
    return str(UUID(bytes=urandom(16), version=4))
