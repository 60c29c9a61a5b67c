from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, RootModel, computed_field, field_serializer
from typing_extensions import NotRequired, TypedDict  # noqa: UP035  # pydantic asks for this one before Python 3.12

from reactor import Id, Int64, Model, Page
from reactor.definitions.shape import Shape
from reactor.errors import DefinitionError, InvalidValue, ReturnsValidationError
from reactor.values.validator import (
    AnyV,
    ArrayV,
    BigIntV,
    BooleanV,
    BytesV,
    IdV,
    LiteralV,
    NullV,
    NumberV,
    ObjectV,
    RecordV,
    StringV,
    UnionV,
    explain,
)
from reactor.values.validator import (
    Field as Member,
)
from reactor.values.value import decode, encode
from tests.definitions.example import ID, MS, NOW, Colour, Image, Timestamped, User, image, read, stored, user


class Foreign(BaseModel):
    """Not of our base class, and with pydantic's lenient defaults."""

    some_field: int
    note_text: str | None = None


@dataclasses.dataclass
class Total:
    total_sum: int
    parts_of: list[Foreign] = dataclasses.field(default_factory=list)


class Counted(TypedDict):
    total_count: int
    note_text: NotRequired[str]


class Circle(BaseModel):
    kind_of: Literal["circle"]
    the_radius: float


class Square(BaseModel):
    kind_of: Literal["square"]
    the_side: float


class Tree(BaseModel):
    the_name: str
    its_kids: list[Tree] = []


class Number(IntEnum):
    ONE = 1
    TWO = 2


class Pair(RootModel[list[int]]):
    pass


Drawn = Annotated[Circle | Square, Field(discriminator="kind_of")]

ROUND_TRIPS: list[tuple[Any, Any, Any]] = [
    (int, 3, 3),
    (float, 3.5, 3.5),
    (Int64, Int64(2**60), Int64(2**60)),
    (bool, True, True),
    (str, "é", "é"),
    (bytes, b"\x00", b"\x00"),
    (None, None, None),
    (datetime, NOW, MS),
    (Colour, Colour.RED, "red"),
    (Number, Number.TWO, 2),
    (Literal["a", 1, True] | None, 1, 1),
    (str | None, None, None),
    (int | str, "x", "x"),
    (list[datetime], [NOW], [MS]),
    (dict[str, Colour], {"some_key": Colour.BLUE}, {"some_key": "blue"}),
    (dict[Id[User], int], {ID: 1}, {ID: 1}),
    (Foreign, Foreign(some_field=1), {"someField": 1}),
    (Foreign, Foreign(some_field=1, note_text="n"), {"someField": 1, "noteText": "n"}),
    (Total, Total(3, [Foreign(some_field=1)]), {"totalSum": 3, "partsOf": [{"someField": 1}]}),
    (Counted, {"total_count": 3}, {"totalCount": 3}),
    (Counted, {"total_count": 3, "note_text": "x"}, {"totalCount": 3, "noteText": "x"}),
    (Drawn, Square(kind_of="square", the_side=2.0), {"kindOf": "square", "theSide": 2.0}),
    (list[Drawn], [Circle(kind_of="circle", the_radius=1.0)], [{"kindOf": "circle", "theRadius": 1.0}]),
    (
        Tree,
        Tree(the_name="a", its_kids=[Tree(the_name="b")]),
        {"theName": "a", "itsKids": [{"theName": "b", "itsKids": []}]},
    ),
    (Pair, Pair([1, 2]), [1, 2]),
    (Page[int], Page([1], True, "c"), {"page": [1], "isDone": True, "continueCursor": "c"}),
]


@pytest.mark.parametrize(("annotation", "obj", "value"), ROUND_TRIPS)
def test_what_user_code_makes_comes_back_as_it_was(annotation: Any, obj: Any, value: Any) -> None:
    shape = Shape.of(annotation)
    assert encode(shape.to_value(obj)) == encode(value)
    assert shape.encode(obj) == encode(value)
    back = shape.from_wire(decode(shape.encode(obj)))
    assert back == obj
    assert type(back) is type(obj)


VALIDATORS: list[tuple[Any, Any]] = [
    (int, NumberV()),
    (float, NumberV()),
    (int | float, NumberV()),
    (Int64, BigIntV()),
    (bool, BooleanV()),
    (bytes, BytesV()),
    (datetime, NumberV()),
    (Any, AnyV()),
    (None, NullV()),
    (str | None, UnionV((StringV(), NullV()))),
    (str | int | None, UnionV((StringV(), NumberV(), NullV()))),
    (Literal["a"], LiteralV("a")),
    (Literal["a", 1], UnionV((LiteralV("a"), LiteralV(1)))),
    (Colour, UnionV((LiteralV("red"), LiteralV("blue")))),
    (list, ArrayV(AnyV())),
    (dict, RecordV(StringV(), AnyV())),
    (dict[str, int], RecordV(StringV(), NumberV())),
    (Id[User], IdV("users")),
    (Id[Any], StringV()),
    (Counted, ObjectV((Member("totalCount", NumberV()), Member("noteText", StringV(), True)))),
    (Foreign, ObjectV((Member("someField", NumberV()), Member("noteText", StringV(), True)))),
    (Total, ObjectV((Member("totalSum", NumberV()), Member("partsOf", ArrayV(Shape.of(Foreign).validator))))),
    (Tree, ObjectV((Member("theName", StringV()), Member("itsKids", ArrayV(AnyV()))))),
    (Annotated[str, Field(max_length=3)], StringV()),
]


@pytest.mark.parametrize(("annotation", "validator"), VALIDATORS)
def test_the_validator_says_what_the_annotation_says(annotation: Any, validator: Any) -> None:
    assert Shape.of(annotation).validator == validator


def test_a_document_is_described_with_its_system_fields() -> None:
    validator = Shape.of(User).validator
    assert isinstance(validator, ObjectV)
    assert validator.table == "users"
    assert [each.name for each in validator.fields if each.optional] == ["firstName", "avatarId"]
    assert [each.name for each in validator.fields][:2] == ["_id", "_creationTime"]


ACCEPTED = [(int, 3.0), (int, -0.0), (float, 3), (Literal[1], 1.0), (Number, 2.0), (int, 2**53 - 1), (datetime, 0)]
REFUSED: list[tuple[Any, Any]] = [
    (int, 3.5),
    (int, True),
    (int, "3"),
    (int, 2**53),
    (int, float(2**53)),
    (int, float("nan")),
    (int, float("inf")),
    (int, Int64(3)),
    (float, True),
    (float, "3"),
    (float, Int64(3)),
    (Int64, 3),
    (Int64, 3.0),
    (bool, 1),
    (str, 3),
    (str, b"x"),
    (bytes, "x"),
    (datetime, "2026-01-01"),
    (datetime, True),
    (datetime, 1e300),
    (Colour, "green"),
    (Colour, None),
    (Number, True),
    (Number, "1"),
    (Literal[1], True),
    (Literal[True], 1),
    (Literal["a"], "b"),
    (list[int], {"0": 1}),
    (list[int], ["1"]),
    (dict[str, int], []),
    (Foreign, {"someField": 1, "extra": 1}),
    (Foreign, {"some_field": 1}),
    (Foreign, {"someField": "1"}),
    (Foreign, []),
    (Total, {"totalSum": 1, "total_sum": 1}),
    (Counted, {"totalCount": 1, "x": 1}),
    (Drawn, {"kindOf": "other", "theSide": 1}),
    (Tree, {"theName": "a", "itsKids": [{"the_name": "b"}]}),
]


@pytest.mark.parametrize(("annotation", "value"), ACCEPTED)
def test_numbers_are_javascripts(annotation: Any, value: Any) -> None:
    Shape.of(annotation).from_wire(value)


@pytest.mark.parametrize(("annotation", "value"), REFUSED)
def test_nothing_is_coerced_and_nothing_extra_taken(annotation: Any, value: Any) -> None:
    with pytest.raises(ReturnsValidationError):
        Shape.of(annotation).from_wire(value)


def test_the_users_own_class_is_left_as_it_was() -> None:
    """Pins `_use_prebuilt=False`: with pydantic's prebuilt validator this model would take snake_case and coerce."""

    class Outer(BaseModel):
        inner_one: Foreign

    shape = Shape.of(list[Outer])
    assert shape.from_wire([{"innerOne": {"someField": 1}}]) == [Outer(inner_one=Foreign(some_field=1))]
    with pytest.raises(ReturnsValidationError):
        shape.from_wire([{"innerOne": {"some_field": 1}}])
    with pytest.raises(ReturnsValidationError):
        shape.from_wire([{"innerOne": {"someField": "1"}}])
    assert shape.encode([Outer(inner_one=Foreign(some_field=1))]) == b'[{"innerOne":{"someField":1}}]'
    assert Foreign(some_field="3").model_dump() == {"some_field": 3, "note_text": None}  # type: ignore[arg-type]


NO_FORM: list[tuple[Any, str]] = [
    (Decimal, "decimal"),
    (uuid.UUID, "uuid"),
    (date, "date"),
    (time, "time"),
    (timedelta, "timedelta"),
    (set[int], "Use list"),
    (frozenset[int], "Use list"),
    (tuple[int, str], "Use list"),
    (Sequence[int], "Use list"),
    (complex, "complex"),
    (dict[int, str], "keys of an object are strings"),
    (type, "no|Unable"),
    (Timestamped, "mixin"),
]


@pytest.mark.parametrize(("annotation", "message"), NO_FORM)
def test_what_has_no_wire_form_is_refused(annotation: Any, message: str) -> None:
    with pytest.raises(DefinitionError, match=message):
        Shape.of(annotation)


def test_a_refusal_names_the_path() -> None:
    class Order(BaseModel):
        lines: list[dict[str, Decimal]]

    with pytest.raises(DefinitionError, match=r"^shop:buy, result\.lines\[\]\.values\(\): `decimal`"):
        Shape.of(Order, "shop:buy, result")


def test_models_that_say_something_else_than_their_fields_are_refused() -> None:
    class Computed(BaseModel):
        x: int

        @computed_field  # type: ignore[prop-decorator]
        @property
        def double(self) -> int:
            return 2 * self.x

    class Serialised(BaseModel):
        x: int

        @field_serializer("x")
        def as_text(self, x: int) -> str:
            return str(x)

    class Open(BaseModel):
        model_config = ConfigDict(extra="allow")

    class Own(BaseModel):
        x: int

        def __init__(self, **data: Any) -> None:
            super().__init__(**data)

    class Hidden(BaseModel):
        x: int = Field(default=1, exclude=True)

    class Two(BaseModel):
        x: int = Field(validation_alias="a", serialization_alias="b")

    class Meeting(BaseModel):
        a_b: int
        aB: int  # noqa: N815

    for cls in (Computed, Serialised, Open, Own, Hidden, Two, Meeting):
        with pytest.raises(DefinitionError):
            Shape.of(cls)


def test_an_alias_of_a_users_model_is_its_wire_name() -> None:
    class Aliased(BaseModel):
        mine: int = Field(alias="theirs_as_it_is")

    assert Shape.of(Aliased).encode(Aliased(theirs_as_it_is=3)) == b'{"theirs_as_it_is":3}'


def test_constraints_and_validators_of_users_hold_in_both_directions() -> None:
    def even(x: int) -> int:
        if x % 2:
            raise ValueError("odd")
        return x

    shape = Shape.of(list[Annotated[int, AfterValidator(even)]])
    assert shape.from_wire([2]) == [2]
    for attempt in (lambda: shape.from_wire([3]), lambda: shape.to_value([3])):
        with pytest.raises(
            ReturnsValidationError, match=r"Path: \[0\]\nValue: 3\.0\nValidator: v\.float64\(\)\nValue error, odd"
        ):
            attempt()


def test_what_is_returned_must_be_what_was_declared() -> None:
    wrong: list[tuple[Any, Any]] = [
        (int, "3"),
        (list[int], (1, 2)),
        (Foreign, {"some_field": 1}),
        (list[Foreign], [user()]),
        (list[User], [read(image())]),
        (User, user()),
        (User | None, image()),
        (datetime, NOW.replace(tzinfo=None)),
        (None, 3),
        (Any, {1, 2}),
        (Any, object()),
        (dict[str, int], {"a": None}),
    ]
    for annotation, obj in wrong:
        with pytest.raises((ReturnsValidationError, InvalidValue)):
            Shape.of(annotation).encode(obj)


def test_any_takes_models_documents_and_moments() -> None:
    given_ = {"m": Foreign(some_field=1), "d": [read(user())], "t": NOW, "c": Colour.RED, "x": Total(1)}
    value = Shape.of(Any).to_value(given_)
    assert value == {
        "m": {"someField": 1},
        "d": [decode(stored(user()))],
        "t": MS,
        "c": "red",
        "x": {"totalSum": 1, "partsOf": []},
    }


# ── documents as results ──────────────────────────────────────────────────────────────────────────────────────────────


def test_stored_documents_leave_as_they_were_stored() -> None:
    odd = b'{"_creationTime":1,"_id":"x","odd":"kept as it is, \\u0041","plan":"free","credits":1}'
    document = User.__definition__.load(odd)
    assert Shape.of(User).encode(document) == odd
    assert Shape.of(User | None).encode(document) == odd
    assert Shape.of(User | None).encode(None) == b"null"
    assert Shape.of(list[User]).encode([document, document]) == b"[" + odd + b"," + odd + b"]"
    assert Shape.of(list[User]).encode([]) == b"[]"


@pytest.mark.parametrize("split", [None, "s"])
@pytest.mark.parametrize("status", [None, "SplitRequired"])
def test_a_page_of_stored_documents_is_the_canonical_page(split: Any, status: Any) -> None:
    page = Page([read(image(tags=["x"]))], False, "c", split, status)
    ordinary = Shape.of(Page[Any]).to_value(page)
    assert Shape.of(Page[Image]).encode(page) == encode(ordinary)


def test_a_list_changed_in_place_is_seen_in_the_result() -> None:
    document = read(image(tags=["a"]))
    untouched = Shape.of(list[Image]).encode([document])
    document.tags.append("b")
    assert decode(Shape.of(list[Image]).encode([document])) == [{**decode(untouched)[0], "tags": ["a", "b"]}]  # type: ignore[index,dict-item]
    document.tags.append(3)
    with pytest.raises(ReturnsValidationError, match=r"Path: \.tags\[2\]"):
        Shape.of(list[Image]).encode([document])


def test_looking_into_a_document_does_not_change_its_bytes() -> None:
    document = read(image(tags=["a"]))
    before = Shape.of(Image).encode(document)
    assert document.tags == ["a"]
    assert Shape.of(Image).encode(document) == before == stored(image(tags=["a"]))


def test_a_document_older_than_a_field_leaves_with_the_default() -> None:
    value = User.__definition__.to_value(user())
    del value["plan"]
    old = User.__definition__.load(encode({**value, "_id": ID, "_creationTime": 1}))
    assert decode(Shape.of(list[User]).encode([read(user()), old]))[1]["plan"] == "free"  # type: ignore[index,call-overload]


def test_a_field_name_inside_a_string_or_a_nested_object_does_not_pass_for_the_field() -> None:
    from reactor import Table

    class Event(Table, name="events"):
        title: str
        data: dict[str, str]
        plan: str = "free"

    shape = Shape.of(Event)
    data = encode({"title": '"plan":', "data": {"plan": "inner"}, "_id": ID, "_creationTime": 1})
    assert decode(shape.encode(Event.__definition__.load(data)))["plan"] == "free"  # type: ignore[index,call-overload]


def test_a_document_without_id_is_no_result() -> None:
    for document in (user(), read(user()).model_copy()):
        with pytest.raises(ReturnsValidationError, match="has no id"):
            Shape.of(list[User]).encode([document])


def test_documents_nest_in_results_and_come_back_as_documents() -> None:
    class Card(Model):
        owner: User | None
        images: dict[str, Image]

    shape = Shape.of(Card)
    card = Card.model_construct(owner=read(user()), images={"a": read(image())})
    back = shape.from_wire(decode(shape.encode(card)))
    assert back.owner == read(user())
    assert back.images["a"].id == ID


# ── properties ────────────────────────────────────────────────────────────────────────────────────────────────────────

values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers(-5, 5) | st.text(max_size=3) | st.binary(max_size=3)
    | st.builds(Int64, st.integers(-5, 5)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["theName", "a", "x"]), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


class Named(BaseModel):
    the_name: str
    a: float | None


AGREED: list[Any] = [float, str, bool, bytes, Int64, None, Any, list[float], dict[str, str], str | float | None, Named,
                     list[Named | None], dict[str, list[bool | Int64]], Literal["a", 1, True], Tree]  # fmt: skip
SHAPES = [Shape.of(annotation) for annotation in AGREED if annotation is not Tree]


@given(values)
def test_pydantic_and_the_validator_record_agree_on_every_value(value: Any) -> None:
    for shape in SHAPES:
        try:
            shape.from_wire(value)
            accepted = True
        except ReturnsValidationError:
            accepted = False
        assert accepted == (explain(shape.validator, value, table_of_id=lambda _: None) is None), (
            shape.validator,
            value,
        )


@given(values)
def test_what_any_value_is_read_as_is_written_as_the_same_value(value: Any) -> None:
    for shape in SHAPES:
        try:
            obj = shape.from_wire(value)
        except ReturnsValidationError:
            continue
        assert shape.encode(obj) == encode(value)


CENTURIES = [datetime.fromisoformat(f"{year}-01-01") for year in (1900, 2200)]


@given(st.datetimes(*CENTURIES))
def test_moments_of_our_centuries_survive_to_the_microsecond(naive: datetime) -> None:
    moment = naive.replace(tzinfo=UTC)
    shape = Shape.of(datetime)
    assert shape.from_wire(decode(shape.encode(moment))) == moment


class Oddity(Enum):
    LIST = (1,)


def test_an_enum_of_lists_is_refused() -> None:
    with pytest.raises(DefinitionError, match="enum member"):
        Shape.of(Oddity)
