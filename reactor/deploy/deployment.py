"""Deployment: the code in force on one server. Loads, plans, switches and receives; what a switch leaves to be done.

Pushes come one after another. One that fails has changed nothing: what ran before runs on.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

from reactor.clock import Clock
from reactor.definitions.manifest import FunctionManifest, Manifest
from reactor.deploy.bundle_store import BundleStore
from reactor.deploy.migrator import MigrationStatus, Migrator
from reactor.deploy.progress import Tell, Work
from reactor.deploy.pushing import PushPlan, discard_leftovers, plan_push, prepare_and_push
from reactor.deploy.receiver import Delivery, Receiver, Running
from reactor.deploy.upkeep import Upkeep
from reactor.engine.engine import Engine
from reactor.errors import BadRequest
from reactor.execution.nursery import Nursery

Publish: TypeAlias = Callable[[Manifest], None]
"""Called when other code has come into force, before anything runs on it."""

_log = logging.getLogger("reactor")


class Deployment:
    """`start` once the engine has its pool, `stop` before that ends."""

    def __init__(
        self, root: Path, engine: Engine, clock: Clock, publish: Publish, bundles: BundleStore | None = None
    ) -> None:
        """With `bundles`, where they are kept, code may be pushed to it over the network."""
        self.root = root  # of the project in force; moves with code that is received
        self.manifest = Manifest((), ())  # of what is in force; set by _take_over
        self.on_progress: Tell = lambda _work: None  # set by whoever shows it
        self._engine = engine
        self._publish = publish
        self._bundle = ""  # hash of the code in force; set by _take_over
        self._by_path: dict[str, FunctionManifest] = {}  # set with the manifest
        self._turn = asyncio.Lock()  # of pushes
        self._receiver = None if bundles is None else Receiver(bundles, engine.limits, clock)
        self._upkeep = Upkeep(engine, self._tell_progress)
        self._migrator = Migrator(engine, self._tell_progress)

    async def start(self) -> None:
        """Load the project, open the database with it. Raises BundleBroken, SchemaViolation, NotPrepared, StepFailed."""
        pool = self._engine.pool
        nursery = await pool.load(self.root)
        hello = await pool.open(nursery)
        self._engine.opened(max(hello.head, self._engine.head))
        await self._take_over(nursery, first=True, pushed=hello.bundle == nursery.bundle)
        if self._receiver is not None:
            self._receiver.opened(self.root, nursery.bundle)

    async def stop(self) -> None:
        """Leave what is to be done to the next server."""
        await self._upkeep.stop()
        await self._migrator.stop()

    # ── what is in force ─────────────────────────────────────────────────────────────────────────────────────────────

    def kind_of(self, path: str) -> str | None:
        """The kind of a function, under any spelling of its path; None when there is none."""
        module, _, name = path.rpartition(":")
        found = self._by_path.get(f"{module.removesuffix('.js')}:{name}" if module else f"{name}:default")
        return None if found is None else found.kind

    # ── pushes ───────────────────────────────────────────────────────────────────────────────────────────────────────

    async def deploy(self) -> Manifest:
        """Load the project as it is on disk now and switch to it. Raises as `start`, and WriterDied."""
        async with self._turn:
            nursery = await self._engine.pool.load(self.root)
            if nursery.bundle == self._bundle:  # a save that changed nothing
                await self._engine.pool.discard(nursery)
                return self.manifest
            await self._switch(nursery)
            return self.manifest

    async def plan(self) -> PushPlan:
        """What a push of the code on disk would do. Nothing is changed. Raises BundleBroken."""
        async with self._turn:
            nursery = await self._engine.pool.load(self.root)
            try:
                return await self._plan(nursery)
            finally:
                await self._engine.pool.discard(nursery)

    async def receive(self, archive: bytes, *, dry_run: bool = False) -> Delivery:
        """Put pushed sources in force, or say what that would do. Raises BadRequest; nothing has changed then."""
        if self._receiver is None:
            raise BadRequest("NoPush", "This server serves the code of its own folder, and takes none over the network")
        async with self._turn:
            running = Running(self._engine.pool, self.manifest, self._plan, self._switch)
            delivery = await self._receiver.receive(archive, running, dry_run=dry_run)
            if delivery.nursery is not None:
                self.root = delivery.nursery.root
                _log.info("deployed", extra={"digest": delivery.digest, "changes": len(delivery.plan.changes)})
            return delivery

    async def _plan(self, nursery: Nursery) -> PushPlan:
        return await plan_push(self._engine, nursery, self.manifest)

    async def _switch(self, nursery: Nursery) -> None:
        """From what runs to a loaded bundle. If that cannot be, the bundle is gone and what ran before runs on."""
        pool = self._engine.pool
        await self._upkeep.stop()
        try:
            await self._take_over(nursery)
        except BaseException:
            await pool.discard(nursery)
            self._upkeep.start(pool.nursery)
            raise

    async def _take_over(self, nursery: Nursery, *, first: bool = False, pushed: bool = False) -> None:
        """Put a loaded bundle in force: prepare while what runs goes on, then switch in one commit (engine D7)."""
        manifest = Manifest.from_bytes(nursery.manifest)
        if pushed:
            await discard_leftovers(self._engine)
        else:
            push = self._engine.pool.push if first else self._engine.pool.switch
            await prepare_and_push(self._engine, nursery, manifest, self._tell_progress, push)
        self._bundle = nursery.bundle
        self.manifest = manifest
        self._by_path = {f.python_path: f for f in manifest.functions} | {f.path: f for f in manifest.functions}
        self._publish(manifest)
        self._upkeep.start(nursery)

    # ── documents that follow ────────────────────────────────────────────────────────────────────────────────────────

    async def upkeep_finished(self) -> None:
        """Wait until documents are filled and what was dropped is gone."""
        await self._upkeep.finished()

    async def migrations(self) -> list[MigrationStatus]:
        """Every migration of the project, in the order in which they are run, and how far each has come."""
        return await self._migrator.statuses(self.manifest)

    async def migrate(self, names: Sequence[str], *, restart: bool, dry_run: bool) -> list[MigrationStatus]:
        """Run migrations online; see Migrator.run."""
        nursery = self._engine.pool.nursery
        return await self._migrator.run(self.manifest, nursery, names, restart=restart, dry_run=dry_run)

    def _tell_progress(self, work: Work | None) -> None:
        self.on_progress(work)
