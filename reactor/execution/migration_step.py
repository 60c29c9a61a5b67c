"""One step of a migration that runs online: a few documents, and the row that says how far it has come, in one commit."""

from __future__ import annotations

from time import monotonic  # taken before the guards replace it
from typing import TYPE_CHECKING, Any

from reactor.database.stored import Stored
from reactor.database.structure import documents_after, first_of
from reactor.errors import LimitExceeded
from reactor.execution import migration_rows
from reactor.execution.examination import Examination
from reactor.execution.frames import Offence
from reactor.execution.refusal import shortened
from reactor.values.value import Value

if TYPE_CHECKING:
    from reactor.database.batch import Batch
    from reactor.database.transaction import Transaction
    from reactor.execution.bundle import Bundle
    from reactor.execution.caller import FunctionCaller

_TIME = 0.01  # seconds after which a step takes no further document: mutations wait meanwhile


class MigrationStep:
    """A step of one migration in a batch."""

    def __init__(self, batch: Batch, bundle: Bundle, caller: FunctionCaller, name: str) -> None:
        self._batch = batch
        self._migration = bundle.migrations[name]
        self._name = name
        self._examination = Examination(bundle, caller, batch.limits)

    def take(self, args: dict[str, Any], now_ms: float) -> Value:
        """Take it; the row as it is then. `restart` begins anew, `total` is how many documents there are."""
        table = self._migration.table.__definition__.name
        assert table is not None
        if self._batch.catalog.draft(table) is not None:
            return self._fail(args, Offence(table, "a push is migrating its documents just now"), now_ms)
        transaction = self._batch.transaction(f"migration:{self._name}")
        row = migration_rows.find(transaction, self._name)
        fields: dict[str, Any] = {} if row is None else row.fields()
        if row is None or args.get("restart") or fields["state"] == "failed":
            after = None if args.get("restart") else fields.get("after")
            again = {"after": after, "done": fields.get("done", 0), "changed": fields.get("changed", 0)}
            fields = migration_rows.begun(self._name, table, int(args.get("total", 0)), now_ms) | (
                again if after else {}
            )
        if fields["state"] == "done":
            transaction.rollback()
            return fields
        rows = self._documents(table, fields["after"], int(args["limit"]))
        try:
            offence = self._migrate(transaction, fields, rows)
            if offence is None:
                if fields["after"] is None:
                    fields |= {"state": "done", "endedAt": now_ms}
                migration_rows.write(transaction, row, fields)
                transaction.release()
                return fields
        except LimitExceeded as error:
            offence = Offence("", str(error))
        transaction.rollback()
        return self._fail(args, offence, now_ms)

    def _fail(self, args: dict[str, Any], offence: Offence, now_ms: float) -> Value:
        """What this step did is undone, what earlier ones did stays; the next run goes on from there."""
        transaction = self._batch.transaction(f"migration:{self._name}")
        row = migration_rows.find(transaction, self._name)
        table = self._migration.table.__definition__.name
        assert table is not None
        fields = (
            migration_rows.begun(self._name, table, int(args.get("total", 0)), now_ms) if row is None else row.fields()
        )
        fields |= {"state": "failed", "error": f"{offence.id}: {shortened(offence.text)}"}
        migration_rows.write(transaction, row, fields)
        transaction.release()
        return fields

    def _documents(self, table: str, after: str | None, limit: int) -> tuple[list[Stored], bool]:
        info = self._batch.catalog.table(table)
        if info is None:
            return [], False
        found = documents_after(self._batch.storage, info, after, limit)
        rows = first_of(found, self._batch.limits.bytes_written // 4)
        more = len(rows) == limit or len(rows) < len(found)
        return [Stored(row.id, table, row.creation_time, row.data) for row in rows], more

    def _migrate(
        self, transaction: Transaction, fields: dict[str, Any], rows: tuple[list[Stored], bool]
    ) -> Offence | None:
        """Bring the documents through, and write into the row's `fields` how far it came."""
        documents, more = rows
        deadline = monotonic() + _TIME
        taken = 0
        for stored in documents:
            if taken and monotonic() > deadline:
                more = True
                break
            found = self._examination.migrate(stored, [self._name], transaction)
            if isinstance(found, Offence):
                return found
            if found.changed:
                transaction.replace(stored.id, found.fields)
                fields["changed"] += 1
            taken += 1
            fields["after"] = stored.id
        fields["done"] += taken
        if not more:
            fields["after"] = None
        return None
