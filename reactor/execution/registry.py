"""FunctionRegistry: the functions of a bundle, found by any spelling of their paths (reference §4.1, §4.2).

`dir/mod:fn`, `dir/mod.js:fn`, and for a function called `default` also plain `dir/mod`; each part as it is written in
Python or as it is named on the wire.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from reactor.definitions.function_definition import FunctionDefinition, by_path
from reactor.definitions.kinds import Kind
from reactor.definitions.mismatch import did_you_mean
from reactor.errors import FunctionNotFound, WrongFunctionKind
from reactor.execution.spellings import spellings

_DEFAULT = ":default"


class FunctionRegistry:
    """All functions of one bundle. Immutable."""

    __slots__ = ("_by_function", "_by_spelling", "_definitions")

    def __init__(self, definitions: Iterable[FunctionDefinition]) -> None:
        """DefinitionError when two functions would answer to one path."""
        self._definitions = tuple(sorted(definitions, key=lambda definition: definition.path))
        self._by_spelling = dict(by_path(self._definitions))
        for definition in self._definitions:
            for spelling in spellings(definition.path, definition.python_path):
                self._by_spelling.setdefault(spelling, definition)
        self._by_function = {id(definition.function): definition for definition in self._definitions}

    def __iter__(self) -> Iterator[FunctionDefinition]:
        """In the order of their paths."""
        return iter(self._definitions)

    def find(self, path: str, kind: Kind, *, internal: bool) -> FunctionDefinition:
        """The function that the path names, if this caller may call it as this kind.

        `internal` callers may call every function. To all others an internal one is as unknown as one that is not
        there. Raises FunctionNotFound and WrongFunctionKind.
        """
        definition = self._by_spelling.get(path)
        if definition is None or (definition.visibility == "internal" and not internal):
            raise self._unknown(path, internal=internal)
        if definition.kind != kind:
            raise WrongFunctionKind(
                f"Trying to execute {wire_path(definition)} as {kind.capitalize()}, "
                f"but it is defined as {definition.kind.capitalize()}."
            )
        return definition

    def look_up(self, path: str) -> FunctionDefinition | None:
        """The function that the path names, whoever asks."""
        return self._by_spelling.get(path)

    def of(self, function: object) -> FunctionDefinition:
        """The function that user code names: by the decorated object, or by a path. Raises FunctionNotFound."""
        if isinstance(function, str):
            definition = self._by_spelling.get(function)
            if definition is None:
                raise self._unknown(function, internal=True)
            return definition
        definition = self._by_function.get(id(function))
        if definition is None:
            raise FunctionNotFound(
                f"{function!r} is no function of this project: name a decorated function of a module in functions/, "
                'by itself or by its path ("module:function").'
            )
        return definition

    def _unknown(self, path: str, *, internal: bool) -> FunctionNotFound:
        shown = shown_path(path)
        if not internal:
            return FunctionNotFound(f"Could not find public function for '{shown}'.")
        advice = did_you_mean(shown, [definition.path for definition in self._definitions])
        advice = advice if advice.startswith(" Did") else ""  # the list of all of them helps nobody
        return FunctionNotFound(f"Could not find function for '{shown}'.{advice} Did you forget to run `reactor dev`?")


def wire_path(definition: FunctionDefinition) -> str:
    """The official long form, `dir/mod.js:fn`, as jobs keep it."""
    module, _, name = definition.path.rpartition(":")
    return f"{module}.js:{name}"


def shown_path(path: str) -> str:
    """The short form for people, of whatever spelling."""
    module, colon, name = path.rpartition(":")
    if not colon:
        return path.removesuffix(".js")
    module = module.removesuffix(".js")
    return module if name == "default" else f"{module}:{name}"
