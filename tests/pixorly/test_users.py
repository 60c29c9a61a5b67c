"""Users: what Clerk says of them, what they see, what only the server may do."""

from __future__ import annotations

import datetime as dt

import pytest

from reactor.errors import AppError, FunctionNotFound
from tests.pixorly.application import START, Pixorly

GIB = 1 << 30


def test_a_new_user_is_on_the_free_plan(pixorly: Pixorly) -> None:
    user = pixorly.sign_up("ada").user
    now = START.timestamp() * 1000
    assert {key: user[key] for key in user if not key.startswith("_")} == {
        "clerkId": "ada",
        "email": "ada@example.com",
        "plan": "free",
        "credits": 10,
        "storageUsedBytes": 0,
        "storageQuotaBytes": GIB,
        "emailNotifications": True,
        "createdAt": now,
        "updatedAt": now,
    }


def test_clerk_may_tell_of_a_user_twice_and_send_null_names(pixorly: Pixorly) -> None:
    first = pixorly.mutation("users:createUser", clerkId="ada", email="a@example.com", firstName=None, lastName="L")
    again = pixorly.mutation("users:createUser", clerkId="ada", email="other@example.com")
    assert first == again
    user = pixorly.query("users:getUserById", userId=first)
    assert (user["email"], user["lastName"]) == ("a@example.com", "L")
    assert "firstName" not in user


def test_an_update_changes_what_was_sent_and_nothing_else(pixorly: Pixorly) -> None:
    user_id = pixorly.mutation("users:createUser", clerkId="ada", email="a@b.c", firstName="A", username="ada")
    assert pixorly.mutation("users:updateUser", clerkId="ada", email="", firstName=None, lastName="L") == user_id
    user = pixorly.query("users:getUserById", userId=user_id)
    assert (user["email"], user["lastName"], user["username"]) == ("a@b.c", "L", "ada")
    assert "firstName" not in user
    with pytest.raises(AppError) as caught:
        pixorly.mutation("users:updateUser", clerkId="bea")
    assert caught.value.data == "User not found"


def test_nobody_is_no_user(pixorly: Pixorly) -> None:
    assert pixorly.browser(None).query("users:getCurrentUser") is None
    with pytest.raises(AppError) as caught:
        pixorly.browser(None).query("users:getUserUsageStats")
    assert caught.value.data == "Unauthorized"


def test_somebody_clerk_has_not_told_us_of_is_signed_in_but_no_user_yet(pixorly: Pixorly) -> None:
    early = pixorly.browser("early")
    assert early.query("users:getCurrentUser") is None
    with pytest.raises(AppError) as caught:
        early.query("users:getUserUsageStats")
    assert caught.value.data == "User not found"


@pytest.mark.parametrize(
    ("path", "args"),
    [
        ("users:createUser", {"clerkId": "x", "email": "x"}),
        ("users:updateUser", {"clerkId": "ada"}),
        ("users:deleteUser", {"clerkId": "ada"}),
        ("users:updateUserPlan", {"userId": "", "plan": "enterprise"}),
        ("users:updateStorageUsage", {"userId": "", "bytesChange": -1}),
        ("users:deductCredits", {"userId": "", "amount": -1000}),
        ("users:adjustCredits", {"userId": "", "amount": 1000}),
        ("users:addTestCredits", {"amount": 1000}),
        ("generations:failGeneration", {"jobId": "", "error": "", "refund": True}),
    ],
)
def test_a_browser_cannot_reach_what_is_for_the_server(pixorly: Pixorly, path: str, args: dict[str, object]) -> None:
    ada = pixorly.sign_up("ada")
    with pytest.raises(FunctionNotFound):
        ada.mutation(path, **{key: ada.user_id if value == "" else value for key, value in args.items()})
    assert ada.user["credits"] == 10


def test_settings_change_what_was_sent_and_null_clears_the_model(pixorly: Pixorly) -> None:
    ada = pixorly.sign_up("ada")
    assert ada.mutation("users:updateUserSettings", defaultModel="flux-pro") == {"success": True}
    assert (ada.user["defaultModel"], ada.user["emailNotifications"]) == ("flux-pro", True)
    ada.mutation("users:updateUserSettings", emailNotifications=False)
    assert (ada.user["defaultModel"], ada.user["emailNotifications"]) == ("flux-pro", False)
    ada.mutation("users:updateUserSettings", defaultModel=None)
    assert "defaultModel" not in ada.user


def test_a_plan_brings_its_credits_and_its_space(pixorly: Pixorly) -> None:
    ada = pixorly.sign_up("ada")
    pixorly.mutation(
        "users:updateUserPlan", userId=ada.user_id, plan="pro", stripeCustomerId="cus", subscriptionStatus="active"
    )
    user = ada.user
    assert (user["plan"], user["credits"], user["storageQuotaBytes"]) == ("pro", 500, 100 * GIB)
    assert (user["stripeCustomerId"], user["subscriptionStatus"]) == ("cus", "active")
    assert "stripeSubscriptionId" not in user


def test_credits_never_go_below_zero(pixorly: Pixorly) -> None:
    ada = pixorly.sign_up("ada")
    assert pixorly.mutation("users:deductCredits", userId=ada.user_id, amount=4) == {"newBalance": 6}
    with pytest.raises(AppError) as caught:
        pixorly.mutation("users:deductCredits", userId=ada.user_id, amount=7)
    assert caught.value.data == "Insufficient credits"
    assert pixorly.mutation("users:adjustCredits", userId=ada.user_id, amount=-100) == {"newBalance": 0}


def test_storage_stays_between_nothing_and_the_quota(pixorly: Pixorly) -> None:
    ada = pixorly.sign_up("ada")
    for path in ("users:updateStorageUsage", "generations:updateStorageUsage"):
        pixorly.mutation(path, userId=ada.user_id, bytesChange=-5)
        assert ada.user["storageUsedBytes"] == 0
        pixorly.mutation(path, userId=ada.user_id, bytesChange=GIB)
        with pytest.raises(AppError) as caught:
            pixorly.mutation(path, userId=ada.user_id, bytesChange=1)
        assert caught.value.data == "Storage quota exceeded"
        pixorly.mutation(path, userId=ada.user_id, bytesChange=-GIB)


def test_statistics_count_the_users_own(pixorly: Pixorly) -> None:
    ada, bea = pixorly.sign_up("ada", credits=100), pixorly.sign_up("bea", credits=100)
    ada.make_image()
    pixorly.clock.advance(dt.timedelta(days=31))
    ada.make_image(size=500)
    bea.make_image()
    failed = ada.order()
    pixorly.mutation("generations:failGeneration", jobId=failed, error="no")
    stats = ada.query("users:getUserUsageStats")
    recent = stats.pop("recentJobs")
    assert (recent[0]["_id"], len(recent)) == (failed, 3)
    assert stats == {
        "totalImages": 2,
        "totalGenerations": 3,
        "successfulGenerations": 2,
        "failedGenerations": 1,
        "imagesLast30Days": 1,
        "storageUsedBytes": 1500,
        "storageQuotaBytes": GIB,
        "credits": 97,
        "plan": "free",
    }


def test_a_deleted_user_is_gone_at_once_and_their_things_in_chunks(pixorly: Pixorly) -> None:
    gone = pixorly.mutation("seed:addUser", number=7, images=900)
    stays = pixorly.mutation("seed:addUser", number=8, images=5)
    tables = ("images", "generationJobs", "collections", "usage")
    assert all(pixorly.rows(table, gone["userId"]) for table in tables)

    pixorly.mutation("users:deleteUser", clerkId="seed_00007")
    assert pixorly.query("users:getUserById", userId=gone["userId"]) is None
    assert pixorly.rows("images", gone["userId"]) == 900

    assert pixorly.backend.run_due() > 2, "it must not be one long mutation"
    assert [pixorly.rows(table, gone["userId"]) for table in tables] == [0, 0, 0, 0]
    assert pixorly.rows("images", stays["userId"]) == 5


def test_deleting_somebody_we_never_knew_is_no_error(pixorly: Pixorly) -> None:
    assert pixorly.mutation("users:deleteUser", clerkId="never heard of") is None


def test_a_user_who_was_invented_already_is_left_alone(pixorly: Pixorly) -> None:
    first = pixorly.mutation("seed:addUser", number=7, images=3)
    assert pixorly.mutation("seed:addUser", number=7, images=3) == {"userId": first["userId"], "images": 0}
    assert pixorly.rows("images", first["userId"]) == 3
