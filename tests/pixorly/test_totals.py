"""Totals: kept in the mutations themselves, always what a full count would give, and read in a row (acceptance 9)."""

from __future__ import annotations

import dataclasses
import datetime as dt
import os
import random
from typing import Any

import pytest

from reactor.limits import DEFAULT_LIMITS
from tests.pixorly.application import Browser, Pixorly

MANY = int(os.environ.get("PIXORLY_STATS_IMAGES", "2000"))
AT_ONCE = 500


def counted(pixorly: Pixorly, user: Browser) -> dict[str, int]:
    """By looking at every row."""
    images, jobs = (pixorly.documents(table, user.user_id) for table in ("images", "generationJobs"))
    oldest = dt.datetime.combine(pixorly.clock_now.date() - dt.timedelta(days=29), dt.time(), dt.UTC)
    statuses = [job["status"] for job in jobs]
    return {
        "totalImages": len(images),
        "imagesLast30Days": sum(image["createdAt"] >= oldest.timestamp() * 1000 for image in images),
        "totalGenerations": len(jobs),
        "successfulGenerations": statuses.count("completed"),
        "failedGenerations": statuses.count("failed"),
    }


def told(user: Browser) -> dict[str, int]:
    """By the query."""
    stats: dict[str, Any] = user.query("users:getUserUsageStats")
    return {
        key: stats[key]
        for key in (
            "totalImages",
            "imagesLast30Days",
            "totalGenerations",
            "successfulGenerations",
            "failedGenerations",
        )
    }


def test_totals_are_what_a_full_count_gives_whatever_happens(pixorly: Pixorly) -> None:
    chance = random.Random(9)
    user = pixorly.sign_up("ada", credits=1e6)
    images: list[str] = []

    def order() -> None:
        job = user.order()
        pixorly.begin(job)
        made = [pixorly.add_image(job) for _ in range(chance.randint(0, 2))]
        if chance.random() < 0.3:
            pixorly.mutation("generations:failGeneration", jobId=job, error="no", refund=chance.random() < 0.5)
        elif chance.random() < 0.8:
            pixorly.mutation("generations:completeGeneration", jobId=job, imageIds=made)
            images.extend(made)
        else:
            user.pixorly.mutation("generations:failGeneration", jobId=job, error="late", refund=True)

    def delete() -> None:
        if images:
            user.mutation("images:deleteImage", imageId=images.pop(chance.randrange(len(images))))

    for _ in range(80):
        chance.choice((order, order, order, delete))()
        pixorly.clock.advance(dt.timedelta(hours=chance.choice((0, 2, 40))))
        assert told(user) == counted(pixorly, user)
    assert told(user)["totalImages"] > told(user)["imagesLast30Days"] > 0
    before = told(user)
    pixorly.mutation("totals:recount", userId=user.user_id)
    assert told(user) == before


@pytest.mark.timeout(120 + MANY // 50)
def test_9_the_dashboard_reads_less_than_fifty_entries_however_many_images_there_are(pixorly: Pixorly) -> None:
    """100,000 of them: `PIXORLY_STATS_IMAGES=100000 pytest tests/pixorly/test_totals.py`."""
    user = pixorly.sign_up("ada")
    for number in range(MANY // AT_ONCE):
        pixorly.mutation("seed:addImages", userId=user.user_id, images=AT_ONCE, seed=number)
    assert told(user) == counted(pixorly, user)
    assert told(user)["totalImages"] == MANY
    few = dataclasses.replace(DEFAULT_LIMITS, documents_read=49, index_ranges=49)
    with pixorly.limited(few):
        assert told(user)["totalImages"] == MANY
