"""Project: the folder that holds schema.py and functions/, and which files in it are the developer's.

Questions about paths and names only; importing is the loader's job. reactor itself and installed packages may lie below
the same folder (a virtual environment usually does); they are not the developer's.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import reactor
from reactor.errors import DefinitionError

_PACKAGE = Path(reactor.__file__).resolve().parent
DATA_MARK = ".data"  # in the folder of a deployed version
_OURS = ("reactor", "codegen")


class Project:
    """One project folder."""

    __slots__ = ("_foreign", "_owned", "_prefix", "root")

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self._prefix = f"{self.root}/"
        foreign = {_PACKAGE, _PACKAGE.parent / "codegen", Path(sys.prefix).resolve(), Path(sys.base_prefix).resolve()}
        self._foreign = tuple(f"{folder}/" for folder in foreign if f"{folder}/".startswith(self._prefix))
        self._owned: dict[str, bool] = {}  # answers of owns(), which every frame of every traceback asks for

    def owns(self, path: str) -> bool:
        """True for a file, or a folder, that the developer wrote."""
        known = self._owned.get(path)
        if known is None:
            known = self._owned[path] = (
                f"{path}/".startswith(self._prefix)
                and "/site-packages/" not in f"{path}/"
                and not f"{path}/".startswith(self._foreign)
            )
        return known

    def may_hold(self, module: str) -> bool:
        """False for modules that are ours even where reactor is developed inside the project folder."""
        return module.partition(".")[0] not in _OURS

    def relative(self, path: str) -> str:
        """The path as the developer would write it."""
        return path.removeprefix(self._prefix)

    def settings(self) -> dict[str, Any]:
        """`[tool.reactor]` of pyproject.toml; empty when there is none. Raises DefinitionError for a broken file."""
        file = self.root / "pyproject.toml"
        try:
            found = tomllib.loads(file.read_text(encoding="utf-8")).get("tool", {}).get("reactor", {})
        except FileNotFoundError:
            return {}
        except tomllib.TOMLDecodeError as error:
            raise DefinitionError(f"pyproject.toml: {error}.") from error
        return found if isinstance(found, dict) else {}

    @property
    def data_mark(self) -> str:
        """Names the data files that were deployed beside the code, which may read them; empty in a developer's folder."""
        try:
            return (self.root / DATA_MARK).read_text().strip()
        except OSError:
            return ""

    def function_modules(self) -> Iterator[tuple[str, Path]]:
        """Every module below functions/ that may define functions, by its name below `functions.`, in name order.

        Left out: what codegen wrote, files and folders starting with `_` or `.`, and tests.
        """
        folder = self.root / "functions"
        for path in sorted(folder.rglob("*.py")):
            parts = path.relative_to(folder).with_suffix("").parts
            if any(part.startswith(("_", ".")) or part == "node_modules" for part in parts):
                continue
            if parts[-1].startswith("test_") or parts[-1] == "conftest":
                continue
            yield ".".join(parts), path
