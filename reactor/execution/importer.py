"""ProjectImporter: how modules of a project are found and compiled, and a record of what was compiled.

Sources are compiled anew and .pyc files neither read nor written: their freshness is judged by whole seconds, and a save
within one would go unseen. What was compiled is what is hashed, even if the file is saved again meanwhile (engine D6).

The importer stays on `sys.meta_path` so that imports inside functions find the same files; they are recorded too.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import FileFinder, ModuleSpec, SourceFileLoader
from types import CodeType, ModuleType

from reactor.execution.late_imports import late_files
from reactor.execution.project import Project


class ProjectImporter(MetaPathFinder):
    """The finder for one project. `install` it before the first import of user code."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._finders: dict[str, FileFinder] = {}  # folder → its finder
        self._digests: dict[str, bytes] = {}  # file → digest of the source compiled; grows with every import
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

    def hash(self, mark: str = "") -> str:
        """Names all sources compiled so far, and those functions will import later: 32 hexadecimal digits.

        `mark` names what else the code depends on.
        """
        late = late_files(self._project, self._digests)
        digests = {path: _digest(source) for path, source in late.items()} | self._digests
        hasher = hashlib.blake2b(digest_size=16)
        for path, digest in sorted(digests.items()):
            hasher.update(f"{self._project.relative(path)}\0".encode() + digest)
        if mark:
            hasher.update(f"\0{mark}".encode())
        return hasher.hexdigest()

    def record(self, name: str, path: str, source: bytes) -> None:
        """A module was compiled from this source. The loader calls it."""
        self._digests[path] = _digest(source)
        self.modules.append(name)

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


def _digest(source: bytes) -> bytes:
    return hashlib.blake2b(source, digest_size=16).digest()


class _SourceLoader(SourceFileLoader):
    """Compiles the file it has read, and says which bytes those were."""

    def __init__(self, fullname: str, path: str, importer: ProjectImporter) -> None:
        super().__init__(fullname, path)
        self._importer = importer

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        source = self.get_data(path)
        self._importer.record(fullname, path, source)
        code: CodeType = self.source_to_code(source, path)
        return code
