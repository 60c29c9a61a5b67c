"""Jobs carried out: provider, bucket, table; and everything that goes wrong on the way."""

from __future__ import annotations

import base64
import datetime as dt
import io
import json
from typing import Any

import httpx
import pytest
from PIL import Image

from tests.pixorly.application import Browser, Pixorly
from tests.pixorly.fakes import World, picture

SECOND = dt.timedelta(seconds=1)


@pytest.fixture
def ada(pixorly: Pixorly, world: World) -> Browser:
    return pixorly.sign_up("ada", credits=100)


def run(pixorly: Pixorly, *delays: float) -> None:
    """What is due now, and again after each delay."""
    pixorly.backend.run_due()
    for delay in delays:
        pixorly.clock.advance(delay * SECOND)
        pixorly.backend.run_due()


def images_of(browser: Browser, job_id: str) -> list[dict[str, Any]]:
    return [browser.query("generations:getImage", imageId=image) for image in browser.job(job_id)["imageIds"]]


def test_a_job_becomes_images_in_the_bucket(pixorly: Pixorly, world: World, ada: Browser) -> None:
    world.provider.pictures = [picture("teal"), picture("red", kind="JPEG")]
    job_id = ada.order(prompt="two foxes", numImages=2, negativePrompt="dogs", seed=7)
    run(pixorly)
    job = ada.job(job_id)
    assert (job["status"], job["retryCount"], job.get("error")) == ("completed", 0, None)
    assert job["estimatedCostUsd"] == pytest.approx(0.08)
    assert job["processingTimeMs"] > 0
    (asked,) = world.provider.requests
    assert (asked["messages"][0]["content"], asked["n"], asked["seed"]) == ("two foxes", 2, 7)
    assert (asked["negative_prompt"], asked["modalities"]) == ("dogs", ["image", "text"])
    first, second = images_of(ada, job_id)
    assert (first["mimeType"], second["mimeType"]) == ("image/png", "image/jpeg")
    for image, drawn in zip((first, second), world.provider.pictures, strict=True):
        stored = world.store.objects[image["s3Key"]]
        assert stored.data == drawn
        assert stored.headers["x-amz-server-side-encryption"] == "AES256"
        assert stored.headers["content-type"] == image["mimeType"]
        assert image["s3Key"].startswith("images/ada/")
        assert world.unquoted(image["cloudFrontUrl"]) == image["s3Key"]
        assert image["fileSizeBytes"] == len(drawn)
        assert image["isPublic"] is False
    assert ada.user["storageUsedBytes"] == sum(map(len, world.provider.pictures))
    assert pixorly.count("looseObjects") == pixorly.count("generationRuns") == 0


def test_an_image_has_a_thumbnail_of_400_pixels_and_a_blur_of_ten(pixorly: Pixorly, world: World, ada: Browser) -> None:
    job_id = ada.order()
    run(pixorly)
    (image,) = images_of(ada, job_id)
    thumbnail = world.store.objects[world.unquoted(image["thumbnailUrl"])]
    assert thumbnail.headers["content-type"] == "image/jpeg"
    with Image.open(io.BytesIO(thumbnail.data)) as opened:
        assert (opened.format, opened.size) == ("JPEG", (400, 300))
    header, _, body = image["blurDataUrl"].partition(",")
    assert header == "data:image/jpeg;base64"
    with Image.open(io.BytesIO(base64.b64decode(body))) as opened:
        assert max(opened.size) == 10


def test_pictures_may_be_behind_urls_and_come_a_few_at_a_time(pixorly: Pixorly, world: World, ada: Browser) -> None:
    world.provider.form, world.provider.at_most = "url", 2
    job_id = ada.order(numImages=3)
    run(pixorly)
    assert [asked["n"] for asked in world.provider.requests] == [3, 1]
    assert len(images_of(ada, job_id)) == len(world.store.keys("images")) == len(world.store.keys("thumbnails")) == 3


# ── acceptance 4 ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_503_twice_and_then_success_is_one_completed_job_and_one_charge(
    pixorly: Pixorly, world: World, ada: Browser
) -> None:
    world.provider.answers.extend((503, 503))
    job_id = ada.order()
    run(pixorly)
    assert (ada.job(job_id)["status"], ada.job(job_id)["retryCount"]) == ("pending", 1)
    run(pixorly, 1.9)
    assert len(world.provider.requests) == 1, "the first retry comes after two seconds"
    run(pixorly, 0.1)
    assert (ada.job(job_id)["status"], ada.job(job_id)["retryCount"]) == ("pending", 2)
    run(pixorly, 3.9)
    assert len(world.provider.requests) == 2, "the second after four"
    run(pixorly, 0.1)
    job = ada.job(job_id)
    assert (job["status"], job["retryCount"], len(job["imageIds"])) == ("completed", 2, 1)
    assert ada.user["credits"] == 100 - job["creditsUsed"]
    assert pixorly.usage_today(ada.user_id)["generationsCount"] == 1
    run(pixorly, 3600)
    assert len(world.provider.requests) == 3


def test_a_permanent_400_fails_at_once_and_is_not_given_back(pixorly: Pixorly, world: World, ada: Browser) -> None:
    world.provider.answers.append(400)
    job_id = ada.order()
    run(pixorly, 2, 4, 8)
    job = ada.job(job_id)
    assert (job["status"], job["retryCount"], job["error"]) == ("failed", 0, "The image provider answered 400")
    assert len(world.provider.requests) == 1
    assert ada.user["credits"] == 99


def test_5xx_at_every_try_fails_and_is_given_back(pixorly: Pixorly, world: World, ada: Browser) -> None:
    """After retries of two, four and eight seconds."""
    world.provider.answers.extend([503] * 4)
    job_id = ada.order()
    run(pixorly, 2, 4)
    assert ada.job(job_id)["status"] == "pending"
    run(pixorly, 7.9)
    assert len(world.provider.requests) == 3
    run(pixorly, 0.1)
    job = ada.job(job_id)
    assert (job["status"], job["retryCount"], job["error"]) == ("failed", 3, "The image provider answered 503")
    assert ada.user["credits"] == 100
    run(pixorly, 3600)
    assert len(world.provider.requests) == 4


def test_how_often_is_the_operators_choice(
    pixorly: Pixorly, world: World, ada: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With two retries, 5xx three times has failed and is given back."""
    monkeypatch.setenv("OPENROUTER_MAX_RETRIES", "2")
    world.provider.answers.extend([502, 503, 503])
    job_id = ada.order()
    run(pixorly, 2, 4, 8)
    assert (ada.job(job_id)["status"], ada.job(job_id)["retryCount"]) == ("failed", 2)
    assert (len(world.provider.requests), ada.user["credits"]) == (3, 100)


# ── everything else that goes wrong ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("status", "tries", "credits"), [(429, 4, 100), (502, 4, 100), (500, 1, 100), (401, 1, 100), (422, 1, 99)]
)
def test_what_may_pass_is_tried_again_and_only_a_bad_order_costs(
    pixorly: Pixorly, world: World, ada: Browser, status: int, tries: int, credits: float
) -> None:
    world.provider.answers.extend([status] * 10)
    job_id = ada.order()
    run(pixorly, 2, 4, 8)
    assert ada.job(job_id)["status"] == "failed"
    assert (len(world.provider.requests), ada.user["credits"]) == (tries, credits)


def test_a_provider_that_hangs_is_given_up_and_tried_again(
    pixorly: Pixorly, world: World, ada: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENROUTER_TIMEOUT_MS", "100")
    world.provider.gate.close()
    job_id = ada.order()
    run(pixorly)
    assert (ada.job(job_id)["status"], ada.job(job_id)["retryCount"]) == ("pending", 1)
    world.provider.gate.open()
    run(pixorly, 2)
    assert ada.job(job_id)["status"] == "completed"


def test_a_provider_that_is_not_there_is_tried_again(
    pixorly: Pixorly, world: World, ada: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENROUTER_BASE_URL", "http://127.0.0.1:9")
    job_id = ada.order()
    run(pixorly, 2, 4, 8)
    job = ada.job(job_id)
    assert (job["status"], job["error"], job["retryCount"]) == ("failed", "The image provider could not be reached", 3)
    assert ada.user["credits"] == 100


@pytest.mark.parametrize(
    "body",
    [
        b"not json",
        b"[]",
        b'{"choices": []}',
        b'{"choices": [{"message": {"images": []}}]}',
        b'{"choices": [{"message": {"images": [{"image_url": {"url": "data:image/png;base64,!!!"}}]}}]}',
        b'{"choices": [{"message": {"images": [{"image_url": {"url": "data:image/png;base64,aGVsbG8="}}]}}]}',
    ],
)
def test_nonsense_from_the_provider_fails_and_is_given_back(
    pixorly: Pixorly, world: World, ada: Browser, body: bytes
) -> None:
    world.provider.answers.append(body)
    job_id = ada.order()
    run(pixorly, 2)
    assert ada.job(job_id)["status"] == "failed"
    assert (len(world.provider.requests), ada.user["credits"], world.store.objects) == (1, 100, {})


def test_a_bucket_in_trouble_is_tried_again_and_keeps_what_is_finished(
    pixorly: Pixorly, world: World, ada: Browser
) -> None:
    world.store.answers.extend([200, 200, 503])  # the first image and its thumbnail, and then the second image
    job_id = ada.order(numImages=2)
    run(pixorly)
    assert (ada.job(job_id)["status"], pixorly.rows("images", ada.user_id)) == ("pending", 1)
    run(pixorly, 2)
    assert (ada.job(job_id)["status"], ada.job(job_id)["retryCount"]) == ("completed", 1)
    assert [asked["n"] for asked in world.provider.requests] == [2, 1], "only what was missing is drawn again"
    assert len(set(ada.job(job_id)["imageIds"])) == len(world.store.keys("images")) == 2


def test_a_bucket_that_refuses_fails_the_job_and_nothing_of_it_stays(
    pixorly: Pixorly, world: World, ada: Browser
) -> None:
    world.store.answers.extend([200, 200, 403])
    job_id = ada.order(numImages=2)
    run(pixorly)
    assert (ada.job(job_id)["status"], ada.user["credits"], ada.user["storageUsedBytes"]) == ("failed", 100, 0)
    assert pixorly.rows("images", ada.user_id) == 0
    sweep(pixorly, ahead=600)
    assert world.store.objects == {}


def test_the_quota_is_looked_at_for_every_image(pixorly: Pixorly, world: World, ada: Browser) -> None:
    """Another job may have used it up meanwhile: what the row said at the beginning does not count."""
    size = len(world.provider.pictures[0])
    pixorly.mutation("users:updateStorageUsage", userId=ada.user_id, bytesChange=(1 << 30) - size - size // 2)
    before = ada.user["storageUsedBytes"]
    job_id = ada.order(numImages=2)
    run(pixorly)
    assert (ada.job(job_id)["status"], ada.job(job_id)["error"]) == ("failed", "Storage quota exceeded")
    assert (ada.user["credits"], ada.user["storageUsedBytes"]) == (100, before)
    assert len(world.store.keys("images")) == 1, "the second was not even written"
    sweep(pixorly)
    assert world.store.objects == {}


def test_without_a_bucket_a_job_says_so(
    pixorly: Pixorly, world: World, ada: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_S3_BUCKET")
    job_id = ada.order()
    run(pixorly)
    assert "No picture store" in ada.job(job_id)["error"]
    assert (world.provider.requests, ada.user["credits"]) == ([], 100)


def test_an_attempt_that_was_given_up_can_change_nothing(pixorly: Pixorly, world: World, ada: Browser) -> None:
    job_id = ada.order()
    assert pixorly.mutation("attempts:beginAttempt", jobId=job_id, attempt=0)["job"]["_id"] == job_id
    assert pixorly.mutation("attempts:beginAttempt", jobId=job_id, attempt=0) is None, "twice is once too often"
    assert pixorly.mutation("generations:incrementRetryCount", jobId=job_id) == 1
    late = {"jobId": job_id, "attempt": 0}
    assert pixorly.mutation("generations:updateJobStatus", **late, status="uploading") is False
    upload = {"s3Key": "images/late.png", "s3Bucket": "pixorly-test", "fileSizeBytes": 1}
    assert pixorly.mutation("attempts:announceUpload", **late, **upload) is False
    pixorly.mutation("generations:completeGeneration", **late, imageIds=[])
    pixorly.mutation("attempts:attemptFailed", **late, error="no", retry=False, refund=True)
    assert (ada.job(job_id)["status"], ada.user["credits"]) == ("pending", 99)
    run(pixorly, 2)
    assert (ada.job(job_id)["status"], ada.job(job_id)["retryCount"]) == ("completed", 1)


# ── sweeps ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def sweep(pixorly: Pixorly, *, ahead: float = 0) -> int:
    return int(pixorly.action("generationActions:sweepObjects", aheadSeconds=ahead))


def test_a_job_whose_action_died_gets_another_one(pixorly: Pixorly, world: World, ada: Browser) -> None:
    job_id = ada.order()
    pixorly.lose_the_due()  # the server died in it: at most once, so nobody runs it again
    pixorly.begin(job_id)
    assert pixorly.mutation("attempts:recoverStuckJobs") == 1
    assert (ada.job(job_id)["status"], ada.job(job_id)["retryCount"]) == ("pending", 1)
    assert pixorly.mutation("attempts:recoverStuckJobs") == 0, "the next attempt is on its way"
    run(pixorly, 2)
    assert (ada.job(job_id)["status"], ada.user["credits"]) == ("completed", 99)


def test_nobody_has_to_call_the_sweeps(pixorly: Pixorly, world: World, ada: Browser) -> None:
    first = ada.order()
    run(pixorly)
    ada.mutation("images:deleteImage", imageId=ada.job(first)["imageIds"][0])
    second = ada.order()
    pixorly.lose_the_due()
    pixorly.begin(second)
    pixorly.backend.advance(dt.timedelta(minutes=5))
    assert ada.job(second)["status"] == "completed"
    assert world.store.keys("images") == [images_of(ada, second)[0]["s3Key"]]


def test_a_job_whose_actions_always_die_fails_and_is_given_back(pixorly: Pixorly, world: World, ada: Browser) -> None:
    job_id = ada.order()
    for delay in (2, 4, 8, 16):
        pixorly.lose_the_due()
        assert pixorly.mutation("attempts:recoverStuckJobs") == 1
        pixorly.clock.advance(delay * SECOND)
    assert (ada.job(job_id)["status"], ada.job(job_id)["error"]) == ("failed", "The generation was interrupted")
    assert ada.user["credits"] == 100
    assert pixorly.mutation("attempts:recoverStuckJobs") == 0


def test_the_objects_of_a_deleted_image_go_with_the_next_sweep(pixorly: Pixorly, world: World, ada: Browser) -> None:
    job_id = ada.order(numImages=2)
    run(pixorly)
    gone, stays = images_of(ada, job_id)
    ada.mutation("images:deleteImage", imageId=gone["_id"])
    assert (sweep(pixorly), sweep(pixorly)) == (1, 0)
    assert world.store.keys("images") == [stays["s3Key"]]
    assert world.store.keys("thumbnails") == [world.unquoted(stays["thumbnailUrl"])]
    assert pixorly.count("looseObjects") == 0


def test_a_sweep_leaves_uploads_that_may_be_under_way(pixorly: Pixorly, world: World, ada: Browser) -> None:
    job_id = ada.order()
    pixorly.begin(job_id)
    upload = {"s3Key": "images/ada/1.png", "s3Bucket": "pixorly-test", "fileSizeBytes": 1}
    pixorly.mutation("attempts:announceUpload", jobId=job_id, attempt=0, **upload)
    assert sweep(pixorly) == 0
    pixorly.clock.advance(600 * SECOND)
    assert sweep(pixorly) == 1
    args = {"jobId": job_id, "cloudFrontUrl": "https://x", "mimeType": "image/png", **upload}
    with pytest.raises(Exception, match="took too long"):
        pixorly.mutation("generations:createImage", **args)


def test_a_sweep_that_cannot_reach_the_bucket_comes_back(pixorly: Pixorly, world: World, ada: Browser) -> None:
    job_id = ada.order()
    run(pixorly)
    ada.mutation("images:deleteImage", imageId=ada.job(job_id)["imageIds"][0])
    world.store.answers.append(503)
    assert sweep(pixorly) == 0
    pixorly.clock.advance(600 * SECOND)
    assert sweep(pixorly) == 1
    assert world.store.objects == {}


def test_a_deleted_user_leaves_nothing_in_the_bucket(pixorly: Pixorly, world: World, ada: Browser) -> None:
    ada.order(numImages=3)
    run(pixorly)
    assert len(world.store.objects) == 6
    world.store.locked.add(world.store.keys("images")[0])
    pixorly.mutation("users:deleteUser", clerkId="ada")
    run(pixorly)
    assert len(world.store.objects) == 1
    assert ada.query("deletions:getProgress")["objectsLeft"] == 1, "it is not over while one cannot be deleted"
    world.store.locked.clear()
    pixorly.clock.advance(600 * SECOND)
    assert sweep(pixorly) == 1
    assert world.store.objects == {}
    assert ada.query("deletions:getProgress") is None
    assert [pixorly.count(table) for table in ("accountDeletions", "looseObjects")] == [0, 0]


# ── downloads ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_download_url_works_for_whoever_may_see_the_image(pixorly: Pixorly, world: World, ada: Browser) -> None:
    pixorly.clock.set(dt.datetime.now(dt.UTC))
    job_id = ada.order()
    run(pixorly)
    (image_id,) = ada.job(job_id)["imageIds"]
    url = ada.action("images:createDownloadUrl", imageId=image_id)
    assert httpx.get(url).content == world.provider.pictures[0]
    assert "X-Amz-Expires=3600" in url
    assert httpx.get(url.replace("Expires=3600", "Expires=9999")).status_code == 403
    with pytest.raises(Exception, match="Image not found"):
        pixorly.browser(None).action("images:createDownloadUrl", imageId=image_id)


def test_the_fakes_refuse_wrong_credentials() -> None:
    """Our own fake: if it were not strict, the tests above would prove little."""
    with World() as world:
        put = httpx.put(
            f"{world.store.url}/pixorly-test/images/x.png",
            content=b"x",
            headers={
                "authorization": "AWS4-HMAC-SHA256 Credential=x, SignedHeaders=host, Signature=00",
                "x-amz-date": "20260301T000000Z",
                "x-amz-content-sha256": "0",
            },
        )
        assert put.status_code == 403
        asked = httpx.post(
            f"{world.provider.url}/v1/chat/completions",
            content=json.dumps({"n": 1}),
            headers={"authorization": "Bearer x"},
        )
        assert asked.status_code == 401
