"""Preparation: all of a push that takes long, done while the old code serves (engine D7).

Documents are checked, or brought through migrations into a draft, by an examiner of the new bundle, a few at a time;
indexes are filled by the writer, between mutations. What changed meanwhile is looked at again, until so little is left
that the push's commit can do it. Until that commit no query sees anything of it, and `undo` takes it all back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reactor.definitions.manifest import Manifest
from reactor.deploy.progress import Progress, Tell, Work
from reactor.deploy.proposal import proposal
from reactor.deploy.schema_work import SchemaWork, TableWork
from reactor.deploy.writer_calls import WriterCalls
from reactor.engine.engine import Engine
from reactor.errors import NotPrepared, SchemaViolation
from reactor.execution.examiner_lane import ExaminerLane
from reactor.execution.frames import Examine, Examined, Offence, Prepared
from reactor.execution.nursery import Nursery
from reactor.execution.refusal import NAMED, refusal
from reactor.execution.system_names import (
    DISCARD,
    FILL_DOCUMENTS,
    FILL_INDEX,
    PREPARE,
    STATE,
    WRITE_DRAFT,
)
from reactor.execution.told_shape import told_shape
from reactor.values.value import Value

_CHECKED = 1000  # documents a question to the examiner is about
_MIGRATED = 250  # … that come back: they make a step of the writer's
_FEW = 500  # documents changed since the last look: the push commit can look at so many
_ROUNDS = 50  # of looking at what changed


class Preparation:
    """Of one push of one bundle. `run`, perhaps `again`; then push, or `undo`; `close` at last."""

    def __init__(
        self, engine: Engine, nursery: Nursery, manifest: Manifest, tell: Tell, examiner: ExaminerLane | None = None
    ) -> None:
        self._calls = WriterCalls(engine)
        self._examiner = examiner or engine.pool.examiner(nursery)
        self._bundle = nursery.bundle
        self._manifest = manifest
        self._progress = Progress(self._calls, tell)
        self.work = SchemaWork(())  # set by look()
        self._began = False  # something was prepared that undo() has to take back
        self._checked: dict[str, int] = {}  # table → since when its documents may have changed
        self._drafts: dict[str, int] = {}
        self._filled: list[int] = []  # numbers of indexes

    async def look(self) -> SchemaWork:
        """What there is to do. Nothing is done yet."""
        self.work = SchemaWork.of(await self._calls.call(STATE, {}), self._manifest)
        return self.work

    async def rehearse(self) -> str | None:
        """Look at every document that may not fit, through the migrations there are; what `run` would be refused for."""
        await self.look()
        try:
            self._refuse_begun()
            for work in self.work.tables:
                if work.doubt is not None:
                    await self._check(work)
        except SchemaViolation as violation:
            return str(violation)
        return None

    async def run(self) -> Prepared:
        """Do it. Raises SchemaViolation when documents do not fit, BundleBroken when a migration breaks its process."""
        await self.look()
        self._refuse_begun()
        if any(work.finish for work in self.work.tables):
            for work in self.work.tables:
                if work.finish:
                    await fill_documents(
                        self._calls, self._progress, work.table, await self._examiner.count(work.table)
                    )
            await self.look()
        if any(work.doubt or work.backfill for work in self.work.tables):
            self._began = True
            began = await self._calls.call(
                PREPARE, {"bundle": self._bundle, "tables": {}, "drafts": self._wanted_drafts()}
            )
            for work in self.work.tables:
                if work.doubt is not None and not work.is_draft:
                    await self._check(work)
            for work in self.work.tables:
                if work.is_draft:
                    await self._draft(work, began["drafts"][work.table])
            await self._backfill()
            await self._catch_up()
        return self._prepared()

    async def again(self) -> Prepared:
        """Another round: too much had changed. Raises as `run`."""
        await self._catch_up()
        return self._prepared()

    async def undo(self) -> None:
        """The push comes to nothing: what was prepared goes."""
        if self._began:
            await self._calls.call(DISCARD, {})

    async def close(self) -> None:
        """Let go of the examiner, and tell that nothing is under way."""
        await self._examiner.close()
        await self._progress.over()

    # ── parts ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _refuse_begun(self) -> None:
        """Some documents went through a migration and others did not: a draft would bring those through twice."""
        for work in self.work.tables:
            if work.begun:
                raise SchemaViolation(
                    f"`reactor migrate {work.begun[0]}` was begun over the documents of {work.table} and has not ended. "
                    "Let it end before this schema is pushed. Nothing has changed."
                )

    def _prepared(self) -> Prepared:
        return Prepared(dict(self._checked), dict(self._drafts), list(self._filled))

    def _wanted_drafts(self) -> dict[str, Value]:
        return {work.table: _told(work) for work in self.work.tables if work.is_draft}

    async def _check(self, work: TableWork) -> None:
        """Look at every document, however many do not fit: a person wants to know how many."""
        total = await self._examiner.count(work.table)
        seen = offending = 0
        first: list[Offence] = []
        after: str | None = None
        since: int | None = None
        while True:
            await self._progress.at(Work("checking", work.table, "", seen, total))
            asked = Examine(work.table, after, migrations=list(work.migrations), limit=_CHECKED)
            found = await self._examiner.examine(asked)
            since = found.ts if since is None else since
            seen += found.seen
            offending += len(found.offences)
            first += found.offences[: NAMED - len(first)]
            after = found.after
            if after is None:
                break
        if offending:
            raise SchemaViolation(self._refusal(work, first, offending))
        self._checked[work.table] = since

    def _refusal(self, work: TableWork, offences: Sequence[Offence], total: int) -> str:
        return refusal(work.table, offences, total, proposal(work, self._manifest))

    async def _draft(self, work: TableWork, note: dict[str, Any]) -> None:
        """Bring every document into the draft, from where it stopped when the server was killed."""
        total = await self._examiner.count(work.table)
        since, after, done = int(note["since"]), note["after"], int(note["done"])
        offending = 0
        first: list[Offence] = []
        named = ", ".join(work.migrations)
        while not note["walked"]:
            await self._progress.at(Work("migrating", work.table, named, done, total))
            asked = Examine(work.table, after, migrations=list(work.migrations), limit=_MIGRATED)
            found = await self._examiner.examine(asked)
            done, after = done + found.seen, found.after
            offending += len(found.offences)
            first += found.offences[: NAMED - len(first)]
            if not offending:
                note = {"since": str(since), "after": after, "done": done, "walked": after is None}
                await self._write_draft(work, found, note)
            elif after is None:
                break
        if offending:
            raise SchemaViolation(self._refusal(work, first, offending))
        self._drafts[work.table] = since

    async def _write_draft(self, work: TableWork, found: Examined, note: dict[str, Value]) -> None:
        told = await self._calls.call(
            WRITE_DRAFT,
            {
                "table": work.table,
                "bundle": self._bundle,
                "rows": [[own_id, created, fields.decode()] for own_id, created, fields in found.rows],
                "gone": list(found.gone),
                "note": note,
            },
        )
        if told["lost"]:
            raise NotPrepared(f"The draft of {work.table} is another push's by now. Push again.")
        await self._calls.rest(float(told["seconds"]))

    async def _backfill(self) -> None:
        works = {work.table: work for work in self.work.tables if work.backfill}
        if not works:
            return
        # The log is kept as before: what was looked at is looked at again from there on.
        since = min([*self._checked.values(), *self._drafts.values()], default=None)
        begun = await self._calls.call(
            PREPARE,
            {
                "bundle": self._bundle,
                "tables": {name: _told(work) for name, work in works.items()},
                "drafts": self._wanted_drafts(),
                "since": None if since is None else str(since),
            },
        )
        for index in begun["unfilled"]:
            await self._fill_index(int(index["number"]), index["table"], index["name"])

    async def _fill_index(self, number: int, table: str, name: str) -> None:
        total = await self._examiner.count(table)
        done = 0
        after: str | None = None
        while True:
            await self._progress.at(Work("backfilling", table, name, min(done, total), total))
            limit = self._calls.limit
            told = await self._calls.step(FILL_INDEX, {"index": number, "after": after})
            after = told["after"]
            done += limit
            if after is None:
                break
        self._filled.append(number)

    async def _catch_up(self) -> None:
        """Look at what changed since, until it is little."""
        for _ in range(_ROUNDS):
            changed = 0
            for work in self.work.tables:
                if work.is_draft:
                    changed += await self._follow(work, self._drafts)
                elif work.table in self._checked:
                    changed += await self._follow(work, self._checked)
            if changed <= _FEW:
                return

    async def _follow(self, work: TableWork, since: dict[str, int]) -> int:
        changed = 0
        while True:
            asked = Examine(work.table, since=since[work.table], migrations=list(work.migrations))
            found = await self._examiner.examine(asked)
            if found.forgotten:
                raise NotPrepared(
                    f"What was written to {work.table} while its documents were looked at is not known any more. Push again."
                )
            if found.offences:
                raise SchemaViolation(self._refusal(work, found.offences[:NAMED], len(found.offences)))
            if work.is_draft and (found.rows or found.gone):
                note: dict[str, Value] = {"since": str(found.ts), "after": None, "done": 0, "walked": True}
                await self._write_draft(work, found, note)
            since[work.table] = found.ts
            changed += found.seen
            if not found.more:
                return changed


def _told(work: TableWork) -> Value:
    return {
        "indexes": {name: told_shape(shape) for name, shape in work.indexes.items()},
        "missing": dict(work.missing),
    }


async def fill_documents(calls: WriterCalls, progress: Progress, table: str, total: int) -> None:
    """Give every document of a table the defaults it lacks."""
    done = left = 0
    after: str | None = None
    while True:
        await progress.at(Work("filling", table, "", done, total))
        told = await calls.step(FILL_DOCUMENTS, {"table": table, "after": after, "left": left})
        done += int(told["seen"])
        left += int(told["left"])
        after = told["after"]
        if after is None:
            return
