"""The documentation cannot lie: its snippets run, its numbers are the code's, its links lead somewhere."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from typer.main import get_command

import codegen
from codegen import typescript
from reactor.auth.identity import Identity
from reactor.cli.main import app
from reactor.cli.settings import ProjectSettings
from reactor.limits import DEFAULT_LIMITS
from reactor.testing import TestBackend
from tests.codegen.compiler import Compiler

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
README = (ROOT / "README.md").read_text()


def snippets(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def taste(tmp_path: Path) -> Path:
    """The README's project, written out as a reader would."""
    for snippet in snippets(README, "python"):
        name = re.match(r"# (\S+)", snippet)
        assert name, snippet
        path = tmp_path / name[1]
        path.parent.mkdir(exist_ok=True)
        path.write_text(snippet)
    return tmp_path


def test_the_readmes_functions_do_what_they_say(tmp_path: Path) -> None:
    backend = TestBackend(taste(tmp_path))
    try:
        sent = backend.mutation("chat:send", {"room": "lobby", "author": "ann", "text": "hi"})
        backend.mutation("chat:like", {"messageId": sent})
        (message,) = backend.query("chat:latest", {"room": "lobby"})
        assert (message["_id"], message["text"], message["likes"]) == (sent, "hi", 1)
        assert backend.query("chat:latest", {"room": "elsewhere"}) == []
    finally:
        backend.close()


GUIDE = (ROOT / "docs" / "scheduling.md").read_text() + (ROOT / "docs" / "actions.md").read_text()
GUIDE_SCHEMA = """# schema.py
from reactor import Index, Table


class Reminder(Table, name="reminders"):
    text: str
    rung: bool = False
    by_rung = Index("rung")
"""


def write_out(found: list[str], folder: Path) -> Path:
    for snippet in found:
        name = re.match(r"# (\S+)", snippet)
        assert name, snippet
        path = folder / name[1]
        path.parent.mkdir(exist_ok=True)
        path.write_text(snippet)
    return folder


def test_the_guides_functions_crons_and_test_do_what_they_say(tmp_path: Path) -> None:
    root = write_out([GUIDE_SCHEMA, *snippets(GUIDE, "python")], tmp_path)
    backend = TestBackend(root)
    try:
        job = backend.mutation("reminders:remind", {"text": "tea", "minutes": 4})
        assert backend.query("reminders:status", {"job": job}) == "pending"
        assert backend.action("reminder_actions:countOpen") == 1
        assert backend.action("reminder_actions:announceAll") == 1
        backend.mutation("reminders:giveUp", {"job": job})
        assert backend.query("reminders:status", {"job": job}) == "canceled"
        assert [cron.name for cron in backend.bundle.manifest.crons][:2] == ["announce", "at work"]
    finally:
        backend.close()
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/test_reminders.py"]
    tested = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert "1 passed" in tested.stdout, tested.stdout


def test_the_guides_python_type_checks(tmp_path: Path) -> None:
    root = write_out([GUIDE_SCHEMA, *snippets(GUIDE, "python")], tmp_path)
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--no-incremental",
        "--config-file=",
        "--explicit-package-bases",
        "schema.py",
        "functions",
    ]
    checked = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout


def test_the_readmes_python_type_checks(tmp_path: Path) -> None:
    root = taste(tmp_path)
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--no-incremental",
        "--config-file=",
        "schema.py",
        "functions/chat.py",
    ]
    checked = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout


def test_the_readmes_react_component_type_checks(tmp_path: Path, compiler: Compiler) -> None:
    backend = TestBackend(taste(tmp_path))
    try:
        files = typescript.render(backend.bundle.manifest)
    finally:
        backend.close()
    codegen.write(compiler.folder / "functions" / "_generated", files)
    (snippet,) = snippets(README, "tsx")
    compiler.write({"Chat.tsx": snippet})
    assert compiler.errors() == ""


def test_the_guide_to_migrations_runs_with_its_own_test(tmp_path: Path) -> None:
    root = write_out(snippets((ROOT / "docs" / "migrations.md").read_text(), "python"), tmp_path)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_migrations.py"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert "1 passed" in done.stdout, done.stdout
    mypy = [sys.executable, "-m", "mypy", "--strict", "--no-incremental", "--config-file=", "--explicit-package-bases"]
    checked = subprocess.run([*mypy, "schema.py", "functions"], cwd=root, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout


def test_the_guide_to_http_routes_runs_with_its_own_test(tmp_path: Path) -> None:
    for snippet in snippets((ROOT / "docs" / "http-routes.md").read_text(), "python"):
        name = re.match(r"# (\S+)", snippet)
        assert name, snippet
        (tmp_path / name[1]).parent.mkdir(exist_ok=True)
        (tmp_path / name[1]).write_text(snippet)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_http.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "1 passed" in done.stdout, done.stdout


def test_the_auth_pages_snippets_load_and_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLERK_JWT_ISSUER_DOMAIN", "https://pixorly.clerk.accounts.dev")
    oidc, custom, me = snippets((ROOT / "docs" / "auth.md").read_text(), "python")
    (tmp_path / "functions").mkdir()
    (tmp_path / "functions" / "me.py").write_text(me)
    for snippet in (oidc, custom):
        (tmp_path / "functions" / "auth_config.py").write_text(snippet)
        with TestBackend(tmp_path) as backend:
            assert len(backend.bundle.manifest.auth) == 1
            ann = Identity.from_attributes({"issuer": "x", "subject": "ann"})
            assert backend.query("me:greeting", identity=ann) == "Hello, ann"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_every_limit_is_documented_with_its_default() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| (\S+) \|", (ROOT / "docs" / "limits.md").read_text(), re.MULTILINE))
    for field in dataclasses.fields(DEFAULT_LIMITS):
        value = getattr(DEFAULT_LIMITS, field.name)
        assert float(rows.pop(field.name)) == value, field.name
    assert rows == {}, "limits nobody has"


def test_the_example_of_a_limit_is_accepted() -> None:
    (example,) = snippets((ROOT / "docs" / "limits.md").read_text(), "toml")
    assert ProjectSettings.of(tomllib.loads(example)["tool"]["reactor"]).limits.query_wall == 30.0


def test_the_commands_of_the_readme_exist() -> None:
    known = get_command(app).commands  # type: ignore[attr-defined]
    for command in re.findall(r"^reactor (\w+)", README, re.MULTILINE):
        assert command in known, command
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"`?make (\w+)", README):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_the_house_is_drawn_as_it_is() -> None:
    """Every room is in the floor plan of docs/internals.md."""
    drawn = (ROOT / "docs" / "internals.md").read_text()
    for room in (ROOT / "reactor").iterdir():
        if (room / "__init__.py").exists():
            assert room.name in drawn, room.name
            assert "TODO" not in (room / "__init__.py").read_text()
