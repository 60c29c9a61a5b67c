"""Copies of a database that is in use: all of it as of one moment, in a file of its own.

The copy is made by SQLite's backup, in one read transaction: as long as that lasts the write-ahead log cannot be folded
back, which is the time of copying a file, whatever is done with the copy afterwards.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable
from pathlib import Path

from reactor.errors import StorageError
from reactor.storage.sqlite_schema import APPLICATION_ID, FORMAT

_PAGES = 2048  # between two reports of progress


def copy_database(source: Path, target: Path, progress: Callable[[int, int], None] = lambda _done, _all: None) -> int:
    """Write a copy of the database to a new file; the timestamp it is true at. `progress` is told pages.

    The copy has no write-ahead log. Call it in a process that has no connection to `source`. Raises StorageError.
    """
    if not source.is_file():
        raise StorageError(f"There is no database {source}.")
    target.touch(0o600, exist_ok=False)
    try:
        with (
            contextlib.closing(sqlite3.connect(source, isolation_level=None, timeout=30.0)) as there,
            contextlib.closing(sqlite3.connect(target, isolation_level=None)) as here,
        ):
            there.execute("PRAGMA wal_autocheckpoint = 0")
            here.execute("PRAGMA synchronous = OFF")
            here.execute("PRAGMA journal_mode = OFF")
            there.execute("BEGIN")
            found = there.execute(
                "SELECT (SELECT application_id FROM pragma_application_id), "
                "(SELECT user_version FROM pragma_user_version)"
            ).fetchall()[0]
            if found != (APPLICATION_ID, FORMAT):
                raise StorageError(f"{source} is not a reactor database this release can read.")
            ((ts,),) = there.execute("SELECT ts FROM _head").fetchall()
            there.backup(here, pages=_PAGES, progress=lambda _, left, pages: progress(pages - left, pages))
            there.execute("ROLLBACK")
            here.execute("PRAGMA journal_mode = DELETE").fetchall()
    except sqlite3.Error as error:
        raise StorageError(f"The database {source} cannot be copied: {error}.") from error
    return int(ts)
