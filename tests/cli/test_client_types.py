"""`reactor codegen --check` and `function-spec` (reference §5.4)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from reactor.cli.commands import app
from reactor.errors import DefinitionError
from tests.support import Project

NOTES = """
    from reactor import QueryCtx, internal_mutation, MutationCtx, query

    print("while imported")

    @query
    def list_all(ctx: QueryCtx, limit: int | None = None) -> list[str]:
        return []

    @internal_mutation
    def sweep(ctx: MutationCtx):
        return None
"""
HTTP = """
    from reactor import ActionCtx, HttpRouter
    from starlette.requests import Request
    from starlette.responses import Response

    http = HttpRouter()

    @http.route("/hook", methods=["POST"])
    async def hook(ctx: ActionCtx, request: Request) -> Response:
        return Response()
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    made = Project(tmp_path / "p", functions={"notes": NOTES})
    monkeypatch.chdir(made.root)
    return made


def test_check_fails_with_the_difference_until_the_types_are_written(project: Project) -> None:
    missing = CliRunner().invoke(app, ["codegen", "--check"])
    assert missing.exit_code == 1
    assert not project.generated.exists(), "checking writes nothing"
    assert CliRunner().invoke(app, ["codegen"]).exit_code == 0
    assert CliRunner().invoke(app, ["codegen", "--check"]).exit_code == 0
    project.write_function("notes", NOTES.replace("list_all", "list_some"))
    stale = CliRunner().invoke(app, ["codegen", "--check"])
    assert stale.exit_code == 1
    assert "--- functions/_generated/api.d.ts (on disk)" in stale.stdout
    assert "+    listSome: FunctionReference" in stale.stdout
    assert "-    listAll: FunctionReference" in stale.stdout
    assert "run `reactor codegen`" in stale.stderr


def test_types_go_where_the_settings_say(project: Project) -> None:
    project.write("pyproject.toml", '[tool.reactor]\ngenerated = "web/src/api"\n')
    said = CliRunner().invoke(app, ["codegen"])
    assert "wrote web/src/api: api.d.ts" in said.stderr
    assert (project.root / "web/src/api/api.js").exists()
    assert not project.generated.exists()
    for wrong in ('"../x"', '"/x"', '""', "3"):
        project.write("pyproject.toml", f"[tool.reactor]\ngenerated = {wrong}\n")
        assert "must be a folder of the project" in str(CliRunner().invoke(app, ["codegen"]).exception)


@pytest.mark.parametrize("settings", ['python_client = "schema.py"', 'python_client = "tests/test_notes.py"'])
def test_a_slip_in_the_settings_writes_over_nobodys_sources(project: Project, settings: str) -> None:
    mine = '"""Mine."""\n'
    project.write("schema.py", mine)
    project.write("tests/test_notes.py", mine)
    project.write("pyproject.toml", f"[tool.reactor]\n{settings}\n")
    for arguments in (["codegen"], ["codegen", "--check"]):
        said = CliRunner().invoke(app, arguments)
        assert "was not written by reactor" in str(said.exception)
    assert (project.root / "schema.py").read_text() == (project.root / "tests/test_notes.py").read_text() == mine


@pytest.mark.parametrize(
    "settings", ['generated = "notes.txt"', 'python_client = "folder.py"', 'openapi = "notes.txt/a.json"']
)
def test_what_cannot_be_written_is_said(project: Project, settings: str) -> None:
    project.write("notes.txt", "")
    (project.root / "folder.py").mkdir()
    project.write("pyproject.toml", f"[tool.reactor]\n{settings}\n")
    said = CliRunner().invoke(app, ["codegen"])
    assert isinstance(said.exception, DefinitionError)


def test_a_python_client_of_ours_is_written_over(project: Project) -> None:
    project.write("pyproject.toml", '[tool.reactor]\npython_client = "client/api.py"\n')
    assert CliRunner().invoke(app, ["codegen"]).exit_code == 0
    project.write_function("notes", NOTES.replace("list_all", "list_some"))
    assert CliRunner().invoke(app, ["codegen"]).exit_code == 0
    assert "list_some" in (project.root / "client/api.py").read_text()


def test_the_spec_has_the_official_form(project: Project) -> None:
    project.write_function("http", HTTP)
    said = CliRunner().invoke(app, ["function-spec"])
    assert said.exit_code == 0, said.exception
    spec = json.loads(said.stdout)
    assert spec["url"] == "http://127.0.0.1:3210"
    functions = {each.get("identifier", each.get("path")): each for each in spec["functions"]}
    assert functions["notes.js:listAll"] == {
        "identifier": "notes.js:listAll",
        "functionType": "Query",
        "visibility": {"kind": "public"},
        "args": {
            "type": "object",
            "value": {
                "limit": {"fieldType": {"type": "number"}, "optional": True},
            },
        },
        "returns": {"type": "array", "value": {"type": "string"}},
    }
    assert functions["notes.js:sweep"]["visibility"] == {"kind": "internal"}
    assert functions["notes.js:sweep"]["returns"] == {"type": "any"}
    assert functions["/hook"] == {"functionType": "HttpAction", "method": "POST", "path": "/hook"}
    assert CliRunner().invoke(app, ["function-spec", "--file"]).exit_code == 0
    (file,) = project.root.glob("function_spec_*.json")
    assert json.loads(file.read_text()) == spec
