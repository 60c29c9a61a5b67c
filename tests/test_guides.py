"""The pages for people who come from elsewhere: what they show runs, on both sides."""

from __future__ import annotations

import configparser
import contextlib
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from typer.main import get_command
from websockets.sync.client import connect

from codegen import typescript
from reactor.cli.commands import app
from reactor.testing import TestBackend
from tests.codegen.compiler import Compiler
from tests.test_docs import ROOT, assert_type_checks, snippets, write_out

CONVEX = (ROOT / "docs" / "coming-from-convex.md").read_text()
FASTAPI = (ROOT / "docs" / "coming-from-fastapi.md").read_text()
DEPLOYMENT = (ROOT / "docs" / "deployment.md").read_text()

THEIR_SERVER = """
import { DataModelFromSchemaDefinition, MutationBuilder, QueryBuilder } from "convex/server";
import { mutationGeneric, queryGeneric } from "convex/server";
import schema from "../schema";

type DataModel = DataModelFromSchemaDefinition<typeof schema>;
export const query: QueryBuilder<DataModel, "public"> = queryGeneric;
export const mutation: MutationBuilder<DataModel, "public"> = mutationGeneric;
"""


def test_the_convex_pages_python_does_what_its_typescript_says(tmp_path: Path) -> None:
    with TestBackend(write_out(snippets(CONVEX, "python"), tmp_path)) as backend:
        task = backend.mutation("tasks:add", {"owner": "ann", "title": "tea"})
        assert [each["_id"] for each in backend.query("tasks:open", {"owner": "ann"})] == [task]
        backend.mutation("tasks:finish", {"taskId": task, "note": "green"})
        assert backend.query("tasks:open", {"owner": "ann"}) == []


def test_the_convex_pages_typescript_type_checks_and_so_do_the_calls_of_both(
    tmp_path: Path, compiler: Compiler
) -> None:
    for snippet in snippets(CONVEX, "ts"):
        name = re.match(r"// (\S+)", snippet)
        assert name, snippet
        compiler.write({name[1]: snippet})
    compiler.write({"convex/_generated/server.ts": THEIR_SERVER})  # as their command line writes it
    with TestBackend(write_out(snippets(CONVEX, "python"), tmp_path)) as backend:
        compiler.write({f"functions/_generated/{n}": t for n, t in typescript.render(backend.bundle.manifest).items()})
    compiler.write(
        {
            "page.ts": """
import { FunctionArgs, FunctionReturnType } from "convex/server";
import { api } from "./functions/_generated/api";
import * as theirs from "./convex/tasks";

type Theirs = { taskId: string; note?: string };
const ours: FunctionArgs<typeof api.tasks.finish> = { taskId: "x" as FunctionArgs<typeof api.tasks.finish>["taskId"] };
const same: Theirs = { taskId: ours.taskId, note: ours.note ?? undefined };
export const title = (found: FunctionReturnType<typeof api.tasks.open>) => found[0].title.toUpperCase() + same.taskId;
export const they = theirs.open;
"""
        }
    )
    assert compiler.errors() == ""


@contextlib.contextmanager
def fastapi_server(folder: Path) -> Iterator[int]:
    """The page's service, run as its readers would."""
    command = [sys.executable, "-m", "uvicorn", "live_tasks:app", "--port", "0", "--no-access-log"]
    with subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            for line in process.stderr:
                if listening := re.search(r"running on http://127.0.0.1:(\d+)", line):
                    yield int(listening[1])
                    break
        finally:
            process.terminate()


def test_the_fastapi_pages_two_sides_do_the_same(tmp_path: Path) -> None:
    pytest.importorskip("fastapi")
    theirs, schema, ours = snippets(FASTAPI, "python")
    (tmp_path / "live_tasks.py").write_text(theirs)
    with fastapi_server(tmp_path) as port, connect(f"ws://127.0.0.1:{port}/live/ann") as socket:
        assert json.loads(socket.recv()) == []
        task = httpx.post(f"http://127.0.0.1:{port}/tasks", json={"owner": "ann", "title": "tea"}).json()
        assert json.loads(socket.recv()) == [{"id": task, "title": "tea"}]
        httpx.post(f"http://127.0.0.1:{port}/tasks/{task}/finish")
        assert json.loads(socket.recv()) == []
    with TestBackend(write_out([schema, ours], tmp_path)) as backend:
        task = backend.mutation("tasks:create", {"owner": "ann", "title": "tea"})
        assert [each["title"] for each in backend.query("tasks:openTasks", {"owner": "ann"})] == ["tea"]
        backend.mutation("tasks:finish", {"taskId": task})
        assert backend.query("tasks:openTasks", {"owner": "ann"}) == []


@pytest.mark.parametrize("page", [CONVEX, FASTAPI], ids=["convex", "fastapi"])
def test_the_pages_python_type_checks(page: str, tmp_path: Path) -> None:
    root = write_out([s for s in snippets(page, "python") if "FastAPI()" not in s], tmp_path)
    assert_type_checks(root)


def test_every_serve_command_of_the_deployment_page_has_options_that_exist() -> None:
    serve = get_command(app).commands["serve"].load()  # type: ignore[attr-defined]
    known = {option for parameter in serve.params for option in parameter.opts}
    found = re.findall(r"reactor serve ([^\n]+)|\"serve\", ([^\]]+)\]", DEPLOYMENT)
    assert len(found) == 3
    for plain, listed in found:
        for option in re.findall(r"--[\w-]+", plain or listed):
            assert option in known, option


def test_the_unit_file_parses_and_the_proxy_file_is_accepted(tmp_path: Path) -> None:
    (unit,) = snippets(DEPLOYMENT, "ini")
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(unit)
    assert parser["Service"]["Restart"] == "always"
    (nginx,) = snippets(DEPLOYMENT, "nginx")
    assert nginx.count("{") == nginx.count("}")
    if (executable := shutil.which("nginx")) is not None:
        config = tmp_path / "nginx.conf"
        config.write_text(f"events {{}}\nhttp {{\n{nginx.replace('443 ssl', '8443')}\n}}\n")
        checked = subprocess.run([executable, "-t", "-c", str(config)], capture_output=True, text=True, check=False)
        assert "syntax is ok" in checked.stderr
