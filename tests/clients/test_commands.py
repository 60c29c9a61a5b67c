"""The `reactor` command beside a running server: once, run, the admin key, a second server."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from tests.clients.clients import CallFailed
from tests.clients.conftest import Clients
from tests.support import Project, RunningServer

SCHEMA = """
    from reactor import Table


    class Item(Table, name="items"):
        name: str
"""
FUNCTIONS = {
    "greetings": """
        from reactor import QueryCtx, query


        @query
        def greet(ctx: QueryCtx, name: str) -> str:
            return "Hello, " + name
    """,
    "items": """
        from reactor import Id, MutationCtx, QueryCtx, mutation, query
        from schema import Item


        @mutation
        def add(ctx: MutationCtx, name: str) -> Id[Item]:
            return ctx.db.insert(Item(name=name))


        @query
        def names(ctx: QueryCtx) -> list[str]:
            return [item.name for item in ctx.db.query(Item).collect()]
    """,
}
PROJECT = {"schema": SCHEMA, "functions": FUNCTIONS}


def test_once_with_broken_code_fails_and_says_why(tmp_path: Path) -> None:
    project = Project(tmp_path / "broken", functions={"wrong": "import no_such_module_anywhere\n"})
    done = RunningServer(project).run("dev", "--once", "--data", str(project.data))
    assert done.returncode != 0
    assert "no_such_module_anywhere" in done.stdout + done.stderr


def test_once_pushes_writes_the_stubs_and_ends(tmp_path: Path) -> None:
    project = Project(tmp_path / "once", schema=SCHEMA, functions=FUNCTIONS)
    done = RunningServer(project).run("dev", "--once", "--data", str(project.data))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "greet" in (project.generated / "api.d.ts").read_text()


def test_run_calls_a_function_of_the_running_server(clients: Clients, server: RunningServer) -> None:
    names = clients.js(server).subscribe("items:names")
    assert names.next() == []
    done = server.run("run", "items:add", json.dumps({"name": "from the shell"}))
    assert done.returncode == 0, done.stdout + done.stderr
    names.wait_until(["from the shell"])
    done = server.run("run", "greetings:greet", json.dumps({"name": "Shell"}))
    assert json.loads(done.stdout) == "Hello, Shell"


def test_run_starts_a_server_for_the_call_if_none_runs(tmp_path: Path) -> None:
    project = Project(tmp_path / "run", schema=SCHEMA, functions=FUNCTIONS)
    done = RunningServer(project).run("run", "greetings:greet", json.dumps({"name": "Nobody"}))
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout) == "Hello, Nobody"


def test_the_admin_key_is_kept_for_the_owner_alone_and_its_place_is_printed(
    clients: Clients, server: RunningServer
) -> None:
    key = server.project.data / "admin_key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    server.wait_for_output("admin_key")
    before = server.admin_key
    assert len(before) >= 16
    assert before not in server.output
    server.restart()
    assert server.admin_key == before


def test_a_second_server_on_the_same_data_is_refused(clients: Clients, server: RunningServer) -> None:
    done = server.run("serve", "--port", "0", "--data", str(server.project.data), timeout=20)
    assert done.returncode != 0
    assert "Traceback" not in done.stdout + done.stderr
    assert clients.js(server).mutation("items:add", {"name": "the first serves on"})


def test_an_unknown_function_on_the_command_line_is_a_failure(server: RunningServer) -> None:
    done = server.run("run", "nowhere:nothing", "{}")
    assert done.returncode != 0
    assert "Could not find" in done.stdout + done.stderr


def test_errors_of_the_called_function_are_the_failure_of_the_command(clients: Clients, server: RunningServer) -> None:
    client = clients.js(server)
    with pytest.raises(CallFailed):
        client.query("greetings:greet", {"name": 5})
    done = server.run("run", "greetings:greet", json.dumps({"name": 5}))
    assert done.returncode != 0
    assert "ArgumentValidationError" in done.stdout + done.stderr
