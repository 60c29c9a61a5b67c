"""mypy --strict and pyright strict accept what users write, and refuse each marked mistake (and nothing else)."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SNIPPETS = Path(__file__).parent / "snippets"
REPOSITORY = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
MODULES = (
    "models.py",
    "calls/users.py",
    "calls/jobs.py",
    "calls/job_actions.py",
    "calls/crons.py",
    "positive.py",
    "routes.py",
)


def marked_lines() -> dict[int, str]:
    lines = (SNIPPETS / "negative.py").read_text().splitlines()
    return {number: found[1] for number, line in enumerate(lines, 1) if (found := re.search(r"# (N\d+)", line))}


def refused_by_mypy(*files: str, folder: Path) -> list[tuple[str, int, str]]:
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--no-error-summary"]
    environment = os.environ | {"MYPYPATH": str(REPOSITORY)}
    done = subprocess.run([*command, *files], cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    found = re.findall(r"^(\S+?):(\d+): error: (.*)$", done.stdout, re.MULTILINE)
    return [(file, int(line), text) for file, line, text in found]


def refused_by_pyright(*files: str, folder: Path) -> list[tuple[str, int, str]]:
    config = {
        "include": list(files),
        "typeCheckingMode": "strict",
        "extraPaths": [str(REPOSITORY)],
        "venvPath": str(BIN.parent.parent),
        "venv": BIN.parent.name,
    }
    (folder / "pyrightconfig.json").write_text(json.dumps(config))
    environment = os.environ | {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    command = [str(BIN / "pyright"), "--project", str(folder), "--outputjson"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    report = json.loads(done.stdout)
    assert report["summary"]["filesAnalyzed"] >= len(files), done.stdout
    return [
        (Path(each["file"]).name, each["range"]["start"]["line"] + 1, each["message"])
        for each in report["generalDiagnostics"]
        if each["severity"] == "error"
    ]


def assert_exactly_the_marked(refused: list[tuple[str, int, str]]) -> None:
    marked = marked_lines()
    lines = {line for _, line, _ in refused}
    codes = {marked[line] for line in lines if line in marked}
    assert set(marked.values()) - codes == set(), "accepted, though it is wrong"
    assert {line: text for _, line, text in refused if line not in marked} == {}, "refused, though nothing is marked"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The snippets as a project of their own: here they would be packages of the tests."""
    return Path(shutil.copytree(SNIPPETS, tmp_path_factory.mktemp("typing") / "project"))


def test_mypy_accepts_what_users_write(project: Path) -> None:
    assert refused_by_mypy(*MODULES, folder=project) == []


def test_mypy_refuses_every_marked_mistake(project: Path) -> None:
    assert_exactly_the_marked(refused_by_mypy("negative.py", folder=project))


def test_pyright_accepts_what_users_write(project: Path) -> None:
    assert refused_by_pyright(*MODULES, folder=project) == []


def test_pyright_refuses_every_marked_mistake(project: Path) -> None:
    assert_exactly_the_marked(refused_by_pyright("negative.py", folder=project))
