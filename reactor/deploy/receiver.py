"""Receiver: code that arrives over the network becomes the code in force, or is refused and nothing has happened.

Its steps, in this order: the archive is read and kept under its digest, a nursery loads it, what is coming is announced,
the pool switches in one commit, what serves is noted. Dying between any two of them leaves a server that starts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from reactor.clock import Clock
from reactor.definitions.manifest import Manifest
from reactor.deploy.bundle_store import BundleStore, StoredBundle
from reactor.deploy.plan import DeployPlan
from reactor.deploy.pushing import PushPlan
from reactor.deploy.source_archive import SourceArchive
from reactor.deploy.writer_calls import StepFailed
from reactor.errors import BadRequest, BundleBroken, DefinitionError, NotPrepared, SchemaViolation, WriterDied
from reactor.execution.nursery import Nursery
from reactor.limits import Limits


class Runners(Protocol):
    """Who loads the code."""

    async def load(self, root: Path, *, again: bool) -> Nursery: ...

    async def discard(self, nursery: Nursery) -> None: ...


@dataclass(frozen=True, slots=True)
class Running:
    """The server that code arrives at."""

    pool: Runners
    manifest: Manifest  # what is in force
    plan: Callable[[Nursery], Awaitable[PushPlan]]  # what a switch would do
    switch: Callable[[Nursery], Awaitable[None]]  # puts a loaded bundle in force, or raises and has discarded it


@dataclass(frozen=True, slots=True)
class Delivery:
    """What came of it."""

    status: Literal["deployed", "unchanged", "planned"]
    digest: str
    plan: DeployPlan
    work: tuple[str, ...] = ()  # what has to be done to documents and indexes, a sentence each
    warnings: tuple[str, ...] = ()
    obstacle: str | None = None  # of a plan: why the push would be refused
    nursery: Nursery | None = None  # the one now in force, when it is new


class Receiver:
    """One per server. Pushes come one after another: whoever calls sees to that."""

    def __init__(self, store: BundleStore, limits: Limits, clock: Clock) -> None:
        self._store = store
        self._limits = limits
        self._clock = clock
        self._serving: str | None = None  # digest of the version in force; set by opened() and receive()
        self._before: str | None = None  # of the one before, from which running actions may still import; by receive()

    def opened(self, root: Path, code: str) -> None:
        """The server has started with the code in `root`, to which the database now belongs."""
        found = self._store.in_force(code)
        if found is not None and self._store.path_of(found) == root:
            self._serving = found.digest
            self._store.settle(StoredBundle(found.digest, code, found.at))
        self._store.withdraw()
        self._store.clean(*filter(None, [self._serving]))

    async def receive(self, data: bytes, running: Running, *, dry_run: bool) -> Delivery:
        """Put the archive's code in force, or only say what that would do. Raises BadRequest; nothing has changed then."""
        archive = await asyncio.to_thread(SourceArchive.from_bytes, data, self._limits)
        digest = await asyncio.to_thread(lambda: archive.digest)
        if digest == self._serving:
            return Delivery("unchanged", digest, DeployPlan())
        try:
            root = await asyncio.to_thread(self._store.keep, archive)
        except DefinitionError as error:
            raise BadRequest("BadSettings", str(error)) from None
        try:
            nursery = await self._load(root, running.pool)
            if dry_run:
                return await self._rehearse(digest, nursery, running)
            before = running.manifest
            warnings = tuple(nursery.warnings)
            await self._switch(StoredBundle(digest, nursery.bundle, self._clock.now_ns() / 1e9), nursery, running)
        except Exception:  # cancelled, we may have switched already: the next start asks the database
            self._clean(digest)
            raise
        self._before, self._serving = self._serving, digest
        self._store.clean(*filter(None, [digest, self._before]))
        plan = DeployPlan.between(before, Manifest.from_bytes(nursery.manifest))
        return Delivery("deployed", digest, plan, warnings=warnings, nursery=nursery)

    async def _load(self, root: Path, pool: Runners) -> Nursery:
        try:
            return await pool.load(root, again=False)
        except BundleBroken as broken:
            raise BadRequest("BundleBroken", broken.traceback.replace(f"{root}/", "").strip()) from None

    async def _rehearse(self, digest: str, nursery: Nursery, running: Running) -> Delivery:
        try:
            push = await running.plan(nursery)
        finally:
            await running.pool.discard(nursery)
            self._clean(digest)
        return Delivery("planned", digest, push.plan, tuple(push.work.lines()), tuple(nursery.warnings), push.obstacle)

    async def _switch(self, bundle: StoredBundle, nursery: Nursery, running: Running) -> None:
        await asyncio.to_thread(self._store.announce, bundle)
        try:
            await running.switch(nursery)
        except SchemaViolation as violation:
            self._store.withdraw()
            raise BadRequest("SchemaViolation", str(violation)) from None
        except (WriterDied, NotPrepared, StepFailed, BundleBroken) as failed:
            self._store.withdraw()
            raise BadRequest("DeployFailed", f"The new code could not be put in force: {failed}") from None
        await asyncio.to_thread(self._store.settle, bundle)

    def _clean(self, digest: str) -> None:
        """Forget a version that was looked at and not taken."""
        if digest not in (self._serving, self._before):
            self._store.forget(digest)
