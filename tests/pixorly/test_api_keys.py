"""API keys: shown once, kept as a hash, and good for what their scopes and limits say."""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from typing import Any

import pytest

from reactor.errors import AppError
from tests.pixorly.application import START, Browser, Pixorly


@pytest.fixture
def ada(pixorly: Pixorly) -> Browser:
    ada = pixorly.sign_up("ada")
    pixorly.mutation("users:updateUserPlan", userId=ada.user_id, plan="pro")
    return ada


def new_key(browser: Browser, **args: Any) -> dict[str, Any]:
    made: dict[str, Any] = browser.mutation(
        "apiKeys:createApiKey", **{"name": "laptop", "scopes": ["generate", "read"], **args}
    )
    return made


def use(pixorly: Pixorly, key: str, scope: str = "read") -> dict[str, Any]:
    used: dict[str, Any] = pixorly.mutation("apiKeys:useApiKey", key=key, scope=scope)
    return used


def test_a_key_is_shown_once_and_only_its_hash_is_kept(pixorly: Pixorly, ada: Browser) -> None:
    made = new_key(ada)
    assert re.fullmatch(r"px_[A-Za-z0-9]{32}", made["key"])
    assert made["prefix"] == made["key"][:8]
    (row,) = pixorly.documents("apiKeys", ada.user_id)
    assert row["keyHash"] == hashlib.sha256(made["key"].encode()).hexdigest()
    (listed,) = ada.query("apiKeys:listApiKeys")
    assert listed["prefix"] == made["prefix"]
    assert made["key"] not in str(row) + str(listed)
    assert row["keyHash"] not in str(listed)
    assert new_key(ada)["key"] != made["key"]


def test_a_key_works_until_it_is_revoked_expires_or_is_rotated(pixorly: Pixorly, ada: Browser) -> None:
    made = new_key(ada)
    found = pixorly.query("apiKeys:validateApiKey", key=made["key"])
    assert (found["userId"], found["keyId"], found["scopes"]) == (ada.user_id, made["keyId"], ["generate", "read"])
    assert pixorly.query("apiKeys:validateApiKey", key=made["key"] + "x") is None

    rotated = ada.mutation("apiKeys:rotateApiKey", keyId=made["keyId"])
    assert rotated["keyId"] == made["keyId"]
    assert pixorly.query("apiKeys:validateApiKey", key=made["key"]) is None
    assert pixorly.query("apiKeys:validateApiKey", key=rotated["key"])["keyId"] == made["keyId"]

    ada.mutation("apiKeys:revokeApiKey", keyId=made["keyId"])
    assert pixorly.query("apiKeys:validateApiKey", key=rotated["key"]) is None
    with pytest.raises(AppError, match="revoked"):
        ada.mutation("apiKeys:rotateApiKey", keyId=made["keyId"])

    tomorrow = (START + dt.timedelta(days=1)).timestamp() * 1000
    short = new_key(ada, expiresAt=tomorrow)
    assert use(pixorly, short["key"]) == {"userId": ada.user_id}
    pixorly.clock.advance(dt.timedelta(days=1))
    assert use(pixorly, short["key"]) == {"refused": "unknown"}
    assert len(ada.query("apiKeys:listApiKeys")) == 2
    ada.mutation("apiKeys:deleteApiKey", keyId=made["keyId"])
    assert [key["keyId"] for key in ada.query("apiKeys:listApiKeys")] == [short["keyId"]]


def test_a_use_is_counted_and_remembered(pixorly: Pixorly, ada: Browser) -> None:
    made = new_key(ada)
    pixorly.clock.advance(dt.timedelta(seconds=5))
    for _ in range(3):
        assert use(pixorly, made["key"]) == {"userId": ada.user_id}
    (listed,) = ada.query("apiKeys:listApiKeys")
    assert (listed["totalRequests"], listed["lastUsedAt"]) == (3, (START.timestamp() + 5) * 1000)
    usage = pixorly.usage_today(ada.user_id)
    assert (usage["apiRequestsCount"], usage["apiRequestsSuccess"], usage["apiRequestsFailed"]) == (3, 3, 0)
    pixorly.mutation("apiKeys:noteFailure", userId=ada.user_id)
    usage = pixorly.usage_today(ada.user_id)
    assert (usage["apiRequestsCount"], usage["apiRequestsSuccess"], usage["apiRequestsFailed"]) == (3, 2, 1)


def test_a_scope_that_was_not_given_is_refused(pixorly: Pixorly, ada: Browser) -> None:
    made = new_key(ada, scopes=["read"])
    for scope in ("generate", "write", "delete"):
        assert use(pixorly, made["key"], scope) == {"refused": "scope"}
    assert ada.query("apiKeys:listApiKeys")[0]["totalRequests"] == 0


def test_keys_belong_to_a_plan(pixorly: Pixorly, ada: Browser) -> None:
    bea = pixorly.sign_up("bea")
    with pytest.raises(AppError, match="not part of your plan"):
        new_key(bea)
    made = new_key(ada)
    pixorly.mutation("users:updateUserPlan", userId=ada.user_id, plan="free")
    assert use(pixorly, made["key"]) == {"refused": "plan"}


@pytest.mark.parametrize(
    "wrong",
    [{"name": " "}, {"scopes": []}, {"rateLimit": 0}, {"expiresAt": START.timestamp() * 1000}],
)
def test_a_key_that_makes_no_sense_is_refused(pixorly: Pixorly, ada: Browser, wrong: dict[str, Any]) -> None:
    with pytest.raises(AppError):
        new_key(ada, **wrong)


def test_a_key_is_its_owners_alone(pixorly: Pixorly, ada: Browser) -> None:
    made, bea = new_key(ada), pixorly.sign_up("bea")
    for path in ("rotateApiKey", "revokeApiKey", "deleteApiKey"):
        with pytest.raises(AppError, match="not found"):
            bea.mutation(f"apiKeys:{path}", keyId=made["keyId"])
    assert bea.query("apiKeys:listApiKeys") == []


# ── rate limits ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_keys_own_limit_is_for_a_minute(pixorly: Pixorly, ada: Browser) -> None:
    made = new_key(ada, rateLimit=2)
    other = new_key(ada)
    assert [use(pixorly, made["key"]).get("refused") for _ in range(3)] == [None, None, "rate"]
    pixorly.clock.advance(dt.timedelta(seconds=45))
    assert use(pixorly, made["key"]) == {"refused": "rate", "retryAfter": 15}
    assert "refused" not in use(pixorly, other["key"])
    pixorly.clock.advance(dt.timedelta(seconds=15))
    assert "refused" not in use(pixorly, made["key"])


def test_a_plans_limit_is_for_all_keys_together(pixorly: Pixorly, ada: Browser) -> None:
    first, second = new_key(ada), new_key(ada)
    for number in range(1000):
        assert "refused" not in use(pixorly, (first, second)[number % 2]["key"])
    assert use(pixorly, second["key"]) == {"refused": "rate", "retryAfter": 24 * 3600}
    limits = ada.query("rateLimits:checkRateLimit")
    assert limits["apiRequests"] == {
        "limit": 1000,
        "used": 1000,
        "resetsAt": (START + dt.timedelta(days=1)).timestamp() * 1000,
    }
    pixorly.clock.advance(dt.timedelta(days=1))
    assert ada.query("rateLimits:checkRateLimit")["apiRequests"] == {"limit": 1000, "used": 0}


def test_a_plans_limit_is_for_generations_too(pixorly: Pixorly, ada: Browser) -> None:
    for _ in range(50):
        pixorly.mutation("generations:failGeneration", jobId=ada.order(), error="no", refund=True)
    pixorly.clock.advance(dt.timedelta(minutes=50))
    with pytest.raises(AppError) as caught:
        ada.order()
    assert caught.value.data == {"code": "rateLimited", "message": "Too many generations", "retryAfter": 600}
    assert ada.query("rateLimits:checkRateLimit")["generations"]["used"] == 50
    pixorly.clock.advance(dt.timedelta(minutes=10))
    assert ada.order()
