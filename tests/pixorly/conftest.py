"""Pixorly as the loader sees it: imported in a process of its own, as a server would."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from reactor.definitions.manifest import Manifest
from tests.clients.conftest import clients, drivers, node_packages  # noqa: F401 fixtures
from tests.codegen.compiler import Compiler, compiler_packages
from tests.pixorly.application import ROOT, Pixorly
from tests.pixorly.fakes import World

LOAD = """
import sys
from pathlib import Path
from reactor.execution.loader import load_bundle
sys.stdout.buffer.write(load_bundle(Path(sys.argv[1])).manifest.to_bytes())
"""


@pytest.fixture(scope="session")
def manifest() -> Manifest:
    loaded = subprocess.run([sys.executable, "-c", LOAD, str(ROOT)], capture_output=True, timeout=60, check=False)
    assert loaded.returncode == 0, loaded.stderr.decode()
    return Manifest.from_bytes(loaded.stdout)


@pytest.fixture
def compiler(pytestconfig: pytest.Config, tmp_path: Path) -> Compiler:
    return Compiler(compiler_packages(Path(pytestconfig.cache.mkdir("node"))), tmp_path)


MEMORY = Path("/dev/shm")


@pytest.fixture
def pixorly() -> Iterator[Pixorly]:
    """On a disk in memory where there is one: what a power cut does is asked elsewhere, and here nobody waits for disks."""
    with tempfile.TemporaryDirectory(prefix="pixorly-", dir=MEMORY if MEMORY.is_dir() else None) as folder:
        application = Pixorly(Path(folder))
        yield application
        application.close()


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """The servers Pixorly talks to, and the environment that names them."""
    with World() as servers:
        for name, value in servers.environment.items():
            monkeypatch.setenv(name, value)
        yield servers
