"""SourceArchive: a project's sources on their way to a server, as files in memory.

On the wire it is a gzipped tar, so that `tar` and `curl` can make one. Reading trusts nothing: names stay below the
project, every entry is a plain file or a folder, and what is unpacked is counted while it is unpacked.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import tarfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from reactor.deploy.watcher import Sources
from reactor.errors import BadRequest, DefinitionError
from reactor.execution.project import DATA_MARK
from reactor.files.folder import sync_folder
from reactor.limits import Limits, setting

SETTINGS = "pyproject.toml"
_NAME_BYTES = 255
_PATH_BYTES = 1024


@dataclass(frozen=True, slots=True)
class SourceArchive:
    """The sources of one version of a project. Equal sources have equal digests, however they were packed."""

    files: Mapping[str, bytes]  # by their path below the project's root, with slashes

    @classmethod
    def of(cls, root: Path, include: Sequence[str] = ()) -> SourceArchive:
        """What the code in a folder needs to run elsewhere.

        Python files and pyproject.toml as the watcher sees them, files of any kind beside the functions and in packages,
        and what the patterns of `include` name. Hidden files, where secrets are kept, only go when they are named.
        """
        root = root.resolve()
        sources = Sources.of(root)
        wanted = set(sources.files)
        for folder in sources.directories:
            if folder == root or not _is_code(folder, root):
                continue
            wanted.update(
                path for path in folder.iterdir() if path.is_file() and not path.name.startswith(".") and _is_data(path)
            )
        for pattern in include:
            found = [path for path in root.glob(pattern) if path.is_file()]
            if not found:
                raise DefinitionError(
                    f"{SETTINGS}: `tool.reactor.include` names {pattern!r}, and there is no such file."
                )
            wanted.update(found)
        return cls({path.relative_to(root).as_posix(): path.read_bytes() for path in sorted(wanted)})

    @property
    def digest(self) -> str:
        """Names exactly these files: 32 hexadecimal digits."""
        return _digest(self.files)

    @property
    def _data_digest(self) -> str:
        """Names the files that are no code, and may be read by it: when they change, every query runs again."""
        data = {name: text for name, text in self.files.items() if not name.endswith(".py") and name != SETTINGS}
        return _digest(data) if data else ""

    def to_bytes(self) -> bytes:
        """The archive that `from_bytes` reads; the same for the same files."""
        packed = io.BytesIO()
        with (
            gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as compressed,
            tarfile.open(fileobj=compressed, mode="w", format=tarfile.PAX_FORMAT) as archive,
        ):
            for name, data in sorted(self.files.items()):
                entry = tarfile.TarInfo(name)
                entry.size, entry.mode = len(data), 0o644
                archive.addfile(entry, io.BytesIO(data))
        return packed.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes, limits: Limits) -> SourceArchive:
        """Raises BadRequest for what is no archive, is too large, or names a place that is not the project's."""
        files: dict[str, bytes] = {}
        try:
            with (
                gzip.GzipFile(fileobj=io.BytesIO(data)) as compressed,
                tarfile.open(fileobj=_Counted(compressed, limits.deploy_size), mode="r|") as archive,
            ):
                for number, entry in enumerate(archive):
                    if number >= limits.deploy_files:
                        raise _refusal(f"it has more than {limits.deploy_files} entries. {setting('deploy_files')}")
                    if entry.isdir():
                        continue
                    name = _checked_name(entry)
                    if name in files:
                        raise _refusal(f"{name} is in it twice")
                    content = archive.extractfile(entry)
                    assert content is not None, "it is a plain file"
                    files[name] = content.read()
        except (tarfile.TarError, OSError, EOFError, zlib.error, UnicodeError, ValueError, OverflowError) as error:
            raise _refusal(f"it is no whole gzipped tar ({type(error).__name__})") from None
        if not files:
            raise _refusal("it is empty")
        for name in files:
            for parent in PurePosixPath(name).parents:
                if str(parent) in files:
                    raise _refusal(f"{parent} is a file and a folder in it")
        return cls(files)

    def write(self, folder: Path) -> None:
        """Make a new folder of them that is still there after a power cut."""
        folder.mkdir(parents=True)
        for name, data in (*self.files.items(), (DATA_MARK, self._data_digest.encode())):
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        for each in (folder, *(path for path in folder.rglob("*") if path.is_dir())):
            sync_folder(each)


def _digest(files: Mapping[str, bytes]) -> str:
    hasher = hashlib.blake2b(digest_size=16)
    for name, data in sorted(files.items()):
        hasher.update(f"{name}\0{len(data)}\0".encode() + data)
    return hasher.hexdigest()


def _is_code(folder: Path, root: Path) -> bool:
    """Whether data in the folder belongs to code: below functions/, or in a package."""
    return folder.relative_to(root).parts[0] == "functions" or (folder / "__init__.py").exists()


def _is_data(path: Path) -> bool:
    return path.suffix not in (".py", ".pyc")


def _checked_name(entry: tarfile.TarInfo) -> str:
    shown = entry.name[:100].encode("ascii", "backslashreplace").decode()
    if not entry.isreg():
        raise _refusal(f"{shown} is neither a file nor a folder: links and devices are not taken")
    name = entry.name.removeprefix("./")
    parts = name.split("/")
    encoded = name.encode()  # UnicodeError for one that is not UTF-8
    strange = name.startswith("/") or "\\" in name or not name.isprintable()
    if name == DATA_MARK:
        raise _refusal(f"{DATA_MARK} is the server's to write")
    if strange or any(part in ("", ".", "..") or len(part.encode()) > _NAME_BYTES for part in parts):
        raise _refusal(f"the path {shown!r} does not stay in the project")
    if len(encoded) > _PATH_BYTES:
        raise _refusal(f"the path {shown!r}… is too long")
    return name


class _Counted(io.RawIOBase):
    """What is unpacked, up to a number of bytes."""

    def __init__(self, source: gzip.GzipFile, most: int) -> None:
        self._source = source
        self._most = most
        self._left = most  # falls with every read

    def read(self, size: int = -1) -> bytes:
        if size < 0 or size > self._left:
            size = self._left + 1
        data = self._source.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise _refusal(f"unpacked it is larger than {self._most} bytes. {setting('deploy_size')}")
        return data

    def readable(self) -> bool:
        return True


def _refusal(why: str) -> BadRequest:
    return BadRequest("BadArchive", f"The archive is refused: {why}{'' if why.endswith('.') else '.'}")
