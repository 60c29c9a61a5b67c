"""Backup: a data folder as of one moment, in one file, with a checksum of everything in it.

A zip archive: `reactor.db`, `files/<key>`, the keys of the deployment, pushed code if there is any, and at last
`manifest.json`, which names all of them. It holds what the deployment holds, its environment variables among that.
"""

from __future__ import annotations

import base64
import hashlib
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from reactor.database.database import Database
from reactor.database.structure import all_documents
from reactor.errors import TransferRefused
from reactor.storage import admin_key, cursor_key, upload_key
from reactor.storage.database_copy import copy_database
from reactor.transfer.blobs import Blobs
from reactor.transfer.export import BLOBS, FILES, Progress
from reactor.values.value import decode

KIND = "reactor-backup"
FORMAT = 1
MANIFEST = "manifest.json"
DATABASE = "reactor.db"
KEYS = tuple(each.FILE_NAME for each in (admin_key, cursor_key, upload_key))
BUNDLES = "bundles"  # pushed code
_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class BackupSource:
    """What is backed up."""

    data: Path
    copy: Path  # a name for the database's copy, on a disk with room for it
    blobs: Blobs


def write_backup(source: BackupSource, out: Path, progress: Progress) -> tuple[int, int]:
    """Write a new file, readable for its owner alone; its timestamp, and how many files are stored in it.

    Blobs must not be removed meanwhile. Raises TransferRefused, StorageError, OSError; `out` is gone then.
    """
    try:
        ts = copy_database(
            source.data / DATABASE, source.copy, lambda done, pages: progress("Copying the database", done, pages)
        )
        out.touch(0o600, exist_ok=False)
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            writer = _Writer(archive)
            writer.add(DATABASE, _pieces(source.copy), packed=True)
            stored = list(_stored_files(source.copy))
            for done, (key, size, sha256) in enumerate(stored, 1):
                writer.add(f"files/{key}", source.blobs.read(key, size, sha256))
                progress("Backing up files", done, len(stored))
            for name, path in _others(source.data):
                writer.add(name, _pieces(path), packed=True)
            manifest = {"kind": KIND, "format": FORMAT, "ts": str(ts), "entries": writer.entries}
            archive.writestr(MANIFEST, orjson.dumps(manifest, option=orjson.OPT_INDENT_2))
    except BaseException:
        out.unlink(missing_ok=True)
        raise
    finally:
        source.copy.unlink(missing_ok=True)
    return ts, len(stored)


class _Writer:
    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self.entries: dict[str, dict[str, Any]] = {}

    def add(self, name: str, pieces: Iterator[bytes], *, packed: bool = False) -> None:
        info = zipfile.ZipInfo(name)
        info.compress_type = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
        info.external_attr = 0o100600 << 16
        seen, size = hashlib.sha256(), 0
        with self._archive.open(info, "w", force_zip64=True) as entry:
            for piece in pieces:
                entry.write(piece)
                seen.update(piece)
                size += len(piece)
        self.entries[name] = {"size": size, "sha256": seen.hexdigest()}


def _stored_files(database: Path) -> Iterator[tuple[str, int, bytes]]:
    """Key, size and SHA-256 of every stored file."""
    opened = Database.open_reader(database)
    try:
        with opened.snapshot() as snapshot:
            catalog, storage = snapshot.catalog, snapshot.storage
            files, blobs = catalog.table(FILES), catalog.table(BLOBS)
            if files is None or blobs is None:
                return
            for row in all_documents(storage, blobs):
                blob: Any = decode(row.data)
                found = storage.documents.get(files.place, blob["file"]) if "file" in blob else None
                if found is not None:
                    file: Any = decode(found.data)
                    yield blob["key"], int(file["size"]), base64.b64decode(file["sha256"])
    finally:
        opened.close()


def _others(data: Path) -> Iterator[tuple[str, Path]]:
    for name in KEYS:
        if (data / name).is_file():
            yield name, data / name
    bundles = data / BUNDLES
    if bundles.is_dir():
        for path in sorted(bundles.rglob("*")):
            if path.is_file() and not path.is_symlink():
                yield str(path.relative_to(data)), path


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            yield piece


class Backup:
    """A backup's file, its manifest read and found to be whole."""

    def __init__(self, path: Path) -> None:
        """Raises TransferRefused."""
        try:
            self._zip = zipfile.ZipFile(path)
            manifest = orjson.loads(self._zip.read(MANIFEST))
            if manifest["kind"] != KIND:
                raise KeyError
            self.format = int(manifest["format"])
            self.ts = int(manifest["ts"])
            self.entries: dict[str, dict[str, Any]] = manifest["entries"]
        except (zipfile.BadZipFile, OSError, KeyError, ValueError, TypeError):
            raise TransferRefused(f"{path} is no backup of reactor, or not all of one.") from None
        if self.format != FORMAT:
            raise TransferRefused(f"{path} is a backup of format {self.format}; this release reads {FORMAT}.")
        names = self._zip.namelist()
        if sorted(names) != sorted([*self.entries, MANIFEST]) or not all(map(_is_ours, self.entries)):
            raise TransferRefused(f"{path} does not hold what its manifest says.")

    def unpack(self, folder: Path, place: Callable[[str], Path], progress: Progress) -> None:
        """Write every entry below `folder`, where `place` puts it. Raises TransferRefused at the first damage."""
        total = sum(entry["size"] for entry in self.entries.values())
        done = 0
        for name, told in self.entries.items():
            path = folder / place(name)
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            seen, size = hashlib.sha256(), 0
            path.touch(0o600, exist_ok=False)
            try:
                with self._zip.open(name) as entry, path.open("wb") as file:
                    while piece := entry.read(_PIECE):
                        file.write(piece)
                        seen.update(piece)
                        size += len(piece)
                        progress("Unpacking", done + size, total)
            except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
                raise TransferRefused(f"The backup is damaged: {name}: {error}. Nothing was changed.") from None
            if size != told["size"] or seen.hexdigest() != told["sha256"]:
                raise TransferRefused(f"The backup is damaged: {name} has another checksum. Nothing was changed.")
            done += size

    def close(self) -> None:
        """Let go of the file."""
        self._zip.close()


def _is_ours(name: str) -> bool:
    parts = name.split("/")
    inside = "" not in parts and ".." not in parts and "." not in parts and "\\" not in name
    return name in (DATABASE, *KEYS) or (inside and len(parts) > 1 and parts[0] in ("files", BUNDLES))
