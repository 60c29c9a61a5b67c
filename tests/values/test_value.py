"""Encoded JSON as reference §3.2 writes it, and how strictly it is read."""

import enum
import math
import struct
from typing import Any

import orjson
import pytest

from reactor.errors import InvalidValue
from reactor.values.value import (
    Int64,
    Value,
    decode,
    digest,
    encode,
    from_json,
    render,
    to_clean_json,
    to_json,
)

SPECIALS: list[tuple[Value, dict[str, str]]] = [  # the vectors of reference §3.2
    (Int64(42), {"$integer": "KgAAAAAAAAA="}),
    (Int64(-5), {"$integer": "+/////////8="}),
    (-0.0, {"$float": "AAAAAAAAAIA="}),
    (math.nan, {"$float": "AAAAAAAA+H8="}),
    (math.inf, {"$float": "AAAAAAAA8H8="}),
    (-math.inf, {"$float": "AAAAAAAA8P8="}),
    (b"hello", {"$bytes": "aGVsbG8="}),
]


def same(a: Any, b: Any) -> bool:
    """Equal in kind and to the bit, which `==` does not ask of 1 and True, 0.0 and -0.0, NaN."""
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, float) and isinstance(b, float):
        return struct.pack("<d", a) == struct.pack("<d", b)
    return type(a) is type(b) and bool(a == b)


@pytest.mark.parametrize(("value", "tree"), SPECIALS)
def test_specials_are_written_and_read_as_the_reference_says(value: Value, tree: dict[str, str]) -> None:
    assert to_json(value) == tree
    assert encode(value) == orjson.dumps(tree)
    assert same(decode(orjson.dumps(tree)), value)
    assert same(from_json(tree), value)


@pytest.mark.parametrize(("value", "tree"), SPECIALS)
def test_specials_are_found_at_any_depth(value: Value, tree: dict[str, str]) -> None:
    nested: Value = {"plain": "x", "a": [1.5, {"b": value, "c": [value]}]}
    expected = {"plain": "x", "a": [1.5, {"b": tree, "c": [tree]}]}
    assert to_json(nested) == expected
    assert same(from_json(expected), nested)
    assert same(decode(encode(nested)), nested)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1, b"1"),
        (1.0, b"1"),
        (-3.0, b"-3"),
        (0.0, b"0"),
        (1.5, b"1.5"),
        (2.0**53 - 1, b"9007199254740991"),
        (2**53 - 1, b"9007199254740991"),
        (2.0**53, b"9007199254740992.0"),
        (-(2.0**53), b"-9007199254740992.0"),
        (True, b"true"),
        (None, b"null"),
        ("é\n\u2028", '"é\\n\u2028"'.encode()),
        ([], b"[]"),
        ({}, b"{}"),
        ({"b": 1.0, "a": None, "B": False}, b'{"B":false,"a":null,"b":1}'),
        ([1.0, [2.0, {"x": 3.0}]], b'[1,[2,{"x":3}]]'),
    ],
)
def test_a_value_has_one_spelling(value: Value, text: bytes) -> None:
    assert encode(value) == text


@pytest.mark.parametrize("text", ["1", "1.0", "1e0", " 1 "])
def test_every_json_spelling_of_one_is_the_number_one(text: str) -> None:
    value = decode(text)
    assert value == 1
    assert not isinstance(value, Int64)
    assert encode(value) == b"1"


@pytest.mark.parametrize(
    "text", ["9007199254740992", "9007199254740993", "-9007199254740993", "18446744073709551615", "1" + "0" * 30]
)
def test_integers_beyond_2_to_the_53_are_read_as_the_floats_they_are_in_javascript(text: str) -> None:
    for value in (decode(text), decode(f'{{"a":[{text}]}}')["a"][0], from_json([orjson.loads(text)])[0]):  # type: ignore[index,call-overload]
        assert type(value) is float
        assert value == float(text)
        assert decode(encode(value)) == value


def test_keys_are_sorted_by_code_point_not_by_utf16_unit() -> None:
    # The first is above the surrogates in UTF-16 units, the second above it in code points.
    assert encode({"\U00010000": 1, "\uffff": 2}) == '{"\uffff":2,"\U00010000":1}'.encode()


def test_subclasses_count_as_what_they_extend() -> None:
    class Colour(enum.StrEnum):
        RED = "red"

    class Level(enum.IntEnum):
        HIGH = 3

    class Text(str):
        __slots__ = ()

    class Real(float):
        __slots__ = ()

    value: Value = [Colour.RED, Level.HIGH, Text("t"), Real(2.0), Real("nan")]
    assert encode(value) == b'["red",3,"t",2,{"$float":"AAAAAAAA+H8="}]'


def test_plain_trees_are_shared_and_nothing_handed_in_is_changed() -> None:
    plain: Value = {"a": [1, "x", None, 1.5, {"b": True}]}
    assert to_json(plain) is plain
    assert from_json(plain) is plain
    mixed: Any = {"special": [Int64(1), 2.0], "plain": plain}
    written = to_json(mixed)
    assert written["plain"] is plain
    assert same(mixed, {"special": [Int64(1), 2.0], "plain": plain})
    before = orjson.dumps(written)
    assert from_json(written)["plain"] is plain  # type: ignore[index,call-overload]
    assert orjson.dumps(written) == before


# ── refusals ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ((1, 2), "^a tuple is not a Value. Use a list.$"),
        ({"a": [0, {1, 2}]}, r"^At `\.a\[1\]`: a set is not a Value\. Use a list\.$"),
        ({"a": object()}, r"^At `\.a`: an object is not a Value\. Values are None, bool,"),
        ([2**53], r"^At `\[0\]`: 9007199254740992 is beyond .*Int64"),
        ({"n": -(2**53)}, r"^At `\.n`: -9007199254740992 is beyond"),
        ({"a": "x\ud800"}, r"^At `\.a`: This string holds half of a surrogate pair at character 1"),
        ({1: 2}, r"^The key 1 is an int\. Keys of objects must be strings"),
        ({"a": {"$integer": "KgAAAAAAAAA="}}, r"^At `\.a`: Field name `\$integer` starts with `\$`"),
        ([{"x": 1, "$set": 2}], r"^At `\[0\]`: Field name `\$set` starts with `\$`"),
        ({"b": b"x", "c": [{"$": 1}]}, r"^At `\.c\[0\]`: Field name `\$` starts with `\$`"),
    ],
)
def test_what_is_no_value_is_not_written(value: Any, message: str) -> None:
    with pytest.raises(InvalidValue, match=message):
        encode(value)


@pytest.mark.parametrize("value", [(1, 2), {"a": [0, {1, 2}]}, {1: 2}, {"a": {"$integer": "KgAAAAAAAAA="}}])
def test_what_is_no_value_has_no_tree(value: Any) -> None:
    with pytest.raises(InvalidValue):
        to_json(value)


def test_a_list_inside_itself_is_too_nested_and_not_a_crash() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(InvalidValue, match=r"^At `\[0\]\[0\].*…`: Value is too nested"):
        encode(endless)


@pytest.mark.parametrize(
    "text",
    ["", "nul", "NaN", "[Infinity]", "-Infinity", "{'a':1}", '{"a":1,}', '"\\ud800"', "[" * 2000 + "]" * 2000, "1 2"],
)
def test_what_is_no_json_is_not_read(text: str) -> None:
    with pytest.raises(InvalidValue, match="cannot be read as JSON"):
        decode(text)


def test_text_with_half_a_surrogate_pair_is_not_read() -> None:
    with pytest.raises(InvalidValue, match="cannot be read as JSON"):
        decode('"\ud800"')
    with pytest.raises(InvalidValue, match="cannot be read as JSON"):
        decode(b'"\xed\xa0\x80"')


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ({"$set": []}, r"Field name `\$set` starts with `\$`"),
        ({"$undefined": None}, r"Field name `\$undefined` starts with `\$`"),
        ({"$commitTs": None}, r"Field name `\$commitTs` starts with `\$`"),
        ({"$integer": "KgAAAAAAAAA=", "x": 1}, r"`\$integer` must have no other key"),
        ({"a": 1, "$odd": 2}, r"Field name `\$odd`"),
        ({"$integer": 5}, r"`\$integer` must hold a string of base64 \(it is a int\)"),
        ({"$integer": "KgAAAA=="}, "of 8 bytes, not 4"),
        ({"$integer": "KgAAAAAAAAA"}, "base64"),
        ({"$integer": "K gAAAAAAAAA="}, "base64"),
        ({"$float": "AAAAAAAA8D8="}, r"1\.0 is an ordinary number"),
        ({"$float": "AAAAAAAAAAA="}, r"0\.0 is an ordinary number"),
        ({"$float": ""}, "of 8 bytes, not 0"),
        ({"$bytes": "é"}, "base64"),
        ({"$bytes": None}, "base64"),
    ],
)
def test_malformed_specials_are_refused_with_their_path(tree: dict[str, Any], message: str) -> None:
    nested = {"args": [0, tree]}
    with pytest.raises(InvalidValue, match=r"^At `\.args\[1\]`: .*" + message):
        decode(orjson.dumps(nested))
    with pytest.raises(InvalidValue, match=r"^At `\.args\[1\]`: .*" + message):
        from_json(nested)


def test_a_reserved_key_cannot_hide_behind_an_escape() -> None:
    assert same(decode(b'{"\\u0024integer":"KgAAAAAAAAA="}'), Int64(42))
    with pytest.raises(InvalidValue, match=r"`\$set`"):
        decode(b'{"\\u0024set":1}')


def test_dollars_and_brackets_in_ordinary_text_mean_nothing() -> None:
    value: Value = {"price": "$5", "quoted": '"$integer": [[[{{{' * 40, "a$b": 1}
    assert decode(encode(value)) == value


def test_values_nest_64_levels_and_no_more() -> None:
    deepest = "[" * 64 + "]" * 64
    assert encode(decode(deepest)) == deepest.encode()
    for text in ("[" * 65 + "]" * 65, '{"a":' * 65 + "1" + "}" * 65):
        with pytest.raises(InvalidValue, match=r"Value is too nested \(65 > maximum nesting 64\)"):
            decode(text)
        with pytest.raises(InvalidValue, match="too nested"):
            from_json(orjson.loads(text))


def test_a_special_is_a_scalar_and_adds_no_level() -> None:
    text = "[" * 64 + '{"$integer":"KgAAAAAAAAA="}' + "]" * 64
    assert encode(decode(text)) == text.encode()


def test_wide_is_not_deep() -> None:
    wide: Value = [[i] for i in range(1000)]
    assert decode(encode(wide)) == wide


def test_the_levels_allowed_are_the_callers_to_say() -> None:
    assert decode("[[1]]", max_nesting=2) == [[1]]
    with pytest.raises(InvalidValue, match=r"\(2 > maximum nesting 1\)"):
        decode("[[1]]", max_nesting=1)


# ── other forms ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_clean_json_is_plain_json() -> None:
    value: Value = {"i": Int64(2**60), "b": b"hello", "n": [math.nan, math.inf, -math.inf, 1.5, 2.0, True, None, "x"]}
    assert orjson.dumps(to_clean_json(value)) == (
        b'{"i":"1152921504606846976","b":"aGVsbG8=","n":["NaN","Infinity","-Infinity",1.5,2,true,null,"x"]}'
    )


def test_clean_json_writes_zeros_as_numbers() -> None:
    assert orjson.dumps(to_clean_json([0, 0.0, Int64(0), b"", ""])) == b'[0,0,"0","",""]'
    assert orjson.loads(orjson.dumps(to_clean_json(-0.0))) == 0


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1, "1.0"),
        (-0.0, "-0.0"),
        (1e21, "1e21"),
        (math.nan, "NaN"),
        (Int64(7), "7"),
        (True, "true"),
        (None, "null"),
        ('say "hi"\n', r'"say \"hi\"\n"'),
        (b"hello", 'b"aGVsbG8="'),
        ([1, 2.5], "[1.0, 2.5]"),
        ({"b": "x", "a": 1}, '{a: 1.0, b: "x"}'),
        ({}, "{}"),
    ],
)
def test_messages_show_values_as_the_reference_says(value: Value, text: str) -> None:
    assert render(value) == text


def test_a_digest_is_sixteen_bytes_of_the_content() -> None:
    assert len(digest(b"a")) == 16
    assert digest(b"a") == digest(b"a") != digest(b"b")
