"""FileKeeper: takes uploads in, reads files out, and has the Housekeeper clear up behind everybody.

Every blob lands in the folder; the row that makes it a file is committed when it is on disk there, and only then is an
upload answered. A row without a blob is never made; a blob without a row is nobody's file, and goes.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, cast

from reactor.clock import Clock
from reactor.engine.engine import Engine
from reactor.errors import BadRequest, NotFound, Overloaded
from reactor.execution.file_rows import FETCH, RECORD
from reactor.execution.frames import Call, Failure, Outcome
from reactor.files.blob_store import BlobMissing, BlobStore, new_key
from reactor.files.folder import BlobFolder, Content, Draft
from reactor.files.folder_store import FolderStore
from reactor.files.upload_token import UploadKey
from reactor.keeper.housekeeper import Housekeeper
from reactor.values.value import decode, encode

FIND = "_system/storage:find"
_BLOCK = 1 << 20  # bytes of an upload collected before the disk is bothered

_log = logging.getLogger("reactor.keeper")


@dataclass(frozen=True, slots=True)
class Upload:
    """What a client says of the bytes it sends."""

    content_type: str | None = None
    sha256: bytes | None = None


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file, and the key of its blob."""

    key: str
    sha256: str  # base64
    size: int
    content_type: str | None


class FileKeeper:
    """`start` once the engine runs, `stop` before it ends."""

    def __init__(
        self, engine: Engine, clock: Clock, folder: BlobFolder, key: UploadKey, bucket: BlobStore | None
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._limits = engine.limits
        self._folder = folder
        self._key = key
        self._stores: list[BlobStore] = [FolderStore(folder)]  # where a blob may be, the likelier place first
        if bucket is not None:
            self._stores.append(bucket)
        self._uploads = 0  # under way; moves in receive()
        self._housekeeper = Housekeeper(engine, clock, folder, bucket)
        engine.services[FETCH] = self._fetch

    def start(self) -> None:
        """Begin to clear up."""
        self._housekeeper.start()

    async def stop(self) -> None:
        """Leave what is to be done to the next server."""
        await self._housekeeper.stop()

    def hold(self) -> AbstractAsyncContextManager[object]:
        """While the block runs no blob is removed or moved: somebody copies them."""
        return self._housekeeper.hold()

    # ── in ───────────────────────────────────────────────────────────────────────────────────────────────────────────

    def check_token(self, token: str) -> None:
        """Raises Unauthenticated for an upload token that does not hold."""
        self._key.check(token, self._clock.now_ns() / 1e6)

    async def receive(self, body: AsyncIterator[bytes], upload: Upload) -> str:
        """Store what comes; the new file's id. Raises BadRequest, Overloaded; nothing is left behind then.

        Of a body that raises, or a task that is cancelled, nothing is left behind either.
        """
        if self._uploads >= self._limits.file_uploads:
            raise Overloaded("TooManyConcurrentRequests", "Too many uploads are under way, try again later")
        self._uploads += 1
        try:
            with _disk_trouble():
                draft = await self._begin()
                try:
                    content = await self._write(draft, body)
                    if upload.sha256 is not None and upload.sha256 != content.sha256:
                        raise BadRequest("Sha256Mismatch", "The file does not have the SHA-256 that was given")
                    key = new_key()
                    await asyncio.to_thread(self._folder.land, draft.path, key)
                finally:
                    await asyncio.to_thread(draft.discard)  # to take back a large one takes a while
            return await self._record(key, content, upload.content_type)
        finally:
            self._uploads -= 1

    async def _begin(self) -> Draft:
        """A draft. One that is made after we were cancelled is nobody's, and goes."""
        making = asyncio.ensure_future(asyncio.to_thread(self._folder.draft))
        try:
            return await asyncio.shield(making)
        except asyncio.CancelledError:
            making.add_done_callback(_discard)
            raise

    async def _write(self, draft: Draft, body: AsyncIterator[bytes]) -> Content:
        most, arrived = self._limits.file_size, 0
        block = bytearray()
        async for piece in body:
            arrived += len(piece)
            if arrived > most:
                raise BadRequest("RequestTooLarge", f"The file is larger than {most} bytes")
            block += piece
            if len(block) >= _BLOCK:
                full, block = block, bytearray()
                await asyncio.to_thread(draft.write, full)
        if block:
            await asyncio.to_thread(draft.write, block)
        return await asyncio.to_thread(draft.seal)

    async def _record(self, key: str, content: Content, content_type: str | None) -> str:
        args: dict[str, Any] = {"key": key, "sha256": content.sha256_text, "size": float(content.size)}
        if content_type is not None:
            args["contentType"] = content_type
        try:
            outcome = await self._engine.mutation(RECORD, encode(args), None, internal=True)
            if outcome.failure is not None:
                raise Overloaded("StorageUnavailable", "The file could not be recorded, try again later")
        except Overloaded:  # certainly no file; when we are cancelled it may be one, and a sweep finds out
            await asyncio.to_thread(self._folder.remove, key)
            raise
        assert outcome.value is not None
        return cast("str", decode(outcome.value))

    # ── out ──────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def find(self, key: str) -> FoundFile:
        """The file whose URL holds this key. Raises NotFound."""
        outcome = await self._engine.query(FIND, encode({"key": key}), None, internal=True)
        if outcome.failure is not None or outcome.value is None:
            raise Overloaded("StorageUnavailable", "The file cannot be looked up just now, try again later")
        found = cast("dict[str, Any] | None", decode(outcome.value))
        if found is None:
            raise NotFound("FileNotFound", f"File {key} not found")
        return FoundFile(key, found["sha256"], int(found["size"]), found.get("contentType"))

    async def read(self, key: str, start: int, end: int) -> AsyncGenerator[bytes, None]:
        """Bytes of a blob. Raises NotFound when it was deleted just now, Overloaded when it cannot be read."""
        with _disk_trouble():
            for store in self._stores:
                with contextlib.suppress(BlobMissing):
                    return await store.read(key, start, end)
        await self.find(key)  # deleted just now, perhaps
        _log.error("the bytes of a file are not where they belong", extra={"blob": key})
        raise NotFound("FileNotFound", f"File {key} not found")

    async def _fetch(self, call: Call) -> Outcome:
        """For an action: a copy of a blob in the bucket, as a draft in the folder. It deletes that itself."""
        key = cast("dict[str, Any]", decode(call.args))["key"]
        try:
            found = await self.find(key)
            body = await self.read(key, 0, found.size)
            path = self._folder.draft_path()
            draft = await asyncio.to_thread(Draft, path)
            try:
                async for piece in body:
                    await asyncio.to_thread(draft.write, piece)
                await asyncio.to_thread(draft.seal)
            except BaseException:
                draft.discard()
                raise
        except NotFound:
            return Outcome(call.id, b"null")
        except (Overloaded, OSError) as error:
            return Outcome(call.id, None, Failure("StorageUnavailable", f"Uncaught Error: {error}\n"))
        return Outcome(call.id, encode(str(path)))


def _discard(made: asyncio.Future[Draft]) -> None:
    if made.exception() is None:
        made.result().discard()


@contextlib.contextmanager
def _disk_trouble() -> Iterator[None]:
    """A disk that is full, a bucket that does not answer: for the client they are the same."""
    try:
        yield
    except OSError as error:
        _log.exception("files cannot be stored or read")
        raise Overloaded("StorageUnavailable", "Files cannot be stored or read just now, try again later") from error
