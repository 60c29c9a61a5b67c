"""`api.d.ts`: the tree of modules with a typed `FunctionReference` at every leaf."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from codegen.type_text import TypeText, block, doc_comment, generic, member
from reactor.definitions.manifest import FunctionManifest


class _Branch:
    """A property of `api`: a module, a function, or both at once (`a.py` has a `b`, and there is `a/b.py`)."""

    __slots__ = ("children", "function")

    def __init__(self) -> None:
        self.children: dict[str, _Branch] = {}  # grows in place()
        self.function: FunctionManifest | None = None  # set in place(), once

    def place(self, function: FunctionManifest) -> None:
        """Hang a function below this root, at its path."""
        module, _, name = function.path.rpartition(":")
        branch = self
        for step in (*module.split("/"), name):
            branch = branch.children.setdefault(step, _Branch())
        branch.function = function


def api_declarations(functions: Iterable[FunctionManifest], types: TypeText) -> str:
    """The text of the file: `api` for clients, `internal` for everything they may not call."""
    public, internal = _Branch(), _Branch()
    for function in functions:
        (public if function.visibility == "public" else internal).place(function)
    body = (
        "/** What clients may call: `useQuery(api.module.function, args)`. */\n"
        f"export declare const api: {block(_members(public, types))};\n\n"
        "/** What only the server itself calls: clients are refused. */\n"
        f"export declare const internal: {block(_members(internal, types))};\n"
    )
    return _imports(body) + body


def _imports(body: str) -> str:
    server = ["FunctionReference", *(name for name in ("PaginationOptions", "PaginationResult") if name in body)]
    values = 'import type { GenericId } from "convex/values";\n' if "GenericId<" in body else ""
    return (
        f'import type {{ {", ".join(server)} }} from "convex/server";\n'
        f"{values}"
        'import type { Doc, Id } from "./dataModel.js";\n\n'
    )


def _members(branch: _Branch, types: TypeText) -> Sequence[str]:
    return [_member(name, child, types) for name, child in sorted(branch.children.items())]


def _member(name: str, branch: _Branch, types: TypeText) -> str:
    parts, comment = [], ""
    if branch.function is not None:
        parts.append(_reference(branch.function, types))
        comment = doc_comment(branch.function.doc)
    if branch.children:
        parts.append(block(_members(branch, types)))
    return comment + member(name, " & ".join(parts))


def _reference(function: FunctionManifest, types: TypeText) -> str:
    return generic(
        "FunctionReference",
        (
            json.dumps(function.kind),
            json.dumps(function.visibility),
            types.of(function.args),
            "any" if function.returns is None else types.of(function.returns),
        ),
    )
