"""Webhooks to users' servers (acceptance 12): signed, retried with backoff, disabled after failures, sent again by hand."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from reactor.errors import AppError
from tests.pixorly.application import Browser, Pixorly
from tests.pixorly.fakes import World

EVENTS = ["generation.started", "generation.completed", "generation.failed", "credit.low", "credit.depleted"]


@pytest.fixture
def ada(pixorly: Pixorly, world: World) -> Browser:
    ada = pixorly.sign_up("ada")
    pixorly.mutation("users:updateUserPlan", userId=ada.user_id, plan="pro")
    return ada


def register(browser: Browser, world: World, *events: str) -> dict[str, Any]:
    made: dict[str, Any] = browser.mutation(
        "webhooks:registerWebhook", url=world.receiver.hook, events=list(events or EVENTS)
    )
    return made


def deliveries(browser: Browser) -> list[dict[str, Any]]:
    page = browser.query("webhooks:listDeliveries", paginationOpts={"numItems": 100, "cursor": None})
    return list(page["page"])


def pass_time(pixorly: Pixorly, seconds: float) -> None:
    pixorly.clock.advance(dt.timedelta(seconds=seconds))
    pixorly.backend.run_due()


def fail_a_job(pixorly: Pixorly, browser: Browser) -> str:
    job_id = browser.order()
    pixorly.mutation("generations:failGeneration", jobId=job_id, error="no", refund=True)
    pixorly.backend.run_due()
    return job_id


def test_a_generation_is_told_of_and_signed(pixorly: Pixorly, world: World, ada: Browser) -> None:
    made = register(ada, world)
    job_id = ada.order(prompt="two foxes")
    pixorly.backend.run_due()
    started, completed = world.receiver.received
    assert [each.event["type"] for each in (started, completed)] == ["generation.started", "generation.completed"]
    assert completed.event["data"]["jobId"] == job_id
    assert completed.event["data"]["images"][0]["id"] == ada.job(job_id)["imageIds"][0]
    for each in (started, completed):
        assert each.is_signed_with(made["secret"])
        assert not each.is_signed_with("whsec_" + "A" * 32)
        assert each.headers["content-type"] == "application/json"
        assert int(each.headers["webhook-timestamp"]) == int(pixorly.clock.now_ns() / 1e9)
    assert started.id != completed.id
    assert {(each["status"], each["attempts"], each["responseStatus"]) for each in deliveries(ada)} == {
        ("delivered", 1, 204)
    }
    world.provider.answers.append(400)
    ada.order()
    pixorly.backend.run_due()
    failed = world.receiver.received[-1].event
    assert (failed["type"], failed["data"]["error"]) == ("generation.failed", "The image provider answered 400")


def test_credits_that_run_low_are_told_of_once(pixorly: Pixorly, world: World, ada: Browser) -> None:
    register(ada, world, "credit.low", "credit.depleted")
    for amount in (450, 1, 1, 48):
        pixorly.mutation("users:deductCredits", userId=ada.user_id, amount=amount)
    pixorly.backend.run_due()
    assert [(each.event["type"], each.event["data"]["credits"]) for each in world.receiver.received] == [
        ("credit.low", 49),
        ("credit.depleted", 0),
    ]


def test_only_what_was_chosen_is_told_and_only_to_its_owner(pixorly: Pixorly, world: World, ada: Browser) -> None:
    bea = pixorly.sign_up("bea")
    register(ada, world, "generation.failed")
    bea.order()
    ada.order()
    pixorly.backend.run_due()
    assert world.receiver.received == []
    assert deliveries(bea) == []


def test_a_failed_delivery_is_tried_again_with_growing_delays_and_one_id(
    pixorly: Pixorly, world: World, ada: Browser
) -> None:
    made = register(ada, world, "generation.failed")
    world.receiver.answers.extend((500, 302, 410, 500))
    fail_a_job(pixorly, ada)
    for number, delay in enumerate((5, 30, 300, 1800), 1):
        assert len(world.receiver.received) == number
        (delivery,) = deliveries(ada)
        assert (delivery["status"], delivery["attempts"]) == ("pending", number)
        pass_time(pixorly, delay - 1)
        assert len(world.receiver.received) == number, f"too early for attempt {number + 1}"
        pass_time(pixorly, 1)
    assert [each.id for each in world.receiver.received] == [delivery["_id"]] * 5
    assert all(each.is_signed_with(made["secret"]) for each in world.receiver.received)
    assert len({each.headers["webhook-timestamp"] for each in world.receiver.received}) == 5
    (delivery,) = deliveries(ada)
    assert (delivery["status"], delivery["attempts"], delivery["responseStatus"]) == ("delivered", 5, 204)
    assert "error" not in delivery
    (webhook,) = ada.query("webhooks:listWebhooks")
    assert (webhook["isActive"], webhook["failures"]) == (True, 0), "success forgives"


def test_a_delivery_is_given_up_and_can_be_sent_again_by_hand(pixorly: Pixorly, world: World, ada: Browser) -> None:
    register(ada, world, "generation.failed")
    world.receiver.status = 500
    fail_a_job(pixorly, ada)
    for delay in (5, 30, 300, 1800, 10000):
        pass_time(pixorly, delay)
    (delivery,) = deliveries(ada)
    assert (delivery["status"], delivery["attempts"], delivery["error"]) == ("failed", 5, "answered 500")
    assert len(world.receiver.received) == 5
    with pytest.raises(AppError, match="not found"):
        pixorly.sign_up("bea").mutation("webhooks:redeliver", deliveryId=delivery["_id"])
    world.receiver.status = 200
    ada.mutation("webhooks:redeliver", deliveryId=delivery["_id"])
    with pytest.raises(AppError, match="under way"):
        ada.mutation("webhooks:redeliver", deliveryId=delivery["_id"])
    pixorly.backend.run_due()
    first, *_, last = world.receiver.received
    assert (last.id, last.body) == (first.id, first.body)
    (delivery,) = deliveries(ada)
    assert (delivery["status"], delivery["attempts"]) == ("delivered", 1)


def test_a_webhook_that_fails_ten_times_in_a_row_is_disabled(pixorly: Pixorly, world: World, ada: Browser) -> None:
    made = register(ada, world, "generation.failed")
    world.receiver.status = 503
    for _ in range(2):
        fail_a_job(pixorly, ada)
        for delay in (5, 30, 300, 1800):
            pass_time(pixorly, delay)
    (webhook,) = ada.query("webhooks:listWebhooks")
    assert (webhook["isActive"], webhook["failures"]) == (False, 10)
    assert webhook["disabledAt"] == pixorly.clock.now_ns() / 1e6
    assert len(world.receiver.received) == 10
    fail_a_job(pixorly, ada)
    assert len(world.receiver.received) == 10, "nobody is told any more"
    old = deliveries(ada)[0]
    with pytest.raises(AppError, match="not active"):
        ada.mutation("webhooks:redeliver", deliveryId=old["_id"])
    world.receiver.status = 200
    ada.mutation("webhooks:updateWebhook", webhookId=made["webhookId"], isActive=True)
    (webhook,) = ada.query("webhooks:listWebhooks")
    assert (webhook["isActive"], webhook["failures"], "disabledAt" in webhook) == (True, 0, False)
    ada.mutation("webhooks:redeliver", deliveryId=old["_id"])
    pixorly.backend.run_due()
    assert deliveries(ada)[0]["status"] == "delivered"


def test_what_waits_when_its_webhook_goes_is_not_sent(pixorly: Pixorly, world: World, ada: Browser) -> None:
    made = register(ada, world, "generation.failed")
    world.receiver.status = 500
    fail_a_job(pixorly, ada)
    ada.mutation("webhooks:deleteWebhook", webhookId=made["webhookId"])
    pass_time(pixorly, 5)
    assert len(world.receiver.received) == 1
    assert deliveries(ada)[0]["status"] == "failed"


def test_an_attempt_that_was_lost_with_its_server_is_made_again(pixorly: Pixorly, world: World, ada: Browser) -> None:
    register(ada, world, "generation.failed")
    job_id = ada.order()
    pixorly.lose_the_due()
    pixorly.mutation("generations:failGeneration", jobId=job_id, error="no", refund=True)
    pixorly.lose_the_due()
    assert pixorly.mutation("webhooks:sendLost") == 0, "it may still be under way"
    pixorly.clock.advance(dt.timedelta(minutes=3))
    assert pixorly.mutation("webhooks:sendLost") == 1
    assert pixorly.mutation("webhooks:sendLost") == 0
    pixorly.backend.run_due()
    assert [each.event["type"] for each in world.receiver.received] == ["generation.failed"]


def test_secrets_are_told_once(pixorly: Pixorly, world: World, ada: Browser) -> None:
    first, second = register(ada, world), register(ada, world)
    assert first["secret"].startswith("whsec_")
    assert first["secret"] != second["secret"]
    assert first["secret"] not in str(ada.query("webhooks:listWebhooks"))


def test_webhooks_are_their_owners_alone_and_belong_to_a_plan(pixorly: Pixorly, world: World, ada: Browser) -> None:
    made, bea = register(ada, world), pixorly.sign_up("bea")
    with pytest.raises(AppError, match="not part of your plan"):
        register(bea, world)
    for path, args in (("deleteWebhook", {}), ("updateWebhook", {"isActive": False})):
        with pytest.raises(AppError, match="not found"):
            bea.mutation(f"webhooks:{path}", webhookId=made["webhookId"], **args)
    assert bea.query("webhooks:listWebhooks") == []


@pytest.mark.parametrize(
    "url", ["http://example.com/hook", "ftp://example.com", "https://", "https://a:b@example.com/"]
)
def test_only_https_addresses_are_told(
    pixorly: Pixorly, world: World, ada: Browser, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PIXORLY_PRIVATE_WEBHOOKS")
    with pytest.raises(AppError, match="https"):
        ada.mutation("webhooks:registerWebhook", url=url, events=EVENTS)


def test_a_users_address_cannot_make_the_server_call_its_neighbours(
    pixorly: Pixorly, world: World, ada: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(ada, world, "generation.failed")
    monkeypatch.delenv("PIXORLY_PRIVATE_WEBHOOKS")
    fail_a_job(pixorly, ada)
    assert world.receiver.received == []
    assert "not public" in deliveries(ada)[0]["error"]
