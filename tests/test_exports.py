"""The public names are few, listed, and importing them starts nothing."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import reactor


def test_there_are_fewer_than_fifty_public_names() -> None:
    assert len(reactor.__all__) < 50


def test_every_listed_name_exists_and_every_public_name_is_listed() -> None:
    """Type checkers see imports, Python a table of where each name is at home: both tell the same."""
    told = ast.parse(Path(reactor.__file__).read_text())
    imports = {
        alias.name: each.module
        for each in ast.walk(told)
        if isinstance(each, ast.ImportFrom) and each.level == 0 and each.module != "importlib"
        for alias in each.names
    }
    homes = vars(reactor)["_HOMES"]
    assert {*homes, "asgi"} == set(reactor.__all__)
    for name, home in homes.items():
        assert getattr(reactor, name) is getattr(import_module(imports[name]), name), name
        assert imports[name] == home or name == "Int64", "which must not be had before pydantic knows of it"
    assert set(dir(reactor)) == set(reactor.__all__)


def test_a_name_nobody_has_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="Tabel"):
        reactor.Tabel  # type: ignore[attr-defined]  # noqa: B018


def test_the_names_of_the_design_are_there() -> None:
    expected = """Table Index SearchIndex Id Int64 Model UNSET Unset AppError Page PaginationOpts QueryCtx MutationCtx
        ActionCtx SyncActionCtx ScheduledFunction StoredFile query mutation action internal_query internal_mutation internal_action"""
    assert set(expected.split()) <= set(reactor.__all__)


def test_importing_reactor_loads_no_working_room_and_no_thread() -> None:
    script = (
        "import reactor, sys, threading\n"
        "rooms = 'storage database subscriptions execution engine scheduler deploy server cli testing embedding files keeper'.split()\n"
        "print([room for room in rooms if f'reactor.{room}' in sys.modules], threading.active_count())\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[] 1\n"


def loaded_by(statements: str, heavy: str) -> str:
    """Which of these modules a fresh interpreter has after it."""
    script = f"import sys\n{statements}\nprint(*[name for name in {heavy.split()} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[-1]


@pytest.mark.parametrize("option", ["--version", "--help"])
def test_light_commands_import_nothing_that_serves(option: str) -> None:
    statements = (
        f"from reactor.cli.main import main\nsys.argv = ['reactor', '{option}']\ntry: main()\nexcept SystemExit: pass"
    )
    heavy = "pydantic starlette uvicorn uvloop httpx msgspec sqlite3 reactor.application reactor.cli.serve"
    assert loaded_by(statements, heavy) == ""


def test_a_server_imports_neither_what_runs_user_code_nor_what_is_for_a_few_commands() -> None:
    heavy = "pydantic rich codegen httpx reactor.execution.caller reactor.definitions.table reactor.cli.remote"
    assert loaded_by("import reactor.cli.serve", heavy) == ""
