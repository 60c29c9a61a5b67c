"""Loading a project: what it gives, what is said about a broken one, and what names it."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from reactor.errors import BundleBroken
from reactor.execution.bundle import Bundle
from reactor.execution.importer import ProjectImporter
from reactor.execution.loader import load_bundle
from tests.support import Project

SCHEMA = """
    from reactor import Table

    class Note(Table, name="notes"):
        text: str
"""
NOTES = """
    from reactor import QueryCtx, internal_query, query
    from schema import Note

    @query
    def list_all(ctx: QueryCtx) -> list[Note]:
        return ctx.db.query(Note).collect()
"""


@pytest.fixture(autouse=True)
def _leave_no_project_behind() -> Iterator[None]:
    yield
    for finder in [finder for finder in sys.meta_path if isinstance(finder, ProjectImporter)]:
        finder.uninstall()


def paths(bundle: Bundle) -> list[str]:
    return [definition.path for definition in bundle.functions]


def broken(root: Path) -> str:
    with pytest.raises(BundleBroken) as caught:
        load_bundle(root)
    return caught.value.traceback


def test_schema_and_functions_are_found_in_nested_folders_under_their_wire_names(tmp_path: Path) -> None:
    project = Project(tmp_path, schema=SCHEMA, functions={"notes": NOTES, "deep_down/more_notes": NOTES})
    bundle = load_bundle(project.root)
    assert paths(bundle) == ["deepDown/moreNotes:listAll", "notes:listAll"]
    assert list(bundle.schema.tables) == ["notes"]
    assert [function.path for function in bundle.manifest.functions] == paths(bundle)


def test_schema_and_functions_may_be_missing(tmp_path: Path) -> None:
    bundle = load_bundle(tmp_path)
    assert paths(bundle) == []
    assert bundle.schema.tables == {}


def test_generated_private_and_test_files_are_not_loaded(tmp_path: Path) -> None:
    names = ("_generated/api", "_private", "test_notes", "conftest", ".hidden/x")
    project = Project(tmp_path, functions=dict.fromkeys(names, "raise RuntimeError('loaded')"))
    project.write_function("testimonials", NOTES.replace("from schema import Note", "Note = dict"))
    assert paths(load_bundle(project.root)) == ["testimonials:listAll"]


def test_a_function_belongs_to_the_module_that_defines_it(tmp_path: Path) -> None:
    factory = """
        from reactor import QueryCtx, query

        def counting(number: int):
            @query
            def count(ctx: QueryCtx) -> int:
                return number
            return count
    """
    project = Project(
        tmp_path,
        schema=SCHEMA,
        functions={
            "notes": NOTES,
            "importing": "from functions.notes import list_all",
            "_factory": factory,
            "made": "from functions._factory import counting\nfour = counting(4)",
        },
    )
    assert paths(load_bundle(project.root)) == ["made:four", "notes:listAll"]


def test_names_can_stay_as_they_are_written(tmp_path: Path) -> None:
    settings = '[tool.reactor]\nwire_names = "as_written"\n'
    project = Project(tmp_path, schema=SCHEMA, functions={"my_notes": NOTES}, settings=settings)
    assert paths(load_bundle(project.root)) == ["my_notes:list_all"]
    project.write("pyproject.toml", '[tool.reactor]\nwire_names = "kebab"\n')
    assert "wire_names" in broken(project.root)


# ── broken projects ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_traceback_shows_the_developers_lines_and_none_of_ours(tmp_path: Path) -> None:
    project = Project(tmp_path, functions={"a": "from functions import b", "b": "def f():\n    return 1 / 0\nf()"})
    text = broken(project.root)
    assert text.startswith("Traceback")
    assert text.rstrip().endswith("ZeroDivisionError: division by zero")
    assert "functions/a.py" in text
    assert "return 1 / 0" in text
    assert "reactor/execution" not in text
    assert "importlib" not in text


def test_a_syntax_error_shows_the_line(tmp_path: Path) -> None:
    text = broken(Project(tmp_path, functions={"a": "def f(:\n    pass"}).root)
    assert "def f(:" in text
    assert "SyntaxError" in text


def test_a_wrong_declaration_is_shown_where_it_was_written(tmp_path: Path) -> None:
    functions = {"a": "from reactor import query\n\n@query\nasync def f(ctx): ...\n"}
    text = broken(Project(tmp_path, functions=functions).root)
    assert "functions/a.py" in text
    assert "async def" in text
    assert "definitions/function.py" not in text


def test_a_circle_of_from_imports_says_to_import_the_module(tmp_path: Path) -> None:
    project = Project(
        tmp_path,
        functions={"a": "from functions.b import g\ndef f(): ...", "b": "from functions.a import f\ndef g(): ..."},
    )
    text = broken(project.root)
    assert "Import the module" in text
    assert "`from functions import a`" in text
    assert "`a.f`" in text


def test_modules_may_import_each_other_as_modules(tmp_path: Path) -> None:
    project = Project(tmp_path, functions={"a": "from functions import b", "b": "from functions import a"})
    assert list(load_bundle(project.root).modules) == ["a", "b"]


@pytest.mark.parametrize("text", ["raise SystemExit(3)", "import sys; sys.exit()", "import nonexistent_module_x"])
def test_whatever_is_raised_is_the_developers_to_see(tmp_path: Path, text: str) -> None:
    assert "functions/a.py" in broken(Project(tmp_path, functions={"a": text}).root)


def test_a_file_nobody_could_import_is_refused_with_its_name(tmp_path: Path) -> None:
    assert "my-notes" in broken(Project(tmp_path, functions={"my-notes": ""}).root)


def test_two_functions_with_one_wire_path_are_refused(tmp_path: Path) -> None:
    second = NOTES.replace("def list_all", "def listAll")
    text = broken(Project(tmp_path, schema=SCHEMA, functions={"notes": NOTES + second}).root)
    assert "notes:listAll" in text


def test_a_broken_project_leaves_nothing_in_the_interpreter(tmp_path: Path) -> None:
    path, finders = list(sys.path), list(sys.meta_path)
    broken(Project(tmp_path, functions={"a": "import b_helper", "b": "1 / 0"}).root)
    assert (sys.path, sys.meta_path) == (path, finders)
    assert "functions.a" not in sys.modules


# ── the hash ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_hash_names_the_code_and_nothing_else(tmp_path: Path) -> None:
    functions = {"notes": "import helper_module"}
    one = Project(tmp_path / "one", schema=SCHEMA, functions=functions)
    two = Project(tmp_path / "two", schema=SCHEMA, functions=functions)
    for project in (one, two):
        project.write("helper_module.py", "x = 1")
        project.write("unused_module.py", "y = 1")
    first = load_bundle(one.root).hash
    assert load_bundle(two.root).hash == first
    two.write("unused_module.py", "y = 2")
    assert load_bundle(two.root).hash == first
    two.write("helper_module.py", "x = 2")
    assert load_bundle(two.root).hash != first


@pytest.mark.parametrize("path", ["schema.py", "functions/notes.py", "functions/new.py"])
def test_a_change_of_any_loaded_file_changes_the_hash(tmp_path: Path, path: str) -> None:
    project = Project(tmp_path, schema=SCHEMA, functions={"notes": NOTES})
    before = load_bundle(project.root).hash
    file = project.root / path
    file.write_text((file.read_text() if file.exists() else "") + "\n# changed\n")
    assert load_bundle(project.root).hash != before


def test_a_save_within_the_same_second_is_seen(tmp_path: Path) -> None:
    project = Project(tmp_path)
    file = project.root / "functions" / "a.py"
    moment = time.time() - 100
    seen = []
    for number in range(3):
        file.write_text(f"value = {number}\n")
        os.utime(file, (moment, moment))
        seen.append(load_bundle(project.root).modules["a"].value)
    assert seen == [0, 1, 2]
    assert not (project.root / "functions" / "__pycache__").exists()


def test_the_hash_is_of_what_was_compiled_even_if_the_file_is_saved_meanwhile(tmp_path: Path) -> None:
    saving = """
        from pathlib import Path
        Path(__file__).with_name("b.py").write_text("value = 2")
    """
    project = Project(tmp_path, functions={"b": "value = 1"})
    project.write_function("a", saving.replace("b.py", "never.py"))
    plain = load_bundle(project.root)
    (project.root / "functions" / "never.py").unlink()
    project.write_function("c", saving)  # saves b.py after it was imported
    first = load_bundle(project.root)
    assert first.modules["b"].value == 1
    second = load_bundle(project.root)
    assert second.modules["b"].value == 2
    assert len({plain.hash, first.hash, second.hash}) == 3


# ── two in one process ────────────────────────────────────────────────────────────────────────────────────────────────


def test_two_bundles_live_side_by_side(tmp_path: Path) -> None:
    text = "from helper_module import answer\ndef f(): return answer()"
    bundles = []
    for number in (1, 2):
        project = Project(tmp_path / str(number), functions={"a": text})
        project.write("helper_module.py", f"def answer(): return {number}")
        bundles.append(load_bundle(project.root))
    assert [bundle.modules["a"].f() for bundle in bundles] == [1, 2]


def test_unloading_takes_the_project_out_of_the_interpreter(tmp_path: Path) -> None:
    path = list(sys.path)
    bundle = load_bundle(Project(tmp_path, schema=SCHEMA, functions={"notes": NOTES}).root)
    assert "schema" in sys.modules
    bundle.unload()
    assert "schema" not in sys.modules
    assert "functions.notes" not in sys.modules
    assert sys.path == path


def test_packages_below_the_project_folder_are_not_the_developers(tmp_path: Path) -> None:
    project = Project(tmp_path, functions={"a": "import a_library"})
    project.write(".venv/lib/site-packages/a_library.py", "x = 1")
    sys.path.append(str(tmp_path / ".venv/lib/site-packages"))
    try:
        before = load_bundle(project.root).hash
        sys.modules.pop("a_library")
        project.write(".venv/lib/site-packages/a_library.py", "x = 2")
        assert load_bundle(project.root).hash == before
    finally:
        sys.path.remove(str(tmp_path / ".venv/lib/site-packages"))
        sys.modules.pop("a_library", None)
