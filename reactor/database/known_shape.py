"""KnownShape: what is true of every document of a table, as the last push left it. Kept in the file, beside the table.

A push compares it with what its schema demands: where that follows, no document has to be looked at, however many there
are and however long the server was off.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from reactor.definitions.constraints import are_wider
from reactor.values.narrowing import Narrowing, narrowing
from reactor.values.validator import Field, ObjectV, from_export, to_export
from reactor.values.value import Value, decode, encode


@dataclass(frozen=True, slots=True)
class KnownShape:
    """Every document fits `validator` and meets `constraints`; what `missing` names may not be there yet."""

    validator: ObjectV
    constraints: Mapping[str, str] = field(default_factory=dict)
    missing: Mapping[str, Value] = field(default_factory=dict)  # wire name → the default that is to fill it

    def has(self, name: str) -> bool:
        """Whether every document has the field."""
        return any(each.name == name and not each.optional for each in self.validator.fields)

    def falls_short(self, validator: ObjectV, constraints: Mapping[str, str]) -> Narrowing | None:
        """Where documents may not fit what a schema demands now; None when all of them are known to."""
        found = narrowing(self.validator, validator)
        if found is not None:
            return found
        for name, demanded in constraints.items():
            if name in self.validator.names and not are_wider(self.constraints.get(name, ""), demanded):
                return Narrowing(f".{name}", "has other bounds or validators")
        return None

    def filled(self) -> KnownShape:
        """The same when every default is in its place."""
        fields = tuple(
            Field(each.name, each.validator, each.optional and each.name not in self.missing)
            for each in self.validator.fields
        )
        return KnownShape(ObjectV(fields, self.validator.table), self.constraints)

    def to_bytes(self) -> bytes:
        """The JSON that `from_bytes` reads."""
        tree = {
            "validator": to_export(self.validator),
            "constraints": dict(self.constraints),
            "missing": encode(dict(self.missing)).decode(),
        }
        return orjson.dumps(tree)

    @classmethod
    def from_bytes(cls, data: bytes) -> KnownShape:
        """The inverse."""
        tree: Any = orjson.loads(data)
        validator = from_export(tree["validator"])
        assert isinstance(validator, ObjectV)
        missing: Any = decode(tree["missing"].encode())
        return cls(validator, tree["constraints"], missing)
