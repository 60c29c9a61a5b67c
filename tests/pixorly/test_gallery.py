"""Acceptance 8 and 10, in a React page and a browser's client: what comes and goes while somebody looks."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.clients.clients import Driver
from tests.clients.conftest import Clients
from tests.clients.node import react_driver
from tests.clients.paged_list import PagedList
from tests.pixorly.fakes import BUCKET, StoredObject
from tests.pixorly.served import Site, pixorly_served

MANY = int(os.environ.get("PIXORLY_DELETED_IMAGES", "2000"))
AT_ONCE = 500


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with pixorly_served(tmp_path_factory.mktemp("pixorly")) as running:
        yield running


@pytest.fixture(scope="module")
def react(pytestconfig: pytest.Config) -> Iterator[Driver]:
    driver = react_driver(Path(pytestconfig.cache.mkdir("node-react")), "pages.mjs")
    yield driver
    driver.close()


# ── acceptance 8 ──────────────────────────────────────────────────────────────────────────────────────────────────────


class Gallery(PagedList):
    """The images of one user, twenty a page; `name` is who they are."""

    def __init__(self, driver: Driver, site: Site, name: str, user_id: str) -> None:
        self.site, self.user_id = site, user_id
        self._seeds = iter(range(99))
        token = site.clerk.token(name, lifetime=3600)
        super().__init__(driver, site.server.url, "convex", 20, "images:getUserImages", show="_id", token=token)

    def add(self, count: int) -> None:
        """Images of the last ninety days, here and there among the others."""
        made = {"userId": self.user_id, "images": count, "seed": next(self._seeds)}
        self.site.call("mutation", "seed:addImages", **made)
        self._look()

    def delete(self, image: str) -> None:
        deleted = self.site.call("mutation", "images:deleteOfUser", userId=self.user_id, imageId=image)
        assert deleted is True
        self._look()

    def _look(self) -> None:
        opts = {"numItems": 1000, "cursor": None}
        page = self.site.call("query", "images:pageOfUser", userId=self.user_id, paginationOpts=opts)
        self.truths.append([image["_id"] for image in page["page"]])


def test_8_a_gallery_has_no_gap_and_no_double_while_images_come_and_go(react: Driver, site: Site) -> None:
    gallery = Gallery(react, site, "eight", site.sign_up("eight"))
    gallery.add(65)
    gallery.open()
    for size in (20, 40, 60):
        gallery.wait_until("CanLoadMore", " ".join(gallery.data[:size]))
        gallery.more(20)
    gallery.wait_until("Exhausted")
    for change in (
        lambda: gallery.add(1),
        lambda: gallery.delete(gallery.data[19]),  # the edges of the first page and of the second, about
        lambda: gallery.delete(gallery.data[40]),
        lambda: gallery.add(30),
        lambda: gallery.delete(gallery.data[0]),
        lambda: gallery.delete(gallery.data[-1]),
        lambda: gallery.add(60),
    ):
        since = react.place()
        change()
        gallery.wait_until("Exhausted", since=since)
    gallery.assert_each_was_the_beginning_of_the_data()
    gallery.close()
    gallery.check()


# ── acceptance 10 ─────────────────────────────────────────────────────────────────────────────────────────────────────


def tables_that_mention(site: Site, *names: str) -> set[str]:
    """In the file itself, system tables included."""
    found = set()
    with sqlite3.connect(f"file:{site.server.project.data / 'reactor.db'}?mode=ro", uri=True) as connection:
        views = connection.execute("SELECT name FROM sqlite_master WHERE type = 'view'").fetchall()
        for (view,) in views:
            for row in connection.execute(f'SELECT * FROM "{view}"'):
                if any(name in str(row) for name in names):
                    found.add(str(view))
    return found


@pytest.mark.timeout(120 + MANY // 50)
def test_10_a_user_with_very_many_images_is_gone_at_once_and_their_things_as_one_watches(
    clients: Clients, site: Site
) -> None:
    """50,000 of them: `PIXORLY_DELETED_IMAGES=50000 pytest tests/pixorly/test_gallery.py -k test_10 -s`."""
    user_id = site.sign_up("ten", "enterprise")
    for number in range(MANY // AT_ONCE):
        site.call("mutation", "seed:addImages", userId=user_id, images=AT_ONCE, seed=number, bucket=BUCKET)
    with sqlite3.connect(f"file:{site.server.project.data / 'reactor.db'}?mode=ro", uri=True) as connection:
        keys = [key for (key,) in connection.execute("SELECT s3Key FROM images WHERE userId = ?", (user_id,))]
    site.world.store.objects.update({key: StoredObject(b"", {}) for key in keys})
    assert len(site.world.store.keys("images")) == MANY
    browser = site.browser(clients, "ten")
    key = browser.mutation("apiKeys:createApiKey", {"name": "k", "scopes": ["read"]})["key"]
    browser.mutation("collections:createCollection", {"name": "mine"})
    me, progress = browser.subscribe("users:getCurrentUser"), browser.subscribe("deletions:getProgress")
    assert (me.next()["_id"], progress.next()) == (user_id, None)

    began = time.monotonic()
    assert site.hear_of("ten", "user.deleted") == 204
    answered = time.monotonic() - began
    me.wait_until(None)
    headers = {"authorization": f"Bearer {key}"}
    assert httpx.get(f"{site.url}/api/v1/models", headers=headers).status_code == 401
    progress.wait_until(lambda value: value is not None)
    progress.wait_until(None, timeout=600)
    took = time.monotonic() - began
    seen = [value for value in progress.results if value is not None]
    print(f"{MANY} images: answered in {answered:.2f} s, gone in {took:.1f} s, seen at {len(seen)} steps")
    assert answered < 2.0 < took or MANY < 50_000
    assert all(value["imagesTotal"] == MANY for value in seen)
    deleted = [value["imagesDeleted"] for value in seen]
    assert deleted == sorted(deleted)
    assert deleted[-1] == MANY
    assert len(set(deleted)) >= MANY // 1000, "it was seen to go on"
    assert max(value["objectsLeft"] for value in seen) >= MANY // 4, "the bucket comes after the rows"
    left = tables_that_mention(site, user_id, '"ten"', "'ten'")
    assert left <= {"clerkEvents"}, "Clerk's word that they are deleted is what we keep"
    assert site.world.store.keys("images") == []
