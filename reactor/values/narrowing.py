"""Whether everything that fits one Validator fits another: then nobody has to look at the documents.

The answer is safe, not sharp: None is a proof, a Narrowing only says that no proof was found.
"""

from __future__ import annotations

from dataclasses import dataclass

from reactor.values.int64 import Int64
from reactor.values.validator import (
    AnyV,
    ArrayV,
    BigIntV,
    BooleanV,
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
    render_validator,
)


@dataclass(frozen=True, slots=True)
class Narrowing:
    """Where the newer Validator may refuse what the older one took."""

    path: str  # "" for the whole, else `.address.city`
    why: str

    def at(self, step: str) -> Narrowing:
        """The same, one level further out."""
        return Narrowing(step + self.path, self.why)

    def __str__(self) -> str:
        return f"`{self.path.lstrip('.')}` {self.why}" if self.path else self.why


def narrowing(old: Validator, new: Validator) -> Narrowing | None:
    """None when every Value that fits `old` fits `new`."""
    if old == new or isinstance(new, AnyV):
        return None
    if isinstance(old, UnionV):
        return next((found for each in old.members if (found := narrowing(each, new)) is not None), None)
    if isinstance(new, UnionV):
        found = None if any(narrowing(old, each) is None for each in new.members) else _changed(old, new)
        return _of_only_object(old, new) if found is not None else None
    match old, new:
        case ObjectV(), ObjectV():
            return _objects(old, new)
        case ObjectV(), RecordV():
            return _object_as_record(old, new)
        case ArrayV(item), ArrayV(newer):
            return _at("[]", narrowing(item, newer))
        case RecordV(keys, values), RecordV(newer_keys, newer_values):
            return _at(".keys()", narrowing(keys, newer_keys)) or _at(".values()", narrowing(values, newer_values))
        case LiteralV(value), _ if new == _kind_of(value):
            return None
        case IdV(), StringV():
            return None
    return _changed(old, new)


def _changed(old: Validator, new: Validator) -> Narrowing:
    return Narrowing("", f"was {render_validator(old)}, is {render_validator(new)}")


def _at(step: str, found: Narrowing | None) -> Narrowing | None:
    return None if found is None else found.at(step)


def _of_only_object(old: Validator, new: UnionV) -> Narrowing:
    """Say what is different inside, where there is one object to compare with."""
    objects = [each for each in new.members if isinstance(each, ObjectV)]
    inner = _objects(old, objects[0]) if isinstance(old, ObjectV) and len(objects) == 1 else None
    return inner or _changed(old, new)


def _kind_of(value: str | float | Int64 | bool) -> Validator:
    if isinstance(value, bool):
        return BooleanV()
    if isinstance(value, Int64):
        return BigIntV()
    return StringV() if isinstance(value, str) else NumberV()


def _objects(old: ObjectV, new: ObjectV) -> Narrowing | None:
    before = {each.name: each for each in old.fields}
    for each in new.by_name:
        if each.name not in before:
            if not each.optional:
                return Narrowing(f".{each.name}", "is new and required")
            continue
        found = _fields(before[each.name], each)
        if found is not None:
            return found.at(f".{each.name}")
    for each in old.by_name:
        if each.name not in new.names:
            return Narrowing(f".{each.name}", "is not declared any more")
    return None


def _fields(old: Field, new: Field) -> Narrowing | None:
    """An optional field takes null and nothing besides what its validator says."""
    if old.optional and not new.optional:
        return Narrowing("", "was optional, is required")
    wider = UnionV((new.validator, NullV())) if new.optional else new.validator
    return None if narrowing(old.validator, wider) is None else narrowing(old.validator, new.validator)


def _object_as_record(old: ObjectV, new: RecordV) -> Narrowing | None:
    for each in old.by_name:
        found = narrowing(LiteralV(each.name), new.keys) or narrowing(each.validator, new.values)
        if found is None and each.optional:
            found = narrowing(NullV(), new.values)
        if found is not None:
            return found.at(f".{each.name}")
    return None
