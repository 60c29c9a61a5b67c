"""Files that functions import when they run are part of what names the code."""

from __future__ import annotations

from pathlib import Path

import pytest

from reactor.execution.late_imports import late_files
from reactor.execution.loader import load_bundle
from reactor.execution.project import Project as Folder
from tests.support import Project

LATE = """
    def f():
        import plain
        from functions import sibling
        from functions.deep.inner import (
            name,
        )
        from package.part import other as another
        from . import beside
        from .below import thing
        import os, numpy
"""
FILES = ("plain", "functions/sibling", "functions/deep/inner", "package/part", "functions/beside", "functions/below")


def names(project: Project, *imported: str) -> set[str]:
    folder = Folder(project.root)
    found = late_files(folder, [str(project.root / f"{name}.py") for name in imported])
    return {folder.relative(path).removesuffix(".py") for path in found}


def test_every_form_of_an_indented_import_is_found(tmp_path: Path) -> None:
    project = Project(tmp_path, functions={"main": LATE})
    for name in FILES:
        project.write(f"{name}.py", "")
    assert names(project, "functions/main") == set(FILES)


def test_what_is_imported_later_is_followed_at_every_depth(tmp_path: Path) -> None:
    project = Project(tmp_path, functions={"main": "def f():\n    import one"})
    project.write("one.py", "import two")
    project.write("two.py", "def g():\n    import three, one")
    project.write("three.py", "")
    project.write("unrelated.py", "")
    assert names(project, "functions/main") == {"one", "two", "three"}


def test_imports_at_the_top_were_done_and_are_not_sought(tmp_path: Path) -> None:
    project = Project(tmp_path, functions={"main": "import one\nfrom functions import two"})
    project.write("one.py", "")
    project.write_function("two", "")
    assert names(project, "functions/main") == set()


@pytest.mark.parametrize("depth", ["late", "later"])
def test_a_change_of_such_a_file_changes_the_hash(tmp_path: Path, depth: str) -> None:
    project = Project(tmp_path, functions={"main": "def f():\n    import late"})
    project.write("late.py", "import later")
    project.write("later.py", "x = 1")
    before = load_bundle(project.root).hash
    project.write(f"{depth}.py", "x = 2")
    bundle = load_bundle(project.root)
    bundle.unload()
    assert bundle.hash != before
