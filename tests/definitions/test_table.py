from __future__ import annotations

import copy
import pickle
from datetime import datetime, timedelta, timezone
from typing import Annotated, Any, ClassVar

import pytest
from pydantic import BaseModel, Field, ValidationError, model_validator

from reactor import UNSET, Id, Index, Int64, SearchIndex, Table, Unset
from reactor.definitions.table import TableMeta
from reactor.errors import DefinitionError, SchemaViolation
from reactor.values.order import UNDEFINED
from tests.definitions.example import ID, MS, NOW, Colour, Image, Mixed, Size, User, image, read, stored, user


def declare(name: str | None = "things", annotations: dict[str, Any] | None = None, **members: Any) -> Any:
    namespace = {"__module__": __name__, "__qualname__": "Thing", "__annotations__": annotations or {}, **members}
    return TableMeta("Thing", (Table,), namespace, name=name)


# ── reading ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_stored_document_is_decoded_only_when_it_is_looked_into() -> None:
    broken = User.__definition__.load(b"this is no JSON", ID, 5.0)
    assert (broken.id, broken.creation_time) == (ID, 5.0)
    with pytest.raises(ValueError, match=r"(?i)json|unexpected|invalid"):
        broken.email  # noqa: B018


def test_a_stored_document_gives_what_was_stored() -> None:
    found = read(user(credits=3.5, avatar_id=Id(ID)), creation_time=99.25)
    assert (found.id, found.creation_time) == (ID, 99.25)
    assert (found.clerk_id, found.credits, found.avatar_id, found.created_at) == ("c", 3.5, ID, NOW)


@pytest.mark.parametrize(
    "look",
    [
        lambda doc: doc.model_dump(),
        lambda doc: doc.model_dump_json(),
        repr,
        dict,
        lambda doc: doc.__dict__,
        lambda doc: doc.model_fields_set,
        lambda doc: doc.model_extra,
        lambda doc: doc == read(user()),
        lambda doc: doc.model_copy(),
        lambda doc: copy.deepcopy(doc).email,
    ],
)
def test_every_way_of_looking_at_a_document_decodes_it(look: Any) -> None:
    first = read(user())
    loaded = read(user())
    loaded.email  # noqa: B018
    assert look(first) == look(loaded)


def test_specials_survive_being_stored() -> None:
    given = Mixed(big=Int64(2**60), data=b"\x00\xff", colour=Colour.BLUE, nullable=None, anything={"a": [1, None]})
    found = read(given)
    assert (found.big, found.data, found.colour, found.nullable, found.anything) == (
        Int64(2**60),
        b"\x00\xff",
        Colour.BLUE,
        None,
        {"a": [1, None]},
    )
    assert type(found.big) is Int64


def test_a_constant_default_fills_a_document_that_is_older_than_its_field() -> None:
    value = User.__definition__.to_value(user())
    del value["plan"], value["credits"]
    assert User.__definition__.check(value) is None
    from reactor.values.value import encode

    found = User.__definition__.load(encode({**value, "_id": ID, "_creationTime": 1}))
    assert (found.plan, found.credits) == ("free", 10)


def test_a_default_factory_fills_at_insert_only() -> None:
    cls = declare(annotations={"tags": list[str]}, tags=Field(default_factory=list))
    assert cls.__definition__.to_value(cls()) == {"tags": []}
    assert "missing the required field `tags`" in (cls.__definition__.check({}) or "")


def test_moments_survive_to_the_microsecond() -> None:
    for microseconds in range(0, 1_000_000, 12_347):
        moment = NOW.replace(microsecond=microseconds)
        assert read(user(created_at=moment)).created_at == moment


def test_moments_of_another_zone_are_the_same_moments() -> None:
    there = NOW.astimezone(timezone(timedelta(hours=9)))
    assert User.__definition__.to_value(user(created_at=there))["createdAt"] == MS


# ── as a value ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_assigning_names_the_way_to_change_a_document() -> None:
    for document in (user(), read(user())):
        with pytest.raises(AttributeError, match=r"use ctx\.db\.patch\(user\.id, credits=…\)"):
            document.credits = 5  # type: ignore[misc]
        with pytest.raises(AttributeError, match=r"ctx\.db\.patch"):
            del document.credits


def test_equality_hash_and_repr_include_the_id() -> None:
    one, same, other = read(user()), read(user()), read(user(), id="other")
    assert one == same
    assert hash(one) == hash(same)
    assert one != other
    assert one != user()
    assert len({one, same, other}) == 2
    assert repr(one).startswith(f"User(id='{ID}', ")
    assert "id=" not in repr(user()).replace("clerk_id=", "").replace("avatar_id=", "")


def test_documents_with_lists_have_a_hash_once_they_have_an_id() -> None:
    assert hash(read(image(tags=["a"])))
    with pytest.raises(TypeError, match="unhashable"):
        hash(image(tags=["a"]))


def test_documents_of_two_tables_are_never_equal() -> None:
    assert declare("a", {"x": int})(x=1) != declare("b", {"x": int})(x=1)
    assert user() != object()


def test_a_copy_has_no_id() -> None:
    for made in (read(user()).model_copy(update={"credits": 1}), copy.copy(read(user())), copy.deepcopy(read(user()))):
        with pytest.raises(AttributeError, match=r"not read from the database\. insert\(\) returns the id"):
            made.id  # noqa: B018
    with pytest.raises(AttributeError, match="no `creation_time`"):
        user().creation_time  # noqa: B018


def test_a_pickled_document_keeps_its_id() -> None:
    found = pickle.loads(pickle.dumps(read(user())))
    assert found == read(user())
    assert (found.id, found.creation_time) == (ID, 12.5)
    assert pickle.loads(pickle.dumps(user())) == user()


def test_an_unknown_attribute_is_an_ordinary_attribute_error() -> None:
    assert not hasattr(read(user()), "nonsense")
    with pytest.raises(AttributeError, match=r"write User\.by_clerk_id"):
        read(user()).by_clerk_id  # noqa: B018


# ── making ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_naive_datetimes_are_refused_by_the_constructor() -> None:
    with pytest.raises(ValidationError, match="timezone"):
        user(created_at=NOW.replace(tzinfo=None))
    cls = declare(annotations={"times": list[datetime | None]})
    with pytest.raises(ValidationError, match="timezone"):
        cls(times=[NOW.replace(tzinfo=None)])


def test_the_constructor_coerces_nothing_and_takes_no_unknown_field() -> None:
    for wrong in ({"email": 1}, {"credits": "3"}, {"credits": True}, {"emial": "x"}, {"clerkId": "x"}, {"plan": "odd"}):
        with pytest.raises(ValidationError):
            user(**wrong)


def test_an_alias_is_the_wire_name_and_not_the_parameter() -> None:
    assert Image.__definition__.to_value(image(theirs="q"))["theirName"] == "q"
    with pytest.raises(ValidationError):
        image(theirName="q")


def test_none_of_an_optional_field_is_absent_and_of_a_nullable_one_is_null() -> None:
    value = Mixed.__definition__.to_value(Mixed(big=Int64(1), data=b"", colour=Colour.RED, nullable=None))
    assert value == {"big": Int64(1), "data": b"", "colour": "red", "nullable": None, "count": 0}


def test_what_is_stored_is_checked_even_if_the_document_was_changed_in_place() -> None:
    document = image(tags=["a"])
    assert document.tags is not None
    document.tags.append(3)  # type: ignore[arg-type]
    with pytest.raises(
        SchemaViolation, match=r'table "images" because it does not match the schema: .*\nPath: \.tags\[1\]'
    ):
        Image.__definition__.to_value(document)
    with pytest.raises(SchemaViolation, match="at most 20"):
        Image.__definition__.to_value(image().model_copy(update={"prompt": "x" * 21}))


def test_ints_beyond_53_bits_name_int64() -> None:
    small: dict[str, Any] = {"big": Int64(1), "data": b"", "colour": Colour.RED, "nullable": None}
    with pytest.raises(SchemaViolation, match=r"reactor\.Int64"):
        Mixed.__definition__.to_value(Mixed(**small, count=2**53))
    assert Mixed.__definition__.to_value(Mixed(**small, count=2**53 - 1))["count"] == 2**53 - 1


def test_ids_are_checked_against_their_table_when_the_catalog_is_at_hand() -> None:
    definition = Image.__definition__
    assert definition.to_value(image(), lambda _: "users")
    with pytest.raises(SchemaViolation, match="from table `images`, which does not match"):
        definition.to_value(image(), lambda _: "images")


# ── patches ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_patch_is_put_into_wire_form() -> None:
    patch = User.__definition__.patch_value({"first_name": None, "credits": UNSET, "email": "n", "updated_at": NOW})
    assert patch == {"firstName": UNDEFINED, "email": "n", "updatedAt": MS}


def test_a_patch_with_none_stores_null_in_a_nullable_field_and_is_refused_in_another() -> None:
    assert Mixed.__definition__.patch_value({"nullable": None, "note": None}) == {"nullable": None, "note": UNDEFINED}
    with pytest.raises(SchemaViolation, match=r"User\.email"):
        User.__definition__.patch_value({"email": None})


def test_a_patch_of_an_unknown_field_says_which_was_meant() -> None:
    with pytest.raises(SchemaViolation, match=r"User has no field `credit`\. Did you mean `credits`\?"):
        User.__definition__.patch_value({"credit": 1})


def test_a_patch_of_the_wrong_type_is_refused_at_the_call() -> None:
    with pytest.raises(SchemaViolation, match=r"User\.credits: Value does not match"):
        User.__definition__.patch_value({"credits": "x"})


# ── declaring ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["_x", "id", "creation_time", "copy", "json", "schema", "dict", "model_config",
                                  "model_fields", "model_dump", "validate", "by_id", "by_creation_time"])  # fmt: skip
def test_names_that_are_taken_are_refused_as_fields(name: str) -> None:
    with pytest.raises(DefinitionError, match=name):
        declare(annotations={name: str})


@pytest.mark.parametrize(
    "name", ["model", "model_usage", "name", "key", "type", "class_", "from_", "json_", "register", "mro"]
)
def test_ordinary_names_are_fields(name: str) -> None:
    cls = declare(annotations={name: str})
    assert cls.__definition__.to_value(cls(**{name: "x"})) == {
        name.rstrip("_").replace("model_usage", "modelUsage"): "x"
    }


def test_names_that_meet_on_the_wire_are_refused() -> None:
    cls = declare(annotations={"from_": str, "from__": str})
    with pytest.raises(DefinitionError, match="are both `from` on the wire"):
        cls.__definition__.prepare()


def test_an_alias_as_a_default_is_refused_with_what_to_write() -> None:
    with pytest.raises(DefinitionError, match=r"Annotated\[…, Field\(alias='other'\)\]"):
        declare(annotations={"mine": str}, mine=Field(alias="other"))


def test_an_index_must_not_hide_a_field() -> None:
    with pytest.raises(DefinitionError, match="as a field and as an index"):
        declare(annotations={"email": str}, email=Index("email"))
    base = declare(None, {"x": str}, by_x=Index("x"))
    with pytest.raises(DefinitionError, match="as a field and as an index"):
        TableMeta("Sub", (base,), {"__module__": __name__, "__annotations__": {"by_x": str}}, name="subs")


@pytest.mark.parametrize(
    ("index", "message"),
    [
        (Index("emial"), r"no field `emial`\. Did you mean `email`\?"),
        (Index("email", "email"), "twice"),
        (Index("id"), "needs no mention"),
        (Index("email", "creation_time"), "needs no mention"),
        (SearchIndex("email", filters=("pln",)), "no field `pln`"),
    ],
)
def test_an_index_that_cannot_be_is_refused(index: Any, message: str) -> None:
    with pytest.raises(DefinitionError, match=message):
        declare(annotations={"email": str, "plan": str}, by_x=index)


def test_the_names_of_tables_and_indexes_are_identifiers_and_not_reserved() -> None:
    for wrong in ("_mine", "has space", "", "x" * 65):
        with pytest.raises(DefinitionError):
            declare(wrong)
    with pytest.raises(DefinitionError, match="every table has it already"):
        declare(annotations={"x": str}, by_id=Index("x"))
    with pytest.raises(DefinitionError, match="no `nme=`"):
        TableMeta("T", (Table,), {"__module__": __name__}, nme="x")


def test_what_has_no_wire_form_is_refused_with_the_path_to_it() -> None:
    from decimal import Decimal

    class Price(BaseModel):
        amounts: dict[str, list[Decimal]]

    cls = declare(annotations={"price": Price | None})
    with pytest.raises(
        DefinitionError, match=r"Thing\.price\.amounts\.values\(\)\[\]: `decimal` has no faithful wire form"
    ):
        cls.__definition__.prepare()


def test_a_document_holds_no_other_document_and_no_unset() -> None:
    with pytest.raises(DefinitionError, match=r"cannot hold another: store its id, `Id\[User\]`"):
        declare(annotations={"owner": User}).__definition__.prepare()
    with pytest.raises(DefinitionError, match="Unset"):
        declare(annotations={"owner": str | Unset}).__definition__.prepare()


def test_an_id_of_an_unknown_class_is_refused() -> None:
    with pytest.raises(DefinitionError, match="`Nobody` is not defined"):
        declare(annotations={"owner": Id["Nobody"]}).__definition__.prepare()  # type: ignore[name-defined]


def test_an_index_may_go_into_a_nested_model() -> None:
    assert Image.__definition__.indexes["by_width"] == ("size.pixelWidth",)
    cls = declare(annotations={"size": Size}, by_x=Index("size.nothing"))
    with pytest.raises(DefinitionError, match="no field `nothing`"):
        cls.__definition__.prepare()


def test_class_variables_methods_and_validators_are_allowed() -> None:
    class Account(Table, name="accounts"):
        LIMIT: ClassVar[int] = 3
        low: int
        high: Annotated[int, Field(ge=0)]

        @model_validator(mode="after")
        def ordered(self) -> Account:
            if self.low > self.high:
                raise ValueError("low is above high")
            return self

        def width(self) -> int:
            return self.high - self.low

    assert read(Account(low=1, high=3)).width() == 2
    with pytest.raises(ValidationError, match="low is above high"):
        Account(low=3, high=1)


def test_stored_is_the_canonical_form() -> None:
    assert stored(user()).startswith(b'{"_creationTime":12.5,"_id":"')
