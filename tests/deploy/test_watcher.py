"""The watcher against a real file system."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from reactor.deploy.watcher import Sources, Watcher


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "functions").mkdir()
    (tmp_path / "schema.py").write_text("")
    (tmp_path / "functions" / "users.py").write_text("")
    return tmp_path


@contextlib.asynccontextmanager
async def watching(project: Path) -> AsyncIterator[AsyncIterator[frozenset[Path]]]:
    changes = Watcher(project).changes()
    async with contextlib.aclosing(changes):
        yield changes


async def next_of(changes: AsyncIterator[frozenset[Path]]) -> frozenset[Path]:
    async with asyncio.timeout(10):
        return await anext(changes)


async def test_a_save_is_reported(project: Path) -> None:
    async with watching(project) as changes:
        waiting = asyncio.ensure_future(next_of(changes))
        await asyncio.sleep(0)
        (project / "functions" / "users.py").write_text("a = 1")
        assert await waiting == {project / "functions" / "users.py"}


async def test_a_change_between_construction_and_the_first_wait_is_not_lost(project: Path) -> None:
    watcher = Watcher(project)
    (project / "schema.py").write_text("x = 1")
    async with contextlib.aclosing(watcher.changes()) as changes:
        assert await next_of(changes) == {project / "schema.py"}


async def test_a_file_in_a_directory_made_later_is_reported_then_and_when_it_changes(project: Path) -> None:
    async with watching(project) as changes:
        waiting = asyncio.ensure_future(next_of(changes))
        await asyncio.sleep(0)
        nested = project / "functions" / "test" / "deep"
        nested.mkdir(parents=True)
        (nested / "mutations.py").write_text("")
        assert await waiting == {nested / "mutations.py"}
        waiting = asyncio.ensure_future(next_of(changes))
        await asyncio.sleep(0)
        (nested / "mutations.py").write_text("b = 2")
        assert await waiting == {nested / "mutations.py"}


async def test_a_rename_reports_both_names_and_a_deleted_directory_its_files(project: Path) -> None:
    async with watching(project) as changes:
        waiting = asyncio.ensure_future(next_of(changes))
        await asyncio.sleep(0)
        (project / "functions" / "users.py").rename(project / "functions" / "people.py")
        assert await waiting == {project / "functions" / "users.py", project / "functions" / "people.py"}
        (project / "functions").rename(project / ".gone")
        assert await next_of(changes) == {project / "functions" / "people.py"}


async def test_what_is_no_source_of_the_project_is_not_reported(project: Path) -> None:
    foreign = ("functions/_generated", ".venv", ".reactor", "node_modules/x", "functions/__pycache__", "tests", "env")
    for folder in foreign:
        (project / folder).mkdir(parents=True)
    (project / "env" / "pyvenv.cfg").write_text("")
    async with watching(project) as changes:
        waiting = asyncio.ensure_future(next_of(changes))
        await asyncio.sleep(0)
        for folder in foreign:
            (project / folder / "module.py").write_text("noise")
        for name in ("notes.txt", "test_users.py", "conftest.py"):
            (project / "functions" / name).write_text("noise")
        (project / "schema.py").write_text("the one that counts")
        assert await waiting == {project / "schema.py"}


def test_reactor_is_no_source_of_the_project_it_is_developed_in() -> None:
    root = Path(__file__).resolve().parents[2]
    watched = Sources.of(root)
    assert root / "schema.py" in watched.files
    assert root / "functions" / "users.py" in watched.files
    assert not any(path.is_relative_to(root / folder) for path in watched.files for folder in ("reactor", "tests"))


def test_the_data_of_a_server_is_no_source_of_the_project_it_lies_in(project: Path) -> None:
    """It holds the code that was pushed, which would be pushed again, and with it that, and so on."""
    pushed = project / "live" / "bundles" / "0123" / "functions"
    pushed.mkdir(parents=True)
    (pushed / "users.py").write_text("")
    (project / "live" / "reactor.db").touch()
    assert set(Sources.of(project).files) == {project / "schema.py", project / "functions" / "users.py"}


async def test_saves_while_the_caller_is_busy_come_as_one_set(project: Path) -> None:
    async with watching(project) as changes:
        (project / "schema.py").write_text("x = 1")
        await next_of(changes)
        for number in range(5):  # nobody is waiting now
            (project / "schema.py").write_text("x = 2" * number)
            (project / "functions" / f"f{number}.py").write_text("")
        assert await next_of(changes) == {
            project / "schema.py",
            *(project / "functions" / f"f{number}.py" for number in range(5)),
        }
