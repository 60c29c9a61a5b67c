"""A typed client for Python programs: one module over the PyPI package `convex`.

    client = Client("http://127.0.0.1:3210")
    user = client.query(users.get_current_user)          # a User | None
    client.mutation(chat.send, room="lobby", text="hi")  # arguments by their Python names, checked by any type checker

Functions are found as they are in functions/: `a/b.py` is `a.b`. Internal ones are left out: clients cannot call them.
"""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path

from codegen.python_types import PAGINATION, RESERVED, PythonTypes, pascal
from reactor.definitions.manifest import FunctionManifest, Manifest
from reactor.values.validator import ObjectV

TITLE = '"""The server\'s functions, typed. Written by reactor '  # by which a file of ours is known
HEADER = f'''{TITLE}from schema.py and functions/: edit those, not this file."""

# ruff: noqa
'''
_WIDTH = 110
# Read, not imported: it needs `convex`, which is its users' to have.
_RUNTIME = Path(__file__).with_name("python_runtime.py").read_text(encoding="utf-8").partition("# ── begin ──\n")[2]


def render(manifest: Manifest) -> str:
    """The text of the module. The same Manifest always gives the same text."""
    functions = sorted((f for f in manifest.functions if f.visibility == "public"), key=lambda f: f.python_path)
    types = PythonTypes({}, set(RESERVED | _names_of_the_runtime() | set(PAGINATION)))
    modules = {top: types.name(top) for top in sorted({_steps(function)[0] for function in functions})}
    tables = sorted(manifest.tables, key=lambda table: table.name)
    types.tables = {table.name: types.name(table.python_name or pascal(table.name)) for table in tables}
    for table in tables:
        types.table(table.document, table.name, doc=f"A document of the table {table.name}.")
    signatures = [_signature(function, types) for function in functions]
    body = "\n\n".join(
        [
            *(text for text in types.declarations.values() if text),
            *signatures,
            *_classes(functions, modules),
        ]
    )
    ids = "".join(f'{name} = NewType("{name}", str)\n' for name in sorted(set(types.ids.values()) - {"str"}))
    return HEADER + _imports(ids + body) + _RUNTIME + "\n\n" + (f"{ids}\n\n" if ids else "") + body


def _names_of_the_runtime() -> set[str]:
    declared = {node.name for node in ast.parse(_RUNTIME).body if isinstance(node, ast.ClassDef | ast.FunctionDef)}
    return declared | {"UNSENT", "ConvexClient", "ConvexHttpClient", "ConvexInt64", "QuerySubscription"}


def _imports(body: str) -> str:
    """All that the runtime uses, and what the rest uses beside it."""

    def used(*names: str) -> list[str]:
        return [name for name in names if re.search(rf"\b{name}\b", body)]

    abc = ["Callable", *used("Mapping", "Sequence")]
    typing = ["Any", "Generic", "ParamSpec", "Self", "TypeVar"]
    typing += used("Literal", "Never", "NewType", "NotRequired", "TypedDict")
    convex = ["ConvexClient", *used("ConvexInt64"), "QuerySubscription"]
    page = '_T = TypeVar("_T")\n' if "Generic[_T]" in body else ""
    return (
        "\nfrom __future__ import annotations\n\nimport asyncio\nimport inspect\n"
        f"from collections.abc import {', '.join(abc)}\n"
        f"from typing import {', '.join(sorted(typing))}\n\n"
        f"from convex import {', '.join(convex)}\nfrom convex.http_client import ConvexHttpClient\n\n{page}"
    )


# ── functions ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _steps(function: FunctionManifest) -> list[str]:
    module, _, name = function.python_path.rpartition(":")
    return [*module.split("/"), name]


def _private(function: FunctionManifest) -> str:
    """What its reference is called at the top of the module, where no name of a function hides a type."""
    return "_" + "__".join(_steps(function))


def _signature(function: FunctionManifest, types: PythonTypes) -> str:
    name = "".join(map(pascal, _steps(function)))
    parameters, renamed = _parameters(function, types, name)
    returns = "Any" if function.returns is None else types.of(function.returns, f"{name}Result")
    marks = "".join(f', {ours}="{theirs}"' for ours, theirs in renamed)
    head = f"def {_private(function)}({', '.join(parameters)}) -> {returns}:"
    if len(head) > _WIDTH:
        lines = "".join(f"    {parameter},\n" for parameter in parameters)
        head = f"def {_private(function)}(\n{lines}) -> {returns}:"
    return f'@declare_{function.kind}("{function.path}"{marks})\n{head}\n{_doc(function.doc)}    raise NotImplementedError\n'


def _parameters(
    function: FunctionManifest, types: PythonTypes, name: str
) -> tuple[Sequence[str], Sequence[tuple[str, str]]]:
    """Parameters as they are written, and those whose name on the wire is another: (ours, theirs)."""
    if not isinstance(function.args, ObjectV):
        return ("**args: Any",), ()
    fields = function.args.fields
    ours = function.parameters if len(function.parameters) == len(fields) else [each.name for each in fields]
    parameters = []
    for python_name, each in zip(ours, fields, strict=True):
        text = types.of(each.validator, name + pascal(python_name), argument=True)
        if each.optional:
            # Where null is a value of its own, leaving out is another thing; elsewhere None leaves out.
            nullable = text == "Any" or text.endswith("None")
            parameters.append(f"{python_name}: {text} = UNSENT" if nullable else f"{python_name}: {text} | None = None")
        else:
            parameters.append(f"{python_name}: {text}")
    renamed = [(mine, each.name) for mine, each in zip(ours, fields, strict=True) if mine != each.name]
    return (["*", *parameters] if parameters else ()), renamed


def _doc(text: str) -> str:
    if not text.strip():
        return ""
    lines = text.strip().replace("\\", "\\\\").replace('"""', '\\"\\"\\"').splitlines()
    if len(lines) == 1:
        return f'    """{lines[0]}{" " if lines[0].endswith(chr(34)) else ""}"""\n\n'
    body = "\n".join(f"    {line}".rstrip() for line in lines[1:])
    return f'    """{lines[0]}\n{body}\n    """\n\n'


# ── modules ───────────────────────────────────────────────────────────────────────────────────────────────────────────


class _Branch:
    """A module, or a folder of modules, or both."""

    def __init__(self) -> None:
        self.children: dict[str, _Branch] = {}  # modules and folders below
        self.functions: dict[str, FunctionManifest] = {}


def _classes(functions: Iterable[FunctionManifest], modules: dict[str, str]) -> list[str]:
    root = _Branch()
    for function in functions:
        *path, name = _steps(function)
        branch = root
        for step in path:
            branch = branch.children.setdefault(step, _Branch())
        branch.functions[name] = function
    return [_class(modules[name], name, branch) for name, branch in sorted(root.children.items())]


def _class(name: str, path: str, branch: _Branch) -> str:
    parts = [f"    {name} = {_private(function)}\n" for name, function in branch.functions.items()]
    for step, child in sorted(branch.children.items()):
        inner = f"{step}_" if step in branch.functions else step  # a.py has a function `b`, and there is a/b.py
        text = _class(inner, f"{path}/{step}", child)
        parts.append("\n" * bool(parts) + textwrap.indent(text, "    "))
    return f'class {name}:\n    """functions/{path}"""\n\n{"".join(parts)}'
