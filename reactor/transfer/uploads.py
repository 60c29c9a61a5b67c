"""Uploads: files that are sent in parts, put together when all are there (reference §5.2)."""

from __future__ import annotations

import asyncio
import secrets
import shutil
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from reactor.errors import BadRequest, Overloaded
from reactor.limits import Limits

_PARTS = 10_000
_BLOCK = 1 << 20


class Uploads:
    """Those under way, each in a folder of its own."""

    def __init__(self, folder: Path, limits: Limits) -> None:
        self._folder = folder
        self._limits = limits
        self._sizes: dict[str, dict[int, int]] = {}  # token → part → bytes

    def start(self) -> str:
        """A token. The oldest upload gives way when there are too many."""
        if len(self._sizes) >= self._limits.import_uploads:
            oldest = next(iter(self._sizes))
            del self._sizes[oldest]
            shutil.rmtree(self._folder / oldest, ignore_errors=True)
        token = secrets.token_hex(16)
        try:
            (self._folder / token).mkdir(mode=0o700)
        except OSError as error:
            raise Overloaded("StorageUnavailable", f"Uploads cannot be stored just now: {error.strerror}") from None
        self._sizes[token] = {}
        return token

    async def receive(self, token: str, number: int, body: AsyncIterator[bytes]) -> None:
        """Store a part; one that comes again takes the other's place. Raises BadRequest."""
        sizes = self._of(token)
        if not 1 <= number < _PARTS:
            raise BadRequest("ImportPartInvalid", f"Parts have numbers from 1 to {_PARTS - 1}")
        draft = self._folder / token / f"draft-{secrets.token_hex(4)}"
        arrived, others = 0, sum(sizes.values()) - sizes.get(number, 0)
        try:
            with draft.open("xb") as file:
                block = bytearray()
                async for piece in body:
                    arrived += len(piece)
                    if others + arrived > self._limits.import_size:
                        raise BadRequest(
                            "RequestTooLarge", f"What is imported can have {self._limits.import_size} bytes at most"
                        )
                    block += piece
                    if len(block) >= _BLOCK:
                        full, block = block, bytearray()
                        await asyncio.to_thread(file.write, full)
                await asyncio.to_thread(file.write, block)
            draft.replace(self._folder / token / f"part-{number}")
        except FileNotFoundError:
            raise _unknown() from None
        except OSError as error:
            raise Overloaded("StorageUnavailable", f"Uploads cannot be stored just now: {error.strerror}") from None
        finally:
            draft.unlink(missing_ok=True)
        sizes[number] = arrived

    async def finish(self, token: str, parts: Sequence[int]) -> Path:
        """The folder, with the file `upload` in it; the caller removes it. Raises BadRequest."""
        sizes = self._of(token)
        if not parts or len(set(parts)) != len(parts) or not sizes.keys() >= set(parts):
            raise BadRequest("ImportPartMissing", "Some of the parts were not sent")
        del self._sizes[token]
        folder = self._folder / token
        await asyncio.to_thread(_join, folder, parts)
        return folder

    def _of(self, token: str) -> dict[int, int]:
        found = self._sizes.get(token)
        if found is None:
            raise _unknown()
        return found


def _unknown() -> BadRequest:
    return BadRequest("ImportUploadUnknown", "There is no such upload (any more): start one")


def _join(folder: Path, parts: Sequence[int]) -> None:
    first = folder / f"part-{parts[0]}"
    with first.open("ab") as whole:
        for number in parts[1:]:
            part = folder / f"part-{number}"
            with part.open("rb") as file:
                shutil.copyfileobj(file, whole, _BLOCK)
            part.unlink()
    first.rename(folder / "upload")
