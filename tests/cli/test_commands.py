"""The `reactor` command as people type it: real processes, in a project of their own."""

from __future__ import annotations

import json
import socket
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import Project, RunningServer, serving

SCHEMA = """
    from reactor import Index, Table

    class Note(Table, name="notes"):
        text: str
        by_text = Index("text")
"""
NOTES = """
    from reactor import AppError, Id, MutationCtx, QueryCtx, internal_query, mutation, query
    from schema import Note

    @mutation
    def add(ctx: MutationCtx, text: str) -> Id[Note]:
        return ctx.db.insert(Note(text=text))

    @query
    def count(ctx: QueryCtx) -> int:
        return len(ctx.db.query(Note).collect())

    @internal_query
    def secret(ctx: QueryCtx) -> str:
        return "for operators"

    @query
    def who(ctx: QueryCtx) -> str | None:
        identity = ctx.auth.get_user_identity()
        return None if identity is None else identity.subject

    @query
    def refuse(ctx: QueryCtx) -> None:
        raise AppError({"code": "full"})

    @query
    def fail(ctx: QueryCtx) -> None:
        raise ValueError("the detail")
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / "project", schema=SCHEMA, functions={"notes": NOTES})


@pytest.fixture
def server(project: Project) -> Iterator[RunningServer]:
    with serving(project, "dev") as running:
        yield running


def reactor(project: Project, *arguments: str) -> subprocess.CompletedProcess[str]:
    return RunningServer(project).run(*arguments)


# ── without a server ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_version_is_told(project: Project) -> None:
    said = reactor(project, "--version")
    assert (said.returncode, said.stdout) == (0, "reactor 0.1.0\n")


def test_a_folder_that_is_no_project_is_told_what_to_do(tmp_path: Path) -> None:
    nothing = Project(tmp_path / "nothing")
    (nothing.root / "functions").rmdir()
    for command in (("dev",), ("serve",), ("run", "a:b"), ("codegen",)):
        said = reactor(nothing, *command)
        assert said.returncode == 1
        assert "There is no functions/ and no schema.py" in said.stderr
        assert "Traceback" not in said.stderr


def test_a_mistake_in_the_settings_is_told_before_anything_starts(project: Project) -> None:
    project.write("pyproject.toml", "[tool.reactor.limits]\nreader = 2\n")
    said = reactor(project, "dev")
    assert said.returncode == 1
    assert "Did you mean `readers`?" in said.stderr
    assert not project.data.exists()


def test_codegen_writes_types_and_starts_nothing(project: Project) -> None:
    said = reactor(project, "codegen")
    assert said.returncode == 0, said.stderr
    assert "wrote functions/_generated: api.d.ts, api.js, dataModel.d.ts" in said.stderr
    assert 'Doc<"notes">' not in project.read("functions/_generated/api.d.ts")
    assert "notes: {" in project.read("functions/_generated/api.d.ts")
    assert not project.data.exists()
    again = reactor(project, "codegen")
    assert "up to date" in again.stderr


def test_codegen_of_broken_code_shows_its_traceback_and_leaves_the_types(project: Project) -> None:
    project.write_function("broken", "import nowhere_to_be_found")
    said = reactor(project, "codegen")
    assert said.returncode == 1
    assert "functions/broken.py" in said.stderr
    assert "No module named 'nowhere_to_be_found'" in said.stderr
    assert not project.generated.exists()


def test_a_call_without_a_server_starts_one_for_it(project: Project) -> None:
    first = reactor(project, "run", "notes:add", '{"text": "a"}')
    assert first.returncode == 0, first.stderr
    assert isinstance(json.loads(first.stdout), str)
    second = reactor(project, "run", "notes:count")
    assert json.loads(second.stdout) == 1


def test_a_call_that_cannot_be_understood_is_a_usage_error(project: Project) -> None:
    for arguments in (("notes:add", "{"), ("notes:add", "[1]"), ("notes:add", "{}", "--identity", "3")):
        said = reactor(project, "run", *arguments)
        assert said.returncode == 2, said.stderr
        assert "must be" in said.stderr
    assert reactor(project, "run", "a:b", "--url", "http://127.0.0.1:1").returncode == 2


def test_once_pushes_writes_types_and_ends(project: Project) -> None:
    said = reactor(project, "dev", "--once")
    assert said.returncode == 0, said.stderr
    assert "1 table, 6 functions" in said.stderr
    assert "reactor ready" not in said.stdout
    assert (project.generated / "api.d.ts").exists()
    assert (project.data / "reactor.db").exists()


def test_once_with_broken_code_fails(project: Project) -> None:
    project.write("schema.py", "1 / 0")
    said = reactor(project, "dev", "--once")
    assert said.returncode == 1
    assert "ZeroDivisionError" in said.stderr


def test_a_port_in_use_is_said_in_a_sentence(project: Project) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        for command in ("dev", "serve"):
            said = reactor(project, command, "--port", str(port))
            assert said.returncode == 1
            assert f"Port {port} is in use" in said.stderr
            assert "Traceback" not in said.stderr


def test_serve_with_broken_code_fails_at_once(project: Project) -> None:
    project.write_function("broken", "def f(:")
    said = reactor(project, "serve", "--port", "0")
    assert said.returncode == 1
    assert "SyntaxError" in said.stderr


# ── with one ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_running_server_answers_calls_and_its_data_folder_is_refused_to_others(server: RunningServer) -> None:
    assert f"\nreactor ready at {server.url}\n" in server.output
    assert server.run("run", "notes:add", '{"text": "a"}').returncode == 0
    assert json.loads(server.run("run", "notes:count").stdout) == 1
    assert json.loads(server.run("run", "notes:secret").stdout) == "for operators"
    second = server.run("dev", "--port", "0")
    assert second.returncode == 1
    assert "Another server is using this database" in second.stderr
    assert server.stop() == 0
    assert not (server.project.data / "address").exists()


def test_a_call_can_be_made_as_a_user(server: RunningServer) -> None:
    assert json.loads(server.run("run", "notes:who").stdout) is None
    said = server.run("run", "notes:who", "{}", "--identity", '{"subject": "user_1"}')
    assert json.loads(said.stdout) == "user_1"


def test_errors_of_functions_end_a_call_with_status_one_and_nothing_on_stdout(server: RunningServer) -> None:
    for path, words in (("refuse", "full"), ("fail", "the detail"), ("nowhere", "Could not find"), ("add", "text")):
        said = server.run("run", f"notes:{path}")
        assert (said.returncode, said.stdout) == (1, "")
        assert words in said.stderr
        assert 'File "' not in said.stderr or path == "fail"


def test_the_admin_key_is_made_once_for_its_owner_alone_and_never_printed(server: RunningServer) -> None:
    path = server.project.data / "admin_key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert str(path) in server.output
    key = server.admin_key
    server.restart()
    assert server.admin_key == key
    assert key not in server.output
    assert key.rpartition("|")[2] not in server.output


def test_a_call_with_a_key_of_another_server_is_refused(server: RunningServer) -> None:
    said = server.run("run", "notes:count", "--url", server.url, "--admin-key", "reactor|00")
    assert said.returncode == 1
    assert "admin key" in said.stderr


def test_a_save_is_live_and_said_and_a_broken_one_changes_nothing(server: RunningServer) -> None:
    project = server.project
    mark = server.mark()
    project.write_function(
        "more", "from reactor import QueryCtx, query\n@query\ndef two(ctx: QueryCtx) -> int: return 2\n"
    )
    server.wait_for_output(r"\+ query more:two", after=mark)
    assert json.loads(server.run("run", "more:two").stdout) == 2
    assert "two: FunctionReference" in project.read("functions/_generated/api.d.ts")

    mark = server.mark()
    project.write_function("more", "def two(:")
    server.wait_for_output(r"SyntaxError[\s\S]*functions/more.py: not live", after=mark)
    assert json.loads(server.run("run", "more:two").stdout) == 2

    mark = server.mark()
    project.write_function(
        "more", "from reactor import QueryCtx, query\n@query\ndef two(ctx: QueryCtx) -> int: return 3\n"
    )
    server.wait_for_output("✓ functions/more.py", after=mark)
    assert json.loads(server.run("run", "more:two").stdout) == 3


def test_code_that_does_not_load_at_first_is_waited_for(project: Project) -> None:
    project.write_function("notes", "def broken(:")
    server = RunningServer(project, "dev")
    process = subprocess.Popen(
        server.arguments(), cwd=project.root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        assert process.stdout is not None
        said = ""
        for line in process.stdout:
            said += line
            if "Waiting for the next save" in line:
                project.write_function("notes", NOTES)
            if line.startswith("reactor ready"):
                break
        assert "SyntaxError" in said
        assert f"reactor ready at {server.url}" in said
        process.terminate()
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.communicate()


def test_waiting_for_the_first_load_ends_in_order(project: Project) -> None:
    project.write_function("notes", "def broken(:")
    process = subprocess.Popen(
        RunningServer(project, "dev").arguments(), cwd=project.root, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stderr is not None
        assert any("Waiting for the next save" in line for line in process.stderr)
        process.terminate()
        assert process.wait(10) == 0
        assert "Traceback" not in process.stderr.read()
    finally:
        process.kill()
        process.communicate()


def test_no_types_are_written_when_not_wanted(project: Project) -> None:
    with serving(project, "dev", options=("--no-codegen",)):
        assert not project.generated.exists()


def test_serve_neither_watches_nor_writes_types_nor_tells_details(project: Project) -> None:
    with serving(project, "serve") as server:
        assert not project.generated.exists()
        said = server.run("run", "notes:fail")
        assert said.returncode == 1
        assert "the detail" not in said.stderr


def test_the_port_can_come_from_the_environment(project: Project) -> None:
    server = RunningServer(project, "dev", environment={"REACTOR_PORT": "0"})
    arguments = [each for each in server.arguments() if each not in ("--port", str(server.port))]
    process = subprocess.Popen(
        arguments,
        cwd=project.root,
        env={**__import__("os").environ, "REACTOR_PORT": str(server.port)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == f"reactor ready at {server.url}\n"
        process.terminate()
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.communicate()
