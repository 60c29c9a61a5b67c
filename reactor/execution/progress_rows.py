"""Rows of `_progress`: what the engine is doing to documents and indexes just now, for people and dashboards. Live."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reactor.database.reading import Reading
    from reactor.database.transaction import Transaction
    from reactor.values.value import Value

TABLE = "_progress"
REPORT = "_system/push:report"
PROGRESS = "_system/push:progress"


def report(transaction: Transaction, args: dict[str, Any], now_ms: float) -> Value:
    """Replace what is told: `works` is a list of {what, table, name, done, total}; an empty one says that all is done."""
    rows = list(transaction.scan(TABLE))
    works = args["works"]
    for row, work in zip(rows, works, strict=False):
        transaction.replace(row.id, {**work, "updatedAt": now_ms})
    for row in rows[len(works) :]:
        transaction.delete(row.id)
    for work in works[len(rows) :]:
        transaction.insert(TABLE, {**work, "updatedAt": now_ms})
    return None


def progress(reading: Reading, _args: dict[str, Any], _now_ms: float) -> Value:
    """What is under way, in the order in which it began."""
    return [row.fields() for row in reading.scan(TABLE)]
