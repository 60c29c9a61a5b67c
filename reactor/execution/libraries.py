"""Libraries a project imports, imported ahead of the next reload: most of what an import costs is theirs (engine B3).

Only what is installed, or Python's own: everything else may be worked on. They find the environment they would find
when the project imported them, and what they ask for there is remembered as the project's asking.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from collections.abc import Iterable
from pathlib import Path

from reactor.execution import capture, determinism
from reactor.execution.code_parts import Sources
from reactor.execution.environment import Noted, imported
from reactor.execution.environment import install as install_environment

_OURS = ("reactor", "codegen", "schema", "functions")


def libraries_of(sources: Sources) -> list[str]:
    """Modules that the import statements of a loaded project name, and that can be imported without it."""
    named = {
        name
        for source in sources.files.values()
        for each in source.imports
        for name in (each.module, f"{each.module}.{each.name}")
    }
    return sorted(name for name in named if name.partition(".")[0] not in _OURS and _is_installed(name))


def import_libraries(names: Iterable[str], environment: Noted) -> None:
    """Import them, guards first. What does not import is left for the project to complain of."""
    determinism.install()
    capture.install()
    install_environment()
    with imported(environment):
        for name in names:
            with contextlib.suppress(BaseException):  # whatever they raise
                importlib.import_module(name)


def forget_shadowed(names: Iterable[str], root: Path) -> None:
    """Where the project has a file of a library's name by now, that one is meant."""
    for top in {name.partition(".")[0] for name in names}:
        if (root / top).exists() or (root / f"{top}.py").exists():
            for loaded in [name for name in sys.modules if name == top or name.startswith(f"{top}.")]:
                del sys.modules[loaded]


_PYTHON = f"{Path(os.__file__).parent}{os.sep}"


def _is_installed(name: str) -> bool:
    file = getattr(sys.modules.get(name), "__file__", None)
    return isinstance(file, str) and (
        "/site-packages/" in file or "/dist-packages/" in file or file.startswith(_PYTHON)
    )
