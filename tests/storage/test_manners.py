"""Words that must not occur in this room's source (engine A11): each would commit half a batch behind everyone's back."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import reactor.database
import reactor.storage

ROOMS = [Path(room.__file__).parent for room in (reactor.storage, reactor.database) if room.__file__]
CALL_LOG = "sqlite_call_log.py"  # a database of its own, in which there is no batch to break
SOURCES = sorted(path for room in ROOMS for path in room.glob("*.py") if path.name != CALL_LOG)


def offences(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            name = node.func.attr
            owner = ast.unparse(node.func.value)
            if name == "executescript":
                yield f"line {node.lineno}: executescript commits first"
            if name in ("commit", "rollback") and owner.split(".")[-1] in ("_raw", "conn", "raw", "db"):
                yield f"line {node.lineno}: {owner}.{name}() of the sqlite3 module"
        if isinstance(node, ast.With):
            for item in node.items:
                if ast.unparse(item.context_expr).split(".")[-1] in ("_raw", "conn", "connection", "_connection", "db"):
                    yield f"line {node.lineno}: `with connection:` commits at its end"
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] + ([node.module] if isinstance(node, ast.ImportFrom) else [])
            if any(name and name.split(".")[0] in ("apsw", "pysqlite3") for name in names):
                yield f"line {node.lineno}: a second SQLite library"


@pytest.mark.parametrize("path", SOURCES, ids=[path.stem for path in SOURCES])
def test_nothing_commits_by_the_way(path: Path) -> None:
    assert list(offences(ast.parse(path.read_text()))) == []


@pytest.mark.parametrize(
    "bad",
    ["c.executescript('x')", "with self._raw: pass", "with conn:\n  pass", "self._raw.commit()", "import apsw"],
)
def test_the_lint_knows_what_it_looks_for(bad: str) -> None:
    assert list(offences(ast.parse(bad)))


def test_only_one_file_holds_the_sqlite3_connection() -> None:
    importing = [path.name for path in SOURCES if "import sqlite3" in path.read_text()]
    others = ["database_copy.py", "staging.py"]  # which open files that no server has open, or copy one
    assert sorted(importing) == sorted(["sqlite_connection.py", *others])
