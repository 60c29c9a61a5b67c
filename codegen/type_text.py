"""The TypeScript type of a Validator, as text that is one line where it fits and broken by field where it does not.

One walk for arguments, results and documents. What it is not: a parser or a checker of anything; a Validator that exists
has a type.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import assert_never

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
from reactor.values.value import Int64

WIDTH = 80  # columns an object type may take in one line; a longer one gets a line per field
INDENT = "  "
_IDENTIFIER = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")
SYSTEM_TABLES = frozenset({"_storage", "_scheduled_functions"})  # the names convex/server knows
PAGINATION_OPTIONS = frozenset({"numItems", "cursor", "endCursor", "id", "maximumRowsRead", "maximumBytesRead"})
PAGINATION_RESULT = frozenset({"page", "isDone", "continueCursor", "splitCursor", "pageStatus"})


@dataclass(frozen=True, slots=True)
class TypeText:
    """Writes types for one set of tables: those in it are named (`Doc<"users">`), everything else is spelt out."""

    tables: frozenset[str]

    def of(self, validator: Validator) -> str:
        """The type of `validator`; whoever puts it further in indents its other lines with `indented`."""
        match validator:
            case ObjectV():
                if validator.table is not None and validator.table in self.tables:
                    return f"Doc<{json.dumps(validator.table)}>"
                return self._pagination(validator) or self.object(validator.fields)
            case ArrayV(item=item):
                return generic("Array", (self.of(item),))
            case RecordV(keys=keys, values=values):
                return self._record(keys, values)
            case UnionV(members=members):
                return self._union(members)
            case IdV(table=table):
                known = not self.tables or table in self.tables or table in SYSTEM_TABLES
                return f"{'Id' if known else 'GenericId'}<{json.dumps(table)}>"
            case LiteralV(value=value):
                return literal(value)
            case AnyV():
                return "any"
            case NullV():
                return "null"
            case NumberV():
                return "number"
            case BigIntV():
                return "bigint"
            case BooleanV():
                return "boolean"
            case StringV():
                return "string"
            case BytesV():
                return "ArrayBuffer"
            case _:
                assert_never(validator)

    def object(self, fields: Sequence[Field]) -> str:
        """An object type with its fields spelt out, even when it is a document of a known table."""
        if not fields:
            return "Record<string, never>"
        return braces([member(field.name, self.of(field.validator), optional=field.optional) for field in fields])

    def _pagination(self, validator: ObjectV) -> str | None:
        """The client package's own names for what a paginated query takes and gives; None for any other object."""
        if validator.names == PAGINATION_OPTIONS:
            return "PaginationOptions"
        if validator.names == PAGINATION_RESULT:
            page = next(field.validator for field in validator.fields if field.name == "page")
            if isinstance(page, ArrayV):
                return generic("PaginationResult", (self.of(page.item),))
        return None

    def _record(self, keys: Validator, values: Validator) -> str:
        record = generic("Record", (self.of(keys), self.of(values)))
        finite = isinstance(keys, LiteralV) or (
            isinstance(keys, UnionV) and any(isinstance(each, LiteralV) for each in keys.members)
        )
        # A record may lack any of its keys; for an open key type Record says so already.
        return f"Partial<{record}>" if finite else record

    def _union(self, members: Iterable[Validator]) -> str:
        return union(dict.fromkeys(self.of(each) for each in members))


def braces(members: Sequence[str]) -> str:
    """`{ a: string; b: number }` when that is short, else `block`."""
    line = "{ " + "; ".join(members) + " }"
    return line if len(line) <= WIDTH and "\n" not in line else block(members)


def block(members: Sequence[str]) -> str:
    """An object type with one member a line; `{}` for none."""
    return "{\n" + "".join(f"{INDENT}{indented(each)};\n" for each in members) + "}" if members else "{}"


def generic(name: str, arguments: Sequence[str]) -> str:
    """`Name<A, B>`; one argument a line when that is long."""
    line = f"{name}<{', '.join(arguments)}>"
    if len(arguments) == 1 or (len(line) <= WIDTH and "\n" not in line):
        return line
    return f"{name}<\n" + ",\n".join(INDENT + indented(argument) for argument in arguments) + "\n>"


def union(members: Iterable[str]) -> str:
    """`A | B`, one a line when that is long; `never` for none."""
    parts = list(members)
    line = " | ".join(parts) or "never"
    if len(line) <= WIDTH or len(parts) == 1 or "\n" in line:
        return line
    return "".join(f"\n{INDENT}| {part}" for part in parts)


def indented(text: str) -> str:
    """`text` with every line but the first one step further in."""
    return text.replace("\n", "\n" + INDENT)


def member(name: str, text: str, *, optional: bool = False) -> str:
    """`name: type`, without the semicolon."""
    return f"{key(name)}{'?' if optional else ''}:{'' if text.startswith(chr(10)) else ' '}{text}"


def key(name: str) -> str:
    """A property name, quoted when TypeScript needs it."""
    return name if _IDENTIFIER.fullmatch(name) else json.dumps(name)


def literal(value: object) -> str:
    """A literal type."""
    if isinstance(value, Int64):
        return f"{int(value)}n"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return json.dumps(value)


def doc_comment(text: str | None) -> str:
    """A docstring as a JSDoc block that ends in a line break; empty for no text."""
    lines = (text or "").replace("*/", "*\\/").strip().splitlines()
    if not lines:
        return ""
    if len(lines) == 1:
        return f"/** {lines[0].strip()} */\n"
    body = "".join(f" * {line.rstrip()}".rstrip() + "\n" for line in _dedented(lines))
    return f"/**\n{body} */\n"


def _dedented(lines: Sequence[str]) -> list[str]:
    """As inspect.cleandoc: the first line has lost its indentation already, the others share one."""
    margin = min((len(line) - len(line.lstrip()) for line in lines[1:] if line.strip()), default=0)
    return [lines[0].strip(), *(line[margin:] for line in lines[1:])]
