"""`reactor env` as people type it, with and without a running server (reference §4.11, §5.1)."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from reactor.cli import dotenv
from tests.support import Project, RunningServer, eventually, serving

PEM = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEA/+==\r\n\n-----END PRIVATE KEY-----\n"
AWKWARD = {"PLAIN": "x", "PEM": PEM, "QUOTES": "a'b\"c`d", "EMPTY": "", "COMMENT": "a # b", "ESCAPE": "\\n"}
FUNCTIONS = """
    import os
    from reactor import QueryCtx, query

    @query
    def read(ctx: QueryCtx, name: str) -> str | None:
        return ctx.env.get(name)
"""
AT_LOAD = """
    import os
    from reactor import QueryCtx, query

    ISSUER = os.environ["ISSUER"]
    if ISSUER == "broken":
        raise ValueError("no issuer")

    @query
    def issuer(ctx: QueryCtx) -> str:
        return ISSUER
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / "project", functions={"m": FUNCTIONS})


@pytest.fixture(params=["with a server", "without one"])
def place(request: pytest.FixtureRequest, project: Project) -> Iterator[RunningServer]:
    """Something to run commands in."""
    with contextlib.ExitStack() as stack:
        if request.param == "with a server":
            yield stack.enter_context(serving(project, "serve"))
        else:
            yield RunningServer(project)


def env(place: RunningServer, *arguments: str, given: bytes = b"") -> bytes:
    """What `reactor env …` prints; it has to succeed."""
    ended = run(place, *arguments, given=given)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def run(place: RunningServer, *arguments: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "reactor.cli", "env", *arguments]
    return subprocess.run(command, cwd=place.project.root, input=given, capture_output=True, timeout=30, check=False)


def test_a_value_is_set_told_listed_and_removed(place: RunningServer) -> None:
    env(place, "set", "GREETING", "hello there")
    env(place, "set", "OTHER=1")
    assert env(place, "get", "GREETING") == b"hello there"
    assert env(place, "list") == b"GREETING=hello there\nOTHER=1\n"
    env(place, "remove", "OTHER")
    assert run(place, "get", "OTHER").returncode == 1
    assert env(place, "list", "--names-only") == b"GREETING\n"


def test_a_multi_line_key_round_trips_byte_for_byte(place: RunningServer, tmp_path: Path) -> None:
    """From a file and from standard input."""
    file = tmp_path / "key.pem"
    file.write_bytes(PEM.encode())
    env(place, "set", "FROM_FILE", "--from-file", str(file))
    env(place, "set", "FROM_STDIN", given=PEM.encode())
    assert env(place, "get", "FROM_FILE") == env(place, "get", "FROM_STDIN") == PEM.encode()


def test_what_is_listed_can_be_set_again_and_changes_nothing(project: Project, tmp_path: Path) -> None:
    place = RunningServer(project)
    env(place, "set", given=dotenv.write(AWKWARD).encode())
    file = tmp_path / ".env"
    file.write_bytes(env(place, "list"))
    env(place, "set", "--from-file", str(file))
    assert env(place, "list") == file.read_bytes()
    assert env(place, "get", "QUOTES") == AWKWARD["QUOTES"].encode()


def test_all_changes_are_made_or_none(project: Project) -> None:
    place = RunningServer(project)
    ended = run(place, "set", given=b"GOOD=1\nNOT-GOOD=canary-81c2\n")
    assert ended.returncode == 1
    assert b"'NOT-GOOD' is invalid" in ended.stderr
    assert b"canary" not in ended.stderr + ended.stdout
    assert env(place, "list") == b""


def test_a_server_s_functions_see_what_was_set_before_it_started_and_after(project: Project) -> None:
    env(RunningServer(project), "set", "TOKEN", "before")
    with serving(project, "serve") as server:
        assert '"before"' in server.run("run", "m:read", '{"name": "TOKEN"}').stdout
        env(server, "set", "TOKEN", "after")
        assert '"after"' in server.run("run", "m:read", '{"name": "TOKEN"}').stdout
        server.restart()
        assert '"after"' in server.run("run", "m:read", '{"name": "TOKEN"}').stdout
        cloud = server.run("run", "m:read", '{"name": "CONVEX_CLOUD_URL"}').stdout
        assert f'"{server.url}"' in cloud


def test_code_that_reads_a_variable_while_it_is_loaded_follows_it(tmp_path: Path) -> None:
    project = Project(tmp_path / "project", functions={"m": AT_LOAD})
    env(RunningServer(project), "set", "ISSUER", "https://a")  # the code would not load without
    with serving(project, "serve") as server:
        assert "https://a" in server.run("run", "m:issuer").stdout
        env(server, "set", "ISSUER", "https://b")
        assert "https://b" in server.run("run", "m:issuer").stdout
        refused = run(server, "set", "ISSUER", "broken")
        assert refused.returncode == 1
        assert b"The change is stored, but the code does not load with it" in refused.stderr
        assert "https://b" in server.run("run", "m:issuer").stdout
        server.wait_for_output("no issuer")
        env(server, "set", "ISSUER", "https://c")
        server.restart()
        assert "https://c" in server.run("run", "m:issuer").stdout


def test_dev_waits_for_a_variable_as_it_waits_for_a_save(tmp_path: Path) -> None:
    project = Project(tmp_path / "project", functions={"m": AT_LOAD})
    waiting = RunningServer(project, "dev")
    process = subprocess.Popen(
        waiting.arguments(), cwd=project.root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        assert process.stdout is not None
        said = ""
        while "Waiting for the next save" not in said:
            said += (line := process.stdout.readline())
            assert line, said
        env(waiting, "set", "ISSUER", "https://late")
        while "reactor ready" not in said:
            said += (line := process.stdout.readline())
            assert line, said
        assert "https://late" in waiting.run("run", "m:issuer").stdout
    finally:
        process.terminate()
        process.communicate(timeout=15)
    assert eventually(lambda: not (project.data / "address").exists(), 1.0)
