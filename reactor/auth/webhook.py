"""Webhooks: is this request from who it says? Svix and Standard Webhooks, which sign alike (Clerk, OpenAI, Resend, …).

The signature covers the body's bytes as they were sent: never verify what was parsed and written again. A sender may
send one webhook several times, so what follows should be done once for each `id`.
"""

from __future__ import annotations

import binascii
import hmac
import json
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from reactor.errors import WebhookError

TOLERANCE = timedelta(minutes=5)
_FAMILIES = ("svix", "webhook")
_MOST_SIGNATURES = 32  # a rotation has two or three


@dataclass(frozen=True, slots=True)
class Webhook:
    """A webhook that was verified."""

    id: str  # the sender's name for it, the same each time it is sent
    timestamp: datetime  # of this sending
    body: bytes

    def json(self) -> Any:
        """The body, parsed. Raises ValueError when it is no JSON."""
        return json.loads(self.body)


def verify_webhook(
    secret: str | Sequence[str],
    headers: Mapping[str, str],
    body: bytes,
    *,
    now: datetime,
    tolerance: timedelta = TOLERANCE,
) -> Webhook:
    """The webhook in a request, if it was signed with the secret and sent within `tolerance` of `now`.

    `secret` is the sender's `whsec_…`, or several while one is being replaced; `body` the request's raw bytes; `now` is
    `ctx.now`. Raises WebhookError; a route that lets it pass answers 401.
    """
    if now.tzinfo is None:
        raise ValueError("verify_webhook: `now` needs a time zone; take ctx.now")
    keys = [_key(each) for each in ([secret] if isinstance(secret, str) else secret)]
    if not keys:
        raise ValueError("verify_webhook: there is no secret")
    name, stamp, signatures = _signed(headers)
    timestamp = _fresh(stamp, now, tolerance)
    expected = [_signature(key, name, stamp, body).encode() for key in keys]
    # Every one is compared with every other, whichever fits: how long it takes tells nothing.
    held = [hmac.compare_digest(mine, theirs) for theirs in _known(signatures) for mine in expected]
    if not any(held):
        raise WebhookError("No signature of the webhook matches its body and the secret.")
    return Webhook(name, timestamp, body)


def signed_headers(secret: str, *, id: str, timestamp: datetime, body: bytes) -> dict[str, str]:
    """The three headers a sender puts on a webhook, under Svix's names: for tests and pretend senders."""
    stamp = str(int(timestamp.timestamp()))
    signature = f"v1,{_signature(_key(secret), id, stamp, body)}"
    return {"svix-id": id, "svix-timestamp": stamp, "svix-signature": signature}


def _signed(headers: Mapping[str, str]) -> tuple[str, str, str]:
    """Id, timestamp and signatures, all of one family of names."""
    found: dict[str, str] = {}
    for name, value in headers.items():
        found.setdefault(name.lower(), value)
    family = next((each for each in _FAMILIES if f"{each}-id" in found), None)
    if family is None:
        raise WebhookError("The webhook has neither the header svix-id nor webhook-id.")
    values = []
    for part in ("id", "timestamp", "signature"):
        value = found.get(f"{family}-{part}", "").strip()
        if not value:
            raise WebhookError(f"The webhook has no header {family}-{part}.")
        values.append(value)
    name, stamp, signatures = values
    if "." in name:  # it would say where the timestamp begins
        raise WebhookError(f"The webhook's {family}-id has a dot in it.")
    return name, stamp, signatures


def _fresh(stamp: str, now: datetime, tolerance: timedelta) -> datetime:
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 11):
        raise WebhookError("The webhook's timestamp is no number of seconds.")
    sent = datetime.fromtimestamp(int(stamp), now.tzinfo)
    if sent < now - tolerance:
        raise WebhookError("The webhook's timestamp is too old.")
    if sent > now + tolerance:
        raise WebhookError("The webhook's timestamp is too far in the future.")
    return sent


def _known(signatures: str) -> Iterator[bytes]:
    """Those of the version we know; a sender may add others."""
    every = signatures.split(" ")
    if len(every) > _MOST_SIGNATURES:
        raise WebhookError(f"The webhook has more than {_MOST_SIGNATURES} signatures.")
    known = [signature for version, _, signature in (each.partition(",") for each in every) if version == "v1"]
    if not known:
        raise WebhookError("The webhook has no signature of version v1.")
    for signature in known:
        yield signature.encode("utf-8", "surrogateescape")


def _signature(key: bytes, id: str, stamp: str, body: bytes) -> str:
    content = f"{id}.{stamp}.".encode("utf-8", "surrogateescape") + body
    return b64encode(hmac.digest(key, content, "sha256")).decode()


def _key(secret: str) -> bytes:
    """ValueError, which never says what the secret is: it ends in logs."""
    text = secret.strip().removeprefix("whsec_")
    try:
        key = b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("verify_webhook: the secret is no base64; take the sender's `whsec_…` as it is") from None
    if not key:
        raise ValueError("verify_webhook: the secret is empty")
    return key
