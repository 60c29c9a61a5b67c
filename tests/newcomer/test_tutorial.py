"""The tutorial without a network: its files, its tests, its types and its commands. `make newcomer` does all of it."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from importlib.metadata import requires
from pathlib import Path

import pytest
from typer.main import get_command

from codegen import typescript
from reactor.cli.commands import app
from reactor.testing import TestBackend
from tests.cli.typed import reactor
from tests.newcomer.people import DOES
from tests.newcomer.terminal import NotAppeared, Terminal
from tests.newcomer.tutorial import Command, Edit, Save, sections
from tests.test_docs import assert_type_checks

ROOT = Path(__file__).resolve().parents[2]
SECTIONS = sections((ROOT / "docs" / "tutorial.md").read_text())
STEPS = [step for section in SECTIONS for step in section.steps]
COMMANDS = [step for step in STEPS if isinstance(step, Command)]


def test_what_the_tutorial_writes_passes_its_tests_and_type_checks(tmp_path: Path) -> None:
    """File by file, as it is read; the number of tests is what the page says each time."""
    root = tmp_path / "my-app"
    assert reactor(tmp_path, "init", "my-app", "--web").returncode == 0
    told = []
    for step in STEPS:
        if isinstance(step, Save | Edit):
            step.do(root)
        elif step.typed.startswith("pytest"):
            command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
            tested = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
            told.append(step.appears)
            passed = re.search(r"\d+ passed", step.appears)
            assert passed is not None
            assert passed[0] in tested.stdout, tested.stdout
    assert len(told) == 2
    assert_type_checks(root, "schema.py", "functions", "tests")
    with TestBackend(root) as backend:
        note = backend.mutation("notes:add", {"text": "buy milk"})
        backend.mutation("notes:toggle", {"noteId": note})
        assert backend.query("tidy:doneCount") == 1
        assert backend.mutation("tidy:clear") == 1
        files = typescript.render(backend.bundle.manifest)
    page = (root / "web/src/App.tsx").read_text()
    types = "".join(files.values())
    for name in re.findall(r"api\.\w+\.(\w+)", page):
        assert name in types, name


def test_the_commands_of_the_tutorial_are_understood() -> None:
    known = get_command(app).commands  # type: ignore[attr-defined]
    typed = [step.typed for step in COMMANDS]
    for line in typed:
        program, *words = shlex.split(line)
        if program == "reactor":
            known[words[0]].make_context(words[0], words[1:])
    for line in ("reactor init --web", "reactor dev", "reactor deploy", "pytest -q", "npm run dev"):
        assert line in typed, line
    (install,) = [line for line in typed if line.startswith("pip install")]
    assert install == "pip install reactor-backend pytest"
    assert requires("reactor-backend") is not None, "the name it is installed by"


def test_the_tutorial_tells_what_every_command_prints_that_prints_something() -> None:
    silent = ("mkdir ", "cd ", "python3 -m venv ", "source ", "export ")
    for step in COMMANDS:
        assert bool(step.appears) != step.typed.startswith(silent), step.typed


def test_what_people_do_with_the_page_is_part_of_the_tutorial() -> None:
    assert set(DOES) <= {section.title for section in SECTIONS}


@pytest.mark.parametrize(
    ("typed", "appears"),
    [
        ("echo a; echo b", "a\nb\n"),
        ("echo a; echo b", "...\nb\n"),
        ("true", ""),
        ("echo one is two", "...\none ... two\n...\n"),
    ],
)
def test_a_terminal_compares_what_appears(typed: str, appears: str, tmp_path: Path) -> None:
    bash = shutil.which("bash")
    assert bash is not None
    terminal = Terminal(tmp_path, {"PATH": str(Path(bash).parent)})
    try:
        terminal.type(Command(typed, appears))
        with pytest.raises(NotAppeared):
            terminal.type(Command("echo a; echo b", "a...\n"))
        with pytest.raises(NotAppeared):
            terminal.type(Command("false", ""))
    finally:
        terminal.close()
