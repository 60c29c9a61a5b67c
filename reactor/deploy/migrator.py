"""Migrator: runs the project's migrations online, one after another, in steps among the clients' mutations.

Each step is a commit with the row that says how far it came, so that the next server goes on where one was killed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from reactor.definitions.manifest import Manifest, MigrationManifest
from reactor.deploy.progress import Progress, Tell, Work
from reactor.deploy.writer_calls import StepFailed, WriterCalls
from reactor.engine.engine import Engine
from reactor.errors import BadRequest, BundleBroken
from reactor.execution.frames import Examine
from reactor.execution.migration_rows import LIST, STEP
from reactor.execution.nursery import Nursery
from reactor.execution.refusal import shortened
from reactor.values.value import Value, decode

_DRY = 1000  # documents a question of a dry run is about


@dataclass(frozen=True, slots=True)
class MigrationStatus:
    """How far a migration has come."""

    name: str
    table: str
    state: str  # "pending", "running", "done" or "failed"; of a dry run "would change"
    done: int = 0  # documents looked at
    changed: int = 0
    total: int = 0
    error: str | None = None
    pushed: bool = False  # a push did it, or found no document: nobody counted


class Migrator:
    """Of one server. One run at a time; others wait."""

    def __init__(self, engine: Engine, tell: Tell) -> None:
        self._engine = engine
        self._tell = tell
        self._turn = asyncio.Lock()
        self._tasks: set[asyncio.Task[list[MigrationStatus]]] = set()

    async def statuses(self, manifest: Manifest) -> list[MigrationStatus]:
        """Of every migration, in the order in which they are run."""
        outcome = await self._engine.query(LIST, b"{}", None, internal=True)
        assert outcome.value is not None, outcome.failure
        listed: Any = decode(outcome.value)
        rows = {row["name"]: row for row in listed}
        return [_status(each, rows.get(each.name)) for each in manifest.migrations]

    async def run(
        self, manifest: Manifest, nursery: Nursery, names: Sequence[str], *, restart: bool, dry_run: bool
    ) -> list[MigrationStatus]:
        """Run those named, else all that are pending. Ends early with one that fails. Raises BadRequest."""
        known = {each.name: each for each in manifest.migrations}
        for name in names:
            if name not in known:
                listed = ", ".join(known) or "none"
                raise BadRequest("MigrationNotFound", f"There is no migration `{name}`. There is: {listed}")
        work = self._run_all(manifest, nursery, [known[name] for name in names], restart=restart, dry_run=dry_run)
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return await asyncio.shield(task)

    async def stop(self) -> None:
        """Leave the rest for the next server."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _run_all(
        self, manifest: Manifest, nursery: Nursery, chosen: Sequence[MigrationManifest], *, restart: bool, dry_run: bool
    ) -> list[MigrationStatus]:
        async with self._turn:
            before = {status.name: status for status in await self.statuses(manifest)}
            wanted = chosen or [each for each in manifest.migrations if restart or before[each.name].state != "done"]
            results: list[MigrationStatus] = []
            for each in wanted:
                if before[each.name].state == "done" and not restart and not dry_run:
                    results.append(before[each.name])
                    continue
                run = self._try_out if dry_run else self._carry_out
                results.append(await run(each, nursery, restart=restart))
                if results[-1].state == "failed":
                    break
            return results

    async def _carry_out(self, migration: MigrationManifest, nursery: Nursery, *, restart: bool) -> MigrationStatus:
        calls = WriterCalls(self._engine)
        progress = Progress(calls, self._tell)
        examiner = self._engine.pool.examiner(nursery)
        try:
            total = await examiner.count(migration.table)
        finally:
            await examiner.close()
        try:
            while True:
                asked: dict[str, Value] = {
                    "name": migration.name,
                    "limit": calls.limit,
                    "restart": restart,
                    "total": total,
                }
                row = await calls.call(STEP, asked)
                restart = False
                status = _status(migration, row)
                await progress.at(Work("migrating", migration.table, migration.name, status.done, status.total))
                if status.state != "running":
                    return status
                await calls.rest(calls.pause)
        except StepFailed as error:  # it took its process with it
            return replace(await self._status_of(migration), state="failed", error=shortened(str(error)))
        finally:
            await progress.over()

    async def _status_of(self, migration: MigrationManifest) -> MigrationStatus:
        (status,) = await self.statuses(Manifest(migrations=(migration,)))
        return status

    async def _try_out(self, migration: MigrationManifest, nursery: Nursery, *, restart: bool) -> MigrationStatus:
        """What it would come to; nothing is written."""
        del restart
        examiner = self._engine.pool.examiner(nursery)
        done = changed = 0
        after: str | None = None
        try:
            total = await examiner.count(migration.table)
            while True:
                asked = Examine(migration.table, after, migrations=[migration.name], limit=_DRY)
                found = await examiner.examine(asked)
                done, changed, after = done + found.seen, changed + found.changed, found.after
                if found.offences:
                    first = found.offences[0]
                    error = f"{first.id}: {shortened(first.text)}"
                    return MigrationStatus(migration.name, migration.table, "failed", done, changed, total, error)
                if after is None:
                    return MigrationStatus(migration.name, migration.table, "would change", done, changed, total)
        except BundleBroken as error:
            return MigrationStatus(migration.name, migration.table, "failed", done, changed, error=str(error))
        finally:
            await examiner.close()


def _status(migration: MigrationManifest, row: dict[str, Any] | None) -> MigrationStatus:
    if row is None:
        return MigrationStatus(migration.name, migration.table, "pending")
    error = row.get("error") if row["state"] == "failed" else None
    numbers = (int(row["done"]), int(row["changed"]), int(row["total"]))
    pushed = bool(row.get("pushed", False))
    return MigrationStatus(migration.name, migration.table, row["state"], *numbers, error, pushed)
