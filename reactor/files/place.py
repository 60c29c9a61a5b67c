"""FilePlace: all that a process which runs functions must know of files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from reactor.files.folder import BlobFolder
from reactor.files.upload_token import UploadKey


@dataclass(frozen=True, slots=True)
class FilePlace:
    """The folder blobs land in, wherever they are kept in the end, and the key of upload tokens."""

    folder: Path
    key: UploadKey

    @property
    def blobs(self) -> BlobFolder:
        """The folder, to use."""
        return BlobFolder(self.folder)
