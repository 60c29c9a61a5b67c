"""Generation jobs: paid once, settled once."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reactor.errors import AppError
from tests.pixorly.application import Browser, Pixorly

_MINUTE = dt.timedelta(minutes=1)
CALL: dict[str, Any] = {"prompt": "a fox", "model": "stable-diffusion"}


def said(caught: pytest.ExceptionInfo[AppError]) -> object:
    return caught.value.data


# ── ordering ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_order_is_paid_at_once_and_waits(pixorly: Pixorly) -> None:
    ada = pixorly.sign_up("ada", credits=250)
    started = ada.mutation("generations:createGenerationJob", **CALL | {"model": "flux-pro", "numImages": 2})
    assert (started["creditsUsed"], started["creditsRemaining"], ada.user["credits"]) == (200, 50, 50)
    job = ada.job(started["jobId"])
    assert (job["status"], job["creditsUsed"], job["retryCount"]) == ("pending", 200, 0)
    assert (job["width"], job["height"], job["steps"], job["guidance"]) == (1024, 1024, 30, 7.5)
    assert "negativePrompt" not in job


@pytest.mark.parametrize(
    ("order", "price"),
    [
        ({"model": "flux-pro"}, 100),
        ({"model": "black-forest-labs/flux.2-pro"}, 100),
        ({"model": "riverflow-fast", "numImages": 3}, 90),
        ({"model": "nobody/knows"}, 50),
        ({"model": "seedream", "width": 2048, "height": 2048}, 100),
        ({"model": "seedream", "width": 1025, "height": 1024}, 26),
        ({"model": "seedream", "width": 256, "height": 256}, 25),
        ({"model": "stable-diffusion", "width": 1040, "height": 1024, "numImages": 2}, 4),
    ],
)
def test_the_price_follows_model_size_and_number(pixorly: Pixorly, order: dict[str, Any], price: float) -> None:
    ada = pixorly.sign_up("ada", credits=1000)
    assert ada.mutation("generations:createGenerationJob", **CALL | order)["creditsUsed"] == price


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"prompt": ""}, "prompt"),
        ({"prompt": "  "}, "prompt"),
        ({"prompt": "x" * 2001}, "prompt"),
        ({"width": 255}, "pixels"),
        ({"height": 2049}, "pixels"),
        ({"numImages": 0}, "number of images"),
        ({"numImages": 5}, "number of images"),
        ({"model": "flux-max"}, "Insufficient credits"),
    ],
)
def test_an_order_that_cannot_be_is_refused_and_costs_nothing(
    pixorly: Pixorly, wrong: dict[str, Any], words: str
) -> None:
    ada = pixorly.sign_up("ada")
    with pytest.raises(AppError) as caught:
        ada.mutation("generations:createGenerationJob", **CALL | wrong)
    assert words in str(said(caught))
    assert ada.user["credits"] == 10
    assert ada.query("generations:listGenerationJobs") == []


def test_the_free_credits_buy_something(pixorly: Pixorly) -> None:
    ada = pixorly.sign_up("ada")
    ada.order(numImages=4)
    assert ada.user["credits"] == 6


def test_ten_jobs_may_be_under_way_and_one_that_settles_makes_room(pixorly: Pixorly) -> None:
    ada = pixorly.sign_up("ada", credits=100)
    jobs = [ada.order() for _ in range(10)]
    pixorly.begin(jobs[3])
    with pytest.raises(AppError) as caught:
        ada.order()
    assert "At most 10" in str(said(caught))
    pixorly.mutation("generations:failGeneration", jobId=jobs[3], error="no")
    assert ada.order()


def test_without_a_provider_a_job_says_so_and_its_credits_come_back(pixorly: Pixorly) -> None:
    ada = pixorly.sign_up("ada")
    job_id = ada.order()
    pixorly.backend.run_due()
    job = ada.job(job_id)
    assert job["status"] == "failed"
    assert "No image provider is configured" in job["error"]
    assert ada.user["credits"] == 10


def test_an_action_that_comes_twice_or_late_leaves_the_job_alone(pixorly: Pixorly) -> None:
    ada = pixorly.sign_up("ada")
    job_id = ada.order()
    pixorly.begin(job_id)
    pixorly.backend.run_due()
    assert ada.job(job_id)["status"] == "processing"


# ── settling ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_job_goes_through_its_states_to_its_images(pixorly: Pixorly) -> None:
    ada = pixorly.sign_up("ada")
    job_id = ada.order(prompt="two foxes", seed=42)
    for status in ("processing", "uploading"):
        assert pixorly.mutation("generations:updateJobStatus", jobId=job_id, status=status) is True
        assert ada.job(job_id)["status"] == status
    image_id = pixorly.add_image(job_id, size=700)
    pixorly.mutation("generations:completeGeneration", jobId=job_id, imageIds=[image_id], processingTimeMs=1234)
    job = ada.job(job_id)
    assert (job["status"], job["imageIds"], job["processingTimeMs"]) == ("completed", [image_id], 1234)
    assert job["startedAt"] <= job["completedAt"]
    image = ada.query("generations:getImage", imageId=image_id)
    assert (image["prompt"], image["seed"], image["isPublic"], image["views"]) == ("two foxes", 42, False, 0)
    assert ada.user["storageUsedBytes"] == 700
    assert pixorly.rows("usage", ada.user_id) == 1


def test_a_settled_job_stays_as_it_is(pixorly: Pixorly) -> None:
    ada = pixorly.sign_up("ada")
    done, failed = ada.order(), ada.order()
    pixorly.mutation("generations:completeGeneration", jobId=done, imageIds=[])
    pixorly.mutation("generations:failGeneration", jobId=failed, error="no", refund=True)
    before = (ada.job(done), ada.job(failed), ada.user)
    for job_id in (done, failed):
        pixorly.mutation("generations:failGeneration", jobId=job_id, error="again", refund=True)
        pixorly.mutation("generations:completeGeneration", jobId=job_id, imageIds=[])
        assert pixorly.mutation("generations:updateJobStatus", jobId=job_id, status="pending") is False
        assert pixorly.mutation("generations:incrementRetryCount", jobId=job_id) == 0
        with pytest.raises(AppError):
            pixorly.add_image(job_id)
    assert (ada.job(done), ada.job(failed), ada.user) == before


def test_a_retried_job_is_pending_again(pixorly: Pixorly) -> None:
    ada = pixorly.sign_up("ada")
    job_id = ada.order()
    pixorly.begin(job_id)
    assert pixorly.mutation("generations:incrementRetryCount", jobId=job_id) == 1
    assert (ada.job(job_id)["status"], ada.job(job_id)["retryCount"]) == ("pending", 1)


def test_an_image_past_the_quota_leaves_no_row(pixorly: Pixorly) -> None:
    ada = pixorly.sign_up("ada")
    job_id = ada.order()
    pixorly.begin(job_id)
    pixorly.add_image(job_id, size=1 << 30)
    with pytest.raises(AppError) as caught:
        pixorly.add_image(job_id, size=1)
    assert said(caught) == "Storage quota exceeded"
    assert pixorly.rows("images", ada.user_id) == 1


def test_the_days_usage_is_one_row_that_adds_up(pixorly: Pixorly) -> None:
    ada = pixorly.sign_up("ada", credits=100)
    ada.make_image(size=10)
    ada.make_image(size=20, model="midjourney")
    ada.make_image(size=30)
    for refund in (False, True):
        pixorly.mutation("generations:failGeneration", jobId=ada.order(), error="no", refund=refund)
    assert pixorly.rows("usage", ada.user_id) == 1
    usage = pixorly.usage_today(ada.user_id)
    assert usage["modelUsage"] == {"stable-diffusion": 2, "midjourney": 1}
    assert {key: usage[key] for key in usage if key.startswith(("generations", "images"))} == {
        "generationsCount": 5,
        "generationsSuccess": 3,
        "generationsFailed": 2,
        "imagesUploaded": 3,
        "imagesDeleted": 0,
    }
    assert (usage["creditsUsed"], usage["storageUsedBytes"], usage["date"]) == (7, 60, "2026-03-01")


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_credits_are_never_lost_nor_made(pixorly: Pixorly, data: st.DataObject) -> None:
    """Whatever is ordered and however it ends: what is gone from the balance is the sum of the jobs not given back."""
    name = f"user {pixorly.clock.now_ns()}"
    pixorly.clock.advance(_MINUTE)
    budget = data.draw(st.integers(0, 60))
    ada = pixorly.sign_up(name, credits=budget)
    spent = 0.0
    for _ in range(data.draw(st.integers(1, 12))):
        match data.draw(st.sampled_from(("order", "complete", "fail", "refund"))):
            case "order":
                spent += _try_order(ada, data.draw(st.sampled_from(("stable-diffusion", "seedream", "midjourney"))))
            case ending:
                jobs = ada.query("generations:listGenerationJobs")
                if jobs:
                    job = data.draw(st.sampled_from(jobs))
                    active = job["status"] == "pending"
                    _settle(pixorly, job["_id"], ending)
                    spent -= job["creditsUsed"] if active and ending == "refund" else 0
        assert ada.user["credits"] == budget - spent >= 0


def _try_order(browser: Browser, model: str) -> float:
    try:
        started = browser.mutation("generations:createGenerationJob", **CALL | {"model": model})
    except AppError as error:
        if error.data in ("Insufficient credits", "At most 10 generations at a time"):
            return 0
        raise
    return float(started["creditsUsed"])


def _settle(pixorly: Pixorly, job_id: str, ending: str) -> None:
    if ending == "complete":
        pixorly.mutation("generations:completeGeneration", jobId=job_id, imageIds=[])
    else:
        pixorly.mutation("generations:failGeneration", jobId=job_id, error="no", refund=ending == "refund")


# ── seeing ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_job_is_its_owners_alone(pixorly: Pixorly) -> None:
    ada, bea = pixorly.sign_up("ada"), pixorly.sign_up("bea")
    job_id = ada.order()
    for other in (bea, pixorly.browser(None)):
        with pytest.raises(AppError) as caught:
            other.job(job_id)
        assert said(caught) == "Unauthorized"
    assert bea.query("generations:listGenerationJobs") == []


def test_a_private_image_is_its_owners_until_it_is_shown(pixorly: Pixorly) -> None:
    ada, bea, nobody = pixorly.sign_up("ada"), pixorly.sign_up("bea"), pixorly.browser(None)
    image_id = ada.make_image()
    for other in (bea, nobody):
        with pytest.raises(AppError):
            other.query("generations:getImage", imageId=image_id)
    ada.mutation("images:updateImage", imageId=image_id, isPublic=True)
    assert bea.query("generations:getImage", imageId=image_id)["_id"] == image_id
    assert nobody.query("generations:getImage", imageId=image_id)["_id"] == image_id


def test_jobs_are_listed_newest_first_by_status_and_up_to_a_limit(pixorly: Pixorly) -> None:
    ada = pixorly.sign_up("ada")
    jobs = [ada.order() for _ in range(4)]
    pixorly.mutation("generations:failGeneration", jobId=jobs[1], error="no")

    def listed(**args: Any) -> list[str]:
        return [job["_id"] for job in ada.query("generations:listGenerationJobs", **args)]

    assert listed() == jobs[::-1]
    assert listed(limit=2) == [jobs[3], jobs[2]]
    assert listed(status="failed") == [jobs[1]]
    assert listed(status="pending", limit=1) == [jobs[3]]
