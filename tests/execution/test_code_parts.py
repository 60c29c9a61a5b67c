"""Which parts of the code an edit changes (engine D6): those whose queries would have to run again, and no others."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from reactor.database.catalog import WHICH_FUNCTIONS
from reactor.execution.environment import Noted
from reactor.execution.loader import load_bundle
from reactor.storage.storage import VariableRow
from tests.support import Project

QUERY = """
    from reactor import QueryCtx, query
    {imports}

    @query
    def ask(ctx: QueryCtx) -> int:
        {body}
"""


def asking(imports: str = "", body: str = "return 1") -> str:
    return QUERY.format(imports=imports, body=body)


def parts_of(project: Project, variables: Mapping[str, VariableRow] = {}) -> Mapping[str, str]:
    bundle = load_bundle(project.root, Noted(variables, {}))
    bundle.unload()
    return bundle.parts


def changed_by(project: Project, **files: str) -> set[str]:
    """The parts that are different, new or gone once these files are written; `__` stands for a slash."""
    before = parts_of(project)
    for name, text in files.items():
        project.write(f"{name.replace('functions__', 'functions/')}.py", text)
    after = parts_of(project)
    return {part for part in before.keys() | after.keys() if before.get(part) != after.get(part)}


def three(tmp_path: Path, **functions: str) -> Project:
    return Project(tmp_path / "project", functions={"a": asking(), "b": asking(), "c": asking(), **functions})


def test_an_edit_changes_its_own_module(tmp_path: Path) -> None:
    assert changed_by(three(tmp_path), functions__a=asking(body="return 2")) == {"a"}


def test_a_save_without_a_change_changes_nothing(tmp_path: Path) -> None:
    assert changed_by(three(tmp_path), functions__a=asking()) == set()


@pytest.mark.parametrize(
    ("imports", "body"),
    [
        ("from helper import X", "return X"),
        ("import helper", "return helper.X"),
        ("import helper as h", "return h.X"),
        ("", "from helper import X; return X"),
        ("from helper import *", "return X"),
        ("from between import X", "return X"),
        ("import package.inner", "return package.inner.X"),
        ("from package import inner", "return inner.X"),
        ("import package", "return package.inner.X"),
        ("import importlib", "return importlib.import_module('helper').X"),
    ],
)
def test_an_edit_of_what_a_module_imports_changes_that_module(tmp_path: Path, imports: str, body: str) -> None:
    project = three(tmp_path, a=asking(imports, body), d=asking("from package.inner import X"))
    project.write("helper.py", "X = 1")
    project.write("between.py", "from helper import X")
    project.write("package/__init__.py", "")
    project.write("package/inner.py", "from helper import X")
    assert changed_by(project, helper="X = 2") == {"a", "d"}


def test_an_edit_of_a_package_changes_those_who_import_from_within(tmp_path: Path) -> None:
    project = three(tmp_path, **{"deep/one": asking("from functions.deep.two import X"), "deep/two": "X = 1"})
    project.write("functions/deep/__init__.py", "")
    assert changed_by(project, **{"functions/deep/__init__": "Y = 1"}) == {"deep.one", "deep.two"}


def test_modules_that_import_each_other_change_together(tmp_path: Path) -> None:
    project = three(tmp_path, a=asking("from functions import b"), b=asking("from functions import a"))
    assert changed_by(project, functions__b=asking("from functions import a", "return 3")) == {"a", "b"}


def test_the_schema_and_what_it_imports_are_everybodys(tmp_path: Path) -> None:
    project = three(tmp_path)
    project.write("schema.py", "from words import X")
    project.write("words.py", "X = 1")
    assert changed_by(project, words="X = 2") == {"a", "b", "c"}
    assert changed_by(project, schema="from words import X\n# more") == {"a", "b", "c"}


def test_a_function_that_comes_or_goes_or_is_made_internal_changes_which_there_are(tmp_path: Path) -> None:
    project = three(tmp_path)
    assert changed_by(project, functions__d=asking()) == {"d", WHICH_FUNCTIONS}
    assert changed_by(project, functions__d=asking().replace("ask(", "tell(")) == {"d", WHICH_FUNCTIONS}
    internal = asking().replace("query\n", "internal_query\n")
    assert changed_by(project, functions__d=internal) == {"d", WHICH_FUNCTIONS}
    project.write("functions/e.py", asking())
    before = parts_of(project)
    (project.root / "functions" / "e.py").unlink()
    after = parts_of(project)
    assert {part for part in before if before[part] != after.get(part)} == {"e", WHICH_FUNCTIONS}


def test_how_names_are_spelt_is_everybodys(tmp_path: Path) -> None:
    project = three(tmp_path)
    before = load_bundle(project.root)
    project.write("pyproject.toml", '[tool.reactor]\nwire_names = "as_written"')
    after = load_bundle(project.root)
    after.unload()
    assert before.hash != after.hash
    assert not {item for item in before.parts.items() if item[0] != WHICH_FUNCTIONS} & set(after.parts.items())


def test_a_variable_read_while_importing_is_everybodys(tmp_path: Path) -> None:
    project = three(tmp_path, a=asking("import os; X = os.environ.get('WORD')"))
    before, after = (parts_of(project, {"WORD": VariableRow("w", ts)}) for ts in (1, 2))
    assert {part for part in before if before[part] != after[part]} == {"a", "b", "c"}


# ── modules that reach into others ────────────────────────────────────────────────────────────────────────────────────


def test_a_module_that_registers_itself_is_everybodys(tmp_path: Path) -> None:
    plugin = "from registry import KNOWN\ndef handle(): return {}\nKNOWN['plugin'] = handle"
    project = three(tmp_path, a=asking("from registry import KNOWN", "return KNOWN['plugin']()"))
    project.write("registry.py", "KNOWN = {}")
    project.write("functions/plugin.py", plugin.format(1))
    assert changed_by(project, functions__plugin=plugin.format(2)) >= {"a", "plugin"}


@pytest.mark.parametrize(
    ("registry", "use"),
    [
        ("KNOWN = []\ndef register(f):\n    KNOWN.append(f)\n    return f", "@register\ndef handle(): return {}"),
        (
            "class Base:\n    known = []\n    def __init_subclass__(cls): Base.known.append(cls)\nKNOWN = ()",
            "from registry import Base\nclass Mine(Base):\n    x = {}",
        ),
        (
            "import functools\n@functools.singledispatch\ndef show(x): return 0\nKNOWN = ()",
            "from registry import show\n@show.register\ndef handle(x: int): return {}",
        ),
        ("KNOWN = 0\ndef register(n):\n    global KNOWN\n    KNOWN = n", "X = register({})"),
    ],
)
def test_so_is_one_that_calls_something_which_remembers(tmp_path: Path, registry: str, use: str) -> None:
    plugin = f"from registry import *\n{use}"
    project = three(tmp_path, a=asking("import registry", "return len(registry.KNOWN)"))
    project.write("registry.py", registry)
    project.write("functions/plugin.py", plugin.replace("{}", "1"))
    assert changed_by(project, functions__plugin=plugin.replace("{}", "2")) >= {"a", "plugin"}


def test_a_decorator_that_remembers_nothing_binds_nobody(tmp_path: Path) -> None:
    lib = """
        import functools
        from reactor import AppError
        LIMIT = 3
        def checked(f):
            @functools.wraps(f)
            def wrapper(*args, **kwargs):
                return f(*args, **kwargs)
            return wrapper
    """
    use = asking("from lib import checked").replace("@query\n", "@query\n    @checked\n")
    project = three(tmp_path, a=use, b=asking("from lib import LIMIT"))
    project.write("lib.py", lib)
    assert changed_by(project, functions__a=use.replace("return 1", "return 2")) == {"a"}


# ── sources as they were loaded ───────────────────────────────────────────────────────────────────────────────────────


def test_a_file_imported_later_runs_as_it_was_when_the_code_was_loaded(tmp_path: Path) -> None:
    project = three(tmp_path, a=asking(body="from helper import X; return X"))
    project.write("helper.py", "X = 1")
    bundle = load_bundle(project.root)
    project.write("helper.py", "X = 2")
    definition = bundle.functions.look_up("a:ask")
    assert definition is not None
    assert definition.fn(None) == 1
    bundle.unload()
    assert parts_of(project)["a"] != bundle.parts["a"]


def test_a_file_that_is_saved_while_it_is_loaded_is_hashed_as_it_was_run(tmp_path: Path) -> None:
    text = "from pathlib import Path\nX = {}\nPath(__file__).write_text(Path(__file__).read_text().replace('X = 1', 'X = 2'))"
    project = three(tmp_path, d=text.format(1))
    first = parts_of(project)["d"]
    assert "X = 2" in project.read("functions/d.py")
    assert parts_of(project)["d"] != first
    project.write_function("d", text.format(1))
    assert parts_of(project)["d"] == first


@pytest.mark.parametrize("depth", ["late", "later"])
def test_a_file_imported_later_is_part_of_the_bundles_name(tmp_path: Path, depth: str) -> None:
    project = Project(tmp_path, functions={"main": "def f():\n    import late"})
    project.write("late.py", "import later")
    project.write("later.py", "x = 1")
    before = load_bundle(project.root).hash
    project.write(f"{depth}.py", "x = 2")
    bundle = load_bundle(project.root)
    bundle.unload()
    assert bundle.hash != before


def test_an_edit_of_the_examples_images_leaves_its_users_alone(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    shutil.copytree(root / "functions", tmp_path / "functions")
    shutil.copy(root / "schema.py", tmp_path)
    before = parts_of(Project(tmp_path))
    images = tmp_path / "functions" / "images.py"
    images.write_text(images.read_text() + "\nMORE = 1\n")
    after = parts_of(Project(tmp_path))
    changed = {part for part in before if before[part] != after[part]}
    assert "images" in changed
    assert not changed & {"users", "generations", "api_keys", "webhooks"}
