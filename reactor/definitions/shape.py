"""Shape: an annotation, compiled. It turns Values into what user code sees, and back, and says what does not fit.

The compiled forms come from one walk (wire_schema.py). What a function returns is serialised and the outcome checked,
so what leaves is what the annotation promises. Documents that nobody modified need neither: their stored bytes are
already what would be written, and are put into the result as they are.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from functools import lru_cache, partial
from typing import Any, cast

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from pydantic.errors import PydanticSchemaGenerationError, PydanticUndefinedAnnotation, PydanticUserError
from pydantic_core import CoreSchema, PydanticSerializationError, SchemaSerializer, SchemaValidator

from reactor.definitions.mismatch import mismatch_text
from reactor.definitions.splice import Splicer, splicer_of
from reactor.definitions.wire_scalars import milliseconds
from reactor.definitions.wire_schema import Names, Use, WireForm, WireWalk
from reactor.errors import DefinitionError, DeveloperError, ReturnsValidationError
from reactor.values.names import wire_name
from reactor.values.validator import TableOfId, Validator
from reactor.values.value import Value, encode


class Shape:
    """What one annotation says. Make it with `Shape.of`."""

    __slots__ = ("_error", "_serializer", "_splice", "_validate", "validator")

    def __init__(
        self,
        form: WireForm,
        *,
        error: type[DeveloperError] = ReturnsValidationError,
        splice: Splicer | None = None,
    ) -> None:
        self.validator: Validator = form.validator
        self._validate = compile_validator(form.schema).validate_python
        self._serializer = compile_serializer(form.schema)
        self._splice = splice
        self._error = error

    @classmethod
    def of(
        cls,
        annotation: Any,
        where: str = "result",
        *,
        names: Names = wire_name,
        use: Use = "result",
        namespace: Mapping[str, Any] | None = None,
        error: type[DeveloperError] = ReturnsValidationError,
    ) -> Shape:
        """Compile an annotation. DefinitionError, starting with `where`, for what has no wire form.

        `namespace` resolves forward references in it.
        """
        space = namespace or {}
        walk = WireWalk(where=where, names=names, use=use, namespace=space, plain=partial(plain_value, names=names))
        form = walk.form(finished_schema(annotation, where, space))
        return cls(form, error=error, splice=splicer_of(annotation) if use == "result" else None)

    def from_wire(self, value: Value, table_of_id: TableOfId | None = None) -> Any:
        """What user code sees of a Value. Ids are checked against their table when `table_of_id` is given."""
        try:
            return self._validate(value, context=table_of_id)
        except ValidationError as error:
            raise self._error(mismatch_text(error, self.validator, value, table_of_id)) from None

    def to_value(self, obj: Any, table_of_id: TableOfId | None = None) -> Value:
        """The Value of what user code made, checked."""
        try:
            value: Value = self._serializer.to_python(obj, by_alias=True, warnings=False)
        except PydanticSerializationError as error:
            raise self._error(serialization_text(error)) from error
        self.from_wire(value, table_of_id)
        return value

    def encode(self, obj: Any) -> bytes:
        """The encoded JSON of what user code made, checked. Unmodified stored documents keep their bytes."""
        if self._splice is not None:
            data = self._splice(obj)
            if data is not None:
                return data
        return encode(self.to_value(obj))


def compile_validator(schema: CoreSchema) -> SchemaValidator:
    """Of a schema the walk gave: never with pydantic's prebuilt validator of a class in its place."""
    return SchemaValidator(schema, _use_prebuilt=False)


def compile_serializer(schema: CoreSchema) -> SchemaSerializer:
    """As `compile_validator`."""
    return SchemaSerializer(schema, _use_prebuilt=False)


def finished_schema(annotation: Any, where: str, namespace: Mapping[str, Any]) -> Any:
    """pydantic's core schema of an annotation, references resolved in `namespace`."""
    try:
        config = None if _has_own_config(annotation) else ConfigDict(defer_build=True)
        adapter: TypeAdapter[Any] = TypeAdapter(annotation, config=config)
        adapter.rebuild(force=True, _types_namespace=dict(namespace))
        return adapter.core_schema
    except (PydanticUndefinedAnnotation, NameError) as error:
        raise DefinitionError(
            f"{where}: `{error.name}` is not defined where it is used. Import or declare it."
        ) from error
    except (PydanticSchemaGenerationError, PydanticUserError) as error:
        raise DefinitionError(f"{where}: {error.message}") from error


def serialization_text(error: PydanticSerializationError) -> str:
    """The words of what went wrong in one of our serialisers."""
    return str(error.__cause__ or error)


def _has_own_config(annotation: Any) -> bool:
    if not isinstance(annotation, type):
        return False
    return issubclass(annotation, BaseModel) or dataclasses.is_dataclass(annotation) or hasattr(annotation, "__total__")


# ── what is annotated Any ─────────────────────────────────────────────────────────────────────────────────────────────


def plain_value(obj: Any, *, names: Names = wire_name) -> Any:
    """The Value of whatever stands where nothing was declared. What is none comes out as it is, to be refused."""
    kind = type(obj)
    if kind is dict:
        return {key: plain_value(item, names=names) for key, item in obj.items()}
    if kind is list:
        return [plain_value(item, names=names) for item in obj]
    if isinstance(obj, Enum):
        return obj.value
    if isinstance(obj, datetime):
        return milliseconds(obj)
    definition = getattr(kind, "__definition__", None)
    if definition is not None:
        return definition.to_document(obj)
    if isinstance(obj, BaseModel) or dataclasses.is_dataclass(kind):
        return _shape_of_class(cast("Any", kind), names).to_value(obj)
    return obj


@lru_cache(maxsize=1024)
def _shape_of_class(cls: Any, names: Names) -> Shape:
    return Shape.of(cls, cls.__name__, names=names)
