"""TestFiles: what a browser does with upload URLs and file URLs, in a test without a server."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import parse_qs, urlsplit

from reactor.errors import BadRequest, FileRefused
from reactor.execution.file_rows import RECORD
from reactor.execution.frames import Kind
from reactor.execution.stored_files import check_given, keep
from reactor.files.folder import FOLDER, BlobFolder
from reactor.files.place import FilePlace
from reactor.files.upload_token import UploadKey
from reactor.limits import Limits
from reactor.storage.upload_key import upload_key_at

if TYPE_CHECKING:
    from pathlib import Path

System = Callable[[Kind, str, dict[str, Any]], Any]
"""Runs a function of the engine's: kind, name, arguments."""


class TestFiles:
    """`backend.files`."""

    __test__ = False  # no test itself, whatever pytest thinks of the name

    def __init__(self, folder: Path, limits: Limits, system: System, now_ms: Callable[[], float]) -> None:
        blobs = BlobFolder(folder / FOLDER)
        blobs.prepare()
        self.place = FilePlace(blobs.root, UploadKey(upload_key_at(folder)))
        self._limits = limits
        self._system = system
        self._now_ms = now_ms

    def upload(self, url: str, data: bytes, *, content_type: str | None = None, sha256: str | None = None) -> str:
        """POST the bytes to what `generate_upload_url` gave; the new file's id. Raises what the server would answer."""
        token = parse_qs(urlsplit(url).query).get("token", [""])[0]
        self.place.key.check(token, self._now_ms())
        expected = check_given(content_type, sha256)
        try:
            key, content = keep(self.place, data, expected, self._limits.file_size, "file_size")
        except FileRefused as error:
            raise BadRequest("Sha256Mismatch", str(error)) from None
        args: dict[str, Any] = {"key": key, "sha256": content.sha256_text, "size": float(content.size)}
        if content_type is not None:
            args["contentType"] = content_type
        return cast("str", self._system("mutation", RECORD.removeprefix("_system/"), args))

    def download(self, url: str) -> bytes | None:
        """The bytes behind what `get_url` gave; None when the file has been deleted."""
        key = urlsplit(url).path.rpartition("/")[2]
        if self._system("query", "storage:find", {"key": key}) is None:
            return None
        with self.place.blobs.open(key) as file:
            return file.read()

    def clear_up(self) -> None:
        """Remove the bytes of deleted files, as a server does after the commit."""
        while keys := self._system("query", "storage:blobs", {"state": "doomed"}):
            for key in keys:
                self.place.blobs.remove(key)
                self._system("mutation", "storage:forget", {"key": key})
