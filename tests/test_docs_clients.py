"""The guides to testing, to ASGI and to generated clients run as they are, on the README's project."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import httpx

from reactor.cli.settings import ProjectSettings
from tests.embedding.test_mounted import Uvicorn
from tests.support import Project, serving
from tests.test_docs import ROOT, snippets, taste, write_out
from tests.type_checkers import refused_by_mypy, refused_by_pyright


def guide(name: str, folder: Path) -> Path:
    """The README's project with the Python of a guide."""
    return write_out(snippets((ROOT / "docs" / name).read_text(), "python"), taste(folder))


def test_the_guide_to_testing_passes_its_tests(tmp_path: Path) -> None:
    root = guide("testing.md", tmp_path)
    settings = "asyncio_default_fixture_loop_scope=function"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", settings]
    tested = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert "6 passed" in tested.stdout, tested.stdout
    assert refused_by_mypy("tests/test_chat.py", "tests/test_later.py", folder=root) == []


def test_the_guide_to_asgi_serves(tmp_path: Path) -> None:
    root = guide("asgi.md", tmp_path / "project")
    assert refused_by_mypy("main.py", folder=root) == []
    server = Uvicorn(Project(root))
    with server.running(), httpx.Client(base_url=server.url) as http:
        assert http.post("/rooms/a", params={"author": "ann", "text": "hi"}).status_code == 200
        assert http.post("/rooms/a", params={"author": "ann", "text": ""}).json() == {"detail": {"code": "empty"}}
        assert http.get("/rooms/a").json() == ["hi"]
        assert http.get("/reactor/version").status_code == 200


def test_the_guide_to_generated_clients_talks_to_a_server(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "generated-clients.md").read_text()
    (settings,) = snippets(text, "toml")
    assert ProjectSettings.of(tomllib.loads(settings)["tool"]["reactor"]).python_client == "client/api.py"
    (tmp_path / "project" / "client").mkdir(parents=True)
    project = Project(guide("generated-clients.md", tmp_path / "project"), settings=settings)
    with serving(project, "dev") as server:
        assert refused_by_mypy("use.py", folder=project.root / "client") == []
        assert refused_by_pyright("use.py", folder=project.root / "client") == []
        run = "import runpy, os, sys; runpy.run_path('use.py'); sys.stdout.flush(); os._exit(0)"
        done = subprocess.run(
            [sys.executable, "-c", run, server.url],
            cwd=project.root / "client",
            env={**os.environ, "PYTHONPATH": str(project.root / "client")},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.stdout == "[('hi', 1.0)]\n", done.stderr
