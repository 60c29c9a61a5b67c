"""Stripe's webhook: signed over the raw body, each event once, in whatever order they come."""

from __future__ import annotations

import datetime as dt
import hmac
import itertools
import json
from typing import Any

import pytest

from functions.stripe_signature import verify
from reactor import WebhookError
from tests.pixorly.application import START, Browser, Pixorly

SECRET = "whsec_stripe"


def signature(body: bytes, at: float, *, secret: str = SECRET) -> str:
    """The header as Stripe's documentation says it is made."""
    stamp = str(int(at))
    return f"t={stamp},v1={hmac.digest(secret.encode(), stamp.encode() + b'.' + body, 'sha256').hex()}"


class Stripe:
    """Sends what Stripe sends."""

    def __init__(self, pixorly: Pixorly) -> None:
        self.pixorly = pixorly
        self._numbers = itertools.count(1)

    def send(self, type: str, object: dict[str, Any], *, id: str | None = None, age: float = 0, **how: Any) -> int:
        """The status of the answer; `age` is how long ago it happened, in seconds."""
        now = self.pixorly.clock_now.timestamp()
        event = {"id": id or f"evt_{next(self._numbers)}", "object": "event", "type": type, "created": now - age}
        body = json.dumps({**event, "data": {"object": object}}, indent=2).encode()
        header = how.get("header", signature(body, now - how.get("delay", 0), secret=how.get("secret", SECRET)))
        answer = self.pixorly.backend.fetch(
            "POST", "/stripe-webhook", headers={"stripe-signature": header}, body=body + how.get("spoil", b"")
        )
        return int(answer.status_code)

    def checkout(self, user: Browser, **how: Any) -> int:
        session = {"id": "cs_1", "customer": "cus_1", "client_reference_id": user.user_id}
        return self.send("checkout.session.completed", session, **how)

    def subscription(self, what: str, *, status: str = "active", price: str = "price_pro", **how: Any) -> int:
        items = {"data": [{"price": {"id": price}}]}
        subscription = {"id": "sub_1", "customer": "cus_1", "status": status, "items": items, **how.pop("more", {})}
        return self.send(f"customer.subscription.{what}", subscription, **how)


@pytest.fixture
def stripe(pixorly: Pixorly, monkeypatch: pytest.MonkeyPatch) -> Stripe:
    monkeypatch.setenv("STRIPE_WEBHOOK_SECRET", SECRET)
    monkeypatch.setenv("STRIPE_PRICE_PRO", "price_pro")
    monkeypatch.setenv("STRIPE_PRICE_ENTERPRISE", "price_enterprise")
    return Stripe(pixorly)


def state(user: Browser) -> tuple[str, float, str | None]:
    now = user.user
    return now["plan"], now["credits"], now.get("subscriptionStatus")


def test_a_subscription_is_the_plan(pixorly: Pixorly, stripe: Stripe) -> None:
    ada = pixorly.sign_up("ada")
    assert stripe.checkout(ada) == 204
    assert stripe.subscription("created") == 204
    assert state(ada) == ("pro", 500, "active")
    assert (ada.user["stripeCustomerId"], ada.user["stripeSubscriptionId"]) == ("cus_1", "sub_1")
    pixorly.mutation("users:deductCredits", userId=ada.user_id, amount=100)
    assert stripe.subscription("updated", status="past_due") == 204
    assert state(ada) == ("pro", 400, "past_due"), "the plan is the same: credits stay what they are"
    assert stripe.subscription("updated", price="price_enterprise") == 204
    assert state(ada) == ("enterprise", 2000, "active")
    trial_end = int(START.timestamp()) + 86400
    assert stripe.subscription("updated", status="trialing", more={"trial_end": trial_end}) == 204
    assert (state(ada)[2], ada.user["trialEndsAt"]) == ("trialing", trial_end * 1000)
    assert stripe.subscription("deleted") == 204
    assert state(ada) == ("free", 10, "canceled")
    assert ada.user["storageQuotaBytes"] == 1 << 30


def test_an_event_counts_once(pixorly: Pixorly, stripe: Stripe) -> None:
    ada = pixorly.sign_up("ada")
    stripe.checkout(ada)
    assert stripe.subscription("created", id="evt_same") == 204
    pixorly.mutation("users:updateUserPlan", userId=ada.user_id, plan="free")
    assert stripe.subscription("created", id="evt_same") == 204
    assert state(ada)[0] == "free"


def test_an_event_that_was_overtaken_changes_nothing(pixorly: Pixorly, stripe: Stripe) -> None:
    ada = pixorly.sign_up("ada")
    stripe.checkout(ada)
    assert stripe.subscription("deleted", age=10) == 204
    assert stripe.subscription("updated", age=20) == 204
    assert state(ada) == ("free", 10, "canceled")
    assert stripe.subscription("updated", age=5) == 204
    assert state(ada)[0] == "pro"


def test_a_subscription_that_was_followed_by_another_ends_unnoticed(pixorly: Pixorly, stripe: Stripe) -> None:
    """Whichever of the two is heard of first."""
    for ends_first in (False, True):
        name = f"ada {ends_first}"
        ada, customer = pixorly.sign_up(name), {"customer": f"cus {ends_first}"}
        stripe.send("checkout.session.completed", {"id": "cs", "client_reference_id": ada.user_id, **customer}, age=30)
        old, new = ({"id": f"sub {which} {ends_first}", **customer} for which in ("old", "new"))
        stripe.subscription("created", more=old, age=20)
        if ends_first:
            stripe.subscription("deleted", more=old, age=5)
            assert state(ada)[0] == "free"
        stripe.subscription("created", price="price_enterprise", more=new, age=10)
        stripe.subscription("deleted", more=old, age=5)
        assert state(ada) == ("enterprise", 2000, "active")


@pytest.mark.parametrize("how", [{"price": "price_of_something"}, {"status": "active"}])
def test_what_is_not_known_yet_is_asked_for_again(pixorly: Pixorly, stripe: Stripe, how: dict[str, str]) -> None:
    """A subscription may be told of before its checkout; and a price before the operator has named it."""
    ada = pixorly.sign_up("ada")
    if "price" in how:
        stripe.checkout(ada)
    assert stripe.subscription("created", id="evt_early", **how) == 409
    assert state(ada) == ("free", 10, None)
    stripe.checkout(ada)
    assert stripe.subscription("created", id="evt_early") == 204
    assert state(ada)[0] == "pro"


def test_what_is_of_no_interest_is_taken_and_forgotten(pixorly: Pixorly, stripe: Stripe) -> None:
    ada = pixorly.sign_up("ada")
    assert stripe.send("invoice.finalized", {"id": "in_1"}) == 204
    stripe.checkout(ada)
    assert stripe.subscription("created", status="incomplete") == 204
    assert state(ada) == ("free", 10, None)
    assert pixorly.count("stripeEvents") == 2
    pixorly.clock.advance(dt.timedelta(days=31))
    assert pixorly.mutation("stripe:forgetEvents") == 2


@pytest.mark.parametrize(
    "how",
    [
        {"secret": "whsec_other"},
        {"spoil": b" "},
        {"delay": 301},
        {"delay": -301},
        {"header": ""},
        {"header": "t=x,v1=00"},
        {"header": f"t={int(START.timestamp())},v0=00"},
    ],
)
def test_what_stripe_did_not_sign_just_now_is_400(pixorly: Pixorly, stripe: Stripe, how: dict[str, Any]) -> None:
    ada = pixorly.sign_up("ada")
    assert stripe.checkout(ada, **how) == 400
    assert pixorly.count("stripeCustomers") == 0


def test_one_of_several_signatures_is_enough() -> None:
    """While a secret is being rolled, Stripe signs with both."""
    body, now = b'{"id": "evt_1"}', START
    old, new = (signature(body, now.timestamp(), secret=secret) for secret in ("whsec_old", SECRET))
    verify(SECRET, f"{old},{new.partition(',')[2]}", body, now)
    with pytest.raises(WebhookError):
        verify(SECRET, old, body, now)


def test_a_deleted_user_is_forgotten_here_too(pixorly: Pixorly, stripe: Stripe) -> None:
    ada = pixorly.sign_up("ada")
    stripe.checkout(ada)
    stripe.subscription("created")
    pixorly.mutation("users:deleteUser", clerkId="ada")
    pixorly.backend.run_due()
    assert [pixorly.count(table) for table in ("stripeCustomers", "stripeEvents", "userTotals")] == [0, 0, 0]
    assert stripe.checkout(ada) == 204, "a checkout that ends afterwards"
    assert pixorly.count("stripeCustomers") == 0
