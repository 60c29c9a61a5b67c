"""ProjectImporter: how modules of a project are found and compiled, and a record of what was compiled.

Sources are compiled anew and .pyc files neither read nor written: their freshness is judged by whole seconds, and a save
within one would go unseen. What was compiled is what is hashed, even if the file is saved again meanwhile (engine D6).

The importer stays on `sys.meta_path` so that imports inside functions find the same files; they are recorded too.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import FileFinder, ModuleSpec, SourceFileLoader
from types import CodeType, ModuleType

from reactor.execution.code_parts import Sources, read_source
from reactor.execution.project import Project
from reactor.execution.source import Source


class ProjectImporter(MetaPathFinder):
    """The finder for one project. `install` it before the first import of user code."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._finders: dict[str, FileFinder] = {}  # folder → its finder
        self._loaded: dict[str, Source] = {}  # file → what was compiled; grows with every import
        self._late: dict[str, Source] = {}  # file → what will be compiled when it is imported; set by sources()
        self._names: dict[str, str] = {}  # file → module, as `_loaded`
        self._triggered: dict[str, list[str]] = {}  # file → files first imported while it was itself
        self._importing: list[str] = []  # files, the innermost last
        self.modules: list[str] = []  # names in the order they were first imported

    def install(self) -> None:
        """Find project modules from now on, instead of any other project's."""
        for other in [finder for finder in sys.meta_path if isinstance(finder, ProjectImporter)]:
            other.uninstall()
        for name in [name for name in sys.modules if name == "schema" or name.partition(".")[0] == "functions"]:
            del sys.modules[name]  # imported by somebody who did not know of bundles, a test for instance
        sys.meta_path.insert(0, self)
        root = str(self._project.root)
        if root not in sys.path:
            sys.path.insert(0, root)  # for data packages and extension modules, which are not ours to load

    def uninstall(self) -> None:
        """Forget the project: its modules leave `sys.modules`. Functions already loaded keep working."""
        if self in sys.meta_path:
            sys.meta_path.remove(self)
        for name in self.modules:
            sys.modules.pop(name, None)
        root = str(self._project.root)
        if root in sys.path:
            sys.path.remove(root)

    def sources(self) -> Sources:
        """All files imported so far, and those that functions will import later, which are read now and never again."""
        sources = Sources(self._project, self._loaded, self._triggered)
        self._late = sources.late
        return sources

    def loaded_modules(self) -> dict[str, ModuleType]:
        """By the files they came from."""
        return {path: sys.modules[name] for path, name in self._names.items() if name in sys.modules}

    def source_of(self, name: str, path: str) -> bytes:
        """What a module is compiled from. The loader asks."""
        source = self._loaded[path] = self._late.get(path) or read_source(self._project, path)
        self._names[path] = name
        self.modules.append(name)
        return source.text

    @contextmanager
    def importing(self, path: str) -> Iterator[None]:
        """While the module of this file runs."""
        if self._importing:
            self._triggered.setdefault(self._importing[-1], []).append(path)
        self._importing.append(path)
        try:
            yield
        finally:
            self._importing.pop()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Part of the import protocol: the spec of a project module, None for all others."""
        if not self._project.may_hold(fullname):
            return None
        for folder in [str(self._project.root)] if path is None else list(path):
            if path is not None and not self._project.owns(folder):
                continue
            spec = self._finder(folder).find_spec(fullname, target)
            if spec is None:
                continue
            if spec.loader is not None:
                return spec
            if fullname.partition(".")[0] == "functions":  # a folder without __init__.py; elsewhere Python decides
                found = ModuleSpec(fullname, None, is_package=True)
                found.submodule_search_locations = spec.submodule_search_locations
                self.modules.append(fullname)
                return found
        return None

    def invalidate_caches(self) -> None:
        """Part of the import protocol."""
        for finder in self._finders.values():
            finder.invalidate_caches()

    def _finder(self, folder: str) -> FileFinder:
        finder = self._finders.get(folder)
        if finder is None:

            def loader(fullname: str, path: str) -> _SourceLoader:
                return _SourceLoader(fullname, path, self)

            finder = self._finders[folder] = FileFinder(folder, (loader, [".py"]))  # type: ignore[arg-type]
        return finder


class _SourceLoader(SourceFileLoader):
    """Compiles the file it has read, and says which bytes those were."""

    def __init__(self, fullname: str, path: str, importer: ProjectImporter) -> None:
        super().__init__(fullname, path)
        self._importer = importer

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        code: CodeType = self.source_to_code(self._importer.source_of(fullname, path), path)
        return code

    def exec_module(self, module: ModuleType) -> None:
        with self._importer.importing(self.get_filename(module.__name__)):
            super().exec_module(module)
