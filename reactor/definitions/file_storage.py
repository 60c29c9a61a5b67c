"""`ctx.storage`, as functions see it (reference §4.9). Protocols only: the real ones are in execution/."""

from __future__ import annotations

from typing import BinaryIO, Protocol

from reactor.definitions.id import Id
from reactor.definitions.system_tables import StoredFile


class StorageReader(Protocol):
    """Files, in a query. What is known of one is its StoredFile: `ctx.db.get(id)`."""

    def get_url(self, id: Id[StoredFile], /) -> str | None:
        """Where the file can be had by anybody; None when it is not there. A query that asked is run again then."""
        ...


class StorageWriter(StorageReader, Protocol):
    """Files, in a mutation. What it stores and deletes is part of the transaction."""

    def generate_upload_url(self) -> str:
        """Where whoever has this can POST files, for an hour. The answer to each is `{"storageId": …}`."""
        ...

    def delete(self, id: Id[StoredFile], /) -> None:
        """Delete the file. Raises DocumentNotFound."""
        ...

    def store(
        self, data: bytes | bytearray | memoryview, /, *, content_type: str | None = None, sha256: str | None = None
    ) -> Id[StoredFile]:
        """Store a small file. `sha256` (base64 or hex) is compared. All mutations wait: store large ones in actions."""
        ...

    def get(self, id: Id[StoredFile], /) -> bytes | None:
        """The bytes of a small file; None when it is not there."""
        ...


class AsyncStorage(Protocol):
    """Files, in an `async def` action."""

    async def get_url(self, id: Id[StoredFile], /) -> str | None:
        """Where the file can be had by anybody; None when it is not there."""
        ...

    async def generate_upload_url(self) -> str:
        """Where whoever has this can POST files, for an hour."""
        ...

    async def delete(self, id: Id[StoredFile], /) -> None:
        """Delete the file. Raises DocumentNotFound."""
        ...

    async def store(
        self,
        data: bytes | bytearray | memoryview | BinaryIO,
        /,
        *,
        content_type: str | None = None,
        sha256: str | None = None,
    ) -> Id[StoredFile]:
        """Store bytes, or a file open for reading; there when this returns. `sha256` (base64 or hex) is compared."""
        ...

    async def get(self, id: Id[StoredFile], /) -> bytes | None:
        """The bytes of a file; None when it is not there."""
        ...


class BlockingStorage(Protocol):
    """Files, in a plain `def` action: the same, blocking."""

    def get_url(self, id: Id[StoredFile], /) -> str | None:
        """Where the file can be had by anybody; None when it is not there."""
        ...

    def generate_upload_url(self) -> str:
        """Where whoever has this can POST files, for an hour."""
        ...

    def delete(self, id: Id[StoredFile], /) -> None:
        """Delete the file. Raises DocumentNotFound."""
        ...

    def store(
        self,
        data: bytes | bytearray | memoryview | BinaryIO,
        /,
        *,
        content_type: str | None = None,
        sha256: str | None = None,
    ) -> Id[StoredFile]:
        """Store bytes, or a file open for reading; there when this returns. `sha256` (base64 or hex) is compared."""
        ...

    def get(self, id: Id[StoredFile], /) -> bytes | None:
        """The bytes of a file; None when it is not there."""
        ...
