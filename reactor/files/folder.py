"""BlobFolder: blobs as files of a folder, blocking. The server uses it in threads, runners as it is.

    incoming/          drafts: being written, by the server or a runner; nothing here is anybody's file yet
    3f/3f2c…-…         blobs, spread over 256 folders by the first letters of their keys

A blob arrives by a rename within the folder, after its bytes are on disk; the rename itself is on disk before `land`
returns. So a key either has all its bytes, power cut or not, or is not there.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Self

from reactor.files.blob_store import KEY, BlobAge, BlobMissing, new_key

FOLDER = "files"  # in the data folder
_INCOMING = "incoming"


@dataclass(frozen=True, slots=True)
class Content:
    """What a blob's bytes are."""

    sha256: bytes
    size: int

    @property
    def sha256_text(self) -> str:
        """Base64, as clients are told."""
        return base64.b64encode(self.sha256).decode()


class Draft:
    """A file being written. Use as a context manager: what was not landed by its end is gone."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path.open("xb")
        self._hash = hashlib.sha256()
        self.size = 0  # grows in write()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Add bytes."""
        self._file.write(data)
        self._hash.update(data)
        self.size += len(data)

    def seal(self) -> Content:
        """All is written: have it on disk."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        return Content(self._hash.digest(), self.size)

    def discard(self) -> None:
        """Take it back, unless it has landed."""
        self._file.close()
        self.path.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.discard()


class BlobFolder:
    """The files under one folder. Any number of processes may use it at once."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def prepare(self) -> None:
        """Make the folder, and clear away drafts of a server that died. Only when nobody writes any."""
        self._incoming.mkdir(parents=True, exist_ok=True)
        for draft in self._incoming.iterdir():
            draft.unlink(missing_ok=True)

    def draft(self) -> Draft:
        """Begin to write a file."""
        return Draft(self.draft_path())

    def draft_path(self) -> Path:
        """A name for a draft that no other has."""
        return self._incoming / new_key()

    def land(self, draft: Path, key: str) -> None:
        """Make a sealed draft the blob of that key, durably."""
        path = self.path(key)
        if not path.parent.exists():
            path.parent.mkdir(exist_ok=True)
            sync_folder(self.root)
        draft.rename(path)
        sync_folder(path.parent)

    def open(self, key: str) -> BinaryIO:
        """The blob, to be read. It can be read to its end even if it is removed meanwhile. Raises BlobMissing."""
        try:
            return self.path(key).open("rb")
        except FileNotFoundError:
            raise BlobMissing(f"There is no blob {key} in {self.root}.") from None

    def remove(self, key: str) -> None:
        """Forget a blob; that there is none is fine."""
        self.path(key).unlink(missing_ok=True)

    def blobs(self) -> Iterator[BlobAge]:
        """All there are."""
        for shard in _listed(self.root):
            if len(shard.name) == 2:
                for entry in _listed(Path(shard.path)):
                    with contextlib.suppress(FileNotFoundError):  # removed meanwhile
                        if KEY.fullmatch(entry.name):
                            yield BlobAge(entry.name, entry.stat().st_mtime)

    def drafts_before(self, time: float) -> Iterator[Path]:
        """Drafts nobody has written to since."""
        for entry in _listed(self._incoming):
            with contextlib.suppress(FileNotFoundError):
                if entry.stat().st_mtime < time:
                    yield Path(entry.path)

    def path(self, key: str) -> Path:
        """Where the blob of a key is, if it is."""
        assert KEY.fullmatch(key), key
        return self.root / key[:2] / key

    @property
    def _incoming(self) -> Path:
        return self.root / _INCOMING


def _listed(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except (FileNotFoundError, NotADirectoryError):
        return []


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
