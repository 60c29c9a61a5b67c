"""`reactor doctor`: each trouble is found, named, and comes with what to type."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from reactor.cli import data_checks, machine_checks, project_checks
from reactor.cli.commands import app
from reactor.cli.finding import Finding, Grade
from reactor.storage.admin_key import AdminKey
from reactor.storage.lock import FileLock
from reactor.testing import TestBackend
from tests.support import Project

SCHEMA = """
    from reactor import Table

    class Note(Table, name="notes"):
        text: str
"""
NOTES = """
    from reactor import Id, MutationCtx, mutation
    from schema import Note

    print("while imported")

    @mutation
    def add(ctx: MutationCtx, text: str) -> Id[Note]:
        return ctx.db.insert(Note(text=text))
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    made = Project(tmp_path / "p", schema=SCHEMA, functions={"notes": NOTES})
    monkeypatch.chdir(made.root)
    return made


def with_data(project: Project) -> Path:
    """The database a server would have left, one note in it."""
    with TestBackend(project.root, data=project.data) as backend:
        backend.mutation("notes:add", {"text": "a"})
    for file in project.data.glob("reactor.sqlite*"):
        file.rename(file.with_name(file.name.replace("reactor.sqlite", "reactor.db")))
    AdminKey.at(project.data)
    return project.data


def about(findings: Iterator[Finding] | list[Finding], name: str) -> Finding:
    return next(each for each in findings if each.about == name)


def test_a_sound_project_is_sound_and_scripts_can_read_it(project: Project) -> None:
    with_data(project)
    said = CliRunner().invoke(app, ["doctor", "--json", "--port", "0"])
    assert said.exit_code == 0, said.stdout
    findings = {each["about"]: each for each in json.loads(said.stdout)}
    assert {each["grade"] for each in findings.values()} == {"fine"}, findings
    assert findings["schema"]["says"] == "all stored documents fit"
    assert findings["server"]["says"] == "none runs"


def test_a_broken_project_ends_with_one_and_says_what_to_type(project: Project) -> None:
    data = with_data(project)
    project.write("schema.py", SCHEMA.replace("text: str", "text: int"))
    (data / "admin_key").chmod(0o644)
    said = CliRunner().invoke(app, ["doctor", "--port", "0"])
    assert said.exit_code == 1
    assert "\x1b" not in said.stdout
    assert f"→ chmod 600 {data}/admin_key" in said.stdout
    assert 'in table "notes" does not match the schema: Value does not match validator. (Path: .text)' in said.stdout
    assert "→ reactor dev, which proposes a migration" in said.stdout
    project.write_function(
        "migrations",
        """
        from reactor import Document, QueryCtx, migration
        from schema import Note

        @migration(Note)
        def as_number(ctx: QueryCtx, document: Document) -> None:
            document["text"] = len(document["text"])
        """,
    )
    assert "all stored documents fit" in CliRunner().invoke(app, ["doctor", "--port", "0"]).stdout


def test_projects_that_do_not_load_are_told_why(project: Project, tmp_path: Path) -> None:
    project.write_function("broken", "import nowhere_at_all")
    assert (
        "No module named 'nowhere_at_all'"
        in about(project_checks.all_findings(project.root, project.data), "code").says
    )
    project.write("pyproject.toml", "[tool.reactor]\nzzz = 1\n")
    assert "no setting `zzz`" in about(project_checks.all_findings(project.root, project.data), "settings").says
    nothing = about(project_checks.all_findings(tmp_path, project.data), "project")
    assert (nothing.grade, nothing.fix) == (Grade.BROKEN, "reactor init my-app && cd my-app")


def test_stale_types_old_clients_and_a_key_for_git_are_noticed(project: Project) -> None:
    project.write("functions/_generated/api.d.ts", "old")
    project.write("web/package.json", json.dumps({"dependencies": {"convex": "^1.3.0"}}))
    (project.root / ".git").mkdir()
    findings = list(project_checks.all_findings(project.root, project.data))
    assert about(findings, "types").fix == "reactor codegen"
    assert "too old" in about(findings, "client").says
    assert about(findings, "git").fix == "echo '.reactor/' >> .gitignore"
    project.write(".gitignore", "/.reactor/\n")
    project.write("web/package.json", json.dumps({"dependencies": {"convex": "1.48.0"}}))
    findings = list(project_checks.all_findings(project.root, project.data))
    assert about(findings, "client").grade is Grade.FINE
    assert not [each for each in findings if each.about == "git"]


async def test_the_data_folder_is_looked_over(project: Project) -> None:
    assert (await data_checks.all_findings(project.root, project.data, loads=False))[0].grade is Grade.FINE
    data = with_data(project)
    with contextlib.closing(sqlite3.connect(data / "reactor.db")) as connection:
        page = connection.execute("PRAGMA page_size").fetchone()[0]
    lock = FileLock.take(data / "reactor.db.server", "server")
    try:
        held = about(await data_checks.all_findings(project.root, data, loads=False), "server")
        assert (held.grade, "fuser" in held.fix) == (Grade.BROKEN, True)
    finally:
        lock.release()
    with (data / "reactor.db").open("r+b") as file:
        file.seek(page)
        file.write(os.urandom(page * 4))
    damaged = about(await data_checks.all_findings(project.root, data, loads=True), "database")
    assert damaged.grade is Grade.BROKEN
    assert ".recover" in damaged.fix
    (data / "admin_key").write_text("")
    assert about(await data_checks.all_findings(project.root, data, loads=False), "admin key").grade is Grade.BROKEN


def test_the_machine_is_looked_over(project: Project, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        taken = about(machine_checks.all_findings(project.data, port), "port")
    assert (taken.grade, f"--port {port + 10}" in taken.fix) == (Grade.BROKEN, True)
    mounts = tmp_path / "mounts"
    mounts.write_text(f"/dev/sda1 / ext4 rw 0 0\nserver:/share {tmp_path}/far\\040away nfs4 rw 0 0\n")
    far = tmp_path / "far away" / "data"
    assert machine_checks.file_system_of(far, mounts) == "nfs4"
    assert machine_checks.file_system_of(tmp_path, mounts) == "ext4"
    assert machine_checks.file_system_of(far, tmp_path / "nowhere") is None


def test_a_network_file_system_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(machine_checks, "file_system_of", lambda _path: "nfs4")
    found = about(machine_checks.all_findings(tmp_path, 0), "data folder")
    assert found.grade is Grade.BROKEN
    assert "locks do not hold" in found.says
