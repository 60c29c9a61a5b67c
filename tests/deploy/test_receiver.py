"""The steps of a push over the network, and what each failure leaves behind."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from reactor.clock import SystemClock
from reactor.definitions.manifest import Manifest, TableManifest
from reactor.deploy.bundle_store import FOLDER, BundleStore
from reactor.deploy.plan import DeployPlan
from reactor.deploy.pushing import PushPlan
from reactor.deploy.receiver import Delivery, Receiver, Running
from reactor.deploy.schema_work import SchemaWork
from reactor.deploy.source_archive import SourceArchive
from reactor.deploy.writer_calls import StepFailed
from reactor.errors import BadRequest, BundleBroken, SchemaViolation, WriterDied
from reactor.limits import DEFAULT_LIMITS
from reactor.values.validator import ObjectV

NOTES = Manifest(tables=(TableManifest("notes", ObjectV(())),))
OLD = SourceArchive({"schema.py": b"1"})
NEW = SourceArchive({"schema.py": b"2"})


@dataclass
class Pool:
    """Loads anything under the name of its text; notes what it was told, and fails on demand."""

    data: Path
    told: list[str] = field(default_factory=list)
    load_fails: Exception | None = None
    switch_fails: BaseException | None = None

    async def load(self, root: Path, *, again: bool) -> Any:
        assert not again
        self.told.append("load")
        if self.load_fails is not None:
            raise self.load_fails
        code = f"code {(root / 'schema.py').read_text()}"
        return SimpleNamespace(root=root, bundle=code, manifest=NOTES.to_bytes(), warnings=["a word"])

    async def switch(self, nursery: Any) -> None:
        assert (self.data / FOLDER / "coming").exists(), "announced before it happens"
        self.told.append(f"switch {nursery.bundle}")
        if self.switch_fails is not None:
            raise self.switch_fails

    async def discard(self, nursery: Any) -> None:
        self.told.append(f"discard {nursery.bundle}")


class Server:
    def __init__(self, data: Path) -> None:
        self.store = BundleStore(data)
        self.pool = Pool(data)
        self.obstacle: str | None = None
        self.receiver = Receiver(self.store, DEFAULT_LIMITS, SystemClock())
        self.manifest = Manifest()

    async def _plan(self, nursery: Any) -> PushPlan:
        assert (nursery.root / "schema.py").exists()
        manifest = Manifest.from_bytes(nursery.manifest)
        return PushPlan(DeployPlan.between(self.manifest, manifest), SchemaWork((), ("add_locale",)), self.obstacle)

    async def push(self, archive: SourceArchive, *, dry_run: bool = False) -> Delivery:
        running: Any = Running(self.pool, self.manifest, self._plan, self.pool.switch)
        delivery = await self.receiver.receive(archive.to_bytes(), running, dry_run=dry_run)
        if delivery.status == "deployed":
            self.manifest = NOTES
        return delivery

    @property
    def kept(self) -> set[str]:
        return {path.name for path in (self.store._folder).iterdir() if path.is_dir()}


@pytest.fixture
def server(tmp_path: Path) -> Server:
    return Server(tmp_path)


async def test_a_push_is_loaded_announced_switched_and_noted(server: Server) -> None:
    delivery = await server.push(OLD)
    assert (delivery.status, delivery.warnings) == ("deployed", ("a word",))
    assert delivery.plan.names("+", "table") == ("notes",)
    assert server.pool.told == ["load", "switch code 1"]
    found = server.store.in_force(None)
    assert found is not None
    assert (found.digest, found.code) == (OLD.digest, "code 1")
    assert (await server.push(OLD)).status == "unchanged"
    assert len(server.pool.told) == 2, "the same code is not even loaded"
    assert (await server.push(NEW)).status == "deployed"
    assert server.kept == {OLD.digest, NEW.digest}, "running actions may still import from the old one"
    await server.push(SourceArchive({"schema.py": b"3"}))
    assert OLD.digest not in server.kept


@pytest.mark.parametrize(
    ("load", "switch", "code"),
    [
        (BundleBroken('Traceback\n  File "x"\nValueError: no'), None, "BundleBroken"),
        (None, SchemaViolation("documents do not fit"), "SchemaViolation"),
        (None, WriterDied("it died"), "DeployFailed"),
        (None, StepFailed("the process that filled the index died"), "DeployFailed"),
    ],
)
async def test_a_push_that_fails_leaves_what_was(
    server: Server, load: Exception | None, switch: Exception | None, code: str
) -> None:
    await server.push(OLD)
    server.pool.load_fails, server.pool.switch_fails = load, switch
    with pytest.raises(BadRequest) as refused:
        await server.push(NEW)
    assert refused.value.code == code
    assert server.kept == {OLD.digest}
    assert not (server.pool.data / FOLDER / "coming").exists()
    for database in ("code 1", "code 2"):
        found = server.store.in_force(database)
        assert found is not None
        assert found.digest == OLD.digest


async def test_a_server_that_is_stopped_within_the_switch_asks_the_database_when_it_starts_again(
    server: Server,
) -> None:
    await server.push(OLD)
    server.pool.switch_fails = asyncio.CancelledError()
    with pytest.raises(asyncio.CancelledError):
        await server.push(NEW)
    for code, digest in (("code 1", OLD.digest), ("code 2", NEW.digest)):
        found = server.store.in_force(code)
        assert found is not None
        assert found.digest == digest
    again = Server(server.pool.data)
    again.receiver.opened(again.store.path_of(found), "code 2")
    assert again.kept == {NEW.digest}
    assert again.store.in_force("whatever") is not None
    assert (await again.push(NEW)).status == "unchanged"


@pytest.mark.parametrize("dry_run", [False, True])
async def test_the_version_before_stays_when_a_push_of_it_comes_to_nothing(server: Server, dry_run: bool) -> None:
    """Actions that began before the last push still run there, and import."""
    await server.push(OLD)
    await server.push(NEW)
    server.pool.switch_fails = SchemaViolation("documents do not fit")
    with contextlib.nullcontext() if dry_run else pytest.raises(BadRequest):
        await server.push(OLD, dry_run=dry_run)
    assert server.kept == {OLD.digest, NEW.digest}


async def test_a_plan_switches_nothing_and_leaves_nothing(server: Server) -> None:
    await server.push(OLD)
    server.obstacle = "documents do not fit"
    delivery = await server.push(NEW, dry_run=True)
    assert (delivery.status, delivery.obstacle) == ("planned", "documents do not fit")
    assert server.pool.told[2:] == ["load", "discard code 2"]
    assert delivery.work == ("add_locale: to be run with `reactor migrate`",)
    assert server.kept == {OLD.digest}


async def test_a_server_that_began_with_its_folders_own_code_forgets_older_pushes(
    server: Server, tmp_path: Path
) -> None:
    await server.push(OLD)
    again = Server(tmp_path)
    again.receiver.opened(tmp_path / "project", "another code")
    assert again.kept == set()
