"""The Deployer, with pushes that are held open by hand."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from reactor.definitions.manifest import Manifest, TableManifest
from reactor.deploy.deployer import Deployer, DeployReport, Pushed, Refused
from reactor.deploy.watcher import Watcher
from reactor.errors import BundleBroken
from reactor.values.validator import ObjectV

USERS = Manifest(tables=(TableManifest("users", ObjectV((), table="users")),))


class Application:
    """Pretends to push: each push waits for `let_go` and then gives or raises what comes next."""

    def __init__(self, *results: Manifest | Exception) -> None:
        self.results = list(results)
        self.begun = asyncio.Queue[None]()
        self.let_go = asyncio.Semaphore(0)
        self.at_once = 0
        self.reports: list[DeployReport] = []
        self.reported = asyncio.Queue[DeployReport]()
        self.generated: list[Manifest] = []

    async def push(self) -> Manifest:
        self.at_once += 1
        assert self.at_once == 1, "two pushes at once"
        self.begun.put_nowait(None)
        await self.let_go.acquire()
        self.at_once -= 1
        result = self.results.pop(0)
        if isinstance(result, Exception):
            raise result
        return result

    def generate(self, manifest: Manifest) -> list[str]:
        self.generated.append(manifest)
        return ["api.d.ts"]

    def report(self, report: DeployReport) -> None:
        self.reports.append(report)
        self.reported.put_nowait(report)

    def deployer(self) -> Deployer:
        return Deployer(self.push, self.generate, self.report)


async def test_a_push_is_reported_with_what_is_new_since_the_last_one() -> None:
    application = Application(USERS, USERS, Manifest())
    application.let_go = asyncio.Semaphore(3)
    deployer = application.deployer()
    first, second, third = [await deployer.push() for _ in range(3)]
    assert isinstance(first, Pushed)
    assert first.plan.lines() == ["+ table users"]
    assert first.generated == ("api.d.ts",)
    assert isinstance(second, Pushed)
    assert not second.plan
    assert isinstance(third, Pushed)
    assert third.plan.lines() == ["- table users: its documents stay"]
    assert application.reports == [first, second, third]


async def test_a_broken_push_generates_nothing_and_the_next_is_compared_with_what_runs() -> None:
    application = Application(USERS, BundleBroken("Traceback\nSyntaxError: no"), USERS)
    application.let_go = asyncio.Semaphore(3)
    deployer = application.deployer()
    await deployer.push()
    broken = await deployer.push(frozenset({Path("functions/a.py")}))
    assert isinstance(broken, Refused)
    assert broken.changed == {Path("functions/a.py")}
    assert isinstance(broken.error, BundleBroken)
    assert application.generated == [USERS]
    mended = await deployer.push()
    assert isinstance(mended, Pushed)
    assert not mended.plan


async def test_a_bug_is_raised_and_not_reported() -> None:
    application = Application(ZeroDivisionError())
    application.let_go = asyncio.Semaphore(1)
    with pytest.raises(ZeroDivisionError):
        await application.deployer().push()
    assert application.reports == []


async def test_any_number_of_saves_during_a_push_are_one_push_after_it(tmp_path: Path) -> None:
    (tmp_path / "functions").mkdir()
    application = Application(Manifest(), Manifest(), Manifest())
    changes: AsyncGenerator[frozenset[Path], None] = Watcher(tmp_path).changes()
    async with asyncio.timeout(20), contextlib.aclosing(changes):
        following = asyncio.ensure_future(application.deployer().follow(changes))
        (tmp_path / "schema.py").write_text("x = 1")
        await application.begun.get()
        for number in range(10):
            (tmp_path / "functions" / f"f{number}.py").write_text("")
            await asyncio.sleep(0)
        application.let_go.release()
        assert (await application.reported.get()).changed == {tmp_path / "schema.py"}
        await application.begun.get()
        application.let_go.release()
        second = await application.reported.get()
        assert second.changed == {tmp_path / "functions" / f"f{number}.py" for number in range(10)}
        assert application.begun.empty()
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
