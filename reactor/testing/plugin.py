"""The pytest plugin: a fixture `backend`, a TestBackend of the project with an empty database for every test.

The project is loaded before the first conftest.py, so that tests import the very functions and classes that run
(`from functions import users`, `from schema import User`); that it does not load is told by the tests that need it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:  # imported when a project is found: pytest runs in many folders that have none
    from reactor.clock import Clock
    from reactor.testing.backend import TestBackend
    from reactor.testing.loaded import LoadedProject

OFF = "off"
_IMPORT = re.compile(r"^\s*(?:from|import) reactor\b", re.MULTILINE)
_project = pytest.StashKey["LoadedProject"]()
_trouble = pytest.StashKey[str]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """The settings, in [tool.pytest.ini_options]."""
    parser.addini(
        "reactor_project",
        f"The folder with schema.py and functions/, relative to the rootdir, which is the default. '{OFF}' for none.",
        default="",
    )
    parser.addini("reactor_env", "Environment variables that the functions find: NAME=value, one a line.", "linelist")


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Load the project, if there is one."""
    _load(early_config)


def pytest_configure(config: pytest.Config) -> None:
    """The same for a plugin that was loaded late: by `pytest_plugins` in a conftest.py."""
    _load(config)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Let it go."""
    loaded = config.stash.get(_project, None)
    if loaded is not None:
        loaded.close()


def _load(config: pytest.Config) -> None:
    if _project in config.stash or _trouble in config.stash:
        return
    chosen = str(config.getini("reactor_project"))
    if chosen == OFF:
        config.stash[_trouble] = f"reactor_project is '{OFF}' in the settings of pytest."
        return
    root = (config.rootpath / chosen).resolve()
    if not chosen and not _is_ours(root):
        config.stash[_trouble] = (
            f"There is neither a schema.py nor a folder functions/ that imports reactor in {root}. Say where they are, relative to "
            f'{config.rootpath}: `reactor_project = "path/to/project"` in [tool.pytest.ini_options] of pyproject.toml.'
        )
        return
    from reactor.errors import BundleBroken, ReactorError
    from reactor.testing.loaded import LoadedProject

    try:
        config.stash[_project] = LoadedProject(root, env=_variables(config.getini("reactor_env")))
    except BundleBroken as error:
        config.stash[_trouble] = f"The project in {root} does not load:\n{error.traceback}"
    except ReactorError as error:
        config.stash[_trouble] = f"The project in {root} does not load: {error}"


def _is_ours(root: Path) -> bool:
    """Whether this is a project of reactor's: other programs, too, have a schema.py, or a folder called functions."""
    files = [root / "schema.py", *(root / "functions").glob("**/*.py")]
    return any(_IMPORT.search(file.read_text(errors="replace")) for file in files if file.is_file())


def _variables(lines: list[str]) -> dict[str, str]:
    found = {}
    for line in lines:
        name, equals, value = line.partition("=")
        if not equals:
            raise pytest.UsageError(f"reactor_env: {line!r} is not NAME=value.")
        found[name.strip()] = value.strip()
    return found


@pytest.fixture(scope="session")
def reactor_project(pytestconfig: pytest.Config) -> LoadedProject:
    """The project under test, loaded once per session."""
    loaded = pytestconfig.stash.get(_project, None)
    if loaded is None:
        pytest.fail(pytestconfig.stash[_trouble], pytrace=False)
    return loaded


@pytest.fixture
def reactor_clock() -> Clock:
    """The backend's clock: it stands still at 2026-01-01 UTC until `backend.advance`. Override it for another one."""
    from reactor.testing.manual_clock import ManualClock

    return ManualClock()


@pytest.fixture
def backend(reactor_project: LoadedProject, reactor_clock: Clock) -> Iterator[TestBackend]:
    """The project on an empty database, for this test alone."""
    from reactor.testing.backend import TestBackend

    with TestBackend(reactor_project, clock=reactor_clock) as running:
        yield running
