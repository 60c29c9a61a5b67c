"""The loader: imports schema.py and functions/ of a project and gives a Bundle, or says what is broken in them.

Both may be missing. Whatever user code raises while it is imported, SystemExit included, becomes BundleBroken with the
traceback a developer wants: without our own frames, and with a sentence where Python's message does not say what to do.
"""

from __future__ import annotations

import importlib
import linecache
import re
import traceback
from pathlib import Path
from types import ModuleType, TracebackType

from reactor.definitions.schema import Schema
from reactor.definitions.wire_schema import Names
from reactor.errors import BundleBroken, DefinitionError
from reactor.execution import capture, determinism
from reactor.execution.bundle import Bundle, bundle_of
from reactor.execution.environment import Noted, imported
from reactor.execution.environment import install as install_environment
from reactor.execution.importer import ProjectImporter
from reactor.execution.project import Project
from reactor.execution.vector_library import prepare_vectors
from reactor.values.names import wire_name

_CIRCLE = re.compile(r"cannot import name '(\w+)' from (?:partially initialized module )?'([\w.]+)'.*circular import")
_HALF = re.compile(r"partially initialized module '([\w.]+)' has no attribute '(\w+)'.*circular import")


def load_bundle(root: Path, environment: Noted | None = None) -> Bundle:
    """Import the project in this process, guards first. Raises BundleBroken.

    `environment` is what the code finds in `os.environ` meanwhile.

    The project's modules stay importable until another project is loaded or `bundle.unload()` is called.
    """
    determinism.install()
    capture.install()
    install_environment()
    environment = environment or Noted({}, {})
    project = Project(root)
    importer = ProjectImporter(project)
    importer.install()
    try:
        names = _names(project)
        with imported(environment):
            schema_module = _import("schema") if (project.root / "schema.py").exists() else None
            modules = {name: _import(f"functions.{name}") for name, _path in project.function_modules()}
        schema = Schema.from_module(schema_module, names)
        prepare_vectors(schema)
        return bundle_of(project, importer, schema, modules, names, environment)
    except KeyboardInterrupt:
        importer.uninstall()
        raise
    except BaseException as error:  # whatever user code raises is the developer's to see
        importer.uninstall()
        raise BundleBroken(describe(error)) from error


def _names(project: Project) -> Names:
    """The rule for names on the wire: `wire_names` in [tool.reactor] of pyproject.toml."""
    settings = project.settings()
    match settings.get("wire_names", "camelCase"):
        case "camelCase":
            return wire_name
        case "as_written":
            return str
        case other:
            raise DefinitionError(
                f'pyproject.toml: wire_names = {other!r} is unknown. Use "camelCase" or "as_written".'
            )


def _import(name: str) -> ModuleType:
    """Import one module by its name; names that no import statement could spell are refused."""
    for part in name.split("."):
        if not part.isidentifier():
            raise DefinitionError(
                f"{name.replace('.', '/')}.py: `{part}` is no Python name, so nothing can import it. Use letters, "
                "digits and underscores."
            )
    return importlib.import_module(name)


def describe(error: BaseException) -> str:
    """The traceback for the developer's terminal: user code and libraries, not us, and a hint where we have one."""
    linecache.checkcache()
    frames = _without_ours(error.__traceback__)
    chain = traceback.TracebackException(type(error), error, frames, compact=True)
    cause: traceback.TracebackException | None = chain
    while cause is not None:
        cause.stack = traceback.StackSummary.from_list([frame for frame in cause.stack if not _is_ours(frame.filename)])
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    # A DefinitionError without a frame of user code names the place in its sentence: a traceback of nothing hides it.
    bare = isinstance(error, DefinitionError) and not chain.stack
    text = f"{error}\n" if bare else "".join(chain.format())
    hint = _hint(error)
    return f"{text}{hint}\n" if hint else text


def _without_ours(trace: TracebackType | None) -> TracebackType | None:
    """The traceback from the first frame that is not ours: the import machinery that we started is of no interest."""
    while trace is not None and _is_ours(trace.tb_frame.f_code.co_filename):
        trace = trace.tb_next
    return trace


_OURS = str(Path(__file__).resolve().parents[1]) + "/"


def _is_ours(filename: str) -> bool:
    return filename.startswith((_OURS, "<frozen importlib")) or "/importlib/__init__.py" in filename


def _hint(error: BaseException) -> str | None:
    text = str(error)
    if isinstance(error, ImportError) and (match := _CIRCLE.search(text)):
        name, module = match.groups()
    elif isinstance(error, AttributeError) and (match := _HALF.search(text)):
        module, name = match.groups()
    else:
        return None
    package, _, last = module.rpartition(".")
    statement = f"from {package} import {last}" if package else f"import {last}"
    where = module.replace(".", "/")
    return (
        f"{where}.py and this file import each other. Import the module, not a name from it: `{statement}`, and write "
        f"`{last}.{name}` where it is used (inside functions, not while the file is being imported)."
    )
