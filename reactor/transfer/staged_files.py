"""FileStager: the files of an archive, unpacked into drafts whose names no archive decides, and what is said of them."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reactor.errors import InvalidId, TransferRefused
from reactor.files.blob_store import KEY, PIECE, new_key
from reactor.files.checksum import sha256_of_text
from reactor.files.folder import Content, Draft
from reactor.limits import Limits
from reactor.transfer.archive import Archive, StoredFile
from reactor.transfer.lines import json_lines
from reactor.values.id import decode_id
from reactor.values.value import Value

_DOCUMENTS = "_storage"


@dataclass(frozen=True, slots=True)
class StagedFile:
    """A file whose bytes are a draft named like its key."""

    id: str
    creation_time: Any  # as it came; None when nothing was said
    fields: dict[str, Value]
    key: str


class FileStager:
    """Of one archive."""

    def __init__(self, archive: Archive, limits: Limits, taken: set[str]) -> None:
        """`taken` are keys that cannot be used again. Raises TransferRefused."""
        self._archive = archive
        self._limits = limits
        self._taken = taken
        self._told = self._read_documents()
        missing = self._told.keys() - archive.files.keys()
        if missing:
            raise TransferRefused(
                f"The archive names the file {min(missing)} and does not hold its bytes: export with "
                "--include-file-storage, or take _storage/documents.jsonl out of it."
            )
        numbers = {_number_of(own_id) for own_id in archive.files}
        if len(numbers) > 1:
            raise TransferRefused("The files in _storage have ids of several tables.")
        self.table_number = min(numbers, default=None)
        self.keys: list[str] = []  # grows in unpack()

    def unpack(self, drafts: Path, progress: Callable[[str, int], None]) -> Iterator[StagedFile]:
        """Every file, its bytes on disk in `drafts` under its key."""
        for own_id, file in sorted(self._archive.files.items()):
            told = self._told.get(own_id, {})
            key = told.get("internalId")
            if not isinstance(key, str) or not KEY.fullmatch(key) or key in self._taken:
                key = new_key()
            self._taken.add(key)
            content = self._unpack(file, drafts / key)
            self._check(own_id, told, content)
            fields: dict[str, Value] = {"sha256": content.sha256_text, "size": float(content.size)}
            if isinstance(told.get("contentType"), str):
                fields["contentType"] = told["contentType"]
            self.keys.append(key)
            yield StagedFile(own_id, told.get("_creationTime"), fields, key)
            progress("Unpacking files", len(self.keys))
        if self.keys:
            handle = os.open(drafts, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)

    def _unpack(self, file: StoredFile, path: Path) -> Content:
        if file.size > self._limits.file_size:
            raise TransferRefused(f"The file {file.id} is larger than {self._limits.file_size} bytes.")
        with self._archive.open(file.name) as entry:
            draft = Draft(path)
            while piece := entry.read(PIECE):
                draft.write(piece)
            return draft.seal()

    def _check(self, own_id: str, told: dict[str, Any], content: Content) -> None:
        size, text = told.get("size"), told.get("sha256")
        try:
            wanted = None if text is None else sha256_of_text(text)
        except (ValueError, TypeError):
            raise TransferRefused(f"The archive's sha256 of the file {own_id} is none.") from None
        if (size is not None and size != content.size) or (wanted is not None and wanted != content.sha256):
            raise TransferRefused(
                f"The bytes of the file {own_id} are not those the archive describes: "
                f"{content.size} bytes, sha256 {base64.b64encode(content.sha256).decode()}."
            )

    def _read_documents(self) -> dict[str, dict[str, Any]]:
        entry = self._archive.tables.get(_DOCUMENTS)
        found: dict[str, dict[str, Any]] = {}
        if entry is not None:
            with self._archive.open(entry) as file:
                for line in json_lines(file, entry, self._limits):
                    own_id = line.tree.get("_id")
                    if not isinstance(own_id, str) or own_id in found:
                        raise TransferRefused(f"{entry}, line {line.number}: expected a file with an `_id` of its own.")
                    found[own_id] = line.tree
        return found


def _number_of(own_id: str) -> int:
    try:
        return decode_id(own_id).table_number
    except InvalidId:
        raise TransferRefused(f"The archive holds a file whose name is no id: _storage/{own_id[:80]!a}.") from None
