"""Words the tests of this room share: one call, one batch, what a reader sees."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from reactor.database.batch import Batch, CommittedBatch
from reactor.database.database import Database
from reactor.database.stored import Stored
from reactor.database.structure import TableStructure
from reactor.database.transaction import Transaction

MESSAGES = TableStructure("messages", {"by_channel": ("channel",), "by_score": ("score",)}, ("channel", "score"))


def declare(db: Database, *tables: TableStructure) -> CommittedBatch:
    batch = db.begin()
    batch.apply_schema(tables)
    return batch.commit()


@contextmanager
def call(batch: Batch, source: str = "test") -> Iterator[Transaction]:
    """One call: released at the end, rolled back if the body raises."""
    transaction = batch.transaction(source)
    try:
        yield transaction
    except BaseException:
        if transaction.open:
            transaction.rollback()
        raise
    transaction.release()


def write(db: Database, work: Callable[[Transaction], Any]) -> CommittedBatch:
    """One call in a batch of its own."""
    batch = db.begin()
    with call(batch) as transaction:
        work(transaction)
    return batch.commit()


def insert(db: Database, table: str, *many: dict[str, Any]) -> list[str]:
    ids: list[str] = []
    write(db, lambda t: ids.extend(t.insert(table, fields).id for fields in many))
    return ids


def read(db: Database, table: str, *args: Any, **options: Any) -> list[Stored]:
    with db.snapshot() as snapshot:
        return list(snapshot.scan(table, *args, **options))


def values(documents: list[Stored], field: str = "n") -> list[Any]:
    return [document.fields()[field] for document in documents]
