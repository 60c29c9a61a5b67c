from __future__ import annotations

from dataclasses import FrozenInstanceError
from typing import Any

import pytest
from pydantic import BaseModel

from reactor import UNSET, Id, Int64, SearchIndex, Table
from reactor.definitions.schema import Schema
from reactor.errors import DefinitionError, InvalidQuery
from reactor.values.order import UNDEFINED
from tests.definitions.example import ID, MS, NOW, Image, Mixed, Timestamped, User


def test_a_range_holds_wire_paths_and_wire_values() -> None:
    found = Image.by_user_created.eq(ID).gt(NOW).lte(NOW)
    assert (found.table_name, found.table, found.index_name) == ("images", Image, "by_user_created")
    assert found.fields == ("userId", "createdAt")
    assert found.wire_bounds() == ((ID,), (MS, False), (MS, True))


def test_bounds_may_come_one_by_one_or_not_at_all() -> None:
    assert Image.by_public.wire_bounds() == ((), None, None)
    assert Image.by_public.eq(True).eq(NOW).equal == (True, MS)
    assert Image.by_public.eq(True, NOW).equal == (True, MS)
    assert Image.by_public.gte(False).lower == (False, True)
    assert Image.by_public.lt(True).upper == (True, False)


def test_the_creation_time_orders_what_is_equal_and_can_be_bounded() -> None:
    assert Image.by_public.eq(True, NOW).gt(5).lower == (5.0, False)
    with pytest.raises(InvalidQuery, match="there is none left for `gt`"):
        Image.by_public.eq(True, NOW, 5.0).gt(5)


def test_every_table_can_be_read_by_creation_time_and_by_id() -> None:
    assert User.by_creation_time.fields == ("_creationTime",)
    assert User.by_creation_time.gt(3).lt(4.5).wire_bounds() == ((), (3.0, False), (4.5, False))
    assert User.by_id.fields == ("_id",)
    assert User.by_id.eq(ID).wire_bounds() == ((ID,), None, None)
    with pytest.raises(InvalidQuery, match="1 fields"):
        User.by_id.eq(ID).gt(3)


@pytest.mark.parametrize(
    ("attempt", "message"),
    [
        (lambda: Image.by_public.eq("yes"), r"Image\.by_public\.eq, field `is_public`: Value does not match"),
        (lambda: Image.by_public.eq(1), r"Validator: v\.boolean\(\)"),
        (lambda: Image.by_public.eq(True).gt(NOW.replace(tzinfo=None)), "has no time zone"),
        (lambda: Image.by_user_created.eq(None), r'Validator: v\.id\("users"\)'),
        (lambda: Mixed.by_count.gt(2**53), r"reactor\.Int64"),
        (lambda: Mixed.by_count.gt(Int64(3)), "Value does not match"),
        (lambda: Mixed.by_count.gt(3.5), "valid integer"),
        (lambda: User.by_creation_time.gt("now"), "creation time is a number"),
        (lambda: User.by_id.eq(3), "an id is a string"),
    ],
)
def test_values_are_checked_at_the_call(attempt: Any, message: str) -> None:
    with pytest.raises(InvalidQuery, match=message):
        attempt()


def test_none_means_absent_for_an_optional_field_and_null_for_a_nullable_one() -> None:
    assert Mixed.by_note.eq(None).equal == (UNDEFINED,)
    assert Mixed.by_nullable.eq(None).equal == (None,)
    assert Mixed.by_note.gt(None).lower == (UNDEFINED, False)


def test_a_nested_field_is_checked_like_any_other() -> None:
    assert Image.by_width.eq(3).equal == (3,)
    with pytest.raises(InvalidQuery, match=r"field `size\.pixel_width`"):
        Image.by_width.eq("3")


def test_ranges_are_values() -> None:
    assert Image.by_public.eq(True) == Image.by_public.eq(True)
    assert Image.by_public.eq(True) != Image.by_public.eq(False)
    with pytest.raises(FrozenInstanceError):
        Image.by_public.equal = ()  # type: ignore[misc]


def test_a_search_holds_wire_names_and_checked_filters() -> None:
    found = Image.search_prompt("cats", is_public=True, user_id=ID)
    assert (found.table_name, found.index_name, found.field, found.text) == (
        "images",
        "search_prompt",
        "prompt",
        "cats",
    )
    assert found.filters == {"isPublic": True, "userId": ID}


def test_an_unknown_filter_says_which_was_meant_and_a_wrong_one_what_fits() -> None:
    with pytest.raises(InvalidQuery, match=r"no filter `is_pub`\. Did you mean `is_public`\?"):
        Image.search_prompt("x", is_pub=True)
    with pytest.raises(InvalidQuery, match=r"v\.boolean"):
        Image.search_prompt("x", is_public=1)


def test_a_filter_that_is_unset_is_left_out() -> None:
    assert Image.search_prompt("x", is_public=UNSET, user_id=ID) == Image.search_prompt("x", user_id=ID)
    with pytest.raises(InvalidQuery, match="no filter `is_pub`"):
        Image.search_prompt("x", is_pub=UNSET)


def test_a_search_looks_for_a_text() -> None:
    with pytest.raises(InvalidQuery, match=r"Image\.search_prompt looks for a text, not None"):
        Image.search_prompt(None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("declare", "complaint"),
    [
        (lambda: {"search": SearchIndex("number")}, r"Bad\.search: `number` is no text but v\.float64\(\)"),
        (lambda: {"search": SearchIndex("tags")}, r"Bad\.search: `tags` is no text"),
        (lambda: {"search": SearchIndex("owner")}, r"Bad\.search: `owner` is no text but v\.id\(\"users\"\)"),
        (lambda: {"search": SearchIndex("inner.number")}, r"Bad\.search: `inner\.number` is no text"),
        (lambda: {"search": SearchIndex("txet")}, r"no field `txet`\. Did you mean `text`\?"),
        (lambda: {"search": SearchIndex("text", filters=("tag",))}, r"no field `tag`\. Did you mean `tags`\?"),
        (lambda: {"search": SearchIndex("text", filters=tuple(f"f{n}" for n in range(17)))}, "has 17 filters"),
        (lambda: {f"search_{n}": SearchIndex("text") for n in range(5)}, "Bad has 5 search indexes"),
        (lambda: {"search": SearchIndex("text", filters="text")}, "a tuple of field names"),  # type: ignore[arg-type]
    ],
)
def test_what_cannot_be_a_search_index_is_refused_by_name(declare: Any, complaint: str) -> None:
    """Reference §4.12: one string field, at most 16 filter fields, at most 4 indexes a table."""
    namespace: dict[str, Any] = {
        "__annotations__": {
            "text": str,
            "note": str | None,
            "number": float,
            "tags": list[str],
            "owner": Id[User],
            "inner": Inner,
        },
        "note": None,
        "__module__": __name__,
    }
    table: Any = type(Table)
    with pytest.raises(DefinitionError, match=complaint):
        Schema([table("Bad", (Table,), namespace | declare(), name="bad")])
    fine = {"a": SearchIndex("text"), "b": SearchIndex("note"), "c": SearchIndex("inner.text", filters=("owner",))}
    Schema([table("Good", (Table,), namespace | fine, name="good"), User])


class Inner(BaseModel):
    text: str
    number: int


def test_a_mixin_is_no_table() -> None:
    with pytest.raises(InvalidQuery, match="Timestamped is a mixin"):
        Timestamped.by_creation_time.gt(3)
