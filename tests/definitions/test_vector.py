from __future__ import annotations

import struct
from typing import Any

import pytest

from reactor import UNSET, Id, Index, Scored, Table, VectorIndex, VectorMatch, any_of
from reactor.definitions.manifest import Manifest, VectorManifest
from reactor.definitions.schema import Schema
from reactor.definitions.shape import Shape
from reactor.errors import DefinitionError, InvalidQuery
from reactor.values.order import UNDEFINED


class Picture(Table, name="pictures"):
    user_id: str
    is_public: bool = False
    style: str | None = None
    embedding: list[float] | None = None
    by_user = Index("user_id")
    by_embedding = VectorIndex("embedding", dimensions=3, filters=("user_id", "is_public", "style"))


def declared(fields: dict[str, Any], **indexes: Any) -> Schema:
    return Schema(
        [type(Table)("T", (Table,), {"__module__": __name__, "__annotations__": fields, **indexes}, name="t")]
    )


VECTOR = {"v": list[float], "owner": str}


@pytest.mark.parametrize(
    ("fields", "index", "message"),
    [
        (VECTOR, VectorIndex("v", dimensions=1), r"T\.near: dimensions=1; a vector has 2 to 4096 numbers"),
        (VECTOR, VectorIndex("v", dimensions=4097), "dimensions=4097"),
        (VECTOR, VectorIndex("v", dimensions=3.0), r"dimensions=3\.0"),  # type: ignore[arg-type]
        (VECTOR, VectorIndex("v", dimensions=True), "dimensions=True"),
        (VECTOR, VectorIndex("w", dimensions=3), "there is no field `w`"),
        (VECTOR, VectorIndex("v", dimensions=3, filters=("ownr",)), "no field `ownr`. Did you mean `owner`"),
        (VECTOR, VectorIndex("v", dimensions=3, filters=("owner", "owner")), "names a field twice"),
        (VECTOR, VectorIndex("v", dimensions=3, filters=("v",)), "cannot be a filter too"),
        (VECTOR, VectorIndex("v", dimensions=3, filters=("creation_time",)), "needs no mention"),
        (VECTOR, VectorIndex("owner", dimensions=3), r"T\.near: `owner` must be `list\[float\]`"),
        ({"v": list[str]}, VectorIndex("v", dimensions=3), r"must be `list\[float\]`"),
        ({"v": list[float] | str}, VectorIndex("v", dimensions=3), r"must be `list\[float\]`"),
        (
            {"v": list[float]} | {f"f{n}": str for n in range(17)},
            VectorIndex("v", dimensions=3, filters=tuple(f"f{n}" for n in range(17))),
            "has 17 filters; a vector index has at most 16",
        ),
    ],
)
def test_what_cannot_be_a_vector_index_is_refused(fields: dict[str, Any], index: VectorIndex, message: str) -> None:
    with pytest.raises(DefinitionError, match=message):
        declared(fields, near=index)


def test_a_table_has_at_most_four_of_them() -> None:
    many = {f"near{n}": VectorIndex("v", dimensions=3) for n in range(5)}
    with pytest.raises(DefinitionError, match="T has 5 vector indexes; a table has at most 4"):
        declared(VECTOR, **many)


@pytest.mark.parametrize("annotation", [list[float], list[float] | None, list[int]])
def test_a_vector_is_a_list_of_numbers_or_none(annotation: Any) -> None:
    declared({"v": annotation}, near=VectorIndex("v", dimensions=4096))


def test_the_manifest_has_it_with_wire_names() -> None:
    (table,) = Schema([Picture]).manifest
    assert table.vector_indexes == (VectorManifest("by_embedding", "embedding", 3, ("userId", "isPublic", "style")),)
    assert Manifest.from_bytes(Manifest(tables=(table,)).to_bytes()).tables == (table,)


def test_nearest_holds_wire_names_and_checked_filters() -> None:
    found = Picture.by_embedding.nearest([1, 0.5, 0], user_id="u", style=None)
    assert (found.table_name, found.index_name, found.vector) == ("pictures", "by_embedding", (1.0, 0.5, 0.0))
    assert found.either == ({"userId": ("u",), "style": (UNDEFINED,)},)
    assert Picture.by_embedding.nearest([1, 0, 0]).either == ()
    assert Picture.by_embedding.nearest([1, 0, 0], user_id=UNSET).either == ()
    assert Picture.by_embedding.nearest([1, 0, 0], user_id=UNSET, is_public=True).either == ({"isPublic": (True,)},)


def test_filters_may_have_several_values_and_alternatives() -> None:
    found = Picture.by_embedding.nearest([1, 0, 0], style=any_of("oil", "ink")).or_(is_public=True, user_id="u")
    assert found.either == ({"style": ("oil", "ink")}, {"isPublic": (True,), "userId": ("u",)})


class Float32:
    """Like numpy's: no float, and convertible to one."""

    def __init__(self, number: float) -> None:
        self.number = struct.unpack("f", struct.pack("f", number))[0]

    def __float__(self) -> float:
        return float(self.number)


def test_anything_that_gives_numbers_is_a_vector() -> None:
    assert Picture.by_embedding.nearest((1, 2, 3)).vector == (1.0, 2.0, 3.0)
    assert Picture.by_embedding.nearest(iter([Float32(0.5)] * 3)).vector == (0.5, 0.5, 0.5)  # type: ignore[list-item]


@pytest.mark.parametrize(
    ("vector", "message"),
    [
        ([1.0, 2.0], r"^Expected a vector with dimensions 3, received 2\.$"),
        ([1.0] * 4, r"^Expected a vector with dimensions 3, received 4\.$"),
        ([1.0, float("nan"), 0.0], "number 1 of the vector is nan; it must be finite"),
        ([1.0, 0.0, float("-inf")], "number 2 of the vector is -inf"),
        ([10**400, 0, 0], "beyond all floats"),
        ([True, 0.0, 0.0], "True is none"),
        (["1", "2", "3"], "'1' is none"),
        ([None, 0.0, 0.0], "None is none"),
        ("123", "a list of numbers, not '123'"),
        (3.0, r"a list of numbers, not 3\.0"),
        (None, "a list of numbers, not None"),
    ],
)
def test_what_is_no_vector_of_the_index_is_refused(vector: Any, message: str) -> None:
    """The text for a wrong length is Convex's (reference §4.13)."""
    with pytest.raises(InvalidQuery, match=message):
        Picture.by_embedding.nearest(vector)


@pytest.mark.parametrize(
    ("attempt", "message"),
    [
        (lambda near: near.nearest([1, 0, 0], user="x"), r"no filter `user`\. Did you mean `user_id`\?"),
        (lambda near: near.nearest([1, 0, 0], is_public=1), r"filter `is_public`: Value does not match"),
        (lambda near: near.nearest([1, 0, 0], style=any_of("oil", 1)), "filter `style`"),
        (lambda near: near.nearest([1, 0, 0]).or_(is_public=True), "every document passes already"),
        (lambda near: near.nearest([1, 0, 0], user_id="x").or_(), "`or_` needs a filter"),
        (lambda near: near.nearest([1, 0, 0], user_id="x").or_(style=UNSET), "`or_` needs a filter"),
        (
            lambda near: near.nearest([1, 0, 0], user_id=any_of(*map(str, range(64)))).or_(is_public=True),
            r"^Vector query against pictures\.by_embedding has too many conditions\. Max: 64 Actual: 65$",
        ),
    ],
)
def test_filters_are_checked_at_the_call(attempt: Any, message: str) -> None:
    """Sixty-four terms are allowed (reference §4.13)."""
    with pytest.raises(InvalidQuery, match=message):
        attempt(Picture.by_embedding)


def test_a_document_has_no_index() -> None:
    with pytest.raises(AttributeError, match=r"write Picture\.by_embedding"):
        _ = Picture(user_id="u").by_embedding


def test_matches_are_shown_to_clients_as_convex_shows_them() -> None:
    """`{_id, _score}` (reference §4.13)."""
    shape = Shape.of(list[VectorMatch[Picture]])
    assert shape.encode([VectorMatch(Id("p1"), 0.5)]) == b'[{"_id":"p1","_score":0.5}]'
    assert shape.from_wire([{"_id": "p1", "_score": 0.5}]) == [VectorMatch(Id("p1"), 0.5)]
    assert Scored("document", 0.5).score == 0.5
