"""JobRun: a scheduled mutation, carried out exactly once (engine D8).

Its transaction looks whether the job is still pending, runs the function in a savepoint inside, and writes what became
of the job: all in one commit. A failure undoes the function's writes and keeps the word of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from reactor.execution.frames import Call, Outcome
from reactor.execution.scheduling import JOB_TABLES, set_state, state_of
from reactor.values.value import Value

if TYPE_CHECKING:
    from reactor.database.batch import Batch
    from reactor.database.transaction import Transaction


class JobRun:
    """One job's run. Make it with a transaction just begun; `carry_out` ends that."""

    __slots__ = ("_batch", "_id", "_now_ms", "_transaction")

    def __init__(self, batch: Batch, transaction: Transaction, job: str, now_ms: float) -> None:
        self._batch = batch
        self._transaction = transaction
        self._id = job
        self._now_ms = now_ms

    def carry_out(self, call: Call, function: Callable[[Transaction], Outcome]) -> Outcome:
        """Run `function` unless the job was cancelled or done before; then the outcome is null and nothing changes."""
        fields = self._pending_fields()
        if fields is None:
            self._transaction.rollback()
            return Outcome(call=call.id, value=b"null")
        set_state(self._transaction, self._id, fields, "inProgress", self._now_ms)
        inner = self._transaction.begin_nested()
        outcome = function(inner)
        if outcome.failure is None:
            inner.release()
            set_state(self._transaction, self._id, fields, "success", self._now_ms)
            return self._released(self._transaction, outcome)
        # Limits the function passed count for its transaction, so the failure is written in one of its own.
        inner.rollback()
        self._transaction.rollback()
        transaction = self._batch.transaction(call.path)
        set_state(transaction, self._id, fields, "failed", self._now_ms, outcome.failure.text)
        return self._released(transaction, outcome)

    def _pending_fields(self) -> dict[str, Value] | None:
        job = self._transaction.get(self._id)
        if job is None or job.table not in JOB_TABLES:
            return None
        fields = job.fields()
        return fields if state_of(fields) == "pending" else None

    @staticmethod
    def _released(transaction: Transaction, outcome: Outcome) -> Outcome:
        commit = transaction.release()
        return outcome if commit is None else msgspec.structs.replace(outcome, ts=commit.ts)
