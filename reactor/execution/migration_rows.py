"""Rows of `_migrations`: which migrations have been run, and how far the others have come. Live like all data.

A row is written with the documents it tells of, in one commit: a migration goes on where it was after any death.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reactor.database.reading import Reading
    from reactor.database.stored import Stored
    from reactor.database.transaction import Transaction
    from reactor.definitions.migration import Migration
    from reactor.values.value import Value

MIGRATIONS = "_migrations"
LIST = "_system/migrations:list"
STEP = "_system/migrations:step"


def find(reading: Reading, name: str) -> Stored | None:
    """The row of a migration; None when it was never begun."""
    return next(iter(reading.scan(MIGRATIONS, "by_name", equal=(name,), limit=1)), None)


def listed(reading: Reading, _args: dict[str, Any], _now_ms: float) -> Value:
    """All of them, in the order in which they were begun."""
    return [{key: value for key, value in row.fields().items() if key != "after"} for row in reading.scan(MIGRATIONS)]


def begun(name: str, table: str, total: int, now_ms: float) -> dict[str, Any]:
    """The row of a migration that begins."""
    return {
        "name": name,
        "table": table,
        "state": "running",
        "done": 0,  # documents looked at
        "changed": 0,
        "total": total,
        "after": None,  # the last id looked at
        "startedAt": now_ms,
    }


def write(transaction: Transaction, row: Stored | None, fields: dict[str, Any]) -> None:
    """Make it the row of its migration."""
    if row is None:
        transaction.insert(MIGRATIONS, fields)
    else:
        transaction.replace(row.id, fields)


def record_done(
    transaction: Transaction, migrations: Mapping[str, Migration], names: Iterable[str], now_ms: float
) -> None:
    """These need not be run any more: the push did, or there was no document."""
    for name in names:
        row = find(transaction, name)
        before = None if row is None else row.fields()
        if before is not None and before["state"] == "done":
            continue
        table = migrations[name].table.__definition__.name
        assert table is not None
        write(transaction, row, {**begun(name, table, 0, now_ms), "state": "done", "endedAt": now_ms, "pushed": True})
