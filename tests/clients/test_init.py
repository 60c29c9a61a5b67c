"""`reactor init`: from an empty folder to official clients that follow it, nothing edited in between."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.typed import reactor
from tests.clients.clients import Client
from tests.clients.conftest import Clients
from tests.clients.node import node_environment, node_executable, packages_folder
from tests.support import Project, RunningServer, serving


def made(folder: Path, *options: str) -> Project:
    said = reactor(folder, "init", "my app", *options)
    assert said.returncode == 0, said.stderr
    assert "reactor dev" in said.stderr
    return Project(folder / "my app")


def passes_its_own_tests(project: Project) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "ignore"]
    tested = subprocess.run(command, cwd=project.root, capture_output=True, text=True, check=False)
    assert tested.returncode == 0, tested.stdout
    checked = subprocess.run(
        [
            sys.executable,
            "-m",
            "mypy",
            "--strict",
            "--config-file=",
            "--explicit-package-bases",
            "schema.py",
            "functions",
        ],
        cwd=project.root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize("template", ["minimal", "chat"])
def test_a_new_project_passes_its_own_tests_and_type_checks(template: str, tmp_path: Path) -> None:
    passes_its_own_tests(made(tmp_path, "--template", template))


def test_a_new_project_is_followed_live_by_the_npm_client(tmp_path: Path, clients: Clients) -> None:
    project = made(tmp_path)
    assert (project.root / ".gitignore").read_text().startswith(".reactor/\n")
    with serving(project, "dev") as server:
        client: Client = clients.js(server)
        notes = client.subscribe("notes:latest", {})
        assert notes.next() == []
        assert server.run("run", "notes:add", "text=buy milk").returncode == 0
        assert [note["text"] for note in notes.next()] == ["buy milk"]
        assert (project.root / "functions/_generated/api.d.ts").exists()


def test_what_is_there_is_never_written_over(tmp_path: Path) -> None:
    project = made(tmp_path)
    project.write("schema.py", "mine = 1\n")
    said = reactor(project.root, "init", ".")
    assert said.returncode == 1
    assert "schema.py" in said.stderr
    assert project.read("schema.py") == "mine = 1\n"
    repository = tmp_path / "repository"
    repository.mkdir()
    (repository / "README.md").write_text("mine")
    (repository / ".gitignore").write_text("*.log\n")
    said = reactor(repository, "init")
    assert said.returncode == 0, said.stderr
    assert (repository / "README.md").read_text() == "mine"
    assert (repository / ".gitignore").read_text() == "*.log\n"
    assert "Add .reactor/ to .gitignore" in said.stderr
    assert (repository / "schema.py").exists()


@pytest.mark.parametrize("template", ["minimal", "chat"])
def test_the_front_end_type_checks_and_builds_against_the_types_dev_writes(
    template: str, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    project = made(tmp_path, "--web", "--template", template)
    web = project.root / "web"
    package = json.loads((web / "package.json").read_text())
    pinned = [
        f"{name}@{version}" for part in ("dependencies", "devDependencies") for name, version in package[part].items()
    ]
    assert not any(each.rpartition("@")[2].startswith(("^", "~")) for each in pinned)
    packages = packages_folder(Path(pytestconfig.cache.mkdir("node")), "node-web", pinned)
    (web / "node_modules").symlink_to(packages / "node_modules")

    def node(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(node_executable()), f"node_modules/{script}", *arguments]
        return subprocess.run(command, cwd=web, env=node_environment(), capture_output=True, text=True, check=False)

    once = RunningServer(project).run("dev", "--once")
    assert once.returncode == 0, once.stderr
    assert not (project.root / "functions/_generated").exists()
    checked = node("typescript/bin/tsc", "--noEmit")
    assert checked.returncode == 0, checked.stdout
    built = node("vite/bin/vite.js", "build")
    assert built.returncode == 0, built.stderr
    assert (web / "dist/index.html").exists()
    app = (web / "src/App.tsx").read_text()
    (web / "src/App.tsx").write_text(
        app.replace("{ text }", "{ txet: text }").replace("author: NAME, text", "author: 1, text")
    )
    assert node("typescript/bin/tsc", "--noEmit").returncode != 0, "the types are the project's"
