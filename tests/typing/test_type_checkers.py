"""mypy --strict and pyright strict accept what users write, and refuse each marked mistake (and nothing else)."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.type_checkers import refused_by_mypy, refused_by_pyright

SNIPPETS = Path(__file__).parent / "snippets"
MODULES = (
    "models.py",
    "calls/users.py",
    "calls/jobs.py",
    "calls/job_actions.py",
    "calls/crons.py",
    "positive.py",
    "routes.py",
    "testing_code.py",
)


def marked_lines() -> dict[int, str]:
    lines = (SNIPPETS / "negative.py").read_text().splitlines()
    return {number: found[1] for number, line in enumerate(lines, 1) if (found := re.search(r"# (N\d+)", line))}


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
