"""Project files that are imported only when a function runs: they belong to the code as much as the rest (engine D6).

Found by their import statements, without running anything: those that stand indented in a module that was imported, and
all in the files so found. One in a docstring counts too, which does no harm. What `importlib.import_module` is given at
run time is not seen.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from reactor.execution.project import Project

_STATEMENT = re.compile(
    rb"^(?P<indent>[ \t]*)(?:from[ \t]+(?P<module>\.*[\w.]*)[ \t]+import[ \t]+(?P<names>\([^)]*\)|[^\n#;]+)"
    rb"|import[ \t]+(?P<modules>[^\n#;]+))",
    re.MULTILINE,
)
_NAME = re.compile(r"[\w.]+")


def late_files(project: Project, imported: Iterable[str]) -> dict[str, bytes]:
    """Path and source of every project file that the files at these paths import later, or that those do."""
    known = set(imported)
    found: dict[str, bytes] = {}
    waiting = [(path, True) for path in known]
    while waiting:
        path, only_indented = waiting.pop()
        source = _read(path)
        if not only_indented:
            found[path] = source
        for name in _names(source, _package(project, path), only_indented=only_indented):
            target = _locate(project, name)
            if target is not None and target not in known:
                known.add(target)
                waiting.append((target, False))
    return found


def _names(source: bytes, package: str, *, only_indented: bool) -> Iterator[str]:
    for match in _STATEMENT.finditer(source):
        if only_indented and not match["indent"]:
            continue
        if match["modules"] is not None:
            yield from _imported(match["modules"])
            continue
        module = _absolute(match["module"].decode("utf-8", "replace"), package)
        yield module
        yield from (f"{module}.{name}" for name in _imported(match["names"]))


def _imported(names: bytes) -> Iterator[str]:
    """The names before any `as`."""
    for part in names.decode("utf-8", "replace").strip("()").split(","):
        name = _NAME.search(part)
        if name is not None:
            yield name[0]


def _absolute(module: str, package: str) -> str:
    name = module.lstrip(".")
    levels = len(module) - len(name)
    if not levels:
        return name
    base = ".".join(package.split(".")[: len(package.split(".")) - levels + 1])
    return f"{base}.{name}" if name else base


def _package(project: Project, path: str) -> str:
    return ".".join(Path(project.relative(path)).parent.parts)


def _locate(project: Project, module: str) -> str | None:
    if not project.may_hold(module):
        return None
    stem = project.root.joinpath(*module.split("."))
    for candidate in (stem.with_name(f"{stem.name}.py"), stem / "__init__.py"):
        if project.owns(str(candidate)) and candidate.is_file():
            return str(candidate)
    return None


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError:  # gone meanwhile: whoever imports it will say so
        return b""
