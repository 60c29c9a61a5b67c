"""Blobs: the bytes of stored files for whoever copies them: from the data folder, or else from the bucket."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from reactor.errors import TransferRefused
from reactor.files.blob_store import PIECE, BlobMissing
from reactor.files.bucket import Bucket, BucketSettings
from reactor.files.folder import BlobFolder


class Blobs:
    """A context manager, for a process without an event loop of its own."""

    def __init__(self, folder: Path, bucket: BucketSettings | None) -> None:
        """`bucket` takes its keys of access from the process's environment."""
        self._folder = BlobFolder(folder)
        self._bucket = None if bucket is None else Bucket(bucket, os.environ)
        self._runner: asyncio.Runner | None = None  # made for the first blob of the bucket

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._runner is not None:
            self._runner.close()

    def read(self, key: str, size: int, sha256: bytes | None) -> Iterator[bytes]:
        """A blob's bytes, in pieces. Raises TransferRefused when they are not there, or not what they were."""
        seen = hashlib.sha256()
        length = 0
        for piece in self._pieces(key, size):
            seen.update(piece)
            length += len(piece)
            yield piece
        if length != size or (sha256 is not None and seen.digest() != sha256):
            raise TransferRefused(f"The bytes of the file {key} are not what was stored: the disk may be failing.")

    def _pieces(self, key: str, size: int) -> Iterator[bytes]:
        try:
            file = self._folder.open(key)
        except BlobMissing:
            yield from self._from_bucket(key, size)
            return
        with file:
            while piece := file.read(PIECE):
                yield piece

    def _from_bucket(self, key: str, size: int) -> Iterator[bytes]:
        if self._bucket is None:
            raise TransferRefused(
                f"The bytes of the file {key} are not in {self._folder.root}. If they are kept in a bucket, say so with "
                "--files or REACTOR_FILES."
            )
        if self._runner is None:
            self._runner = asyncio.Runner()
        try:
            body = self._runner.run(self._bucket.read(key, 0, size))
            while (piece := self._runner.run(_next(body))) is not None:
                yield piece
        except BlobMissing:
            raise TransferRefused(f"The bytes of the file {key} are neither in the folder nor in the bucket.") from None


async def _next(body: AsyncGenerator[bytes, None]) -> bytes | None:
    return await anext(body, None)
