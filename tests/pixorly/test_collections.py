"""Collections: filled by their owner and collaborators, seen by whom they are shared with."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from reactor.errors import AppError
from tests.pixorly.application import Browser, Pixorly
from tests.pixorly.test_images import pages


@pytest.fixture
def ada(pixorly: Pixorly) -> Browser:
    ada = pixorly.sign_up("ada")
    pixorly.mutation("users:updateUserPlan", userId=ada.user_id, plan="enterprise")
    return ada


@pytest.fixture
def bea(pixorly: Pixorly) -> Browser:
    return pixorly.sign_up("bea")


def new(browser: Browser, images: list[str] | None = None, **args: Any) -> str:
    """A collection with these images; returns its id."""
    made: str = browser.mutation("collections:createCollection", **{"name": "Foxes", **args})
    if images:
        browser.mutation("collections:addImages", collectionId=made, imageIds=images)
    return made


def shown(browser: Browser, collection: str) -> list[str]:
    """The images its people see in it, in order."""
    return [image["_id"] for image in browser.query("collections:getCollection", collectionId=collection)["images"]]


def refusal(browser: Browser, path: str, **args: Any) -> Any:
    with pytest.raises(AppError) as caught:
        browser.mutation(path, **args)
    return caught.value.data


def test_images_are_added_once_taken_out_and_put_in_another_order(ada: Browser) -> None:
    one, two, three = (ada.make_image() for _ in range(3))
    collection = new(ada)
    add = {"collectionId": collection}
    assert ada.mutation("collections:addImages", **add, imageIds=[one, two, one]) == 2
    assert ada.mutation("collections:addImages", **add, imageIds=[two, three]) == 1
    assert shown(ada, collection) == [one, two, three]
    ada.mutation("collections:reorderImages", **add, imageIds=[three, one, two])
    assert shown(ada, collection) == [three, one, two]
    for others in ([one, two], [one, two, two], [one, two, three, three]):
        assert "other images" in refusal(ada, "collections:reorderImages", **add, imageIds=others)
    assert ada.mutation("collections:removeImages", **add, imageIds=[one]) == 1
    assert shown(ada, collection) == [three, two]


def test_a_collection_is_described_and_has_one_of_its_images_for_a_cover(ada: Browser) -> None:
    one, two = ada.make_image(), ada.make_image()
    collection = new(ada, [one], name="  Foxes ", description="red ones")
    change = {"collectionId": collection}
    assert refusal(ada, "collections:updateCollection", **change, coverImageId=two).startswith("The cover")
    ada.mutation("collections:updateCollection", **change, coverImageId=one, name="Red foxes", description=None)
    got = ada.query("collections:getCollection", **change)["collection"]
    assert (got["name"], got.get("description"), got["coverImageId"]) == ("Red foxes", None, one)
    ada.mutation("collections:removeImages", **change, imageIds=[one])
    assert "coverImageId" not in ada.query("collections:getCollection", **change)["collection"]
    for wrong in ({"name": " "}, {"name": "x" * 101}, {"description": "x" * 1001}):
        assert refusal(ada, "collections:updateCollection", **change, **wrong)


def test_collections_come_in_pages_the_last_changed_first(pixorly: Pixorly, ada: Browser, bea: Browser) -> None:
    made = []
    for _ in range(3):
        made.append(new(ada))
        pixorly.clock.advance(dt.timedelta(seconds=1))
    ada.mutation("collections:updateCollection", collectionId=made[0], name="Latest")
    assert pages(ada, "collections:listCollections", 2) == [[made[0], made[2]], [made[1]]]
    assert pages(bea, "collections:listCollections", 2) == [[]]
    ada.mutation("collections:deleteCollection", collectionId=made[2])
    assert pages(ada, "collections:listCollections", 9) == [[made[0], made[1]]]


def test_a_stranger_neither_sees_nor_changes_a_collection(pixorly: Pixorly, ada: Browser, bea: Browser) -> None:
    mine, theirs = ada.make_image(), bea.make_image()
    collection = new(ada, [mine])
    assert bea.query("collections:getCollection", collectionId=collection) is None
    for path, args in (
        ("collections:addImages", {"imageIds": [theirs]}),
        ("collections:removeImages", {"imageIds": [mine]}),
        ("collections:reorderImages", {"imageIds": [mine]}),
        ("collections:updateCollection", {"isPublic": True}),
        ("collections:deleteCollection", {}),
        ("sharing:shareCollection", {}),
        ("sharing:inviteCollaborator", {"email": "bea@example.com"}),
        ("sharing:removeCollaborator", {"userId": ada.user_id}),
    ):
        assert refusal(bea, path, collectionId=collection, **args) == "Collection not found", path
        assert refusal(pixorly.browser(None), path, collectionId=collection, **args) == "Unauthorized", path
    assert refusal(ada, "collections:addImages", collectionId=collection, imageIds=[theirs]) == "Image not found"


def test_a_link_shows_a_collection_to_whoever_has_it_until_it_is_withdrawn(pixorly: Pixorly, ada: Browser) -> None:
    nobody, image = pixorly.browser(None), ada.make_image()
    collection = new(ada, [image], description="red")
    token = ada.mutation("sharing:shareCollection", collectionId=collection)
    assert ada.mutation("sharing:shareCollection", collectionId=collection) == token
    seen = nobody.query("sharing:getSharedCollection", shareToken=token)
    assert (seen["name"], seen["description"], [each["imageId"] for each in seen["images"]]) == (
        "Foxes",
        "red",
        [image],
    )
    assert ada.user_id not in str(seen) + str(token)
    assert token not in str(seen)
    ada.mutation("sharing:unshareCollection", collectionId=collection)
    for wrong in (token, "", "x"):
        assert nobody.query("sharing:getSharedCollection", shareToken=wrong) is None
    assert ada.mutation("sharing:shareCollection", collectionId=collection) != token


def test_a_public_collection_is_for_everybody(pixorly: Pixorly, ada: Browser) -> None:
    nobody, image = pixorly.browser(None), ada.make_image()
    public, private = new(ada, [image], isPublic=True), new(ada, [image])
    listed = nobody.query("sharing:listPublicCollections", paginationOpts={"numItems": 9, "cursor": None})["page"]
    assert [(card["collectionId"], card["imageCount"]) for card in listed] == [(public, 1)]
    assert nobody.query("sharing:getPublicCollection", collectionId=public)["images"][0]["imageId"] == image
    assert nobody.query("sharing:getPublicCollection", collectionId=private) is None
    assert nobody.query("sharing:getPublicCollection", collectionId=public)["collectionId"] == public


def test_collaborators_fill_a_collection_with_images_of_their_own(ada: Browser, bea: Browser) -> None:
    mine, theirs = ada.make_image(), bea.make_image()
    collection = new(ada, [mine])
    invite = {"collectionId": collection, "email": "bea@example.com"}
    assert ada.mutation("sharing:inviteCollaborator", **invite) == bea.user_id
    assert ada.mutation("sharing:inviteCollaborator", **invite) == bea.user_id, "twice is once"
    bea.mutation("collections:addImages", collectionId=collection, imageIds=[theirs])
    assert shown(bea, collection) == shown(ada, collection) == [mine, theirs]
    (card,) = bea.query("sharing:listJoinedCollections")
    assert card["collectionId"] == collection
    (listed,) = ada.query("sharing:listCollaborators", collectionId=collection)
    assert (listed["userId"], listed["email"]) == (bea.user_id, "bea@example.com")
    assert refusal(bea, "collections:deleteCollection", collectionId=collection) == "Collection not found"

    bea.mutation("images:deleteImage", imageId=theirs)
    assert shown(ada, collection) == [mine]
    again = bea.make_image()
    bea.mutation("collections:addImages", collectionId=collection, imageIds=[again])
    bea.mutation("sharing:removeCollaborator", collectionId=collection, userId=bea.user_id)
    assert shown(ada, collection) == [mine], "who goes takes their images along"
    assert bea.query("collections:getCollection", collectionId=collection) is None
    assert bea.query("sharing:listJoinedCollections") == []


def test_collaboration_belongs_to_a_plan_and_to_people_who_are_here(ada: Browser, bea: Browser) -> None:
    collection = new(bea)
    invite = {"collectionId": collection, "email": "ada@example.com"}
    assert refusal(bea, "sharing:inviteCollaborator", **invite) == "Collaboration is not part of your plan"
    nobody = {"collectionId": new(ada), "email": "nobody@example.com"}
    assert refusal(ada, "sharing:inviteCollaborator", **nobody) == "Nobody here has this address"


def test_a_deleted_user_leaves_the_collections_of_others(pixorly: Pixorly, ada: Browser, bea: Browser) -> None:
    mine, theirs = ada.make_image(), bea.make_image()
    collection = new(ada, [mine])
    ada.mutation("sharing:inviteCollaborator", collectionId=collection, email="bea@example.com")
    bea.mutation("collections:addImages", collectionId=collection, imageIds=[theirs])
    pixorly.mutation("users:deleteUser", clerkId="bea")
    pixorly.backend.run_due()
    (row,) = pixorly.documents("collections", ada.user_id)
    assert (row["imageIds"], row.get("collaboratorIds")) == ([mine], None)
    pixorly.mutation("users:deleteUser", clerkId="ada")
    pixorly.backend.run_due()
    assert [pixorly.count(table) for table in ("collections", "collaborations", "images")] == [0, 0, 0]


def test_there_is_an_end_to_how_many(ada: Browser) -> None:
    image = ada.make_image()
    for _ in range(200):
        last = new(ada)
    assert refusal(ada, "collections:createCollection", name="one more") == "At most 200 collections"
    ada.mutation("collections:addImages", collectionId=last, imageIds=[image])
    assert shown(ada, last) == [image]
