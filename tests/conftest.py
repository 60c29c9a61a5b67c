"""A TypeScript compiler for each test, on packages installed once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.codegen.compiler import Compiler, compiler_packages


@pytest.fixture(scope="session")
def type_packages(pytestconfig: pytest.Config) -> Path:
    return compiler_packages(Path(pytestconfig.cache.mkdir("node")))


@pytest.fixture
def compiler(type_packages: Path, tmp_path: Path) -> Compiler:
    return Compiler(type_packages, tmp_path)
