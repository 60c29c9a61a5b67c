"""Stage: reads what is to be imported, checks every document, and writes it down ready to be stored.

Nothing here changes the database. What comes out is a staging file (storage/staging.py) with a plan, and files in a
folder of drafts; `database/importing.py` takes both in one commit, if the tables are still what they were here.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from os import urandom
from pathlib import Path
from typing import Any

from reactor.database.catalog import BY_ID
from reactor.database.importing import ImportPlan, StagedTable
from reactor.database.transaction import STEPS_PER_MS
from reactor.definitions.schema import Schema
from reactor.errors import InvalidId, InvalidValue, SchemaViolation, TransferRefused
from reactor.limits import Limits
from reactor.storage.staging import DuplicateId, StagedRow, StagingWriter
from reactor.transfer.export import BLOBS, FILES, JOBS
from reactor.transfer.lines import Line
from reactor.transfer.options import ImportOptions
from reactor.transfer.sources import Source, open_sources
from reactor.transfer.staged_files import FileStager
from reactor.transfer.targets import Stock, Target, Targets
from reactor.values.id import decode_id, encode_id, internal_id
from reactor.values.value import Value, check_document, decode, encode

Progress = Callable[[str, int], None]  # what is being done, how much of it is done

_NAMED = 3  # documents a refusal names
_EVERY = 0.2  # seconds between two words about progress
_LATEST = 1e15  # milliseconds since 1970
_INTERRUPTED = "Transient error while executing action"


class Stager:
    """One import into the database that `stock` is of."""

    def __init__(self, stock: Stock, schema: Schema, limits: Limits, options: ImportOptions) -> None:
        self._stock = stock
        self._schema = schema
        self._limits = limits
        self._options = options
        self._given = 0  # the newest creation time given here, in steps
        self._targets: Targets  # set by stage()

    def stage(self, archive: Path, staging: Path, drafts: Path, progress: Progress) -> ImportPlan:
        """Write the staging file, and files into `drafts`. Raises TransferRefused."""
        options = self._options
        taken = set(self._stock.blobs)
        with open_sources(archive, options, self._schema, self._limits, taken) as (sources, files):
            coming = {source.table: source.number_of_ids() for source in sources}
            if files is not None:
                coming[FILES] = files.table_number
            self._targets = Targets(self._stock, self._schema, options.mode, coming)
            with StagingWriter(staging) as out:
                for target in self._targets.by_name.values():
                    indexes = [index for index in target.info.indexes.values() if index.name != BY_ID]
                    out.begin_table(
                        target.place,
                        [index.name for index in indexes if index.kind == "ordered"],
                        [index.name for index in indexes if index.kind != "ordered"],
                    )
                for source in sources:
                    self._documents(source, out, progress)
                if files is not None:
                    self._files(files, drafts, out, progress)
                plan = self._plan(files)
                out.finish(plan.to_json())
        return plan

    # ── documents ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _documents(self, source: Source, out: StagingWriter, progress: Progress) -> None:
        target = self._targets.by_name[source.table]
        offences: list[str] = []
        told = time.monotonic()
        for line in source.lines():
            try:
                self._document(source, target, line, out)
            except (InvalidValue, InvalidId, SchemaViolation, DuplicateId) as error:
                offences.append(f"{source.where}, line {line.number}: {error}")
                if len(offences) == _NAMED:
                    break
            if (now := time.monotonic()) - told > _EVERY:
                told = now
                progress(f"Checking {source.table}", target.count)
        if offences:
            raise TransferRefused("\n".join(offences))
        progress(f"Checked {source.table}", target.count)

    def _document(self, source: Source, target: Target, line: Line, out: StagingWriter) -> None:
        fields = source.to_value(line.tree)
        if not isinstance(fields, dict):
            raise InvalidValue("This is no document but a value.")
        own_id, created = fields.pop("_id", None), self._creation_time(fields.pop("_creationTime", None))
        if own_id is None:
            own_id = self._new_id(target, created)
        elif not isinstance(own_id, str) or decode_id(own_id).table_number != target.info.number:
            raise InvalidId(f"The id {own_id!r} is not one of table {source.table}.")
        if source.table == JOBS:
            fields = _as_job(fields)
        self._put(out, target, own_id, created, fields)

    def _creation_time(self, told: Any) -> float:
        if told is None:
            now = time.time_ns() * STEPS_PER_MS // 1_000_000
            self._given = max(self._stock.head.created, self._given, now) + 1
            return self._given / STEPS_PER_MS
        if isinstance(told, bool) or not isinstance(told, int | float) or not 0 <= told < _LATEST:
            raise InvalidValue(f"`_creationTime` must be milliseconds since 1970, not {told!r}.")
        return float(told)

    def _new_id(self, target: Target, created: float) -> str:
        return encode_id(target.info.number, internal_id(int(created * STEPS_PER_MS), urandom(8)))

    def _put(self, out: StagingWriter, target: Target, own_id: str, created: float, fields: dict[str, Value]) -> None:
        check_document(fields, self._limits)
        document: dict[str, Value] = {**fields, "_id": own_id, "_creationTime": created}
        data = encode(document)
        definition = target.definition
        if definition is not None:
            complaint = definition.check(fields, self._targets.table_of_id)
            if complaint is not None:
                raise InvalidValue(f"The document does not fit table {target.info.name}: {complaint}")
            if not definition.is_current(data):  # a default fills what is missing, as an insert's does
                data = definition.encoded(definition.load(data, own_id, created)) or data
                filled: Any = decode(data)
                document = filled
        info = target.info
        names = {index.number: index for index in info.indexes.values() if index.name != BY_ID}
        keys = [
            (names[number], key) for number, key in info.keys_of(document, created, own_id).items() if number in names
        ]
        out.add(
            target.place,
            StagedRow(own_id, created, data.decode()),
            [(index.name, key) for index, key in keys if index.kind == "ordered"],
            [(index.name, key) for index, key in keys if index.kind != "ordered"],
        )
        target.count += 1

    # ── files ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _files(self, files: FileStager, drafts: Path, out: StagingWriter, progress: Progress) -> None:
        target, blobs = self._targets.by_name[FILES], self._targets.by_name[BLOBS]
        for file in files.unpack(drafts, progress):
            try:
                self._put(out, target, file.id, self._creation_time(file.creation_time), file.fields)
            except InvalidValue as error:
                raise TransferRefused(f"The file {file.id}: {error}") from None
            created = self._creation_time(None)
            fields: dict[str, Value] = {"key": file.key, "file": file.id, "state": "folder"}
            self._put(out, blobs, self._new_id(blobs, created), created, fields)

    # ── the plan ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _plan(self, files: FileStager | None) -> ImportPlan:
        adds = self._options.mode == "append"
        return ImportPlan(
            bundle=self._stock.head.bundle,
            catalog=self._stock.catalog.version,
            created=self._given,
            renumbered=dict(self._targets.numbering.renumbered),
            empty=self._targets.renumbered_empty,
            tables=tuple(
                StagedTable(
                    name,
                    target.info.number,
                    target.place,
                    "replace" if target.replaces else "append" if adds or name in (BLOBS, JOBS) else "requireEmpty",
                    target.count,
                )
                for name, target in self._targets.by_name.items()
            ),
            replaces_files=files is not None and self._options.mode in ("replace", "replaceAll"),
            blobs=() if files is None else tuple(files.keys),
        )


def _as_job(fields: dict[str, Value]) -> dict[str, Value]:
    """An action that was under way where it comes from is not begun again here."""
    state, due = fields.get("state"), fields.get("scheduledTime")
    if not isinstance(state, dict) or not isinstance(fields.get("name"), str) or not isinstance(due, int | float):
        raise InvalidValue("This is no scheduled function: `name`, `scheduledTime` or `state` is missing.")
    if state.get("kind") == "inProgress":
        failed: dict[str, Value] = {"kind": "failed", "error": _INTERRUPTED}
        return {**fields, "state": failed, "completedTime": time.time() * 1000}
    return fields
