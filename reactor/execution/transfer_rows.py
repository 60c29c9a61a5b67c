"""Exports and imports as rows of `_transfers`: who waits for one follows its row like any query (reference §5.2).

Official clients read `state`: of an export `in_progress`, `completed` or `failed`; of an import also `uploaded` and
`waiting_for_confirmation`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reactor.values.int64 import Int64

if TYPE_CHECKING:
    from reactor.database.reading import Reading
    from reactor.database.transaction import Transaction
    from reactor.values.value import Value

TRANSFERS = "_transfers"
BEGIN = "_system/transfers:begin"
TELL = "_system/transfers:tell"
SWEEP = "_system/transfers:sweep"
FIND = "_system/transfers:find"
_KEPT = 50
_OVER = ("completed", "failed")

Arguments = dict[str, Any]


def begin(transaction: Transaction, args: Arguments, _now_ms: float) -> Value:
    """A transfer begins; its id. The oldest ones are forgotten."""
    rows = list(transaction.scan(TRANSFERS))
    for row in rows[: max(0, len(rows) + 1 - _KEPT)]:
        transaction.delete(row.id)
    return transaction.insert(TRANSFERS, args).id


def tell(transaction: Transaction, args: Arguments, _now_ms: float) -> Value:
    """How it stands. False when it is over already, or forgotten."""
    row = transaction.get(args["id"])
    if row is None:
        return False
    fields = row.fields()
    if _state(fields) in _OVER:
        return False
    transaction.replace(row.id, {**fields, "state": args["state"]})
    return True


def finish_import(transaction: Transaction, id: str, count: int) -> None:
    """It is done, by the commit of this transaction."""
    tell(transaction, {"id": id, "state": {"state": "completed", "num_rows_written": Int64(count)}}, 0.0)


def sweep(transaction: Transaction, _args: Arguments, _now_ms: float) -> Value:
    """The server starts: what was under way is lost."""
    for row in list(transaction.scan(TRANSFERS)):
        fields = row.fields()
        if _state(fields) not in _OVER:
            failed: Value = {"state": "failed", "error_message": "The server was restarted meanwhile. Begin again."}
            transaction.replace(row.id, {**fields, "state": failed})
    return None


def find(reading: Reading, args: Arguments, _now_ms: float) -> Value:
    """One transfer; None when there is none of the id."""
    own_id = args.get("importId")
    known = isinstance(own_id, str) and reading.normalize_id(TRANSFERS, own_id) is not None
    row = reading.get(own_id) if known and isinstance(own_id, str) else None
    return None if row is None else {"_id": row.id, "_creationTime": row.creation_time, **row.fields()}


def list_imports(reading: Reading, _args: Arguments, _now_ms: float) -> Value:
    """The imports of late, the newest first."""
    return [
        {"_id": row.id, "_creationTime": row.creation_time, **fields}
        for row in reading.scan(TRANSFERS, descending=True)
        if (fields := row.fields())["kind"] == "import"
    ]


def latest_export(reading: Reading, _args: Arguments, _now_ms: float) -> Value:
    """How the newest export stands; None when there never was one."""
    for row in reading.scan(TRANSFERS, descending=True):
        fields = row.fields()
        if fields["kind"] == "export":
            return fields["state"]
    return None


def _state(fields: dict[str, Value]) -> str:
    state = fields["state"]
    assert isinstance(state, dict)
    return str(state["state"])
