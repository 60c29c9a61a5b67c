"""Which Values fit, and the exact words of reference §4.3 for those that do not."""

from typing import Any

import pytest

from reactor.errors import InvalidValue
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
    from_export,
    render_validator,
    to_export,
)
from reactor.values.value import Int64, Value

TABLES = {"u1": "users", "u2": "users", "m1": "messages"}  # ids of this test's world


def why(validator: Validator, value: Value) -> str | None:
    return explain(validator, value, table_of_id=TABLES.get)


def obj(**fields: Validator) -> ObjectV:
    return ObjectV(tuple(Field(name, validator) for name, validator in fields.items()))


A_VALUE_OF_EACH: dict[str, Value] = {
    "null": None,
    "int": 1,
    "float": 1.5,
    "int64": Int64(1),
    "bool": True,
    "string": "text",
    "id": "u1",
    "bytes": b"x",
    "array": ["a"],
    "object": {"a": "b"},
}


@pytest.mark.parametrize(
    ("validator", "fitting"),
    [
        (AnyV(), set(A_VALUE_OF_EACH)),
        (NullV(), {"null"}),
        (NumberV(), {"int", "float"}),
        (BigIntV(), {"int64"}),
        (BooleanV(), {"bool"}),
        (StringV(), {"string", "id"}),
        (BytesV(), {"bytes"}),
        (IdV("users"), {"id"}),
        (LiteralV("text"), {"string"}),
        (LiteralV(1), {"int"}),
        (LiteralV(1.0), {"int"}),
        (LiteralV(Int64(1)), {"int64"}),
        (LiteralV(True), {"bool"}),
        (ArrayV(StringV()), {"array"}),
        (ArrayV(NumberV()), set()),
        (RecordV(StringV(), StringV()), {"object"}),
        (RecordV(IdV("users"), StringV()), set()),
        (obj(a=StringV()), {"object"}),
        (obj(), set()),
        (UnionV((NullV(), NumberV())), {"null", "int", "float"}),
        (UnionV((StringV(),)), {"string", "id"}),
        (UnionV(()), set()),
    ],
)
def test_each_validator_takes_its_kind_and_no_other(validator: Validator, fitting: set[str]) -> None:
    assert {kind for kind, value in A_VALUE_OF_EACH.items() if why(validator, value) is None} == fitting


def test_an_optional_field_may_be_missing_or_null_but_not_wrong() -> None:
    validator = ObjectV((Field("a", StringV(), optional=True),))
    assert why(validator, {}) is None
    assert why(validator, {"a": None}) is None
    assert why(validator, {"a": "x"}) is None
    assert why(validator, {"a": 1}) is not None


# ── the messages ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_example_of_the_reference() -> None:
    validator = obj(limit=NumberV())
    assert why(validator, {"limit": "ten"}) == (
        'Value does not match validator.\nPath: .limit\nValue: "ten"\nValidator: v.float64()'
    )


def test_a_mismatch_at_the_top_leaves_the_line_of_the_path_empty() -> None:
    assert why(NumberV(), "ten") == 'Value does not match validator.\n\nValue: "ten"\nValidator: v.float64()'


def test_a_missing_field() -> None:
    assert why(obj(body=StringV(), author=StringV()), {"author": "Ada"}) == (
        "Object is missing the required field `body`. Consider wrapping the field validator in `v.optional(...)` if "
        "this is expected.\n"
        "\n"
        'Object: {author: "Ada"}\n'
        "Validator: v.object({author: v.string(), body: v.string()})"
    )


def test_a_missing_field_further_in() -> None:
    assert why(obj(list=ArrayV(obj(x=NullV()))), {"list": [{"x": None}, {}]}) == (
        "Object is missing the required field `x`. Consider wrapping the field validator in `v.optional(...)` if this "
        "is expected.\n"
        "Path: .list[1]\n"
        "Object: {}\n"
        "Validator: v.object({x: v.null()})"
    )


def test_an_extra_field() -> None:
    assert why(obj(), {"b": 1, "a": "x"}) == (
        "Object contains extra field `a` that is not in the validator.\n"
        "\n"
        'Object: {a: "x", b: 1.0}\n'
        "Validator: v.object({})"
    )


def test_an_extra_field_further_in() -> None:
    assert why(obj(o=obj()), {"o": {"b": 1}}) == (
        "Object contains extra field `b` that is not in the validator.\n"
        "Path: .o\n"
        "Object: {b: 1.0}\n"
        "Validator: v.object({})"
    )


def test_another_literal() -> None:
    assert why(LiteralV("on"), "off") == '`"off"` does not match literal validator `v.literal("on")`.'
    assert why(obj(n=LiteralV(1)), {"n": 2}) == "`2.0` does not match literal validator `v.literal(1)`.\nPath: .n"


def test_an_id_of_another_table() -> None:
    assert why(IdV("users"), "m1") == (
        'Found ID "m1" from table `messages`, which does not match the table name in validator `v.id("users")`.'
    )
    assert why(obj(a=ArrayV(IdV("users"))), {"a": ["u1", "m1"]}) == (
        'Found ID "m1" from table `messages`, which does not match the table name in validator `v.id("users")`.\n'
        "Path: .a[1]"
    )


def test_a_string_that_is_no_id() -> None:
    assert why(IdV("users"), "nobody") == (
        'Value does not match validator.\n\nValue: "nobody"\nValidator: v.id("users")'
    )


def test_a_union_is_reported_whole() -> None:
    assert why(obj(x=UnionV((NullV(), StringV()))), {"x": 1}) == (
        "Value does not match validator.\nPath: .x\nValue: 1.0\nValidator: v.union(v.null(), v.string())"
    )


def test_a_union_of_one_leaves_the_word_to_its_member() -> None:
    member = obj(a=NumberV())
    for value in ({}, {"a": "x"}, {"a": 1, "b": 2}, 5):
        assert why(UnionV((member,)), value) == why(member, value) is not None  # type: ignore[arg-type]


def test_paths_through_records() -> None:
    validator = obj(r=RecordV(IdV("users"), ArrayV(NumberV())))
    assert why(validator, {"r": {"u1": [1], "u2": [2, "x"]}}) == (
        'Value does not match validator.\nPath: .r.values()[1]\nValue: "x"\nValidator: v.float64()'
    )
    assert why(validator, {"r": {"x": [1]}}) == (
        'Value does not match validator.\nPath: .r.keys()\nValue: "x"\nValidator: v.id("users")'
    )


def test_declared_fields_come_first_in_the_order_of_names_then_extra_ones() -> None:
    validator = obj(c=NumberV(), a=NumberV(), b=NumberV())

    def first_line(value: Value) -> str:
        return (why(validator, value) or "").split("\n")[0]

    assert "missing the required field `a`" in first_line({"b": "wrong", "zz": 1})
    assert why(validator, {"a": 1, "b": "wrong", "zz": 1}) == why(validator, {"a": 1, "b": "wrong", "0": 1})
    assert "missing the required field `c`" in first_line({"a": 1, "b": 1, "zz": 1})
    assert "extra field `y`" in first_line({"a": 1, "b": 1, "c": 1, "zz": 1, "y": 1})


# ── spellings ─────────────────────────────────────────────────────────────────────────────────────────────────────────

SPELLINGS: list[tuple[Validator, Any, str]] = [
    (AnyV(), {"type": "any"}, "v.any()"),
    (NullV(), {"type": "null"}, "v.null()"),
    (NumberV(), {"type": "number"}, "v.float64()"),
    (BigIntV(), {"type": "bigint"}, "v.int64()"),
    (BooleanV(), {"type": "boolean"}, "v.boolean()"),
    (StringV(), {"type": "string"}, "v.string()"),
    (BytesV(), {"type": "bytes"}, "v.bytes()"),
    (LiteralV('a"b'), {"type": "literal", "value": 'a"b'}, r'v.literal("a\"b")'),
    (LiteralV(2.0), {"type": "literal", "value": 2}, "v.literal(2)"),
    (LiteralV(0.5), {"type": "literal", "value": 0.5}, "v.literal(0.5)"),
    (LiteralV(False), {"type": "literal", "value": False}, "v.literal(false)"),
    (LiteralV(Int64(42)), {"type": "literal", "value": {"$integer": "KgAAAAAAAAA="}}, "v.literal(<bigint>)"),
    (IdV("users"), {"type": "id", "tableName": "users"}, 'v.id("users")'),
    (ArrayV(NullV()), {"type": "array", "value": {"type": "null"}}, "v.array(v.null())"),
    (
        RecordV(StringV(), AnyV()),
        {
            "type": "record",
            "keys": {"type": "string"},
            "values": {"fieldType": {"type": "any"}, "optional": False},
        },
        "v.record(v.string(), v.any())",
    ),
    (
        ObjectV((Field("b", NullV()), Field("a", StringV(), optional=True))),
        {
            "type": "object",
            "value": {
                "b": {"fieldType": {"type": "null"}, "optional": False},
                "a": {"fieldType": {"type": "string"}, "optional": True},
            },
        },
        "v.object({a: v.optional(v.string()), b: v.null()})",
    ),
    (ObjectV((), table="users"), {"type": "object", "value": {}, "table": "users"}, "v.object({})"),
    (UnionV(()), {"type": "union", "value": []}, "v.union()"),
    (
        UnionV((NullV(), StringV())),
        {"type": "union", "value": [{"type": "null"}, {"type": "string"}]},
        "v.union(v.null(), v.string())",
    ),
]


@pytest.mark.parametrize(("validator", "tree", "text"), SPELLINGS)
def test_export_form_and_builder_form(validator: Validator, tree: Any, text: str) -> None:
    assert to_export(validator) == tree
    assert from_export(tree) == validator
    assert to_export(from_export(tree)) == tree
    assert render_validator(validator) == text


@pytest.mark.parametrize(
    "tree",
    [
        None,
        {},
        {"type": "commitTs"},
        {"type": []},
        {"type": "array"},
        {"type": "object", "value": []},
        {"type": "object", "value": {"a": {"fieldType": {"type": "null"}}}},
        {"type": "literal", "value": None},
        {"type": "union", "value": [{"type": "nothing"}]},
    ],
)
def test_a_tree_that_is_no_validator_is_refused(tree: Any) -> None:
    with pytest.raises(InvalidValue, match="no exported validator"):
        from_export(tree)


def test_literals_are_equal_as_values_are() -> None:
    assert LiteralV(1) == LiteralV(1.0)
    assert len({LiteralV(1), LiteralV(True), LiteralV(Int64(1)), LiteralV("1"), LiteralV(1.0)}) == 4
    assert LiteralV(1) != NullV()
