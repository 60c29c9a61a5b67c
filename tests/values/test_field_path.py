"""The way to a field, and what a missing one is."""

import pytest

from reactor.errors import InvalidValue
from reactor.values.field_path import FieldPath, get_field
from reactor.values.order import UNDEFINED
from reactor.values.value import Value

DOCUMENT: dict[str, Value] = {"_id": "x", "a": {"b": {"c": 1}, "n": None}, "list": [1]}


@pytest.mark.parametrize(
    ("path", "value"), [("_id", "x"), ("a.b.c", 1), ("a.b", {"c": 1}), ("a.n", None), ("list", [1])]
)
def test_a_path_leads_to_its_field(path: str, value: Value) -> None:
    assert get_field(DOCUMENT, path) == value
    assert FieldPath.parse(path).of(DOCUMENT) == value


@pytest.mark.parametrize("path", ["zz", "a.zz", "a.b.zz.c", "a.n.x", "list.x", "_id.x"])
def test_a_path_that_leads_nowhere_is_undefined_and_not_null(path: str) -> None:
    assert get_field(DOCUMENT, path) is UNDEFINED
    assert FieldPath.parse(path).of(DOCUMENT) is UNDEFINED


@pytest.mark.parametrize("text", ["", ".", "a.", ".a", "a..b", "a b", "a.$x", "é"])
def test_steps_are_identifiers(text: str) -> None:
    with pytest.raises(InvalidValue, match="is not a field path"):
        FieldPath.parse(text)


def test_a_path_prints_as_it_was_written() -> None:
    assert str(FieldPath.parse("a.b")) == "a.b"
