"""The JSON Schema of a Validator, as `/api/run/…` takes and gives it.

Arguments are the wire's encoded JSON, in which Int64 and bytes are objects with one reserved key. Results are plain JSON:
there an Int64 is a decimal string and bytes are base64.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, assert_never

from reactor.values.int64 import Int64
from reactor.values.validator import (
    AnyV,
    ArrayV,
    BigIntV,
    BooleanV,
    BytesV,
    Field,
    IdV,
    LiteralV,
    NullV,
    NumberV,
    ObjectV,
    RecordV,
    StringV,
    UnionV,
    Validator,
)
from reactor.values.value import to_json

Schema = dict[str, Any]
_BASE64 = {"type": "string", "contentEncoding": "base64"}


@dataclass(frozen=True, slots=True)
class JsonSchemas:
    """Writes schemas for one set of tables, whose documents are references to `#/components/schemas/`."""

    tables: Mapping[str, str]  # name of the table → name of its schema

    def of(self, validator: Validator, *, argument: bool = False) -> Schema:
        """The schema."""
        match validator:
            case ObjectV(fields, table):
                if table is not None and table in self.tables:
                    return {"$ref": f"#/components/schemas/{self.tables[table]}"}
                return self.object(fields, argument=argument)
            case ArrayV(item):
                return {"type": "array", "items": self.of(item, argument=argument)}
            case RecordV(keys, values):
                names = {} if isinstance(keys, StringV) else {"propertyNames": self.of(keys, argument=argument)}
                return {"type": "object", "additionalProperties": self.of(values, argument=argument)} | names
            case UnionV(members):
                return self._union(members, argument=argument)
            case IdV(table):
                return {"type": "string", "description": f"The id of a document of {table}"}
            case LiteralV(value):
                return {"const": str(value) if isinstance(value, Int64) and not argument else to_json(value)}
            case AnyV():
                return {}
            case NullV():
                return {"type": "null"}
            case NumberV():
                return {"type": "number"}
            case BigIntV():
                return _reserved("$integer") if argument else {"type": "string", "format": "int64"}
            case BooleanV():
                return {"type": "boolean"}
            case StringV():
                return {"type": "string"}
            case BytesV():
                return _reserved("$bytes") if argument else dict(_BASE64)
        assert_never(validator)

    def object(self, fields: tuple[Field, ...], *, argument: bool = False) -> Schema:
        """An object of exactly these fields."""
        properties = {each.name: self.of(each.validator, argument=argument) for each in fields}
        required = [each.name for each in fields if not each.optional]
        whole: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
        return whole | ({"required": required} if required else {})

    def _union(self, members: tuple[Validator, ...], *, argument: bool) -> Schema:
        schemas = [self.of(member, argument=argument) for member in members]
        if not schemas:
            return {"not": {}}
        if all("const" in schema for schema in schemas):
            return {"enum": [schema["const"] for schema in schemas]}
        return schemas[0] if len(schemas) == 1 else {"anyOf": schemas}


def _reserved(key: str) -> Schema:
    return {"type": "object", "properties": {key: dict(_BASE64)}, "required": [key], "additionalProperties": False}
