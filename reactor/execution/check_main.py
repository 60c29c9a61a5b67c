"""`python -m reactor.execution.check_main ROOT DATABASE`: do the documents there fit the schema in ROOT?

A process of its own, because it imports user code and reads all documents, whoever serves them meanwhile. It prints
which of the first table that has some do not, or nothing. Documents that the project's migrations bring there do.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from reactor.clock import SystemClock
from reactor.database.catalog import BY_ID
from reactor.database.database import Database
from reactor.execution.caller import FunctionCaller
from reactor.execution.environment import Noted
from reactor.execution.examination import Examination
from reactor.execution.frames import Offence
from reactor.execution.guard import Guard
from reactor.execution.loader import load_bundle
from reactor.execution.migration_rows import MIGRATIONS
from reactor.execution.refusal import NAMED, refusal
from reactor.limits import DEFAULT_LIMITS

_ALL = 1 << 62


async def refusal_of(root: Path, database: Path, built_in: Mapping[str, str]) -> str | None:
    """Which documents do not fit the schema in `root`; None when every one does. Ends with its caller."""
    environment = {**os.environ, **built_in}
    environment.pop("REACTOR_ADMIN_KEY", None)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "reactor.execution.check_main", str(root), str(database)),
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
    root, path = sys.argv[1:]
    said = sys.stdout  # user code may print while it is imported
    sys.stdout = sys.stderr
    limits = replace(DEFAULT_LIMITS, documents_read=_ALL, bytes_read=_ALL)
    database = Database.open_reader(Path(path), limits=limits)
    with database.snapshot() as snapshot:
        bundle = load_bundle(Path(root), Noted(snapshot.variables(), {}))
        examination = Examination(bundle, FunctionCaller(bundle, limits, SystemClock(), guard=Guard(limits)), limits)
        rows = (row.fields() for row in snapshot.scan(MIGRATIONS))
        done = {row["name"] for row in rows if row["state"] == "done"}
        for name, table in bundle.schema.tables.items():
            # What a push would run first: documents that these bring there are none to worry about.
            migrations = [key for key, each in bundle.migrations.items() if each.table is table.cls and key not in done]
            offences: list[Offence] = []
            for stored in snapshot.scan(name, BY_ID):
                offence = examination.offence(stored, snapshot.catalog)
                if offence is not None and migrations:
                    migrated = examination.migrate(stored, migrations, snapshot.for_call())
                    offence = migrated if isinstance(migrated, Offence) else None
                if offence is not None:
                    offences.append(offence)
            if offences:
                print(refusal(name, offences[:NAMED], len(offences)), file=said)
                return


if __name__ == "__main__":
    main()
