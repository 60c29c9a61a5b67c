"""`_system/push:…`: what prepares a push in the database while the old code serves, a little in each batch (engine D7).

Unlike other system functions they work on the batch, beside its transactions: no query can see what they do before the
push commits. Each can be repeated.
"""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic  # taken before the guards replace it
from typing import TYPE_CHECKING, Any

from reactor.database.catalog import SYSTEM_TABLES
from reactor.database.draft import DraftNote, DraftRow, note_of
from reactor.database.structure import TableStructure, documents_after, filled_shape, shape_of
from reactor.execution.system_names import (
    DISCARD,
    FILL_DOCUMENTS,
    FILL_INDEX,
    PREPARE,
    STATE,
    SWEEP,
    WRITE_DRAFT,
)
from reactor.execution.told_shape import shape_told, told_shape
from reactor.values.value import Value, decode

if TYPE_CHECKING:
    from reactor.database.batch import Batch

Arguments = dict[str, Any]


def _state(batch: Batch, _args: Arguments) -> Value:
    """What there is: by table, what is known of its documents and which indexes it has."""
    tables: dict[str, Value] = {}
    for info in batch.catalog.tables():
        if info.name in SYSTEM_TABLES or info.is_draft:
            continue
        note = batch.catalog.note(info)
        tables[info.name] = {
            "shape": None if note is None else note.decode(),
            "empty": not documents_after(batch.storage, info, None, 1),
            "indexes": {
                name: told_shape(shape_of(each)) for name, each in info.indexes.items() if each.state == "ready"
            },
        }
    migrations = [stored.fields() for stored in batch.stored_documents("_migrations")]
    done: list[Value] = [each["name"] for each in migrations if each["state"] == "done"]
    begun: list[Value] = [each["name"] for each in migrations if each["state"] != "done" and each["done"]]
    return {"tables": tables, "done": done, "begun": begun}


def _prepare(batch: Batch, args: Arguments) -> Value:
    """Make the indexes and drafts a push wants, take away what an earlier one left; keep the log from now on.

    Which indexes are to be filled, and how far each draft has come.
    """
    drafts: dict[str, Any] = args["drafts"]
    tables = [_structure(name, wanted) for name, wanted in args["tables"].items()]
    batch.discard(tables, drafts)
    unfilled = batch.add_indexes(tables)
    notes: dict[str, Value] = {}
    began: list[int] = []
    for name, wanted in drafts.items():
        note = note_of(batch.catalog, name)
        if note is None or note.bundle != args["bundle"]:
            note = DraftNote(args["bundle"], batch.last_ts, None)
            batch.begin_draft(_structure(name, wanted), note)
        notes[name] = _told(note)
        began.append(note.since)
    if args.get("since") is not None:
        began.append(int(args["since"]))
    batch.retain(min([batch.last_ts, *began]))
    tables_of = {index.number: info.name for info in batch.catalog.tables() for index in info.indexes.values()}
    return {
        "unfilled": [
            {"number": each.number, "table": tables_of[each.number], "name": each.name.rstrip("+")} for each in unfilled
        ],
        "drafts": notes,
    }


def _structure(name: str, wanted: Arguments) -> TableStructure:
    missing = wanted.get("missing", {})
    shapes = {index: filled_shape(shape_told(told), missing) for index, told in wanted["indexes"].items()}
    ordered = {index: shape.fields for index, shape in shapes.items() if shape.kind == "ordered"}
    return TableStructure(name, ordered, (), {index: each for index, each in shapes.items() if index not in ordered})


def _told(note: DraftNote) -> Value:
    return {"since": str(note.since), "after": note.after, "done": note.done, "walked": note.walked}


def _fill_index(batch: Batch, args: Arguments) -> Value:
    """One step of filling an index."""
    began = monotonic()
    after = batch.backfill(int(args["index"]), args["after"], int(args["limit"]))
    return {"after": after, "seconds": monotonic() - began}


def _fill_documents(batch: Batch, args: Arguments) -> Value:
    """One step of giving documents the defaults they lack."""
    began = monotonic()
    step = batch.fill_documents(args["table"], args["after"], int(args["limit"]), settle=not args["left"])
    return {"after": step.after, "seen": step.seen, "left": step.left, "seconds": monotonic() - began}


def _write_draft(batch: Batch, args: Arguments) -> Value:
    """Put documents into a draft. Not if it is another push's by now."""
    began = monotonic()
    note = note_of(batch.catalog, args["table"])
    if note is None or note.bundle != args["bundle"]:
        return {"lost": True, "seconds": 0.0}
    rows = [DraftRow(own_id, created, _fields(text)) for own_id, created, text in args["rows"]]
    told = args["note"]
    note = DraftNote(note.bundle, int(told["since"]), told["after"], int(told["done"]), bool(told["walked"]))
    batch.write_draft(args["table"], rows, args["gone"], note)
    return {"lost": False, "seconds": monotonic() - began}


def _fields(text: str) -> dict[str, Value]:
    fields = decode(text.encode())
    assert isinstance(fields, dict)
    return fields


def _discard(batch: Batch, _args: Arguments) -> Value:
    """Take away all that was prepared: the push came to nothing, or the server that prepared it was killed."""
    batch.retain(None)
    batch.discard(())
    return None


def _sweep(batch: Batch, args: Arguments) -> Value:
    """Let go of some of what dropped indexes and replaced tables hold. False when nothing is left."""
    began = monotonic()
    return {"more": batch.sweep(int(args["limit"])), "seconds": monotonic() - began}


FUNCTIONS: dict[str, Callable[[Batch, Arguments], Value]] = {
    STATE: _state,
    PREPARE: _prepare,
    FILL_INDEX: _fill_index,
    FILL_DOCUMENTS: _fill_documents,
    WRITE_DRAFT: _write_draft,
    DISCARD: _discard,
    SWEEP: _sweep,
}
