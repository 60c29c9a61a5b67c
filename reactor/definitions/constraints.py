"""What a field demands beyond its Validator: bounds, patterns, validators of the developer's own.

A Validator has no words for these, so they are kept as text, only to be compared: if a push leaves the text of a field
as it was, its documents need not be looked at for their sake.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

_BOUNDS = (
    "allow_inf_nan",
    "fail_fast",
    "ge",
    "gt",
    "le",
    "lt",
    "max_length",
    "min_length",
    "multiple_of",
    "now_op",
    "pattern",
    "strip_whitespace",
    "to_lower",
    "to_upper",
)
_NAMED = (
    "int",
    "datetime",
    "function-after",
    "function-before",
    "function-wrap",
    "chain",
)  # narrower than they are told
_INNER = ("schema", "items_schema", "keys_schema", "values_schema", "steps", "choices", "fields")
_FREEING = "bounds:"  # marks that may go without anybody noticing


def constraints_of(schema: Any, definitions: Mapping[str, Any]) -> str:
    """The text for one field's pydantic schema; "" when its Validator says all. `definitions` resolve references."""
    marks = list(_marks(schema, definitions, "", frozenset(), nested=False))
    return "\n".join(marks)


def are_wider(old: str, new: str) -> bool:
    """Whether everything that met `old` meets `new`."""
    return old == new or (new == "" and all(mark.startswith(_FREEING) for mark in old.split("\n")))


def _marks(
    schema: Any, definitions: Mapping[str, Any], path: str, seen: frozenset[str], *, nested: bool
) -> Iterator[str]:
    kind = schema["type"]
    if kind == "definition-ref":
        ref = schema["schema_ref"]
        if ref not in seen and ref in definitions:
            yield from _marks(definitions[ref], definitions, path, seen | {ref}, nested=nested)
        return
    if kind in _NAMED:
        yield f"{_FREEING if kind == 'int' else ''}{path}:{kind}{_code_of(schema)}"
    if kind == "default" and nested:  # it may be missing, whatever the Validator says
        yield f"{path}:default"
    bounds = [f"{name}={schema[name]!r}" for name in _BOUNDS if schema.get(name) is not None]
    if bounds:
        yield f"{_FREEING}{path}:{', '.join(bounds)}"
    for name, inner, at in _parts(schema):
        yield from _marks(inner, definitions, f"{path}{at}", seen, nested=nested or name == "fields")


def _parts(schema: Any) -> Iterator[tuple[str, Any, str]]:
    for name in _INNER:
        given = schema.get(name)
        if name == "fields" and given is not None:
            items = given.items() if isinstance(given, Mapping) else ((each["name"], each) for each in given)
            for field, each in items:
                yield name, each["schema"], f".{field}"
        elif isinstance(given, Mapping) and "type" in given:
            yield name, given, "" if name == "schema" else f"[{name}]"
        elif given is not None:
            members = given.values() if isinstance(given, Mapping) else given
            for at, each in enumerate(members):
                yield name, each[0] if isinstance(each, tuple) else each, f"[{at}]"


def _code_of(schema: Any) -> str:
    """Names a validator of the developer's by what it does, as far as that can be seen."""
    function: Callable[..., Any] | None = (schema.get("function") or {}).get("function")
    code = getattr(function, "__code__", None)
    if code is None:
        return "" if function is None else f"={getattr(function, '__qualname__', type(function).__name__)}"
    constants = [each for each in code.co_consts if not hasattr(each, "co_code")]
    told = repr((code.co_code, constants, code.co_names)).encode()
    return f"={function.__qualname__}#{hashlib.blake2b(told, digest_size=8).hexdigest()}"  # type: ignore[union-attr]
