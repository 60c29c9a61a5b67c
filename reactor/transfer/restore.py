"""Restore: a backup becomes a data folder. It is unpacked and checked beside the old one, then put in its place.

What the deployment issues later than the backup's timestamp is issued again, with other content; clients that have seen
it must not be told that time went back. So the restored database begins an epoch later than all that either folder knows.
"""

from __future__ import annotations

import contextlib
import shutil
import time
import uuid
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from reactor.clock import Clock, SystemClock
from reactor.database.database import Database
from reactor.database.structure import all_documents
from reactor.errors import StorageError, TransferRefused
from reactor.files.blob_store import KEY
from reactor.files.folder import FOLDER, BlobFolder
from reactor.limits import DEFAULT_LIMITS
from reactor.storage.lock import FileLock
from reactor.transfer.backup import DATABASE, Backup
from reactor.transfer.export import BLOBS, Progress
from reactor.values.value import decode

_UNLIMITED = replace(DEFAULT_LIMITS, documents_written=1 << 62, bytes_written=1 << 62)
_LOCKS = (f"{DATABASE}.server", f"{DATABASE}.writer")


@dataclass(frozen=True, slots=True)
class Restored:
    """What came of it."""

    ts: int  # the backup's
    aside: Path | None  # where the folder that was there is now


class _LaterThan:
    """The machine's clock, or a moment past what was issued, whichever is later."""

    def __init__(self, ts: int) -> None:
        self._ts = ts
        self._clock: Clock = SystemClock()

    def now_ns(self) -> int:
        return max(self._clock.now_ns(), self._ts + 1)

    def monotonic(self) -> float:
        return self._clock.monotonic()


def restore(path: Path, data: Path, progress: Progress, *, force: bool = False) -> Restored:
    """Make the backup's content the data folder. Raises TransferRefused or StorageLocked; nothing has changed then.

    A folder with anything in it is moved aside, and only when told to with `force`.
    """
    backup = Backup(path)
    try:
        with contextlib.ExitStack() as stack:
            is_full = data.is_dir() and any(data.iterdir())
            if is_full:
                if not force:
                    raise TransferRefused(
                        f"{data} is not empty. Restore to another folder, or say --force: what is there is moved aside."
                    )
                lock = FileLock.take(data / f"{DATABASE}.server", "server")
                stack.callback(lock.release)
            elif data.exists() and not data.is_dir():
                raise TransferRefused(f"{data} is no folder.")
            data.parent.mkdir(parents=True, exist_ok=True)
            draft = data.parent / f".{data.name}.restoring-{uuid.uuid4().hex[:8]}"
            draft.mkdir(mode=0o700)
            stack.callback(shutil.rmtree, draft, ignore_errors=True)
            backup.unpack(draft, _place, progress)
            _settle(draft, _head_of(data / DATABASE) if is_full else 0)
            aside = None
            if is_full:
                aside = data.with_name(
                    f"{data.name}.before-restore-{time.strftime('%Y%m%dT%H%M%S')}-{uuid.uuid4().hex[:4]}"
                )
                data.rename(aside)
            elif data.exists():
                data.rmdir()
            draft.rename(data)
            return Restored(backup.ts, aside)
    finally:
        backup.close()


def _place(name: str) -> Path:
    """Blobs are spread over folders by their keys; everything else stands where it is named."""
    folder, _, rest = name.partition("/")
    if folder != FOLDER:
        return Path(name)
    if not KEY.fullmatch(rest):
        raise TransferRefused(f"The backup has a file without a key: {name[:80]!a}.")
    return BlobFolder(Path(FOLDER)).path(rest)


def _head_of(database: Path) -> int:
    """The newest timestamp a database has issued, 0 for one that cannot say: it may be why it is restored."""
    with contextlib.suppress(StorageError):
        opened = Database.open_reader(database)
        try:
            return opened.head.ts
        finally:
            opened.close()
    return 0


def _settle(folder: Path, issued: int) -> None:
    """Open the database: it has to be one, and begins an epoch past everything issued. All blobs are in the folder now."""
    try:
        database = Database.open_writer(
            folder / DATABASE, clock=_LaterThan(issued), boot=f"restore-{uuid.uuid4().hex}", limits=_UNLIMITED
        )
    except StorageError as error:
        raise TransferRefused(f"The backup's database cannot be used: {error}") from None
    try:
        batch = database.begin()
        blobs = batch.catalog.table(BLOBS)
        transaction = batch.transaction("restore")
        for row in [] if blobs is None else all_documents(batch.storage, blobs):
            fields: Any = decode(row.data)
            if fields["state"] == "bucket":
                transaction.replace(row.id, {"key": fields["key"], "file": fields["file"], "state": "folder"})
        transaction.release()
        batch.commit()
        database.checkpoint()
    finally:
        database.close()
    for name in _LOCKS:
        (folder / name).unlink(missing_ok=True)
