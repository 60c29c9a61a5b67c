"""CompiledTable: what the core schema of a Table class comes to, as functions and records ready for use."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import orjson
from pydantic import BaseModel
from pydantic.errors import PydanticSchemaGenerationError, PydanticUndefinedAnnotation, PydanticUserError
from pydantic_core import core_schema

from reactor.definitions.constraints import constraints_of
from reactor.definitions.shape import compile_serializer, compile_validator, plain_value
from reactor.definitions.wire_scalars import plain_type
from reactor.definitions.wire_schema import Names, WireForm, WireWalk
from reactor.errors import DefinitionError
from reactor.values.validator import (
    AnyV,
    ArrayV,
    Field,
    IdV,
    NumberV,
    ObjectV,
    RecordV,
    UnionV,
    Validator,
)


class Column(NamedTuple):
    """One field, or a field inside one. `optional` means that its None is stored as nothing."""

    wire: str
    form: WireForm
    optional: bool
    plain: type | None  # values of just this type are the Values, whatever they are, but for what is no Value


@dataclass(frozen=True, slots=True)
class CompiledTable:
    """`check` and `trust` take stored fields to (attributes, None, names of those that were there)."""

    validator: ObjectV  # as clients see it
    stored: ObjectV  # as it may be stored: no system fields, what has a constant default may be missing
    check: Callable[..., Any]
    trust: Callable[..., Any]  # without bounds and ids: for what was checked when it was written
    serialize: Callable[..., Any]  # document → stored fields
    columns: dict[str, Column]  # by dotted Python path
    is_old: Callable[[bytes], bool] | None  # whether stored JSON lacks a field that a default fills; None: never
    is_frozen: bool  # no attribute can change in place
    filled: frozenset[str]  # Python names of the fields that a constant default fills
    constraints: dict[str, str]  # by wire name: what a field demands beyond its validator


def compile_table(cls: type[BaseModel], name: str | None, names: Names, nested_paths: Collection[str]) -> CompiledTable:
    """Compile a Table class, with columns for `nested_paths` besides its fields.

    DefinitionError, with the path, for what cannot be stored.
    """
    _complete(cls)
    strict, trusting = _walk(cls, names), _walk(cls, names, trusting=True)
    raw = _object_in(strict, cls.__pydantic_core_schema__)
    trusting.root(cls.__pydantic_core_schema__)
    altered, described = strict.fields(raw)
    for each in described.values():
        if each.name.startswith("_"):
            raise DefinitionError(f"{cls.__name__}: `{each.name}` starts with `_`, which is reserved for the system.")
    schema = strict.close(_fields_schema(altered))
    stored = tuple(_as_stored(altered[field], each) for field, each in described.items())
    system = () if name is None else (Field("_id", IdV(name)), Field("_creationTime", NumberV()))
    filled = {
        each.name for each, shown in zip(stored, described.values(), strict=True) if each.optional > shown.optional
    }
    definitions = dict(strict.definitions)
    return CompiledTable(
        validator=ObjectV((*system, *described.values()), name),
        stored=ObjectV(stored),
        check=compile_validator(schema).validate_python,
        trust=compile_validator(trusting.close(_fields_schema(trusting.fields(raw)[0]))).validate_python,
        serialize=compile_serializer(strict.close(core_schema.model_schema(cls, _fields_schema(altered)))).to_python,
        columns=_columns(strict, altered, described, raw, nested_paths),
        is_old=_age_test(filled, described.values()),
        is_frozen=all(_is_frozen(each.validator) for each in described.values()),
        filled=frozenset(name for name, each in described.items() if each.name in filled),
        constraints={
            each.name: found
            for name, each in described.items()
            if (found := constraints_of(_field_schema(raw, name), definitions))
        },
    )


def _complete(cls: type[BaseModel]) -> None:
    try:
        cls.model_rebuild()
    except PydanticUndefinedAnnotation as error:
        raise DefinitionError(f"{cls.__name__}: `{error.name}` is not defined. Import or declare it.") from error
    except (PydanticSchemaGenerationError, PydanticUserError) as error:
        raise DefinitionError(f"{cls.__name__}: {error.message}") from error


def _walk(cls: type[BaseModel], names: Names, *, trusting: bool = False) -> WireWalk:
    return WireWalk(
        where=cls.__name__,
        names=names,
        use="document",
        namespace=vars(sys.modules[cls.__module__]) if cls.__module__ in sys.modules else {},
        plain=partial(plain_value, names=names),
        trusting=trusting,
    )


def _fields_schema(altered: dict[str, Any]) -> core_schema.CoreSchema:
    return core_schema.model_fields_schema(altered, extra_behavior="forbid")


def _as_stored(altered: dict[str, Any], shown: Field) -> Field:
    """What the walk leaves as a default is a constant: it fills documents written before the field existed."""
    return Field(shown.name, shown.validator, shown.optional or altered["schema"]["type"] == "default")


# ── columns ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _columns(
    walk: WireWalk, altered: dict[str, Any], described: dict[str, Field], raw: Any, nested_paths: Collection[str]
) -> dict[str, Column]:
    columns = {name: _column(walk, altered[name], each, "") for name, each in described.items()}
    for path in nested_paths:
        columns[path] = _nested_column(walk, raw, path)
    return columns


def _nested_column(walk: WireWalk, fields: Any, path: str) -> Column:
    prefix, column = "", None
    for step in path.split("."):
        altered, described = walk.fields(fields) if fields is not None else ({}, {})
        if step not in altered:
            raise DefinitionError(f"The index on `{path}`: there is no field `{step}`.")
        column = _column(walk, altered[step], described[step], prefix)
        prefix = f"{column.wire}."
        fields = _object_in(walk, _field_schema(fields, step))
    assert column is not None
    return column


def _field_schema(fields: Any, name: str) -> Any:
    given = fields["fields"]
    return (
        next(each for each in given if each["name"] == name)["schema"]
        if isinstance(given, list)
        else given[name]["schema"]
    )


def _column(walk: WireWalk, altered: dict[str, Any], field: Field, prefix: str) -> Column:
    schema = altered["schema"]
    is_optional = schema["type"] == "default" and schema["default"] is None
    return Column(prefix + field.name, WireForm(walk.close(schema), field.validator), is_optional, plain_type(schema))


def _object_in(walk: WireWalk, schema: Any) -> Any:
    """The fields schema of the object that a field holds; None when it holds something else."""
    schema = walk.root(schema)
    while schema["type"] not in ("model-fields", "typed-dict", "dataclass-args"):
        if not isinstance(schema.get("schema"), dict):
            return None
        schema = walk.root(schema["schema"])
    return schema


# ── looking at documents ──────────────────────────────────────────────────────────────────────────────────────────────


def _age_test(filled: set[str], fields: Iterable[Field]) -> Callable[[bytes], bool] | None:
    if not filled:
        return None
    if any(_may_hold(each.validator, filled) for each in fields):

        def lacks_a_field(data: bytes) -> bool:
            return not filled.issubset(orjson.loads(data))

        return lacks_a_field
    # JSON text escapes quotes in strings, and nothing nested has these keys: where the mark is, the field is.
    marks = tuple(f'"{name}":'.encode() for name in sorted(filled))

    def lacks_a_mark(data: bytes) -> bool:
        # Every document of most results comes through here: a plain loop, and from the right, which is twice as quick.
        for mark in marks:  # noqa: SIM110
            if data.rfind(mark) < 0:
                return True
        return False

    return lacks_a_mark


def _may_hold(validator: Validator, names: set[str]) -> bool:
    """Whether an object inside such a Value can have one of these keys."""
    match validator:
        case AnyV() | RecordV():
            return True
        case ArrayV(item):
            return _may_hold(item, names)
        case UnionV(members):
            return any(_may_hold(each, names) for each in members)
        case ObjectV(fields):
            return any(each.name in names or _may_hold(each.validator, names) for each in fields)
        case _:
            return False


def _is_frozen(validator: Validator) -> bool:
    if isinstance(validator, UnionV):
        return all(map(_is_frozen, validator.members))
    return not isinstance(validator, (AnyV, ArrayV, ObjectV, RecordV))
