"""FieldPath: the way to a field inside a document, as indexes write it (`"author.name"`)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from reactor.errors import InvalidValue
from reactor.values.names import is_identifier
from reactor.values.order import UNDEFINED, Undefined
from reactor.values.value import Value


@dataclass(frozen=True, slots=True)
class FieldPath:
    """Names from the document inwards."""

    parts: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> FieldPath:
        """Raises InvalidValue unless every part is an identifier."""
        parts = tuple(text.split("."))
        for part in parts:
            if not is_identifier(part):
                raise InvalidValue(f"`{text}` is not a field path: `{part}` is no identifier. Write `field` or `a.b`.")
        return cls(parts)

    def __str__(self) -> str:
        return ".".join(self.parts)

    def of(self, document: dict[str, Value]) -> Value | Undefined:
        """The Value there; UNDEFINED when a step is missing or leads into what is no object."""
        value: Any = document
        for part in self.parts:
            if type(value) is not dict:
                return UNDEFINED
            value = value.get(part, UNDEFINED)
        return value  # type: ignore[no-any-return]


def get_field(document: dict[str, Value], path: str) -> Value | Undefined:
    """`FieldPath.parse(path).of(document)`, quick for the ordinary path of one name."""
    if "." not in path:
        return document.get(path, UNDEFINED)
    return _parsed(path).of(document)


_parsed = lru_cache(maxsize=1024)(FieldPath.parse)
