"""Webhooks are believed exactly when Svix's and the Standard Webhooks project's own libraries signed them."""

from __future__ import annotations

import time
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import standardwebhooks
import svix
from hypothesis import given, settings
from hypothesis import strategies as st

from reactor import Webhook, WebhookError, verify_webhook
from reactor.testing import signed_headers

SECRET = "whsec_" + b64encode(b"a secret of 24 bytes....").decode()
OTHER = "whsec_" + b64encode(b"another secret").decode()
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
BODY = b'{"type": "user.created",\n "data": {"id": "user_1"}}'


def headers(**changed: str | None) -> dict[str, str]:
    """Good ones, with some changed or, by None, left out."""
    good = signed_headers(SECRET, id="msg_1", timestamp=NOW, body=BODY)
    given = good | {f"svix-{name}": value for name, value in changed.items() if value is not None}
    return {name: value for name, value in given.items() if changed.get(name.removeprefix("svix-"), "") is not None}


def verified(given: dict[str, str], body: bytes = BODY, now: datetime = NOW, secret: Any = SECRET) -> Webhook:
    return verify_webhook(secret, given, body, now=now)


# ── the senders' libraries ────────────────────────────────────────────────────────────────────────────────────────────


@settings(max_examples=50)
@given(body=st.text(), id=st.from_regex(r"msg_[A-Za-z0-9]{1,20}", fullmatch=True), key=st.binary(min_size=1))
def test_what_svix_signs_is_believed(body: str, id: str, key: bytes) -> None:
    secret = "whsec_" + b64encode(key).decode()
    signature = svix.Webhook(secret).sign(id, NOW, body)
    given = {"Svix-Id": id, "Svix-Timestamp": str(int(NOW.timestamp())), "Svix-Signature": signature}
    assert verified(given, body.encode(), secret=secret) == Webhook(id, NOW, body.encode())


@settings(max_examples=50)
@given(body=st.text(), key=st.binary(min_size=1))
def test_what_standard_webhooks_signs_is_believed(body: str, key: bytes) -> None:
    secret = b64encode(key).decode()
    signature = standardwebhooks.Webhook(secret).sign("msg_2", NOW, body)
    given = {"webhook-id": "msg_2", "webhook-timestamp": str(int(NOW.timestamp())), "webhook-signature": signature}
    assert verified(given, body.encode(), secret=secret).id == "msg_2"


def test_svix_believes_what_the_tests_helper_signs() -> None:
    at = datetime.fromtimestamp(time.time(), UTC)  # the library looks at the clock
    given = signed_headers(SECRET, id="msg_3", timestamp=at, body=BODY)
    svix.Webhook(SECRET).verify(BODY, given)  # raises otherwise


# ── what is believed ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_good_webhook_says_who_it_is_and_what() -> None:
    webhook = verified(headers())
    assert (webhook.id, webhook.timestamp, webhook.body) == ("msg_1", NOW, BODY)
    assert webhook.json()["data"] == {"id": "user_1"}


def test_names_of_headers_have_any_case() -> None:
    assert verified({name.upper(): value for name, value in headers().items()}).id == "msg_1"


def test_one_good_signature_among_several_is_enough() -> None:
    good = headers()["svix-signature"]
    for listed in (f"v1,bm9wZQ== {good}", f"{good} v1,bm9wZQ==", f"v1a,ed25519stuff v2,later {good}"):
        assert verified(headers(signature=listed)).id == "msg_1"


def test_several_secrets_hold_while_one_is_replaced() -> None:
    assert verified(headers(), secret=(OTHER, SECRET)).id == "msg_1"
    with pytest.raises(WebhookError, match="No signature"):
        verified(headers(), secret=[OTHER])


@pytest.mark.parametrize("seconds", [-300, 0, 300])
def test_five_minutes_either_way_are_near_enough(seconds: int) -> None:
    assert verified(headers(), now=NOW + timedelta(seconds=seconds)).id == "msg_1"


# ── what is not ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({}, "neither the header svix-id nor webhook-id"),
        (headers(id=None), "neither the header svix-id"),
        (headers(timestamp=None), "no header svix-timestamp"),
        (headers(signature=None), "no header svix-signature"),
        (headers(signature="  "), "no header svix-signature"),
        (headers(signature="v1,"), "No signature"),
        (headers(signature="v1,bm9wZQ=="), "No signature"),
        (headers(signature="v1,\xe9\xff"), "No signature"),
        (headers(signature=headers()["svix-signature"].replace("v1", "v2")), "no signature of version v1"),
        (headers(signature=headers()["svix-signature"].removeprefix("v1,")), "no signature of version v1"),
        (headers(signature=" ".join([headers()["svix-signature"]] * 100)), "more than 32 signatures"),
        (headers(id="msg_2"), "No signature"),
        (headers(id="msg_1.1"), "has a dot"),
        (headers(timestamp=str(int(NOW.timestamp()) + 1)), "No signature"),
        (headers(timestamp="soon"), "no number of seconds"),
        (headers(timestamp="-1"), "no number of seconds"),
        (headers(timestamp="1e9"), "no number of seconds"),
        (headers(timestamp="١٢٣"), "no number of seconds"),
        (headers(timestamp="9" * 400), "no number of seconds"),
        (headers(timestamp="99999999999"), "too far in the future"),
    ],
)
def test_every_fault_has_its_sentence(given: dict[str, str], text: str) -> None:
    with pytest.raises(WebhookError, match=text):
        verified(given)


@pytest.mark.parametrize(("seconds", "text"), [(301, "too old"), (360, "too old"), (-301, "in the future")])
def test_past_five_minutes_it_is_refused(seconds: int, text: str) -> None:
    with pytest.raises(WebhookError, match=text):
        verified(headers(), now=NOW + timedelta(seconds=seconds))


@pytest.mark.parametrize("body", [BODY.replace(b"\n", b""), BODY + b" ", b"", BODY.replace(b"user_1", b"user_2")])
def test_a_body_with_one_byte_changed_is_refused(body: bytes) -> None:
    with pytest.raises(WebhookError, match="No signature"):
        verified(headers(), body)


def test_headers_of_two_families_are_not_mixed() -> None:
    given = headers(id=None) | {"webhook-id": "msg_1"}
    with pytest.raises(WebhookError, match="no header webhook-timestamp"):
        verified(given)


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_$$$", "not base64!", []])
def test_a_secret_that_is_none_is_the_developers_mistake_and_is_not_shown(secret: Any) -> None:
    with pytest.raises(ValueError, match="verify_webhook") as raised:
        verified(headers(), secret=secret)
    assert not secret or not secret[6:] or secret[6:] not in str(raised.value)


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        verified(headers(), now=NOW.replace(tzinfo=None))
