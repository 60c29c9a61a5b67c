"""FolderStore: a BlobFolder as a BlobStore. Whatever touches the disk does so in a thread."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path
from typing import BinaryIO

from reactor.files.blob_store import PIECE, BlobAge
from reactor.files.folder import BlobFolder


class FolderStore:
    """See BlobStore. `put` takes a file of the same disk, and moves it."""

    def __init__(self, folder: BlobFolder) -> None:
        self._folder = folder

    async def put(self, key: str, source: Path) -> None:
        """See BlobStore."""
        await asyncio.to_thread(self._folder.land, source, key)

    async def read(self, key: str, start: int, end: int) -> AsyncGenerator[bytes, None]:
        """See BlobStore."""
        return _pieces(await asyncio.to_thread(self._folder.open, key), start, end)

    async def delete(self, key: str) -> None:
        """See BlobStore."""
        await asyncio.to_thread(self._folder.remove, key)

    async def blobs(self) -> AsyncIterator[BlobAge]:
        """See BlobStore."""
        for blob in await asyncio.to_thread(lambda: list(self._folder.blobs())):
            yield blob


async def _pieces(file: BinaryIO, start: int, end: int) -> AsyncGenerator[bytes, None]:
    def piece(at: int) -> bytes:
        if at == start:
            file.seek(start)
        return file.read(min(PIECE, end - at))

    with file:
        at = start
        while at < end:
            data = await asyncio.to_thread(piece, at)
            if not data:
                raise OSError(f"{file.name} is shorter than it was")
            at += len(data)
            yield data
