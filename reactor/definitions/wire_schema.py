"""The one walk over a finished pydantic core schema: from annotations to what crosses the wire.

In: what pydantic made of an annotation. Out: a core schema that validates Values (wire names, JavaScript's numbers,
nothing coerced, nothing extra) and serialises into them, and the Validator record that describes them to everybody
else. Users' classes are never changed: the walk copies what it alters, and what it gives must be compiled with
`_use_prebuilt=False`, or pydantic would put the class's own, unaltered validator in place of ours.

What has no faithful wire form is refused with the path to it. A recursive model is AnyV where it meets itself, because
a Validator is a finite record; pydantic still checks it there.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, NamedTuple, NoReturn, Protocol, TypeAlias, TypeVar

from pydantic_core import CoreSchema, core_schema

from reactor.definitions.id import ID_OF
from reactor.definitions.unset import UNSET, Unset
from reactor.definitions.wire_scalars import (
    datetime_schema,
    enum_schema,
    float_schema,
    id_schema,
    int_schema,
    literal_schema,
)
from reactor.errors import DefinitionError
from reactor.values.names import is_identifier
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
from reactor.values.value import Int64, Value

Names: TypeAlias = Callable[[str], str]
"""From the Python name to the name on the wire."""

Use: TypeAlias = Literal["argument", "result", "document"]
"""Defaults make arguments optional, while results have the field; documents are filled by constant defaults only."""

ARGUMENTS = "reactor_arguments"  # metadata of the typed-dict that stands for a function's parameters


class WireForm(NamedTuple):
    """What the walk gives for one annotation."""

    schema: CoreSchema
    validator: Validator


class TableForm(Protocol):
    """What the walk must know of a table: the definition that every Table class has as `__definition__`."""

    @property
    def name(self) -> str | None: ...

    @property
    def validator(self) -> ObjectV: ...

    def from_value(self, value: Value) -> Any: ...

    def to_document(self, document: Any) -> Any: ...


class WireWalk:
    """One walk. `where` starts each complaint; `namespace` resolves forward references of the outermost annotation."""

    def __init__(
        self,
        *,
        where: str,
        names: Names,
        use: Use,
        namespace: Mapping[str, Any],
        plain: Callable[[Any], Any],
        trusting: bool = False,
    ) -> None:
        self._where = where
        self._names = names
        self._use: Use = use
        self._plain = plain  # serialises what is annotated Any
        self._trusting = trusting  # for what was checked when it was stored: no bounds, no ids
        self._namespaces = [namespace]  # the innermost model's module is last; pushed and popped in _within
        self._raw: dict[str, Any] = {}  # ref → pydantic's definition; filled on the way
        self._done: dict[str, WireForm | None] = {}  # ref → ours; None while being walked

    def form(self, schema: Any) -> WireForm:
        """Walk a whole schema."""
        wire, validator = self._walk(schema, "")
        return WireForm(self.close(wire), validator)

    def root(self, schema: Any) -> Any:
        """The outermost schema that is neither a bag of definitions nor a reference into it."""
        while schema["type"] in ("definitions", "definition-ref"):
            if schema["type"] == "definitions":
                self._raw.update({each["ref"]: each for each in schema["definitions"]})
                schema = schema["schema"]
            else:
                schema = self._raw[schema["schema_ref"]]
        return schema

    @property
    def definitions(self) -> Mapping[str, Any]:
        """Pydantic's own definitions, by what refers to them, as far as they were met."""
        return self._raw

    def close(self, schema: CoreSchema) -> CoreSchema:
        """Add the definitions that `schema` refers to."""
        definitions = [{**form.schema, "ref": ref} for ref, form in self._done.items() if form]
        return core_schema.definitions_schema(schema, definitions) if definitions else schema  # type: ignore[arg-type]

    def fields(self, schema: Any, path: str = "") -> tuple[dict[str, Any], dict[str, Field]]:
        """The fields of an object schema by their Python names: pydantic's, altered, and their description."""
        given = schema["fields"]
        items = given if isinstance(given, list) else [{**each, "name": name} for name, each in given.items()]
        altered: dict[str, Any] = {}
        described: dict[str, Field] = {}
        takers: dict[str, str] = {}
        for item in items:
            name = item["name"]
            wire = self._wire_name(item, name, path)
            if wire in takers:
                self._refuse(path, f"`{takers[wire]}` and `{name}` are both `{wire}` on the wire. Rename one")
            takers[wire] = name
            altered[name], described[name] = self._field(item, wire, f"{path}.{name}")
        return altered, described

    # ── one schema ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _walk(self, schema: Any, path: str) -> WireForm:
        if "serialization" in schema and schema["type"] not in ("json-or-python", "lax-or-strict"):
            self._refuse(path, "a custom serializer has no wire form that clients could be told of. Use plain fields")
        handler = _HANDLERS.get(schema["type"])
        if handler is None:
            self._refuse(path, _no_form(schema["type"]))
        if "ref" in schema:
            schema = {key: item for key, item in schema.items() if key != "ref"}
        return handler(self, schema, path)

    def _refuse(self, path: str, why: str) -> NoReturn:
        raise DefinitionError(f"{self._where}{path}: {why}.")

    def _any(self, _schema: Any, _path: str) -> WireForm:
        serialization = core_schema.plain_serializer_function_ser_schema(self._plain)
        return WireForm(core_schema.any_schema(serialization=serialization), AnyV())

    def _none(self, schema: Any, _path: str) -> WireForm:
        return WireForm(schema, NullV())

    def _bool(self, schema: Any, _path: str) -> WireForm:
        return WireForm({**schema, "strict": True}, BooleanV())

    def _int(self, schema: Any, _path: str) -> WireForm:
        return WireForm({**schema, "strict": True} if self._trusting else int_schema(schema), NumberV())

    def _float(self, schema: Any, _path: str) -> WireForm:
        return WireForm({**schema, "strict": True} if self._trusting else float_schema(schema), NumberV())

    def _str(self, schema: Any, path: str) -> WireForm:
        target = (schema.get("metadata") or {}).get(ID_OF)
        if target is not None:
            table = self._table_name(target, path)
            validator = StringV() if table is None else IdV(table)
            return WireForm(core_schema.str_schema(strict=True) if self._trusting else id_schema(table), validator)
        return WireForm({**schema, "strict": True}, StringV())

    def _bytes(self, schema: Any, _path: str) -> WireForm:
        return WireForm({**schema, "strict": True}, BytesV())

    def _datetime(self, schema: Any, _path: str) -> WireForm:
        return WireForm(datetime_schema(schema), NumberV())

    def _is_instance(self, schema: Any, path: str) -> WireForm:
        if schema["cls"] is not Int64:
            self._refuse(path, f"`{schema['cls'].__name__}` has no wire form")
        return WireForm(schema, BigIntV())

    def _literal(self, schema: Any, path: str) -> WireForm:
        for value in schema["expected"]:
            if type(value) not in (str, int, bool, type(None)):
                self._refuse(path, f"the literal {value!r} has no wire form. Use strings, ints and booleans")
        members = (NullV() if value is None else LiteralV(value) for value in schema["expected"])
        return WireForm(literal_schema(schema["expected"]), union_of(members))

    def _enum(self, schema: Any, path: str) -> WireForm:
        if schema["cls"] is Unset:
            self._refuse(path, "`Unset` alone says nothing. Write `T | Unset = UNSET`")
        for member in schema["members"]:
            if not isinstance(member.value, (str, int, float)):
                self._refuse(path, f"the enum member {member} has no wire form. Use strings and numbers as values")
        validator = union_of(LiteralV(_plain_scalar(member.value)) for member in schema["members"])
        return WireForm(enum_schema(schema["members"]), validator)

    def _nullable(self, schema: Any, path: str) -> WireForm:
        wire, validator = self._walk(schema["schema"], path)
        return WireForm({**schema, "schema": wire}, union_of((validator, NullV())))

    def _union(self, schema: Any, path: str) -> WireForm:
        choices = schema["choices"]
        plain = [each[0] if isinstance(each, tuple) else each for each in _values(choices)]
        kept = [each for each in plain if not self._is_unset(each)]
        if len(kept) < len(plain) and self._use == "document":
            self._refuse(path, "`Unset` is for arguments; what is stored is there or is None. Use `T | None = None`")
        forms = [self._walk(each, path) for each in kept]
        if len(forms) == 1:
            return forms[0]
        # A tagged union becomes an ordinary one: its tag has another name here, and literals tell the members apart.
        mode: Literal["smart", "left_to_right"] = "left_to_right" if schema.get("mode") == "left_to_right" else "smart"
        wire = core_schema.union_schema([form.schema for form in forms], mode=mode)
        return WireForm(wire, union_of(form.validator for form in forms))

    def _is_unset(self, schema: Any) -> bool:
        found = self._raw[schema["schema_ref"]] if schema["type"] == "definition-ref" else schema
        return found["type"] == "enum" and found["cls"] is Unset

    def _list(self, schema: Any, path: str) -> WireForm:
        items = self._walk(schema.get("items_schema") or core_schema.any_schema(), f"{path}[]")
        return WireForm({**schema, "items_schema": items.schema, "strict": True}, ArrayV(items.validator))

    def _dict(self, schema: Any, path: str) -> WireForm:
        given = schema.get("keys_schema") or core_schema.any_schema()
        keys = self._walk(core_schema.str_schema() if given["type"] == "any" else given, f"{path}.keys()")
        if not _are_strings(keys.validator):
            self._refuse(path, "keys of an object are strings. Use `dict[str, …]`")
        values = self._walk(schema.get("values_schema") or core_schema.any_schema(), f"{path}.values()")
        wire = {**schema, "keys_schema": keys.schema, "values_schema": values.schema, "strict": True}
        return WireForm(wire, RecordV(keys.validator, values.validator))

    def _inner(self, schema: Any, path: str) -> WireForm:
        wire, validator = self._walk(schema["schema"], path)
        return WireForm({**schema, "schema": wire}, validator)

    def _default(self, schema: Any, path: str) -> WireForm:
        return self._inner(schema, path)

    def _chain(self, schema: Any, path: str) -> WireForm:
        forms = [self._walk(each, path) for each in schema["steps"]]
        return WireForm(core_schema.chain_schema([form.schema for form in forms]), forms[-1].validator)

    # ── references ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _definitions(self, schema: Any, path: str) -> WireForm:
        self._raw.update({each["ref"]: each for each in schema["definitions"]})
        return self._walk(schema["schema"], path)

    def _reference(self, schema: Any, path: str) -> WireForm:
        ref = schema["schema_ref"]
        if ref not in self._done:
            self._done[ref] = None
            self._done[ref] = self._walk(self._raw[ref], path)
        form = self._done[ref]
        return WireForm(core_schema.definition_reference_schema(ref), AnyV() if form is None else form.validator)

    def _table_name(self, target: Any, path: str) -> str | None:
        """The table that `Id[target]` means; None for any."""
        if target is Any or isinstance(target, TypeVar):
            return None
        text = getattr(target, "__forward_arg__", target)
        if isinstance(text, str):
            target = next((space[text] for space in reversed(self._namespaces) if text in space), None)
            if target is None:
                self._refuse(path, f'`Id["{text}"]` names no class that this module knows. Import or declare it')
        form: TableForm | None = getattr(target, "__definition__", None)
        if form is None or form.name is None:
            self._refuse(path, f"`Id[…]` needs a Table with a name, and {target!r} is none")
        return form.name

    # ── objects ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def _model(self, schema: Any, path: str) -> WireForm:
        cls = schema["cls"]
        table: TableForm | None = getattr(cls, "__definition__", None)
        if table is not None:
            return self._table(cls, table, path)
        if schema.get("custom_init"):
            self._refuse(
                path, f"`{cls.__name__}` has an __init__ of its own, which knows no wire names. Use validators"
            )
        inner = self._within(cls, schema["schema"], path)
        if schema.get("root_model"):
            return WireForm({**schema, "schema": inner.schema}, inner.validator)
        config = dict(schema.get("config") or {})
        if config.get("extra_fields_behavior") == "allow":
            self._refuse(path, f'`{cls.__name__}` allows extra fields (extra="allow"): use a `dict[str, …]` field')
        config |= {"extra_fields_behavior": "forbid", "validate_by_alias": True, "validate_by_name": False}
        return WireForm({**schema, "schema": inner.schema, "config": config}, inner.validator)

    def _table(self, cls: type, table: TableForm, path: str) -> WireForm:
        if self._use == "argument":
            self._refuse(path, f"a document (`{cls.__name__}`) is no argument: take its id, `Id[{cls.__name__}]`")
        if self._use == "document":
            self._refuse(path, f"a document cannot hold another: store its id, `Id[{cls.__name__}]`")
        if table.name is None:
            self._refuse(path, f"`{cls.__name__}` is a mixin, not a table: it has no `name=`")
        serialization = core_schema.plain_serializer_function_ser_schema(table.to_document)
        wire = core_schema.no_info_plain_validator_function(table.from_value, serialization=serialization)
        return WireForm(wire, table.validator)

    def _dataclass(self, schema: Any, path: str) -> WireForm:
        inner = self._within(schema["cls"], schema["schema"], path)
        config = {**(schema.get("config") or {}), "extra_fields_behavior": "forbid"}
        config |= {"validate_by_alias": True, "validate_by_name": False}
        return WireForm({**schema, "schema": inner.schema, "config": config}, inner.validator)

    def _within(self, cls: type, schema: Any, path: str) -> WireForm:
        module = sys.modules.get(cls.__module__)
        self._namespaces.append({} if module is None else vars(module))
        try:
            return self._walk(schema, path)
        finally:
            self._namespaces.pop()

    def _object(self, schema: Any, path: str) -> WireForm:
        if schema.get("computed_fields"):
            self._refuse(path, "a computed field is not sent. Make it a plain field and fill it")
        if (schema.get("extra_behavior") or "") == "allow" or schema.get("extras_schema"):
            self._refuse(path, "extra fields have no wire form. Use a `dict[str, …]` field")
        altered, described = self.fields(schema, path)
        wire = {**schema, "fields": list(altered.values()) if isinstance(schema["fields"], list) else altered}
        wire |= {"extra_behavior": "forbid"}
        return WireForm(wire, ObjectV(tuple(described.values())))

    def _field(self, item: dict[str, Any], wire: str, path: str) -> tuple[dict[str, Any], Field]:
        schema = item["schema"]
        has_default = schema["type"] == "default"
        default = schema.get("default", _NO_CONSTANT) if has_default else _NO_CONSTANT
        form = self._walk(schema, path)
        absent = default is None or default is UNSET
        optional = absent or item.get("required") is False or (has_default and self._use == "argument")
        altered = {**item, "schema": form.schema, "validation_alias": wire, "serialization_alias": wire}
        if altered["type"] != "dataclass-field":
            del altered["name"]
        if has_default and (item.get("metadata") or {}).get(ARGUMENTS):
            altered["schema"] = form.schema["schema"]  # Python fills its own defaults
        elif has_default and default is _NO_CONSTANT and self._use == "document":
            altered["schema"] = form.schema["schema"]  # a factory fills at insert only
        if absent:
            altered["serialization_exclude_if"] = _is_none if default is None else _is_unset
        validator = _without_null(form.validator) if default is None else form.validator
        return altered, Field(wire, validator, optional)

    def _wire_name(self, item: Mapping[str, Any], name: str, path: str) -> str:
        if item.get("serialization_exclude") or item.get("init_only") or item.get("init") is False:
            self._refuse(f"{path}.{name}", "a field that is not both taken and sent has no wire form")
        aliases = {item.get("validation_alias"), item.get("serialization_alias")} if _plain_aliases(item) else {0, 1}
        aliases.discard(None)
        if len(aliases) > 1:
            self._refuse(f"{path}.{name}", "a field has one name on the wire. Use `Annotated[T, Field(alias=…)]`")
        wire = str(aliases.pop()) if aliases else self._names(name)
        if not is_identifier(wire):
            self._refuse(f"{path}.{name}", f"`{wire}` is no name for a field: letters, digits and `_`, at most 64")
        return wire


_HANDLERS: dict[str, Callable[[WireWalk, Any, str], WireForm]] = {
    "any": WireWalk._any,
    "none": WireWalk._none,
    "bool": WireWalk._bool,
    "int": WireWalk._int,
    "float": WireWalk._float,
    "str": WireWalk._str,
    "bytes": WireWalk._bytes,
    "datetime": WireWalk._datetime,
    "is-instance": WireWalk._is_instance,
    "literal": WireWalk._literal,
    "enum": WireWalk._enum,
    "nullable": WireWalk._nullable,
    "union": WireWalk._union,
    "tagged-union": WireWalk._union,
    "list": WireWalk._list,
    "dict": WireWalk._dict,
    "default": WireWalk._default,
    "function-after": WireWalk._inner,
    "function-before": WireWalk._inner,
    "function-wrap": WireWalk._inner,
    "chain": WireWalk._chain,
    "definitions": WireWalk._definitions,
    "definition-ref": WireWalk._reference,
    "model": WireWalk._model,
    "dataclass": WireWalk._dataclass,
    "model-fields": WireWalk._object,
    "typed-dict": WireWalk._object,
    "dataclass-args": WireWalk._object,
}

_INSTEAD = {
    "decimal": "Use float, or str to keep every digit",
    "uuid": "Use str",
    "url": "Use str",
    "multi-host-url": "Use str",
    "date": "Use str (YYYY-MM-DD), or an aware datetime",
    "time": "Use str",
    "timedelta": "Use float (seconds)",
    "set": "Use list",
    "frozenset": "Use list",
    "tuple": "Use list, or a model with named fields",
    "generator": "Use list",
    "json-or-python": "Use list, dict or a model",
    "complex": "Use two floats",
}
_NO_CONSTANT: Any = object()


def _no_form(kind: str) -> str:
    advice = _INSTEAD.get(kind, "Use plain fields, lists, dicts and models of str, int, float, bool, bytes, datetime")
    return f"`{kind}` has no faithful wire form. {advice}"


def union_of(members: Iterable[Validator]) -> Validator:
    """The union of validators, as flat and as short as it can be said."""
    flat: dict[Validator, None] = {}
    for member in members:
        flat |= dict.fromkeys(member.members if isinstance(member, UnionV) else (member,))
    if AnyV() in flat:
        return AnyV()
    return next(iter(flat)) if len(flat) == 1 else UnionV(tuple(flat))


def _without_null(validator: Validator) -> Validator:
    if not isinstance(validator, UnionV):
        return validator
    return union_of(member for member in validator.members if not isinstance(member, NullV))


def _are_strings(validator: Validator) -> bool:
    if isinstance(validator, UnionV):
        return all(map(_are_strings, validator.members))
    return isinstance(validator, (StringV, IdV)) or (
        isinstance(validator, LiteralV) and isinstance(validator.value, str)
    )


def _plain_scalar(value: Any) -> Any:
    return str.__str__(value) if isinstance(value, str) else value


def _plain_aliases(item: Mapping[str, Any]) -> bool:
    return all(isinstance(item.get(key), (str, type(None))) for key in ("validation_alias", "serialization_alias"))


def _values(choices: Any) -> list[Any]:
    return list(choices.values()) if isinstance(choices, dict) else list(choices)


def _is_none(value: object) -> bool:
    return value is None


def _is_unset(value: object) -> bool:
    return value is UNSET
