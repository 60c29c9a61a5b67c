"""Source: one file of a project, and what can be told of it without running it: what it imports, what its import does.

Pure: bytes in, facts out. What is told errs on one side only: an import that never happens is told, one hidden from the
reader makes the file *elusive*, an effect that may not exist makes it *acting* (see code_parts for what follows).
"""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

_ELUSIVE = re.compile(
    rb"\b(?:import_module|__import__|sys\.modules|pkgutil|runpy|importlib\.util|walk_packages|__subclasses__)\b"
)
_GLOBAL = re.compile(rb"^[ \t]+global[ \t]", re.MULTILINE)


class Import(NamedTuple):
    """One name in an import statement, its module absolute."""

    module: str  # "functions.users"
    name: str | None  # what is taken from the module: a name or "*"; None when the module itself is imported
    bound: str  # the name it has in the file afterwards


@dataclass(frozen=True, eq=False)
class Source:
    """A file as it was read."""

    package: str  # of the module it is, dotted: what relative imports start from
    text: bytes

    @cached_property
    def digest(self) -> bytes:
        """Names the bytes."""
        return hashlib.blake2b(self.text, digest_size=16).digest()

    @property
    def assigns_globals(self) -> bool:
        """Whether a function of it may."""
        return _GLOBAL.search(self.text) is not None

    @property
    def elusive(self) -> bool:
        """Whether it may import, or find, what no import statement of its own names."""
        return _ELUSIVE.search(self.text) is not None or not self._facts.all_read

    @property
    def imports(self) -> tuple[Import, ...]:
        """Those of every import statement, wherever it stands, except for type checkers only."""
        return self._facts.imports

    @property
    def effects(self) -> Effects:
        """What importing it may do to others."""
        return self._facts.effects

    @cached_property
    def _facts(self) -> _Facts:
        """Both at once: the tree they are read from is too large to be kept."""
        try:
            return self._read(ast.parse(self.text))
        except (SyntaxError, ValueError):  # whoever imports it will say so
            return _Facts((), Effects(acts=False, calls=frozenset()), all_read=True)
        except (RecursionError, MemoryError):  # nested too deep for us: it may do anything
            return _Facts((), Effects(acts=True, calls=frozenset()), all_read=False)

    def _read(self, tree: ast.Module) -> _Facts:
        imports = tuple(self._imports(tree))
        imported: dict[str, set[str]] = {}
        for each in imports:
            target = each.module if each.name is None else f"{each.module}.{each.name}"
            imported.setdefault(each.bound, set()).add(target)
        return _Facts(imports, _Reading(tree, imported).effects, all_read=True)

    def _imports(self, node: ast.AST) -> Iterator[Import]:
        match node:
            case ast.Import(names=names):
                for each in names:
                    yield Import(each.name, None, each.asname or each.name.partition(".")[0])
            case ast.ImportFrom(module=module, names=names, level=level):
                absolute = self._absolute(module or "", level)
                for each in names:
                    yield Import(absolute, each.name, each.asname or each.name)
            case ast.If(test=ast.Name(id="TYPE_CHECKING") | ast.Attribute(attr="TYPE_CHECKING"), orelse=orelse):
                for other in orelse:
                    yield from self._imports(other)
            case ast.expr():
                return
            case _:
                for child in ast.iter_child_nodes(node):
                    yield from self._imports(child)

    def _absolute(self, module: str, level: int) -> str:
        if not level:
            return module
        parts = self.package.split(".")
        base = ".".join(parts[: len(parts) - level + 1])
        return f"{base}.{module}" if module and base else base or module


class Effects(NamedTuple):
    """What importing a file may do beyond defining its own names."""

    acts: bool  # it does something for its effect alone, and not to an object of its own
    calls: frozenset[str]  # dotted names of imported things that it calls, decorates with or derives from


class _Facts(NamedTuple):
    imports: tuple[Import, ...]
    effects: Effects
    all_read: bool


_Defined = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


class _Reading:
    """Reads what runs when a module is imported: its own statements, and functions of its own that they call."""

    def __init__(self, tree: ast.Module, imported: Mapping[str, set[str]]) -> None:
        self._imported = imported
        self._functions = {each.name: each for each in tree.body if isinstance(each, _Defined)}
        self._entered: set[str] = set()
        self._acts = False
        self._calls: set[str] = set()
        self._block(tree.body, _made_by(tree.body))

    @property
    def effects(self) -> Effects:
        return Effects(self._acts, frozenset(self._calls))

    def _block(self, body: Iterable[ast.stmt], own: frozenset[str]) -> None:
        for statement in body:
            self._statement(statement, own)

    def _statement(self, statement: ast.stmt, own: frozenset[str]) -> None:
        match statement:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                self._called(statement.decorator_list)
                self._values([*statement.decorator_list, statement.args])
            case ast.ClassDef(body=body, bases=bases, keywords=keywords, decorator_list=decorators):
                metaclasses = [each.value for each in keywords]
                self._called([*decorators, *bases, *metaclasses])
                self._values([*decorators, *bases, *metaclasses])
                self._block(body, own | _made_by(body))
            case ast.Expr(value=ast.Call(func=called) as call):
                self._acts = self._acts or _root(called) not in own
                self._values([call])
            case ast.Expr(value=value):
                self._acts = self._acts or any(isinstance(part, ast.Call) for part in ast.walk(value))
                self._values([value])
            case ast.If(test=ast.Compare(left=ast.Name(id="__name__"))):
                pass  # for running the file as a script
            case ast.Assign(targets=targets):
                self._stores(targets, own)
                self._values([statement.value])
            case ast.AnnAssign(target=target, value=value):
                self._stores([target], own)
                self._values([] if value is None else [value])
            case ast.AugAssign(target=target, value=value):
                self._acts = self._acts or _root(target) not in own
                self._values([value])
            case ast.Delete(targets=targets):
                self._stores(targets, own)
            case ast.Global() | ast.Nonlocal():
                self._acts = True
            case _:
                for child in ast.iter_child_nodes(statement):
                    self._part(child, own)

    def _part(self, node: ast.AST, own: frozenset[str]) -> None:
        """A part of an `if`, `for`, `with`, `try` or `match`."""
        if isinstance(node, ast.stmt):
            self._statement(node, own)
        elif isinstance(node, ast.ExceptHandler | ast.match_case):
            self._block(node.body, own)
        else:
            self._stores([node], own)  # `for shared.x in …`, `with … as shared.x`
            self._values([node])

    def _stores(self, targets: Iterable[ast.AST], own: frozenset[str]) -> None:
        for target in targets:
            for part in ast.walk(target):
                if isinstance(part, ast.Attribute | ast.Subscript) and not isinstance(part.ctx, ast.Load):
                    self._acts = self._acts or _root(part) not in own

    def _values(self, nodes: Iterable[ast.AST]) -> None:
        """Calls anywhere in expressions. What a lambda would do is not done now, but tells no lie either."""
        for node in nodes:
            self._called(part.func for part in ast.walk(node) if isinstance(part, ast.Call))

    def _called(self, functions: Iterable[ast.expr]) -> None:
        for function in functions:
            root = _root(function)
            if root in self._imported:
                self._calls |= self._imported[root]
            elif root in self._functions:
                self._enter(root)
            elif root in _SETTERS:  # `_ = setattr(shared, …)`
                self._acts = True
            else:
                self._calls |= self._imported.get("*", set())  # it may have come with one of those

    def _enter(self, name: str) -> None:
        """A function of the module's own runs while it is imported: everything imported that it names may be called."""
        if name in self._entered:
            return
        self._entered.add(name)
        definition = self._functions[name]
        inside = definition.body if isinstance(definition, ast.ClassDef) else [definition]
        for function in inside:
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                self._run(function)

    def _run(self, function: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        given = {each.arg for each in ast.walk(function.args) if isinstance(each, ast.arg)}
        self._block(function.body, frozenset(given) | _made_by(function.body))
        for part in ast.walk(function):
            if isinstance(part, ast.Name) and part.id in self._imported:
                self._calls |= self._imported[part.id]


def _made_by(body: Iterable[ast.stmt]) -> frozenset[str]:
    """Names the statements bind to something made here: not imported, and not another name for what was."""
    made: set[str] = set()
    for statement in body:
        match statement:
            case ast.Assign(targets=targets, value=value) if not isinstance(value, _OTHER_NAMES):
                made.update(target.id for target in targets if isinstance(target, ast.Name))
            case ast.AnnAssign(target=ast.Name(id=name), value=value) if not isinstance(value, _OTHER_NAMES):
                made.add(name)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                made.add(name)
            case _:
                pass
    return frozenset(made)


_SETTERS = ("setattr", "delattr", "exec", "eval")
_OTHER_NAMES = ast.Name | ast.Attribute | ast.Subscript


def _root(expression: ast.expr) -> str:
    """The name an expression starts from: `a` of `a.b(c)["d"]`. Empty when it starts from none."""
    while True:
        match expression:
            case ast.Attribute(value=inner) | ast.Subscript(value=inner) | ast.Call(func=inner):
                expression = inner
            case ast.Name(id=name):
                return name
            case _:
                return ""
