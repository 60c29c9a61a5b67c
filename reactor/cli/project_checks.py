"""What `reactor doctor` asks of the project: settings, code, generated types, the front end's client."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

import orjson

from reactor.cli.finding import Finding, broken, fine, warning
from reactor.cli.project import load_here
from reactor.cli.settings import ProjectSettings
from reactor.database.environment import stored_variables
from reactor.errors import BundleBroken, DefinitionError
from reactor.execution.environment import Noted

_OLDEST_CLIENT = (1, 17)  # npm `convex` before it speaks another protocol
_TESTED_CLIENT = "1.48.0"
BUILT_IN = {"CONVEX_CLOUD_URL": "http://127.0.0.1:3210", "CONVEX_SITE_URL": "http://127.0.0.1:3211"}


def all_findings(root: Path, data: Path) -> Iterator[Finding]:
    """Everything about the project."""
    if not (root / "functions").is_dir() and not (root / "schema.py").is_file():
        yield broken(
            "project", f"there is no functions/ and no schema.py in {root}", "reactor init my-app && cd my-app"
        )
        return
    try:
        settings = ProjectSettings.read(root)
    except DefinitionError as error:
        yield broken("settings", str(error), "mend pyproject.toml")
        return
    yield fine("settings", "[tool.reactor] is understood")
    try:
        bundle = load_here(root, Noted(stored_variables(data / "reactor.db"), BUILT_IN))
    except BundleBroken as error:
        last = error.traceback.strip().splitlines()[-1]
        yield broken("code", f"it does not load: {last}", "reactor codegen, which shows the whole traceback")
        return
    manifest = bundle.manifest
    yield fine("code", f"{len(manifest.tables)} tables, {len(manifest.functions)} functions")
    for each in bundle.warnings:
        yield warning("code", each, "delete the file, or write something into it")
    folder = root / settings.generated
    if folder.exists():
        stale = settings.outputs(root).stale(manifest)
        if stale:
            named = ", ".join(path.name for path in sorted(stale))
            yield warning("types", f"{settings.generated} is stale: {named}", "reactor codegen")
        else:
            yield fine("types", f"{settings.generated} is up to date")
    bundle.unload()
    yield from _clients(root)
    yield from _ignored(root, data)


def _clients(root: Path) -> Iterator[Finding]:
    """Which npm client the front end asks for, or has."""
    for folder in (root, root / "web"):
        package = folder / "package.json"
        if not package.is_file():
            continue
        try:
            tree = orjson.loads(package.read_bytes())
            wanted = (tree.get("dependencies") or {}).get("convex")
        except (orjson.JSONDecodeError, AttributeError):
            yield warning("client", f"{package} is no JSON object", "mend it")
            continue
        if wanted is None:
            continue
        with contextlib.suppress(OSError, orjson.JSONDecodeError, KeyError):  # not installed: what is asked for will do
            wanted = orjson.loads((folder / "node_modules/convex/package.json").read_bytes())["version"]
        numbers = re.search(r"(\d+)\.(\d+)", str(wanted))
        if numbers and (int(numbers[1]), int(numbers[2])) < _OLDEST_CLIENT:
            yield broken(
                "client", f"npm convex {wanted} is too old", f"npm install convex@{_TESTED_CLIENT} in {folder}"
            )
        else:
            yield fine("client", f"npm convex {wanted}")


def _ignored(root: Path, data: Path) -> Iterator[Finding]:
    """The data folder holds the operator's key."""
    if not (root / ".git").exists() or not data.is_relative_to(root):
        return
    name = data.relative_to(root).as_posix()
    ignore = root / ".gitignore"
    lines = ignore.read_text(errors="replace").split() if ignore.is_file() else []
    if not any(line.strip("/") == name for line in lines):
        yield warning(
            "git", f"{name}/, which holds the admin key, is not in .gitignore", f"echo '{name}/' >> .gitignore"
        )
