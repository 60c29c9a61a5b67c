"""Whether all that fits one Validator fits another: a proof, or the place where there is none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reactor.values.int64 import Int64
from reactor.values.narrowing import narrowing
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
    explain,
)
from reactor.values.value import Value


def of(*fields: Field) -> ObjectV:
    return ObjectV(fields)


WIDER: list[tuple[Validator, Validator]] = [
    (StringV(), StringV()),
    (StringV(), AnyV()),
    (LiteralV("a"), StringV()),
    (LiteralV(1), NumberV()),
    (LiteralV(True), BooleanV()),
    (LiteralV(Int64(1)), BigIntV()),
    (IdV("users"), StringV()),
    (UnionV((LiteralV("a"), LiteralV("b"))), UnionV((LiteralV("b"), LiteralV("a"), LiteralV("c")))),
    (UnionV(()), NullV()),
    (StringV(), UnionV((StringV(), NullV()))),
    (ArrayV(LiteralV("a")), ArrayV(StringV())),
    (RecordV(StringV(), NumberV()), RecordV(StringV(), AnyV())),
    (of(Field("a", StringV())), of(Field("a", StringV(), optional=True))),
    (of(Field("a", StringV())), of(Field("a", StringV()), Field("b", NumberV(), optional=True))),
    (of(Field("a", UnionV((StringV(), NullV())))), of(Field("a", StringV(), optional=True))),
    (of(Field("a", StringV())), RecordV(StringV(), StringV())),
]
NARROWER: list[tuple[Validator, Validator, str]] = [
    (StringV(), NumberV(), "was v.string(), is v.float64()"),
    (StringV(), LiteralV("a"), "was v.string()"),
    (StringV(), IdV("users"), "was v.string()"),
    (IdV("users"), IdV("images"), "was v.id"),
    (AnyV(), StringV(), "was v.any()"),
    (LiteralV(True), NumberV(), "was v.literal(true)"),
    (UnionV((StringV(), NullV())), StringV(), "was v.null()"),
    (ArrayV(StringV()), ArrayV(NumberV()), "`[]` was v.string()"),
    (of(Field("a", StringV())), of(Field("a", StringV()), Field("b", NumberV())), "`b` is new and required"),
    (of(Field("a", StringV()), Field("b", NumberV())), of(Field("a", StringV())), "`b` is not declared any more"),
    (of(Field("a", StringV(), optional=True)), of(Field("a", StringV())), "`a` was optional, is required"),
    (of(Field("a", of(Field("b", StringV())))), of(Field("a", of(Field("b", NumberV())))), "`a.b` was v.string()"),
    (of(Field("a", StringV(), optional=True)), RecordV(StringV(), StringV()), "`a` was v.null()"),
]


@pytest.mark.parametrize(("old", "new"), WIDER)
def test_what_only_widens_needs_no_look(old: Validator, new: Validator) -> None:
    assert narrowing(old, new) is None


@pytest.mark.parametrize(("old", "new", "why"), NARROWER)
def test_what_narrows_says_where_and_why(old: Validator, new: Validator, why: str) -> None:
    found = narrowing(old, new)
    assert found is not None
    assert str(found).startswith(why)


scalars = st.sampled_from([AnyV(), NullV(), NumberV(), BigIntV(), BooleanV(), StringV(), BytesV()])
literals = st.sampled_from([LiteralV("a"), LiteralV("b"), LiteralV(1), LiteralV(True), LiteralV(Int64(1))])
names = st.sampled_from(["a", "b", "c"])


def nested(inner: st.SearchStrategy[Validator]) -> st.SearchStrategy[Validator]:
    fields = st.dictionaries(names, st.tuples(inner, st.booleans()), max_size=3)
    return st.one_of(
        inner.map(ArrayV),
        st.lists(inner, max_size=3).map(lambda members: UnionV(tuple(members))),
        inner.map(lambda values: RecordV(StringV(), values)),
        fields.map(lambda found: ObjectV(tuple(Field(name, *each) for name, each in found.items()))),
    )


validators: st.SearchStrategy[Validator] = st.recursive(st.one_of(scalars, literals), nested, max_leaves=8)
values: st.SearchStrategy[Value] = st.recursive(
    st.sampled_from([None, 1, 1.5, True, False, "a", "b", "z", b"", Int64(1)]),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(names, inner, max_size=3)),
    max_leaves=6,
)


@given(validators, validators, st.lists(values, max_size=20))
def test_a_proof_holds_for_every_value(old: Validator, new: Validator, tried: list[Value]) -> None:
    if narrowing(old, new) is None:
        for value in tried:
            if explain(old, value, table_of_id=lambda _text: None) is None:
                assert explain(new, value, table_of_id=lambda _text: None) is None
