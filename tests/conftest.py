"""A TypeScript compiler for each test, on packages installed once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.codegen.compiler import Compiler, packages_folder


@pytest.fixture(scope="session")
def type_packages(pytestconfig: pytest.Config) -> Path:
    return packages_folder(Path(pytestconfig.cache.mkdir("node")))


@pytest.fixture
def compiler(type_packages: Path, tmp_path: Path) -> Compiler:
    return Compiler(type_packages, tmp_path)
