"""Archive: a snapshot's zip, from anywhere, so nothing it says is believed before it is looked at.

What it holds is listed before anything is unpacked, and refused as a whole when there is anything in it that no export
writes: links, names that leave the archive, one name twice, more entries or bytes than allowed, bombs. Nothing is ever
unpacked to a path it names.
"""

from __future__ import annotations

import io
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO, NamedTuple, Self

from reactor.errors import TransferRefused
from reactor.limits import Limits

_END, _END64, _LOCATOR64 = b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07"
_END_SIZE, _LOCATOR_SIZE = 22, 20
_TAIL = 66_000  # bytes at the end among which the directory's end is: a comment has 65,535 at most
_DIRECTORY_ENTRY = 1024  # bytes of the directory that an entry takes at most, all in all
_HARMLESS = 64 << 20  # bytes unpacked of which the ratio says nothing
_ENCRYPTED = 1
_DOCUMENTS = re.compile(r"(?:.*/)?([^/]+)/documents\.jsonl")
_SHAPE = re.compile(r"(?:.*/)?([^/]+)/generated_schema\.jsonl")
_FILE = re.compile(r"(?:.*/)?_storage/([^/.]+)(?:\.[^/]+)?")


class StoredFile(NamedTuple):
    """A file of `_storage` in the archive."""

    id: str
    name: str
    size: int


class Archive:
    """An open archive. A context manager."""

    def __init__(self, path: Path, limits: Limits) -> None:
        """Raises TransferRefused for what cannot be a snapshot."""
        self.tables: dict[str, str] = {}  # table → entry with its documents
        self.shapes: dict[str, str] = {}  # table → entry with its shape
        self.files: dict[str, StoredFile] = {}  # by id
        _check_directory(path, limits)
        try:
            self._zip = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError) as error:
            raise TransferRefused(f"This is no zip archive, or not all of one: {error}.") from None
        try:
            self._list(path.stat().st_size, limits)
        except BaseException:
            self._zip.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._zip.close()

    @contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        """An entry's bytes, unpacked as they are read. Raises TransferRefused when they are damaged."""
        try:
            with self._zip.open(name) as entry:
                yield io.BufferedReader(entry, 1 << 16)  # type: ignore[type-var]
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
            raise TransferRefused(f"The archive is damaged: {name}: {error}.") from None

    def size_of(self, name: str) -> int:
        """Bytes of an entry, unpacked."""
        return self._zip.getinfo(name).file_size

    def _list(self, packed: int, limits: Limits) -> None:
        seen: set[str] = set()
        unpacked = 0
        for entry in self._zip.infolist():
            name = entry.filename
            _check_entry(entry, name)
            if name in seen:
                raise TransferRefused(f"The archive has two entries of the name {_shown(name)}.")
            seen.add(name)
            unpacked += entry.file_size
            if unpacked > limits.import_unpacked:
                raise TransferRefused(f"The archive holds more than {limits.import_unpacked} bytes.")
            if not entry.is_dir():
                self._sort_in(entry, name)
        if unpacked > _HARMLESS and unpacked > packed * limits.import_ratio:
            raise TransferRefused(
                f"The archive unpacks to {unpacked} bytes, more than {limits.import_ratio} times its size: "
                "no export is like that."
            )

    def _sort_in(self, entry: zipfile.ZipInfo, name: str) -> None:
        if "_components/" in name:
            raise TransferRefused(
                f"The archive holds data of components ({_shown(name)}), which reactor does not have. Take these "
                "entries out of it to import the rest."
            )
        if documents := _DOCUMENTS.fullmatch(name):
            _once(self.tables, documents[1], name)
        elif shape := _SHAPE.fullmatch(name):
            _once(self.shapes, shape[1], name)
        elif file := _FILE.fullmatch(name):
            if file[1] in self.files:
                raise TransferRefused(f"The archive has two files of the id {_shown(file[1])}.")
            self.files[file[1]] = StoredFile(file[1], name, entry.file_size)


def _once(found: dict[str, str], table: str, name: str) -> None:
    if table in found:
        raise TransferRefused(f"The archive has two entries for table {_shown(table)}: {found[table]} and {name}.")
    found[table] = name


def _check_entry(entry: zipfile.ZipInfo, name: str) -> None:
    if not name or name.startswith("/") or "\\" in name or ":" in name or ".." in name.split("/") or len(name) > 1024:
        raise TransferRefused(f"The archive has an entry outside of itself: {_shown(name)}.")
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise TransferRefused(f"The archive has an entry that is no plain file: {_shown(name)}.")
    if entry.flag_bits & _ENCRYPTED:
        raise TransferRefused(f"The archive has an encrypted entry: {_shown(name)}.")


def _check_directory(path: Path, limits: Limits) -> None:
    """Look how many entries there are said to be before a list of them is made."""
    with path.open("rb") as file:
        size = file.seek(0, io.SEEK_END)
        tail_at = max(0, size - _TAIL)
        file.seek(tail_at)
        tail = file.read()
        at = tail.rfind(_END)
        if at < 0 or at + _END_SIZE > len(tail):
            raise TransferRefused("This is no zip archive, or not all of one.")
        entries, length = struct.unpack_from("<HL", tail, at + 10)
        locator = at - _LOCATOR_SIZE
        if locator >= 0 and tail[locator : locator + 4] == _LOCATOR64:
            (end64,) = struct.unpack_from("<Q", tail, locator + 8)
            file.seek(min(end64, size))
            record = file.read(56)
            if len(record) == 56 and record[:4] == _END64:
                entries, length = struct.unpack_from("<QQ", record, 32)
    if entries > limits.import_entries or length > min(limits.import_entries, entries + 1) * _DIRECTORY_ENTRY:
        raise TransferRefused(f"The archive has more than {limits.import_entries} entries, or too long names.")


def _shown(name: str) -> str:
    return ascii(name if len(name) <= 80 else name[:80] + "…")
