"""What Clerk's messages do, once each and in whatever order they come. Their signatures: test_acceptance.py."""

from __future__ import annotations

import datetime as dt
import itertools
from typing import Any

import pytest

from tests.pixorly.application import Pixorly

_numbers = itertools.count(1)


def person(clerk_id: str = "user_ada", email: str = "ada@example.com", **more: Any) -> dict[str, Any]:
    """As Clerk tells of somebody."""
    return {
        "id": clerk_id,
        "object": "user",
        "email_addresses": [{"id": "idn_1", "email_address": email}],
        "first_name": None,
        "last_name": None,
        "username": None,
        "image_url": "https://img.clerk.com/ada",
        **more,
    }


def hear(pixorly: Pixorly, type: str, data: dict[str, Any], *, svix_id: str | None = None) -> bool:
    svix_id = svix_id or f"msg_{next(_numbers)}"
    return bool(pixorly.mutation("clerk:handleEvent", svixId=svix_id, type=type, data=data))


def user(pixorly: Pixorly) -> dict[str, Any] | None:
    found: dict[str, Any] | None = pixorly.browser("user_ada").query("users:getCurrentUser")
    return found


def test_a_message_counts_once(pixorly: Pixorly) -> None:
    assert hear(pixorly, "user.created", person(), svix_id="msg") is True
    before = user(pixorly)
    assert before is not None
    assert hear(pixorly, "user.updated", person(email="new@example.com"), svix_id="msg") is False
    assert user(pixorly) == before
    assert hear(pixorly, "user.updated", person(email="new@example.com", first_name="Ada")) is True
    after = user(pixorly)
    assert after is not None
    assert (after["email"], after["firstName"]) == ("new@example.com", "Ada")


@pytest.mark.parametrize("key", ["image_url", "profile_image_url"])
def test_both_spellings_of_the_picture_are_understood(pixorly: Pixorly, key: str) -> None:
    data = person()
    data[key] = data.pop("image_url")
    hear(pixorly, "user.created", data)
    assert (user(pixorly) or {})["profileImage"] == "https://img.clerk.com/ada"


def test_null_names_are_names_that_are_not_there(pixorly: Pixorly) -> None:
    hear(pixorly, "user.created", person(first_name="Ada", username="ada"))
    hear(pixorly, "user.updated", person(last_name="Lovelace"))
    found = user(pixorly)
    assert found is not None
    assert found["lastName"] == "Lovelace"
    assert {"firstName", "username"}.isdisjoint(found)


def test_the_primary_address_is_the_one(pixorly: Pixorly) -> None:
    addresses = [{"id": "a", "email_address": "old@example.com"}, {"id": "b", "email_address": "new@example.com"}]
    hear(pixorly, "user.created", person(email_addresses=addresses, primary_email_address_id="b"))
    assert (user(pixorly) or {})["email"] == "new@example.com"
    hear(pixorly, "user.updated", person(email_addresses=[]))
    assert (user(pixorly) or {})["email"] == "new@example.com"


def test_an_update_that_overtakes_the_creation_makes_the_user(pixorly: Pixorly) -> None:
    hear(pixorly, "user.updated", person(first_name="Ada"))
    hear(pixorly, "user.created", person())
    assert (user(pixorly) or {})["firstName"] == "Ada"


def test_an_update_that_comes_after_the_deletion_brings_nobody_back(pixorly: Pixorly) -> None:
    hear(pixorly, "user.created", person())
    hear(pixorly, "user.deleted", {"id": "user_ada", "deleted": True})
    assert user(pixorly) is None
    hear(pixorly, "user.updated", person())
    hear(pixorly, "user.created", person())
    assert user(pixorly) is None


def test_old_messages_are_forgotten_but_not_who_was_deleted(pixorly: Pixorly) -> None:
    hear(pixorly, "user.created", person())
    hear(pixorly, "user.deleted", {"id": "user_ada"})
    pixorly.clock.advance(dt.timedelta(days=29))
    hear(pixorly, "user.updated", person())
    assert pixorly.mutation("clerk:forgetEvents") == 0
    pixorly.clock.advance(dt.timedelta(days=2))
    assert pixorly.mutation("clerk:forgetEvents") == 1
    hear(pixorly, "user.updated", person())
    assert user(pixorly) is None
