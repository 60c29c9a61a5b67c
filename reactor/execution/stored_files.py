"""What `ctx.storage` is (reference §4.9): of queries, of mutations, and of both kinds of actions.

A process that runs functions writes and reads blobs in the folder itself, so that no file passes through a pipe; the
row that makes one a file goes the way of every write. In a mutation the disk is waited for by everybody, so what one may
store and get is little. What lies in a bucket is fetched by the server: nobody else has its keys.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
from collections.abc import Callable, Iterator
from os import SEEK_END, urandom
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias, TypeVar, cast

from reactor.definitions.id import Id
from reactor.errors import FileRefused, ForbiddenHere, InvalidQuery, LimitExceeded
from reactor.execution.file_rows import (
    DELETE,
    FETCH,
    LOCATE,
    RECORD,
    check_file_id,
    delete_file,
    key_of_file,
    write_file,
)
from reactor.execution.run import Run
from reactor.execution.scope import Scope
from reactor.files.blob_store import BlobMissing, new_key
from reactor.files.checksum import sha256_of_text
from reactor.files.content_type import is_content_type
from reactor.files.folder import BlobFolder, Content
from reactor.files.place import FilePlace
from reactor.limits import Limits, setting

if TYPE_CHECKING:
    from reactor.execution.actions import Errand
    from reactor.execution.bundle import Bundle

_PIECE = 1 << 20

Data: TypeAlias = bytes | bytearray | memoryview | BinaryIO
T = TypeVar("T")


class FileReader:
    """`ctx.storage` of a query."""

    __slots__ = ("_scope",)

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    def get_url(self, id: Any, /) -> str | None:
        """Where the file can be had; None when it is not there. A query that asked is run again when that changes."""
        key = self._key(id, "getUrl")
        return None if key is None else blob_url(self._scope.bundle, key)

    def _key(self, id: Any, verb: str) -> str | None:
        scope = self._scope

        def look() -> str | None:
            return key_of_file(scope.reading, check_file_id(scope.reading, id, verb))

        return scope.run.engine(look)


class FileWriter(FileReader):
    """`ctx.storage` of a mutation."""

    __slots__ = ()

    def generate_upload_url(self) -> str:
        """Where one who has this can store files, for an hour."""
        run = self._scope.run
        return upload_url(self._scope.bundle, run.now_ns, run.chance.bytes(16), self._limits)

    def delete(self, id: Any, /) -> None:
        """Delete the file. Raises DocumentNotFound."""
        scope = self._scope

        def delete() -> None:
            delete_file(scope.transaction, check_file_id(scope.reading, id, "delete"))

        scope.run.engine(delete)

    def store(self, data: Any, /, *, content_type: str | None = None, sha256: str | None = None) -> Any:
        """Store a file, small enough to be waited for; it is there if this mutation commits."""
        expected = check_given(content_type, sha256)
        return Id(self._scope.run.engine(self._store, data, content_type, expected))

    def get(self, id: Any, /) -> bytes | None:
        """The bytes of a small file; None when it is not there."""
        key = self._key(id, "get")
        return None if key is None else self._scope.run.engine(self._get, key)

    def _store(self, data: Any, content_type: str | None, expected: bytes | None) -> str:
        scope, run = self._scope, self._scope.run
        room = self._limits.mutation_file_bytes - run.file_bytes
        key, content = _outside(lambda: keep(place_of(scope.bundle), data, expected, room, "mutation_file_bytes"))
        run.file_bytes += content.size
        run.stored_blobs += (key,)
        return write_file(scope.transaction, key, content.sha256_text, content.size, content_type)

    def _get(self, key: str) -> bytes:
        run, limits = self._scope.run, self._limits
        try:
            room = limits.mutation_file_bytes - run.file_bytes
            data = _outside(lambda: _read(place_of(self._scope.bundle).blobs, key, room, "mutation_file_bytes"))
        except BlobMissing:
            raise ForbiddenHere(
                "A mutation cannot get a file that lies in a bucket: it would hold up all others. Use an action."
            ) from None
        run.file_bytes += len(data)
        return data

    @property
    def _limits(self) -> Limits:
        return self._scope.reading.usage.limits


class AwaitedFiles:
    """`ctx.storage` of an `async def` action."""

    __slots__ = ("_errand",)

    def __init__(self, errand: Errand) -> None:
        self._errand = errand

    async def get_url(self, id: Any, /) -> str | None:
        """Where the file can be had; None when it is not there."""
        found = await self._locate(id, "getUrl")
        return None if found is None else blob_url(self._errand.bundle, found["key"])

    async def generate_upload_url(self) -> str:
        """Where one who has this can store files, for an hour."""
        errand = self._errand
        return upload_url(errand.bundle, errand.now_ns, urandom(16), errand.limits)

    async def delete(self, id: Any, /) -> None:
        """Delete the file. Raises DocumentNotFound."""
        await self._errand.system("mutation", DELETE, {"id": _text(id, "delete")})

    async def store(self, data: Any, /, *, content_type: str | None = None, sha256: str | None = None) -> Any:
        """Store a file; it is there when this returns."""
        errand = self._errand
        expected = check_given(content_type, sha256)
        place = place_of(errand.bundle)
        key, content = await asyncio.to_thread(keep, place, data, expected, errand.limits.file_size, "file_size")
        args: dict[str, Any] = {"key": key, "sha256": content.sha256_text, "size": float(content.size)}
        if content_type is not None:
            args["contentType"] = content_type
        try:
            return Id(cast("str", await errand.system("mutation", RECORD, args)))
        except Exception:  # it was refused, so nobody will ever know of the blob; after a cancellation somebody might
            place.blobs.remove(key)
            raise

    async def get(self, id: Any, /) -> bytes | None:
        """The bytes of a file; None when it is not there."""
        found = await self._locate(id, "get")
        if found is None:
            return None
        errand = self._errand
        try:
            folder, most = place_of(errand.bundle).blobs, errand.limits.file_size
            return await asyncio.to_thread(_read, folder, found["key"], most, "file_size")
        except BlobMissing:  # it lies in the bucket, or was deleted just now
            fetched = await errand.system("query", FETCH, {"key": found["key"]})
        return None if fetched is None else await asyncio.to_thread(_take, Path(cast("str", fetched)))

    async def _locate(self, id: Any, verb: str) -> dict[str, Any] | None:
        found = await self._errand.system("query", LOCATE, {"id": _text(id, verb), "verb": verb})
        return cast("dict[str, Any] | None", found)


class BlockingFiles:
    """`ctx.storage` of a plain `def` action: the same, blocking."""

    __slots__ = ("_files", "_loop")

    def __init__(self, errand: Errand, loop: asyncio.AbstractEventLoop) -> None:
        self._files = AwaitedFiles(errand)
        self._loop = loop

    def get_url(self, id: Any, /) -> str | None:
        """Where the file can be had; None when it is not there."""
        return self._wait(self._files.get_url(id))  # type: ignore[no-any-return]

    def generate_upload_url(self) -> str:
        """Where one who has this can store files, for an hour."""
        return self._wait(self._files.generate_upload_url())  # type: ignore[no-any-return]

    def delete(self, id: Any, /) -> None:
        """Delete the file. Raises DocumentNotFound."""
        self._wait(self._files.delete(id))

    def store(self, data: Any, /, *, content_type: str | None = None, sha256: str | None = None) -> Any:
        """Store a file; it is there when this returns."""
        return self._wait(self._files.store(data, content_type=content_type, sha256=sha256))

    def get(self, id: Any, /) -> bytes | None:
        """The bytes of a file; None when it is not there."""
        return self._wait(self._files.get(id))  # type: ignore[no-any-return]

    def _wait(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()


# ── parts ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def blob_url(bundle: Bundle, key: str) -> str:
    """Where anybody can read the blob."""
    return f"{bundle.built_in['CONVEX_CLOUD_URL']}/api/storage/{key}"


def upload_url(bundle: Bundle, now_ns: int, entropy: bytes, limits: Limits) -> str:
    """A new address to upload to."""
    token = place_of(bundle).key.token(now_ns // 1_000_000 + int(limits.file_token_life * 1000), entropy)
    return f"{bundle.built_in['CONVEX_CLOUD_URL']}/api/storage/upload?token={token}"


def check_given(content_type: Any, sha256: Any) -> bytes | None:
    """What the file must hash to. Raises FileRefused for a type or a checksum that is none."""
    if content_type is not None and not (isinstance(content_type, str) and is_content_type(content_type)):
        raise FileRefused(f"{content_type!r} is no content type. One looks like `image/png`.")
    try:
        return None if sha256 is None else sha256_of_text(sha256)
    except (ValueError, TypeError) as error:
        raise FileRefused(f"`sha256`: {error}") from None


def keep(place: FilePlace, data: Data, expected: bytes | None, most: int, limit: str) -> tuple[str, Content]:
    """Have the data on disk as a blob; its key. Raises FileRefused, LimitExceeded."""
    folder = place.blobs
    with folder.draft() as draft:
        for piece in _pieces(data):
            draft.write(piece)
            if draft.size > most:
                raise _too_large(limit)
        content = draft.seal()
        if expected is not None and content.sha256 != expected:
            raise FileRefused("The file does not have the SHA-256 that was given.")
        key = new_key()
        folder.land(draft.path, key)
    return key, content


def place_of(bundle: Bundle) -> FilePlace:
    """Where files of this deployment are."""
    assert bundle.files is not None, "set by whoever loaded the bundle"
    return bundle.files


def discard_blobs(bundle: Bundle, run: Run) -> None:
    """Take back what a mutation stored that failed. What cannot be is an orphan, and will be found."""
    for key in run.stored_blobs:
        with contextlib.suppress(OSError):
            place_of(bundle).blobs.remove(key)


def _pieces(data: Data) -> Iterator[bytes | bytearray | memoryview]:
    if isinstance(data, bytes | bytearray | memoryview):
        yield data
        return
    read: Callable[[int], bytes] | None = getattr(data, "read", None)
    if read is None:
        raise InvalidQuery(
            f"`ctx.storage.store` takes bytes, or a file open for reading bytes, not {type(data).__name__}."
        )
    while piece := read(_PIECE):
        if not isinstance(piece, bytes):
            raise InvalidQuery("`ctx.storage.store` takes a file open for reading bytes: open it with mode 'rb'.")
        yield piece


def _read(folder: BlobFolder, key: str, most: int, limit: str) -> bytes:
    with folder.open(key) as file:
        if file.seek(0, SEEK_END) > most:
            raise _too_large(limit)
        file.seek(0)
        return file.read()


def _take(path: Path) -> bytes:
    """What the server fetched for us, and nobody else."""
    try:
        return path.read_bytes()
    finally:
        with contextlib.suppress(OSError):
            path.unlink()


def _too_large(limit: str) -> LimitExceeded:
    return LimitExceeded(f"The file is too large to be stored or read here. {setting(limit)}", code="FileTooLarge")


def _text(id: Any, verb: str) -> str:
    if not isinstance(id, str):
        raise FileRefused(f"Invalid argument `storageId` for `storage.{verb}`: {id!r} is no id.")
    return id


def _outside(work: Callable[[], T]) -> T:
    """Do something of ours as outside of any function: its guards would take it for user code's."""
    return contextvars.Context().run(work)
