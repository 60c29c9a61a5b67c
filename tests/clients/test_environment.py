"""Environment variables as clients meet them: live queries follow them, and nothing tells their values (row 102)."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.clients.conftest import Clients
from tests.clients.node import node_executable
from tests.support import RunningServer

CANARY = "canary-5f0c9e27b1"
PROJECT = {
    "functions": {
        "m": """
            import os
            from reactor import ActionCtx, MutationCtx, QueryCtx, action, mutation, query


            @query
            def read(ctx: QueryCtx, name: str) -> str | None:
                print(f"run for {name}")
                return os.environ.get(name)


            @query
            def names(ctx: QueryCtx) -> list[str]:
                print("run for all")
                return sorted(name for name in ctx.env if name.startswith("APP_"))


            @mutation
            def in_mutation(ctx: MutationCtx, name: str) -> str | None:
                return ctx.env.get(name)


            @action
            async def in_action(ctx: ActionCtx, name: str) -> str | None:
                return os.environ.get(name)


            @query
            def fail(ctx: QueryCtx) -> None:
                secret = ctx.env["SECRET"]
                print(os.environ, ctx.env)
                raise ValueError(f"{len(secret)} characters, {ctx.env}")
        """
    }
}


def change(server: RunningServer, key: str | None = None, **changes: str | None) -> httpx.Response:
    told = [{"name": name} if value is None else {"name": name, "value": value} for name, value in changes.items()]
    return httpx.post(
        f"{server.url}/api/update_environment_variables",
        json={"changes": told},
        headers={"Authorization": f"Convex {key or server.admin_key}"},
        timeout=10,
    )


def test_a_live_query_follows_the_variable_it_read_and_no_other(clients: Clients, server: RunningServer) -> None:
    assert change(server, APP_ONE="1", APP_TWO="2").status_code == 200
    client = clients.js(server)
    one = client.subscribe("m:read", {"name": "APP_ONE"})
    later = client.subscribe("m:read", {"name": "APP_LATER"})
    names = client.subscribe("m:names")
    assert (one.next(), later.next(), names.next()) == ("1", None, ["APP_ONE", "APP_TWO"])
    mark = server.mark()
    change(server, APP_ONE="one")
    assert one.next() == "one"
    change(server, APP_LATER="here")
    assert later.next() == "here"
    assert names.next() == ["APP_LATER", "APP_ONE", "APP_TWO"]
    change(server, APP_TWO="two", APP_ONE=None)
    assert one.next() is None
    assert names.next() == ["APP_LATER", "APP_TWO"]
    history = httpx.get(
        f"{server.url}/api/stream_function_logs?cursor=0", headers={"Authorization": f"Convex {server.admin_key}"}
    ).json()["entries"]
    runs = [line for entry in history for line in entry["logLines"]]
    assert runs.count("[LOG] 'run for APP_ONE'") <= 3
    assert runs.count("[LOG] 'run for APP_LATER'") <= 2
    assert mark <= server.mark()


@pytest.mark.parametrize("which", ["js-live", "python-http"])
def test_mutations_and_actions_see_a_change_at_once(clients: Clients, server: RunningServer, which: str) -> None:
    client = clients.open(which, server)
    for value in ("a", "b"):
        assert change(server, APP_NOW=value).status_code == 200
        assert client.call("mutation", "m:inMutation", {"name": "APP_NOW"}) == value
        assert client.call("action", "m:inAction", {"name": "APP_NOW"}) == value


def test_only_the_operator_may_change_and_read_them(server: RunningServer) -> None:
    assert change(server, key="wrong", APP_X="1").status_code == 403
    assert httpx.post(f"{server.url}/api/update_environment_variables", json={"changes": []}).status_code == 403
    body = {"path": "_system/cli/queryEnvironmentVariables", "args": {}, "format": "json"}
    assert "Could not find" in httpx.post(f"{server.url}/api/query", json=body).json()["errorMessage"]
    assert httpx.get(f"{server.url}/api/stream_function_logs?cursor=0").status_code == 403


def test_a_refusal_has_the_official_code_and_no_value(server: RunningServer) -> None:
    for changes, code in (
        ({"1A": CANARY}, "EnvironmentVariableNameInvalid"),
        ({"N" * 257: CANARY}, "EnvironmentVariableNameTooLong"),
        ({"APP_LARGE": CANARY * 1000}, "EnvironmentVariableValueTooLarge"),
        ({"CONVEX_CLOUD_URL": CANARY}, "EnvVarNameForbidden"),
    ):
        response = change(server, **changes)
        assert (response.status_code, response.json()["code"]) == (400, code)
        assert CANARY not in response.text
    for body in (f'{{"changes": [{{"name": 1, "value": "{CANARY}"}}]}}', f"{CANARY}"):
        response = httpx.post(
            f"{server.url}/api/update_environment_variables",
            content=body,
            headers={"Authorization": f"Convex {server.admin_key}"},
        )
        assert (response.status_code, response.json()["code"]) == (400, "BadJsonBody")
        assert CANARY not in response.text


def test_nothing_tells_a_value(clients: Clients, server: RunningServer) -> None:
    """Row 102: generated code, what the server prints, error texts, logs kept on disk. The data file itself must."""
    change(server, SECRET=CANARY)
    client = clients.js(server)
    assert client.call("action", "m:inAction", {"name": "SECRET"}) == CANARY  # for a function that asks
    failed = client.subscribe("m:fail").wait_until_failed()
    assert "26 characters" in str(failed) or "characters" in str(failed)
    assert CANARY not in str(failed)
    logged = server.run("logs", "--jsonl", "--success")
    assert "m:fail" in logged.stdout
    listed = server.run("env", "list", "--names-only")
    assert "SECRET" in listed.stdout
    for said in (server.output, logged.stdout, logged.stderr, listed.stdout, listed.stderr):
        assert CANARY not in said
    files = [path for path in server.project.root.rglob("*") if path.is_file()]
    holding = {path.name for path in files if CANARY.encode() in path.read_bytes()}
    assert holding <= {"reactor.db", "reactor.db-wal"}
    assert any("_generated" in path.parts for path in files)
    change(server, SECRET=None)


# ── the official command ──────────────────────────────────────────────────────────────────────────────────────────────


def convex(server: RunningServer, packages: Path, folder: Path, *arguments: str, given: str = "") -> Any:
    """`npx convex …` against our server."""
    (folder / "package.json").write_text(json.dumps({"name": "app", "dependencies": {"convex": "*"}}))
    main = packages / "node_modules" / "convex" / "bin" / "main.js"
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(folder),
        "CI": "1",
        "CONVEX_SELF_HOSTED_URL": server.url,
        "CONVEX_SELF_HOSTED_ADMIN_KEY": server.admin_key,
    }
    return subprocess.run(
        [str(node_executable()), str(main), *arguments],
        cwd=folder,
        env=environment,
        input=given,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_official_command_sets_and_tells_variables(
    server: RunningServer, node_packages: Path, tmp_path: Path
) -> None:
    """Reference §5.2: `npx convex env set|get|remove`, unmodified."""
    done = convex(server, node_packages, tmp_path, "env", "set", "APP_OFFICIAL", "a value")
    assert done.returncode == 0, done.stdout + done.stderr
    assert convex(server, node_packages, tmp_path, "env", "get", "APP_OFFICIAL").stdout == "a value\n"
    assert convex(server, node_packages, tmp_path, "env", "remove", "APP_OFFICIAL").returncode == 0
