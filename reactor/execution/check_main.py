"""`python -m reactor.execution.check_main ROOT DATABASE [TABLE…]`: would the documents there fit the schema in ROOT?

A process of its own, because it imports user code and reads all documents, while a server serves them. It prints the
refusal a push would meet, or nothing; tables named are taken to fit.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from reactor.database.catalog import BY_ID, Catalog
from reactor.database.database import Database
from reactor.database.snapshot import Snapshot
from reactor.database.stored import Stored
from reactor.errors import SchemaViolation
from reactor.execution.environment import Noted
from reactor.execution.loader import load_bundle
from reactor.execution.push import check_documents
from reactor.limits import DEFAULT_LIMITS

_ALL = 1 << 62


class _Stock:
    """A snapshot's documents, uncounted."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    @property
    def catalog(self) -> Catalog:
        return self._snapshot.catalog

    def stored_documents(self, table: str) -> Iterator[Stored]:
        return self._snapshot.scan(table, BY_ID)


async def refusal_of(root: Path, database: Path, fitting: Collection[str], built_in: Mapping[str, str]) -> str | None:
    """What a push of the code in `root` would be refused for; None when every document fits. Ends with its caller."""
    environment = {**os.environ, **built_in}
    environment.pop("REACTOR_ADMIN_KEY", None)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "reactor.execution.check_main", str(root), str(database), *fitting),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        env=environment,
    )
    try:
        said, _ = await process.communicate()
    except BaseException:
        process.kill()
        raise
    if process.returncode:
        return "The stored documents could not be checked; the server's output has the reason."
    return said.decode().strip() or None


def main() -> None:
    """Entry point of the process."""
    root, path, *fitting = sys.argv[1:]
    said = sys.stdout  # user code may print while it is imported
    sys.stdout = sys.stderr
    database = Database.open_reader(Path(path), limits=replace(DEFAULT_LIMITS, documents_read=_ALL, bytes_read=_ALL))
    with database.snapshot() as snapshot:
        schema = load_bundle(Path(root), Noted(snapshot.variables(), {})).schema
        try:
            check_documents(_Stock(snapshot), schema, fitting)
        except SchemaViolation as violation:
            print(violation, file=said)


if __name__ == "__main__":
    main()
