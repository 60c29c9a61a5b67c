"""ParsePackages: Parse Server's npm packages, in a folder of the user's cache that belongs to their exact versions."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

APP = Path(__file__).parent / "apps" / "parse_app"
INSTALL = "python -m bench --install-parse"
_OPTIONS = ("--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts", "--omit=dev")
_LIMIT = 600  # seconds


def folder() -> Path:
    """Where they are, once installed: another folder for other versions."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    digest = hashlib.sha256((APP / "package.json").read_bytes()).hexdigest()[:12]
    return cache / "reactor-bench" / f"parse-{digest}"


def tool(name: str) -> str | None:
    """`node` or `npm`: the machine's, or else those of this Python environment."""
    beside = Path(sys.executable).with_name(name)
    return shutil.which(name) or (str(beside) if beside.exists() else None)


def missing() -> str | None:
    """What is to be done before Parse can be run; None when nothing is."""
    if tool("node") is None:
        return "Node is not installed (20.19 or newer)"
    if not (folder() / "node_modules" / "parse-server").exists():
        return f"its packages are not installed: {INSTALL}"
    return None


def install() -> Path:
    """By npm, as its registry settings say. Raises RuntimeError."""
    npm = tool("npm")
    if npm is None:
        raise RuntimeError("npm is not installed: it comes with Node")
    target = folder()
    target.mkdir(parents=True, exist_ok=True)
    shutil.copy(APP / "package.json", target)
    done = subprocess.run([npm, "install", *_OPTIONS], cwd=target, timeout=_LIMIT, check=False)
    if done.returncode:
        raise RuntimeError(f"npm install failed in {target}")
    return target
