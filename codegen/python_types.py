"""The Python type of a Validator, as the PyPI client sends and receives it; and the TypedDicts that takes.

Results keep the wire's names and forms: a document is a dict with `_id` and `createdAt`, a number is a float, a datetime
epoch milliseconds, an Int64 a ConvexInt64. Nothing is converted, so nothing can differ from what other clients get.
"""

from __future__ import annotations

import json
import keyword
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import assert_never

from codegen.type_text import PAGINATION_OPTIONS, PAGINATION_RESULT
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

SYSTEM_IDS = {"_storage": "StorageId", "_scheduled_functions": "ScheduledFunctionId"}
_KEY = re.compile(r"_?[A-Za-z][A-Za-z0-9_]*")

PAGINATION = {
    "PaginationOptions": '''class PaginationOptions(TypedDict):
    """Which page of a paginated query: `{"numItems": 20, "cursor": None}` is the first."""

    numItems: float
    cursor: str | None
    endCursor: NotRequired[str | None]
    id: NotRequired[float]
    maximumRowsRead: NotRequired[float]
    maximumBytesRead: NotRequired[float]
''',
    "PaginationResult": '''class PaginationResult(TypedDict, Generic[_T]):
    """A page of a paginated query; `continueCursor` is the `cursor` of the next one."""

    page: list[_T]
    isDone: bool
    continueCursor: str
    splitCursor: NotRequired[str | None]
    pageStatus: NotRequired[Literal["SplitRecommended", "SplitRequired"] | None]
''',
}


@dataclass(slots=True)
class PythonTypes:
    """Writes types for one set of tables, and collects what they need to be declared before."""

    tables: Mapping[str, str]  # name of the table → name of its class
    taken: set[str]  # names of the module that nothing else may have; grows in `name`
    declarations: dict[str, str] = field(default_factory=dict)  # name → its text, in order; grows in `_declare`
    ids: dict[str, str] = field(default_factory=dict)  # table → name of its id's type; grows in `_id`

    def name(self, wanted: str) -> str:
        """A name for the module that nobody has yet."""
        while wanted in self.taken or keyword.iskeyword(wanted):
            wanted += "_"
        self.taken.add(wanted)
        return wanted

    def of(self, validator: Validator, name: str, *, argument: bool = False) -> str:
        """The type; an object in it that has no name of its own is declared as `name`."""
        match validator:
            case ObjectV():
                return self._object(validator, name, argument=argument)
            case ArrayV(item=item):
                inner = self.of(item, name if _is_array(item) else f"{name}Item", argument=argument)
                return f"{'Sequence' if argument else 'list'}[{inner}]"
            case RecordV(keys=keys, values=values):
                kind = "Mapping" if argument else "dict"
                key = self.of(keys, f"{name}Key", argument=argument)
                return f"{kind}[{key}, {self.of(values, f'{name}Value', argument=argument)}]"
            case UnionV(members=members):
                return self._union(members, name, argument=argument)
            case IdV(table=table):
                return self._id(table)
            case LiteralV():
                return self._literals([validator], argument=argument)[0]
            case AnyV():
                return "Any"
            case NullV():
                return "None"
            case NumberV():
                return "float"
            case BigIntV():
                return "ConvexInt64"
            case BooleanV():
                return "bool"
            case StringV():
                return "str"
            case BytesV():
                return "bytes"
            case _:
                assert_never(validator)

    def table(self, document: ObjectV, table: str, *, doc: str) -> None:
        """Declare the documents of a table."""
        rest = [each for each in document.fields if each.name not in ("_id", "_creationTime")]
        fields = (Field("_id", IdV(table)), Field("_creationTime", NumberV()), *rest)
        self._declare(self.tables[table], fields, argument=False, doc=doc)

    # ── parts ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _object(self, validator: ObjectV, name: str, *, argument: bool) -> str:
        if validator.table is not None and validator.table in self.tables:
            return self.tables[validator.table]
        if validator.names == PAGINATION_OPTIONS:
            return self._shared("PaginationOptions")
        if validator.names == PAGINATION_RESULT:
            page = next(each.validator for each in validator.fields if each.name == "page")
            if isinstance(page, ArrayV):
                return f"{self._shared('PaginationResult')}[{self.of(page.item, f'{name}Item')}]"
        if not validator.fields:
            return f"{'Mapping' if argument else 'dict'}[str, Never]"
        name = self.name(name)
        self._declare(name, validator.fields, argument=argument)
        return name

    def _shared(self, name: str) -> str:
        self.declarations.setdefault(name, PAGINATION[name])
        return name

    def _declare(self, name: str, fields: Sequence[Field], *, argument: bool, doc: str = "") -> None:
        self.declarations[name] = ""  # its place is before those of its fields
        types = {}
        for each in fields:
            text = self.of(each.validator, name + pascal(each.name), argument=argument)
            types[each.name] = f"NotRequired[{text}]" if each.optional else text
        self.declarations[name] = _typed_dict(name, types, doc)

    def _union(self, members: Sequence[Validator], name: str, *, argument: bool) -> str:
        literals = [member for member in members if isinstance(member, LiteralV)]
        objects = [member for member in members if isinstance(member, ObjectV)]
        parts = self._literals(literals, argument=argument)
        for member in members:
            if not isinstance(member, LiteralV):
                number = f"{objects.index(member) + 1}" if len(objects) > 1 and isinstance(member, ObjectV) else ""
                parts.append(self.of(member, name + number, argument=argument))
        unique = list(dict.fromkeys(parts))
        unique.sort(key=lambda part: part == "None")
        return " | ".join(unique) or "Never"

    def _literals(self, literals: Iterable[LiteralV], *, argument: bool) -> list[str]:
        """Numbers come as floats, of which Python has no literal types."""
        exact: list[str] = []
        rough: list[str] = []
        for literal in literals:
            value = literal.value
            if isinstance(value, Int64):
                rough.append("ConvexInt64")
            elif isinstance(value, bool):
                exact.append(repr(value))
            elif isinstance(value, str):
                exact.append(json.dumps(value, ensure_ascii=False))
            elif argument and float(value).is_integer():
                exact.append(repr(int(value)))
            else:
                rough.append("float")
        return [*([f"Literal[{', '.join(exact)}]"] if exact else []), *rough]

    def _id(self, table: str) -> str:
        if table not in self.ids:
            known = SYSTEM_IDS.get(table) or (f"{self.tables[table]}Id" if table in self.tables else None)
            self.ids[table] = "str" if known is None else self.name(known)
        return self.ids[table]


def pascal(name: str) -> str:
    """`getCurrentUser`, `get_current_user`, `content-type` as parts of the name of a class."""
    return "".join(part[:1].upper() + part[1:] for part in re.split(r"[^A-Za-z0-9]+", name))


def _typed_dict(name: str, types: Mapping[str, str], doc: str) -> str:
    words = set(re.findall(r"\w+", " ".join(types.values())))  # a field called `list` would hide the type from the rest
    if all(_KEY.fullmatch(key) and not keyword.iskeyword(key) and key not in words for key in types):
        lines = "".join(f"    {key}: {text}\n" for key, text in types.items())
        return f"class {name}(TypedDict):\n" + (f'    """{doc}"""\n\n' if doc else "") + lines
    lines = "".join(f"        {json.dumps(key)}: {_quoted(text)},\n" for key, text in types.items())
    return f'{name} = TypedDict(\n    "{name}",\n    {{\n{lines}    }},\n)\n'


def _quoted(text: str) -> str:
    """An annotation that must not be evaluated yet. NotRequired has to stand outside."""
    inner = text.removeprefix("NotRequired[")
    return repr(text) if inner == text else f"NotRequired[{inner[:-1]!r}]"


def _is_array(validator: Validator) -> bool:
    return isinstance(validator, ArrayV)


RESERVED = frozenset(
    (
        "Any",
        "Callable",
        "Generic",
        "Literal",
        "Mapping",
        "Never",
        "NewType",
        "NotImplementedError",
        "NotRequired",
        "ParamSpec",
        "Self",
        "Sequence",
        "TypeVar",
        "TypedDict",
        "annotations",
        "anext",
        "asyncio",
        "bool",
        "bytes",
        "dict",
        "float",
        "inspect",
        "list",
        "next",
        "object",
        "property",
        "str",
        "type",
    )
)
"""Names that a generated module uses."""
