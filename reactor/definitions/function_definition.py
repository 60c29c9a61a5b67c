"""FunctionDefinition: a function as clients and other functions call it: its paths, its arguments, its result."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_core import core_schema

from reactor.definitions.function import Function
from reactor.definitions.kinds import Kind, Visibility
from reactor.definitions.manifest import FunctionManifest
from reactor.definitions.shape import Shape, finished_schema, plain_value
from reactor.definitions.unset import UNSET
from reactor.definitions.wire_schema import ARGUMENTS, Names, WireWalk
from reactor.errors import ArgumentValidationError, DefinitionError
from reactor.values.names import is_identifier, wire_name
from reactor.values.validator import TableOfId, Validator
from reactor.values.value import Value, decode


def function_paths(module: str, name: str, names: Names = wire_name) -> tuple[str, str]:
    """The wire path and the Python path of a function.

    `module` is the dotted module path under `functions/`: `"test.generation_actions"`, `"run_all"` gives
    `"test/generationActions:runAll"` and `"test/generation_actions:run_all"`.
    """
    parts = module.split(".")
    return f"{'/'.join(map(names, parts))}:{names(name)}", f"{'/'.join(parts)}:{name}"


class FunctionDefinition:
    """One function of a bundle. Make it with `FunctionDefinition.of`, when everything is imported."""

    __slots__ = (
        "_arguments", "_names", "_result", "_signature", "_wire_names", "args", "fn", "function", "kind", "module",
        "path", "python_path", "returns", "visibility",
    )  # fmt: skip

    def __init__(
        self, function: Function[..., Any], path: str, python_path: str, names: Names, namespace: Mapping[str, Any]
    ) -> None:
        self.function = function
        self.fn = function.fn
        self.kind: Kind = function.kind
        self.visibility: Visibility = function.visibility
        self.path = path
        self.python_path = python_path
        self.module = python_path.rpartition(":")[0].replace("/", ".")  # the dotted path under `functions/`
        self._names = names
        self._signature = _signature(function.fn, python_path)
        self._wire_names = {name: names(name) for name in self._signature.parameters}
        self._arguments = _arguments_shape(self._signature, python_path, names, namespace)
        self.args: Validator = self._arguments.validator
        annotation = self._signature.return_annotation
        is_declared = annotation is not inspect.Signature.empty
        self._result = Shape.of(
            annotation if is_declared else Any, f"{python_path}, result", names=names, namespace=namespace
        )
        self.returns: Validator | None = self._result.validator if is_declared else None

    @classmethod
    def of(cls, function: Function[..., Any], module: str, name: str, names: Names = wire_name) -> FunctionDefinition:
        """The definition of the record `name` in the module `functions.<module>`.

        Raises DefinitionError, with the path to the place, for what has no wire form.
        """
        if not is_identifier(name) or name.startswith("_"):
            raise DefinitionError(f"{module}.{name}: a function is named with letters, digits and `_`, `_` not first.")
        path, python_path = function_paths(module, name, names)
        return cls(function, path, python_path, names, getattr(inspect.unwrap(function.fn), "__globals__", {}))

    def __repr__(self) -> str:
        return f"<{self.visibility} {self.kind} {self.path}>"

    @property
    def manifest(self) -> FunctionManifest:
        """What others may know of it."""
        doc = inspect.cleandoc(self.fn.__doc__ or "")
        return FunctionManifest(
            self.path,
            self.python_path,
            self.kind,
            self.visibility,
            self.args,
            self.returns,
            doc,
            self.function.concurrency,
            tuple(self._signature.parameters),
        )

    def bind(self, args: dict[str, Value], table_of_id: TableOfId | None = None) -> dict[str, Any]:
        """Keyword arguments for `fn`. What was not sent is left to Python's defaults.

        Ids are checked against their table when `table_of_id` is given. Raises ArgumentValidationError with the text
        of reference §4.3.
        """
        return self._arguments.from_wire(args, table_of_id)  # type: ignore[no-any-return]

    def encode_args(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], table_of_id: TableOfId | None = None
    ) -> dict[str, Value]:
        """The wire form of a call written in Python, as `ctx.run_query(fn, …)` and the scheduler get it. UNSET is left out.

        Raises ArgumentValidationError.
        """
        try:
            bound = self._signature.bind(*args, **kwargs).arguments
        except TypeError as error:
            raise ArgumentValidationError(f"{self.python_path}: {error}.") from None
        given = {name: value for name, value in bound.items() if value is not UNSET}
        return self._arguments.to_value(given, table_of_id)  # type: ignore[return-value]

    def encode_result(self, obj: Any) -> bytes:
        """The encoded JSON of what `fn` returned. Raises ReturnsValidationError when it is not what was declared."""
        return self._result.encode(obj)

    def decode_result(self, data: bytes) -> Any:
        """What a calling function gets of an encoded result: documents, models, datetimes, as the function returned them."""
        return self._result.from_wire(decode(data))


def by_path(definitions: Iterable[FunctionDefinition]) -> dict[str, FunctionDefinition]:
    """The definitions by both forms of their paths. DefinitionError when two would answer to one."""
    found: dict[str, FunctionDefinition] = {}
    for definition in definitions:
        for path in {definition.path, definition.python_path}:
            other = found.setdefault(path, definition)
            if other is not definition:
                raise DefinitionError(
                    f"`{other.python_path}` and `{definition.python_path}` are both `{path}` on the wire. Rename one."
                )
    return found


def _signature(fn: Any, where: str) -> inspect.Signature:
    """The parameters after ctx, and the return annotation."""
    try:
        signature = inspect.signature(fn, eval_str=True)
    except NameError as error:
        raise DefinitionError(
            f"{where}: `{error.name}` in an annotation is not defined. Import or declare it."
        ) from error
    parameters = list(signature.parameters.values())
    if not parameters or parameters[0].kind not in (parameters[0].POSITIONAL_ONLY, parameters[0].POSITIONAL_OR_KEYWORD):
        raise DefinitionError(f"{where}: the first parameter is the context: write `def {fn.__name__}(ctx, …)`.")
    for parameter in parameters[1:]:
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise DefinitionError(
                f"{where}: `*{parameter.name}` says nothing about the arguments. Name them; "
                "a wrapper that injects arguments must set `__signature__`."
            )
        if parameter.kind is parameter.POSITIONAL_ONLY:
            raise DefinitionError(f"{where}: `{parameter.name}` is positional-only, but arguments are sent by name.")
        if isinstance(parameter.default, FieldInfo):
            raise DefinitionError(
                f"{where}: write `{parameter.name}: Annotated[T, Field(…)] = default`: "
                "a Field as default would be what Python callers get."
            )
    return signature.replace(parameters=parameters[1:])


def _arguments_shape(signature: inspect.Signature, where: str, names: Names, namespace: Mapping[str, Any]) -> Shape:
    fields: dict[str, core_schema.TypedDictField] = {}
    definitions: dict[str, Any] = {}
    for name, parameter in signature.parameters.items():
        annotation = Any if parameter.annotation is parameter.empty else parameter.annotation
        schema = finished_schema(annotation, f"{where}, argument `{name}`", namespace)
        if schema["type"] == "definitions":
            definitions |= {each["ref"]: each for each in schema["definitions"]}
            schema = schema["schema"]
        has_default = parameter.default is not parameter.empty
        if has_default:
            schema = core_schema.with_default_schema(schema, default=parameter.default)
        fields[name] = core_schema.typed_dict_field(schema, required=not has_default, metadata={ARGUMENTS: True})
    whole = core_schema.definitions_schema(core_schema.typed_dict_schema(fields), list(definitions.values()))
    walk = WireWalk(
        where=where, names=names, use="argument", namespace=namespace, plain=partial(plain_value, names=names)
    )
    return Shape(walk.form(whole), error=ArgumentValidationError)
