"""Images: pages of them, and what people do with them."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from reactor.errors import AppError
from tests.pixorly.application import Browser, Pixorly


def pages(browser: Browser, path: str, size: int) -> list[list[str]]:
    """Every page, as a hook that scrolls to the end would ask for them."""
    found: list[list[str]] = []
    cursor: str | None = None
    while True:
        page = browser.query(path, paginationOpts={"numItems": size, "cursor": cursor, "id": 1})
        found.append([image["_id"] for image in page["page"]])
        if page["isDone"]:
            return found
        cursor = page["continueCursor"]


def test_a_users_images_come_in_pages_the_newest_first(pixorly: Pixorly) -> None:
    ada, bea = pixorly.sign_up("ada", credits=100), pixorly.sign_up("bea")
    images = []
    for _ in range(5):
        images.append(ada.make_image())
        pixorly.clock.advance(dt.timedelta(minutes=1))
    bea.make_image()
    newest_first = images[::-1]
    assert pages(ada, "images:getUserImages", 2) == [newest_first[:2], newest_first[2:4], newest_first[4:]]
    with pytest.raises(AppError):
        pages(pixorly.browser(None), "images:getUserImages", 2)


def test_the_gallery_shows_everybody_what_is_public(pixorly: Pixorly) -> None:
    ada, bea = pixorly.sign_up("ada"), pixorly.sign_up("bea")
    shown, hidden = ada.make_image(), ada.make_image()
    pixorly.clock.advance(dt.timedelta(minutes=1))
    too = bea.make_image()
    for browser, image in ((ada, shown), (bea, too)):
        browser.mutation("images:updateImage", imageId=image, isPublic=True)
    assert pages(pixorly.browser(None), "images:gallery", 10) == [[too, shown]]
    bea.mutation("images:updateImage", imageId=too, isPublic=False)
    assert pages(pixorly.browser(None), "images:gallery", 10) == [[shown]]
    assert hidden


def test_tags_are_trimmed_replaced_and_removed(pixorly: Pixorly) -> None:
    ada = pixorly.sign_up("ada")
    image = ada.make_image()

    def tags(**args: Any) -> object:
        ada.mutation("images:updateImage", imageId=image, **args)
        return ada.query("generations:getImage", imageId=image).get("tags")

    assert tags(tags=[" night ", "city", "night", ""]) == ["night", "city"]
    assert tags(isPublic=True) == ["night", "city"]
    for wrong in (["x" * 51], [str(number) for number in range(21)]):
        with pytest.raises(AppError):
            tags(tags=wrong)
    assert tags(tags=None) is None


@pytest.mark.parametrize(
    ("path", "args"),
    [("images:updateImage", {"isPublic": True}), ("images:deleteImage", {})],
)
def test_only_its_owner_changes_an_image(pixorly: Pixorly, path: str, args: dict[str, Any]) -> None:
    ada, bea = pixorly.sign_up("ada"), pixorly.sign_up("bea")
    image = ada.make_image()
    ada.mutation("images:updateImage", imageId=image, isPublic=True)
    with pytest.raises(AppError) as caught:
        bea.mutation(path, imageId=image, **args)
    assert caught.value.data == "Image not found"
    with pytest.raises(AppError) as caught:
        pixorly.browser(None).mutation(path, imageId=image, **args)
    assert caught.value.data == "Unauthorized"


def test_a_deleted_image_frees_its_space_and_leaves_the_day_counted(pixorly: Pixorly) -> None:
    ada = pixorly.sign_up("ada")
    gone, stays = ada.make_image(size=700), ada.make_image(size=50)
    ada.mutation("images:deleteImage", imageId=gone)
    assert ada.query("generations:getImage", imageId=gone) is None
    assert pages(ada, "images:getUserImages", 5) == [[stays]]
    assert ada.user["storageUsedBytes"] == 50
    usage = pixorly.usage_today(ada.user_id)
    assert (usage["imagesUploaded"], usage["imagesDeleted"], usage["storageUsedBytes"]) == (2, 1, 50)
    with pytest.raises(AppError):
        ada.mutation("images:deleteImage", imageId=gone)


def test_a_deleted_image_leaves_its_owners_collections(pixorly: Pixorly) -> None:
    seeded = pixorly.mutation("seed:addUser", number=3, images=12)
    owner = pixorly.browser("seed_00003")
    (before,) = pixorly.documents("collections", seeded["userId"])
    gone = before["coverImageId"]
    assert gone in before["imageIds"]
    owner.mutation("images:deleteImage", imageId=gone)
    (after,) = pixorly.documents("collections", seeded["userId"])
    assert after["imageIds"] == [each for each in before["imageIds"] if each != gone]
    assert "coverImageId" not in after


def test_who_can_see_an_image_can_view_and_download_it(pixorly: Pixorly) -> None:
    ada, bea, nobody = pixorly.sign_up("ada"), pixorly.sign_up("bea"), pixorly.browser(None)
    image = ada.make_image()
    for other in (bea, nobody):
        for path in ("images:recordView", "images:recordDownload"):
            with pytest.raises(AppError):
                other.mutation(path, imageId=image)
    ada.mutation("images:updateImage", imageId=image, isPublic=True)
    for browser in (ada, bea, nobody):
        browser.mutation("images:recordView", imageId=image)
    bea.mutation("images:recordDownload", imageId=image)
    seen = ada.query("generations:getImage", imageId=image)
    assert (seen["views"], seen["downloads"]) == (3, 1)


def test_a_search_finds_ones_own_images_whether_public_or_not(pixorly: Pixorly) -> None:
    ada, bea = pixorly.sign_up("ada", credits=100), pixorly.sign_up("bea")
    prompts = ["a red fox", "a fox in snow", "黒い猫の写真"]
    fox, snow, cat = (ada.make_image(prompt=prompt) for prompt in prompts)
    bea.make_image(prompt="a fox of bea")
    ada.mutation("images:updateImage", imageId=snow, isPublic=True)

    def found(text: str, **args: Any) -> set[str]:
        return {image["_id"] for image in ada.query("images:searchImages", text=text, **args)}

    assert found("fox") == found("fo") == {fox, snow}
    assert found("fox", isPublic=True) == {snow}
    assert found("fox", isPublic=False) == {fox}
    assert found("猫の写真") == found("猫") == {cat}
    assert found("bea") == found("") == set()
    assert len(found("fox", limit=1)) == 1
    ada.mutation("images:deleteImage", imageId=fox)
    assert found("fox") == {snow}
    with pytest.raises(AppError):
        pixorly.browser(None).query("images:searchImages", text="fox")
