"""What Stripe signs its webhooks with: `Stripe-Signature: t=…,v1=…` over the time and the raw body. Plain helper; pure."""

import hmac
from datetime import datetime, timedelta

from reactor import WebhookError

TOLERANCE = timedelta(minutes=5)


def verify(secret: str, header: str, body: bytes, now: datetime) -> None:
    """Raises WebhookError unless one of the signatures is Stripe's, of these very bytes, and not old."""
    parts = [part.strip().partition("=") for part in header.split(",")]
    stamp = next((value for name, _, value in parts if name == "t"), "")
    if not (stamp.isascii() and stamp.isdecimal() and len(stamp) <= 12):
        raise WebhookError("The Stripe-Signature header has no timestamp")
    if abs(now.timestamp() - int(stamp)) > TOLERANCE.total_seconds():
        raise WebhookError("The timestamp is more than five minutes away")
    wanted = hmac.digest(secret.encode(), f"{stamp}.".encode() + body, "sha256").hex().encode()
    fits = [hmac.compare_digest(wanted, value.encode()) for name, _, value in parts if name == "v1"]
    if True not in fits:
        raise WebhookError("No signature fits the body")
