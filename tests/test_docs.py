"""The documentation cannot lie: its snippets run, its numbers are the code's, its links lead somewhere."""

from __future__ import annotations

import dataclasses
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from typer.main import get_command

import codegen
from codegen import typescript
from reactor.auth.identity import Identity
from reactor.cli.commands import app
from reactor.cli.settings import ProjectSettings
from reactor.execution.loader import load_bundle
from reactor.limits import DEFAULT_LIMITS
from reactor.testing import TestBackend
from scripts import cli_reference
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
        path.parent.mkdir(parents=True, exist_ok=True)
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
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(snippet)
    return folder


def assert_type_checks(root: Path, *files: str) -> None:
    """mypy --strict accepts these files of a project; schema.py and functions/ without any."""
    options = ["--strict", "--no-incremental", "--config-file=", "--explicit-package-bases"]
    command = [sys.executable, "-m", "mypy", *options, *(files or ("schema.py", "functions"))]
    checked = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout


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
    assert_type_checks(root)


def test_the_guide_to_vectors_does_what_it_says_and_type_checks(tmp_path: Path) -> None:
    root = write_out(snippets((ROOT / "docs" / "vectors.md").read_text(), "python"), tmp_path)
    with TestBackend(root) as backend:
        cat = backend.mutation("photos:add", {"owner": "ann", "caption": "cat", "embedding": [1, 0.1, 0]})
        backend.mutation("photos:add", {"owner": "bob", "caption": "secret", "embedding": [1, 0, 0]})
        shown = {"owner": "bob", "caption": "lion", "embedding": [1, 0.5, 0], "public": True}
        lion = backend.mutation("photos:add", shown)
        alike = backend.query("photos:likeThis", {"photoId": cat, "me": "ann"})
        assert [photo["_id"] for photo in alike] == [cat, lion]
        (best, *_) = backend.query("photos:near", {"embedding": [1, 0.5, 0]})
        assert (best["document"]["_id"], round(best["score"], 6)) == (lion, 1)
        found = backend.action("photo_actions:search", {"text": "cats", "owners": ["ann", "eve"]})
        assert [match["_id"] for match in found] == [cat]
    assert_type_checks(root)


def test_the_readmes_python_type_checks(tmp_path: Path) -> None:
    root = taste(tmp_path)
    assert_type_checks(root, "schema.py", "functions/chat.py")


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
    assert_type_checks(root)


def test_the_guide_to_http_routes_runs_with_its_own_test(tmp_path: Path) -> None:
    for snippet in snippets((ROOT / "docs" / "http-routes.md").read_text(), "python"):
        name = re.match(r"# (\S+)", snippet)
        assert name, snippet
        (tmp_path / name[1]).parent.mkdir(exist_ok=True)
        (tmp_path / name[1]).write_text(snippet)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_http.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "1 passed" in done.stdout, done.stdout


def test_the_guide_to_pages_runs_and_type_checks(tmp_path: Path, compiler: Compiler) -> None:
    page = (ROOT / "docs" / "pagination.md").read_text()
    root = write_out(snippets(page, "python"), tmp_path / "project")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_feed.py"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert "1 passed" in done.stdout, done.stdout
    with TestBackend(root) as backend:
        sent = [backend.mutation("feed:publish", {"topic": "news", "text": str(number)}) for number in range(3)]
        assert backend.outcome("mutation", "feed:hideAll", {"topic": "news"}, internal=True).failure is None
        opts = {"numItems": 9, "cursor": None}
        assert backend.query("feed:latest", {"topic": "news", "paginationOpts": opts})["page"] == [], sent
        files = typescript.render(backend.bundle.manifest)
    codegen.write(compiler.folder / "functions" / "_generated", files)
    (snippet,) = snippets(page, "tsx")
    compiler.write({"Feed.tsx": snippet})
    assert compiler.errors() == ""
    assert_type_checks(root, "schema.py", "functions/feed.py")


def test_the_page_on_reloading_says_what_runs_again(tmp_path: Path) -> None:
    (tmp_path / "functions").mkdir()
    root = write_out(snippets((ROOT / "docs" / "reloading.md").read_text(), "python"), tmp_path)
    before = load_bundle(root)
    (root / "functions" / "currency.py").write_text("RATE = 3.0\n")
    after = load_bundle(root)
    after.unload()
    assert {part for part in before.parts if before.parts[part] != after.parts[part]} == {"currency", "prices"}


def test_the_guide_to_files_runs_with_its_own_test_and_type_checks(tmp_path: Path) -> None:
    root = write_out(snippets((ROOT / "docs" / "files.md").read_text(), "python"), tmp_path)
    with TestBackend(root) as backend:
        text = backend.action("photo_actions:report")
        assert backend.files.download(text) == b"a report"
        file = backend.files.upload(backend.mutation("photos:uploadUrl"), b"png", content_type="image/png")
        assert backend.outcome("mutation", "photos:add", {"album": "a", "file": file}).failure is None
        photo = backend.mutation("photos:add", {"album": "b", "file": file})
        backend.mutation("photos:remove", {"photo": photo})
        assert backend.query("photos:urls", {"album": "a"}) == [None]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/test_photos.py"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert "1 passed" in done.stdout, done.stdout
    assert_type_checks(root)


def test_the_place_for_files_of_the_guide_is_accepted() -> None:
    (example,) = snippets((ROOT / "docs" / "files.md").read_text(), "toml")
    files = ProjectSettings.of(tomllib.loads(example)["tool"]["reactor"]).files
    assert files is not None
    assert files.endpoint == "https://s3.example.com"


SEARCH = (ROOT / "docs" / "search.md").read_text()


def test_the_guide_to_search_finds_what_it_says(tmp_path: Path) -> None:
    root = write_out(snippets(SEARCH, "python"), tmp_path)
    with TestBackend(root) as backend:
        for cook, text in (("ann", "Soup of leek"), ("ann", "黒ごまの坦々麺"), ("bob", "Crème brûlée")):
            backend.mutation("recipes:add", {"cook": cook, "text": text, "public": cook == "bob"})
        assert [found["text"] for found in backend.query("recipes:search", {"text": "creme bru"})] == ["Crème brûlée"]
        opts = {"numItems": 5, "cursor": None}
        for text, count in (("SOUP", 1), ("坦々麺", 1), ("bru", 0), ("", 0)):
            page = backend.query("recipes:ofCook", {"cook": "ann", "text": text, "paginationOpts": opts})
            assert (len(page["page"]), page["isDone"]) == (count, True)
    assert_type_checks(root)


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


def test_the_command_reference_is_what_the_commands_say() -> None:
    page = (ROOT / "docs" / "cli.md").read_text()
    _, _, rest = page.partition(cli_reference.BEGIN)
    written, _, _ = rest.partition(cli_reference.END)
    assert written.strip() == cli_reference.reference().strip(), "run python scripts/cli_reference.py"


def test_every_setting_is_documented_and_the_example_is_accepted() -> None:
    (example,) = snippets((ROOT / "docs" / "cli.md").read_text(), "toml")
    table = tomllib.loads(example)["tool"]["reactor"]
    of_the_project = {"title", "version"}  # read from its [project] table
    assert set(table) == {field.name for field in dataclasses.fields(ProjectSettings)} - of_the_project
    assert ProjectSettings.of(table).limits.query_wall == 30.0
    for name in ("wire_names", "generated"):
        assert table[name] == getattr(ProjectSettings(), name), "the example says what is so without it"


def test_the_commands_of_the_command_page_are_understood(tmp_path: Path) -> None:
    """Each `reactor …` line of the page parses: commands, options and choices exist."""
    lines = re.findall(r"^reactor (.+?)(?:\s+#.*)?$", (ROOT / "docs" / "cli.md").read_text(), re.MULTILINE)
    assert len(lines) > 10
    for line in lines:
        command, *words = shlex.split(line)
        get_command(app).commands[command].make_context(command, words)  # type: ignore[attr-defined]


def test_the_house_is_drawn_as_it_is() -> None:
    """Every room is in the floor plan of docs/internals.md."""
    drawn = (ROOT / "docs" / "internals.md").read_text()
    for room in (ROOT / "reactor").iterdir():
        if (room / "__init__.py").exists():
            assert room.name in drawn, room.name
            assert "TODO" not in (room / "__init__.py").read_text()
