"""The limits of reference §3.3: each at the limit, and one past it."""

from dataclasses import replace
from typing import Any

import pytest

from reactor.errors import InvalidValue
from reactor.limits import DEFAULT_LIMITS
from reactor.values.int64 import Int64
from reactor.values.value import check_document, check_value, nesting_of, size_of


def nested(levels: int, innermost: Any = 1) -> Any:
    for level in range(levels):
        innermost = [innermost] if level % 2 else {"a": innermost}
    return innermost


@pytest.mark.parametrize(
    ("value", "size"),
    [
        (None, 1),
        (True, 1),
        (1, 9),
        (1.0, 9),
        (Int64(1), 9),
        ("", 2),
        ("abc", 5),
        ("é€😀", 2 + 2 + 3 + 4),
        (b"abc", 5),
        ([], 2),
        ([None, "a"], 2 + 1 + 3),
        ({}, 2),
        ({"ab": 1, "c": [b""]}, 2 + (2 + 1 + 9) + (1 + 1 + 2 + 2)),
    ],
)
def test_sizes_are_the_references(value: Any, size: int) -> None:
    assert size_of(value) == size
    assert check_value(value) == size


@pytest.mark.parametrize(("value", "levels"), [(1, 0), ("x", 0), ([], 1), ({}, 1), ([1, [2, {"a": 1}], 3], 3)])
def test_nesting_counts_arrays_and_objects(value: Any, levels: int) -> None:
    assert nesting_of(value) == levels


def test_values_nest_64_levels() -> None:
    check_value(nested(64))
    with pytest.raises(InvalidValue, match=r"^At `.*…`: Value is too nested \(65 > maximum nesting 64\)\. Flatten it"):
        check_value(nested(65))


def test_documents_nest_16_levels() -> None:
    check_document({"a": nested(15)})
    with pytest.raises(InvalidValue, match=r"Value is too nested \(17 > maximum nesting 16\)"):
        check_document({"a": nested(16)})


def test_an_array_has_8192_elements() -> None:
    check_value([0] * 8192)
    with pytest.raises(InvalidValue, match=r"^At `\.a`: Array length is too long \(8193 > maximum length 8192\)\. Use"):
        check_value({"a": [0] * 8193})


def test_an_object_has_1024_fields() -> None:
    check_value({f"f{i}": i for i in range(1024)})
    with pytest.raises(InvalidValue, match=r"^Object has too many fields \(1025 > maximum number 1024\)\. Use"):
        check_value({f"f{i}": i for i in range(1025)})


def test_a_field_name_has_1024_bytes() -> None:
    check_value({"a" * 1024: 1})
    check_value({"a" * 1024: 1, "b" * 1024: 2})  # each, not all together
    with pytest.raises(InvalidValue, match=r"^Field name `a+…` is too long \(1025 > maximum length 1024\)\. Shorten"):
        check_value({"a" * 1025: 1})


@pytest.mark.parametrize("name", ["", " ", "~", "foo bar", "a$b", "_hidden", "0"])
def test_printable_ascii_names_a_field_inside_a_value(name: str) -> None:
    assert check_value({name: 1}) == 2 + len(name) + 1 + 9


@pytest.mark.parametrize("name", ["é", "a\n", "\x00", "\x7f", "\u200b"])
def test_control_characters_and_others_name_no_field(name: str) -> None:
    with pytest.raises(InvalidValue, match=r"^At `\[0\]`: Field name '.*' has characters other than printable ASCII\."):
        check_value([{"fine": 1, name: 1}])


def test_a_dollar_starts_no_field_name() -> None:
    with pytest.raises(InvalidValue, match=r"^At `\.a`: Field name `\$b` starts with `\$`, which is reserved\. Rename"):
        check_value({"a": {"$b": 1}})


def test_keys_are_plain_strings() -> None:
    class Text(str):
        __slots__ = ()

    with pytest.raises(InvalidValue, match=r"^The key 1 is an int\."):
        check_value({1: 1})
    with pytest.raises(InvalidValue, match=r"^The key k is a Text\..*`str\(key\)`"):
        check_value({Text("k"): 1})


@pytest.mark.parametrize("number", [2**53 - 1, -(2**53) + 1, Int64(2**63 - 1), Int64(-(2**63)), 1e300])
def test_numbers_to_their_limits(number: Any) -> None:
    assert check_value([number]) == 11


@pytest.mark.parametrize("number", [2**53, -(2**53)])
def test_an_int_that_javascript_would_round_is_refused_by_name(number: int) -> None:
    with pytest.raises(InvalidValue, match=r"^At `\.n`: .*reactor\.Int64"):
        check_value({"n": number})


@pytest.mark.parametrize("value", [(1,), {1}, object(), 1j, bytearray(b"x"), DEFAULT_LIMITS])
def test_other_python_objects_are_no_values(value: Any) -> None:
    with pytest.raises(InvalidValue, match=r"^At `\.a\[0\]\.b`: an? \w+ is not a Value\. \w"):
        check_value({"a": [{"b": value}]})


def test_a_lone_surrogate_is_no_text() -> None:
    with pytest.raises(InvalidValue, match="surrogate pair at character 2"):
        check_value("ab\udc00")


def test_a_whole_is_as_large_as_the_caller_allows() -> None:
    assert check_value("a" * 98, max_size=100) == 100
    with pytest.raises(InvalidValue, match=r"^Arguments: Value is too large \(101 > maximum size 100\)\. "):
        check_value("a" * 99, max_size=100, what="Arguments")


def test_a_document_has_one_mebibyte() -> None:
    rest = size_of({"a": ""})
    assert check_document({"a": "x" * ((1 << 20) - rest)}) == 1 << 20
    with pytest.raises(InvalidValue, match=r"Value is too large \(1048577 > maximum size 1048576\)"):
        check_document({"a": "x" * ((1 << 20) - rest + 1)})


def test_only_the_systems_fields_start_with_an_underscore_and_only_at_the_top() -> None:
    check_document({"_id": "x", "_creationTime": 1.5, "a": {"_inner": 1}})
    with pytest.raises(InvalidValue, match=r"^users: Field name `_mine` starts with an underscore.* Rename the field"):
        check_document({"_mine": 1}, what="users")


def test_a_document_is_a_dict() -> None:
    with pytest.raises(InvalidValue, match=r"^A document is a dict of fields, not a list\."):
        check_document([])


def test_limits_are_the_callers() -> None:
    limits = replace(DEFAULT_LIMITS, array_length=1, object_fields=1, field_name_length=2, value_nesting=1)
    check_value([1], limits)
    check_value({"ab": 1}, limits)
    past_each: list[Any] = [[1, 2], {"a": 1, "b": 2}, {"abc": 1}, [[]]]
    for past in past_each:
        with pytest.raises(InvalidValue):
            check_value(past, limits)
