"""The parts of a bundle and their hashes: a query is run again after a push exactly if its part has another (engine D6).

A part is a module of functions/. What its functions do is told by more than its file, so the hash covers

- every project file it imports, directly or not, when it is loaded or when a function runs, and schema.py with its own;
- every project file, if one of those finds modules in ways that no import statement shows (`importlib.import_module`);
- every file whose import *acts*: registers something elsewhere, configures a library. Nobody can say whom that concerns;
- what else the loader says the code depends on: environment variables read while it was loaded, installed packages.

Sources are those that were compiled, never read a second time. Data files that an import reads are not covered.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import ModuleType

from reactor.execution.module_state import keeps_state
from reactor.execution.project import Project
from reactor.execution.source import Source

_SETTINGS = "pyproject.toml"


class Sources:
    """The files of a bundle: those loaded, and those that they import later, by path."""

    def __init__(self, project: Project, loaded: Mapping[str, Source], triggered: Mapping[str, Iterable[str]]) -> None:
        """`triggered`: file → files whose first import happened while it was imported itself."""
        self._project = project
        self._tops: dict[str, bool] = {}  # answers of _is_ours
        self._located: dict[str, str | None] = {}  # answers of _file
        self.files = dict(loaded)
        waiting = list(loaded.values())
        while waiting:
            for path in self._named(waiting.pop()):
                if path not in self.files:
                    self.files[path] = read_source(project, path)
                    waiting.append(self.files[path])
        self.late = {path: source for path, source in self.files.items() if path not in loaded}
        self._imports = {
            path: {*self._imported(path, source), *triggered.get(path, ())} for path, source in self.files.items()
        }

    def hash_of(self, paths: Iterable[str], mark: str) -> str:
        """32 hexadecimal digits over these files and the mark."""
        hasher = hashlib.blake2b(digest_size=16)
        for path in sorted(paths):
            hasher.update(f"{self._project.relative(path)}\0".encode() + self.files[path].digest)
        if mark:
            hasher.update(f"\0{mark}".encode())
        return hasher.hexdigest()

    @property
    def texts(self) -> dict[str, bytes]:
        """All that it takes to load the same code again: path below the root → text."""
        found = {self._project.relative(path): source.text for path, source in self.files.items()}
        with suppress(OSError):
            found[_SETTINGS] = (self._project.root / _SETTINGS).read_bytes()
        return found

    def needed_by(self, paths: Iterable[str]) -> set[str]:
        """These files and all they import, at whatever depth; all files if one of them is elusive."""
        needed: set[str] = set()
        waiting = [path for path in paths if path in self.files]
        while waiting:
            path = waiting.pop()
            if path in needed:
                continue
            if self.files[path].elusive:
                return set(self.files)
            needed.add(path)
            waiting.extend(self._imports[path])
        return needed

    def acting(self, modules: Mapping[str, ModuleType]) -> Iterator[str]:
        """Files whose import may have changed what others do. `modules`: path → what was loaded from it."""
        for path in modules:
            effects = self.files[path].effects
            if effects.acts:
                yield path
                continue
            called = {file for name in effects.calls for file in self._files(name)} - {path}
            if any(file in modules and self._keeps_state(file, modules[file]) for file in self.needed_by(called)):
                yield path

    def _keeps_state(self, path: str, module: ModuleType) -> bool:
        return self.files[path].assigns_globals or keeps_state(module)

    # ── from names to files ───────────────────────────────────────────────────────────────────────────────────────

    def _named(self, source: Source) -> Iterator[str]:
        """The files that import statements name. What only may be meant, the rest of a package, is left out."""
        for module, name, _bound in source.imports:
            for each in (module,) if name is None else (module, f"{module}.{name}"):
                if (file := self._file(each)) is not None:
                    yield file

    def _imported(self, path: str, source: Source) -> Iterator[str]:
        yield from self._parents(_module_of(self._project, path))
        for module, name, bound in source.imports:
            yield from self._parents(f"{module}.")
            if name is None:
                yield from self._files(module)
                if bound == module.partition(".")[0]:  # `import a.b` gives all of `a` that somebody has imported
                    yield from self._beneath(bound)
            elif name == "*":
                yield from self._beneath(module)
            else:
                yield from self._files(f"{module}.{name}")

    def _files(self, name: str) -> Iterator[str]:
        """What a dotted name stands for: a module; a package and all beneath it; the module that has such a name."""
        while name:
            file = self._file(name)
            beneath = list(self._beneath(name))
            if file is not None or beneath:
                yield from beneath if file is None else [file, *beneath]
                return
            name = name.rpartition(".")[0]

    def _beneath(self, package: str) -> Iterator[str]:
        if not self._is_ours(package):
            return
        folder = f"{self._project.root.joinpath(*package.split('.'))}/"
        yield from (path for path in self.files if path.startswith(folder))

    def _parents(self, module: str) -> Iterator[str]:
        """The `__init__.py` files that run before the module does."""
        while module := module.rpartition(".")[0]:
            if (file := self._file(module)) is not None:
                yield file

    def _is_ours(self, module: str) -> bool:
        """Whether the project has anything of that name; most modules are others'."""
        top = module.partition(".")[0]
        if top not in self._tops:
            path = self._project.root / top
            there = bool(top) and (path.is_dir() or path.with_name(f"{top}.py").is_file())
            self._tops[top] = there and self._project.may_hold(top)
        return self._tops[top]

    def _file(self, module: str) -> str | None:
        if module not in self._located:
            self._located[module] = self._locate(module)
        return self._located[module]

    def _locate(self, module: str) -> str | None:
        if not self._is_ours(module):
            return None
        stem = self._project.root.joinpath(*module.split("."))
        for candidate in (stem / "__init__.py", stem.with_name(f"{stem.name}.py")):
            if str(candidate) in self.files or (self._project.owns(str(candidate)) and candidate.is_file()):
                return str(candidate)
        return None


def read_source(project: Project, path: str) -> Source:
    """The file as it is on disk; empty when it is gone: whoever imports it will say so."""
    try:
        text = Path(path).read_bytes()
    except OSError:
        text = b""
    return Source(_package_of(project, path), text)


def _package_of(project: Project, path: str) -> str:
    return ".".join(Path(project.relative(path)).parent.parts)


def _module_of(project: Project, path: str) -> str:
    return ".".join(Path(project.relative(path)).with_suffix("").parts)
