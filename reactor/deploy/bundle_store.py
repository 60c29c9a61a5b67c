"""BundleStore: the versions of the code that were pushed to a server, in its data folder.

    bundles/<digest>/     the sources of a version, written whole before they get this name
    bundles/in_force      which one serves
    bundles/coming        which one is about to: written before the database is asked to switch

The database is the judge. A server that dies between the switch and its note of it finds `coming` when it starts again,
and compares the code it names with the code the database belongs to.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson

from reactor.deploy.source_archive import SourceArchive
from reactor.errors import StorageError
from reactor.files.folder import sync_folder

FOLDER = "bundles"
_IN_FORCE, _COMING, _DRAFT, _NONE = "in_force", "coming", ".draft-", ".nothing"


@dataclass(frozen=True, slots=True)
class StoredBundle:
    """A version that was pushed."""

    digest: str  # of its files
    code: str  # what the database calls the code loaded from it
    at: float  # seconds since the epoch


class BundleStore:
    """The versions kept in one data folder. Only its server changes them."""

    def __init__(self, data: Path, check: Callable[[Path], object] = lambda _: None) -> None:
        """`check` looks at a version's folder before it is kept, and raises for one no server could start with."""
        self._folder = data / FOLDER
        self._check = check

    def was_pushed_to(self) -> bool:
        """Whether there may be a version that serves."""
        return (self._folder / _COMING).exists() or (self._folder / _IN_FORCE).exists()

    def in_force(self, code: str | None) -> StoredBundle | None:
        """The version that serves; `code` is what the database belongs to. None when there was no push."""
        coming = self._read(_COMING)
        if coming is not None and coming.code == code and self.path_of(coming).is_dir():
            return coming
        found = self._read(_IN_FORCE)
        return found if found is not None and self.path_of(found).is_dir() else None

    def path_of(self, bundle: StoredBundle) -> Path:
        """Where its sources are."""
        return self._folder / bundle.digest

    def nothing(self) -> Path:
        """A project without any code, to serve until something is pushed."""
        folder = self._folder / _NONE
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def keep(self, archive: SourceArchive) -> Path:
        """Write the sources down, durably; the folder they are in. Raises what `check` raises."""
        target = self._folder / archive.digest
        if target.is_dir():
            return target
        draft = self._folder / f"{_DRAFT}{uuid.uuid4().hex}"
        try:
            archive.write(draft)
            self._check(draft)
            draft.rename(target)
            sync_folder(self._folder)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        return target

    def announce(self, bundle: StoredBundle) -> None:
        """The database is about to be switched to this version."""
        self._write(_COMING, bundle)

    def withdraw(self) -> None:
        """It was not."""
        (self._folder / _COMING).unlink(missing_ok=True)

    def settle(self, bundle: StoredBundle) -> None:
        """This version serves."""
        self._write(_IN_FORCE, bundle)
        self.withdraw()

    def clean(self, *digests: str) -> None:
        """Delete what was pushed, other than these versions."""
        for path in self._folder.glob("*") if self._folder.is_dir() else ():
            if path.is_dir() and path.name not in (*digests, _NONE):
                shutil.rmtree(path, ignore_errors=True)

    def forget(self, digest: str) -> None:
        """Delete one version."""
        shutil.rmtree(self._folder / digest, ignore_errors=True)

    def _read(self, name: str) -> StoredBundle | None:
        try:
            return StoredBundle(**orjson.loads((self._folder / name).read_bytes()))
        except (FileNotFoundError, NotADirectoryError, orjson.JSONDecodeError, TypeError):
            return None

    def _write(self, name: str, bundle: StoredBundle) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        draft = self._folder / f"{name}.new"
        with draft.open("wb") as file:
            file.write(orjson.dumps(asdict(bundle)))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._folder / name)
        sync_folder(self._folder)


def code_of(database: Path) -> str | None:
    """What code a database that this process does not have open belongs to."""
    from reactor.database.database import Database  # only where code was pushed does it matter

    if not database.exists():
        return None
    try:
        reader = Database.open_reader(database)
    except StorageError:  # whoever opens it for writing says what is wrong with it
        return None
    try:
        return reader.head.bundle
    except StorageError:
        return None
    finally:
        reader.close()
