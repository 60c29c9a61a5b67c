"""Webhooks: users' servers hear of generations and credits. What is told, to whom, and how it went, is all in tables.

`emit` writes a delivery in the transaction of the event itself, so nothing is told that did not happen, and nothing
that happened is forgotten; `webhook_actions` carries it out. A delivery may arrive twice, always with the same id.
"""

import base64
import json
import secrets
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from functions import users, webhook_actions
from functions.constants import DELIVERY_DELAYS, MAX_FAILURES, MAX_WEBHOOKS, PLAN_LIMITS
from reactor import (
    UNSET,
    AppError,
    Id,
    Model,
    MutationCtx,
    Page,
    PaginationOpts,
    QueryCtx,
    Unset,
    internal_mutation,
    internal_query,
    mutation,
    query,
)
from schema import User, Webhook, WebhookDelivery, WebhookEvent

LOST_AFTER = timedelta(minutes=2)  # an attempt that was due so long ago, and is still due, has been lost
LOST_AT_ONCE = 100


class WebhookInfo(Model):
    """A webhook, without its secret."""

    webhook_id: Id[Webhook]
    url: str
    events: list[WebhookEvent]
    is_active: bool
    failures: int
    disabled_at: datetime | None = None
    created_at: datetime


class Registered(Model):
    """A new webhook. Its secret is told this once."""

    webhook_id: Id[Webhook]
    secret: str


class Parcel(Model):
    """Everything an attempt needs."""

    url: str
    secret: str
    payload: str


# ── for other modules ─────────────────────────────────────────────────────────────────────────────────────────────────


def emit(ctx: MutationCtx, user_id: Id[User], event: WebhookEvent, data: dict[str, Any]) -> None:
    """Tell a user's webhooks."""
    for webhook in ctx.db.query(Webhook.by_user.eq(user_id)):
        if not webhook.is_active or event not in webhook.events:
            continue
        payload = json.dumps({"type": event, "timestamp": ctx.now.isoformat(), "data": data})
        _send(
            ctx,
            ctx.db.insert(
                WebhookDelivery(
                    user_id=user_id,
                    webhook_id=webhook.id,
                    event=event,
                    payload=payload,
                    next_attempt_at=ctx.now,
                    created_at=ctx.now,
                    updated_at=ctx.now,
                )
            ),
            0.0,
        )


def _send(ctx: MutationCtx, delivery_id: Id[WebhookDelivery], delay: float) -> None:
    """Let an attempt be made."""
    at = ctx.now + timedelta(seconds=delay)
    ctx.db.patch(delivery_id, status="pending", next_attempt_at=at, updated_at=ctx.now)
    ctx.scheduler.run_after(delay, webhook_actions.deliver, delivery_id=delivery_id)


# ── what a browser may call ───────────────────────────────────────────────────────────────────────────────────────────


@mutation
def register_webhook(ctx: MutationCtx, url: str, events: list[WebhookEvent]) -> Registered:
    """Let an address hear of the signed-in user's events. The answer holds the secret that signs them."""
    user = users.require_user(ctx)
    if not PLAN_LIMITS[user.plan].webhooks:
        raise AppError("Webhooks are not part of your plan")
    _check(ctx, url, events)
    if len(ctx.db.query(Webhook.by_user.eq(user.id)).take(MAX_WEBHOOKS)) >= MAX_WEBHOOKS:
        raise AppError(f"At most {MAX_WEBHOOKS} webhooks")
    secret = f"whsec_{base64.b64encode(secrets.token_bytes(24)).decode()}"
    webhook = Webhook(
        user_id=user.id,
        url=url,
        events=list(dict.fromkeys(events)),
        secret=secret,
        created_at=ctx.now,
        updated_at=ctx.now,
    )
    return Registered(webhook_id=ctx.db.insert(webhook), secret=secret)


@mutation
def update_webhook(
    ctx: MutationCtx,
    webhook_id: Id[Webhook],
    url: str | Unset = UNSET,
    events: list[WebhookEvent] | Unset = UNSET,
    is_active: bool | Unset = UNSET,
) -> None:
    """Change a webhook; switching a disabled one on forgives its failures."""
    webhook = _own(ctx, webhook_id)
    _check(
        ctx,
        webhook.url if isinstance(url, Unset) else url,
        webhook.events if isinstance(events, Unset) else events,
    )
    ctx.db.patch(webhook.id, url=url, events=events, is_active=is_active, updated_at=ctx.now)
    if is_active is True:
        ctx.db.patch(webhook.id, failures=0, disabled_at=None)


@mutation
def delete_webhook(ctx: MutationCtx, webhook_id: Id[Webhook]) -> None:
    """Delete a webhook. The log of its deliveries stays."""
    ctx.db.delete(_own(ctx, webhook_id).id)


@mutation
def redeliver(ctx: MutationCtx, delivery_id: Id[WebhookDelivery]) -> None:
    """Send a delivery again, under its old id, with all its attempts before it."""
    user = users.require_user(ctx)
    delivery = ctx.db.get(delivery_id)
    if delivery is None or delivery.user_id != user.id:
        raise AppError("Delivery not found")
    webhook = ctx.db.get(delivery.webhook_id)
    if webhook is None or not webhook.is_active:
        raise AppError("The webhook is not active")
    if delivery.status == "pending":
        raise AppError("The delivery is under way")
    ctx.db.patch(delivery.id, attempts=0)
    _send(ctx, delivery.id, 0.0)


@query
def list_webhooks(ctx: QueryCtx) -> list[WebhookInfo]:
    """The signed-in user's webhooks."""
    user = users.require_user(ctx)
    return [
        WebhookInfo(
            webhook_id=webhook.id,
            url=webhook.url,
            events=webhook.events,
            is_active=webhook.is_active,
            failures=webhook.failures,
            disabled_at=webhook.disabled_at,
            created_at=webhook.created_at,
        )
        for webhook in ctx.db.query(Webhook.by_user.eq(user.id))
    ]


@query
def list_deliveries(ctx: QueryCtx, pagination_opts: PaginationOpts) -> Page[WebhookDelivery]:
    """What was sent to the signed-in user's webhooks, and how that went; the newest first."""
    user = users.require_user(ctx)
    return ctx.db.query(WebhookDelivery.by_user.eq(user.id)).order("desc").paginate(pagination_opts)


def _own(ctx: QueryCtx, webhook_id: Id[Webhook]) -> Webhook:
    user = users.require_user(ctx)
    webhook = ctx.db.get(webhook_id)
    if webhook is None or webhook.user_id != user.id:
        raise AppError("Webhook not found")
    return webhook


def _check(ctx: QueryCtx, url: str, events: list[WebhookEvent]) -> None:
    """Whether an address may be told anything; whom it resolves to is looked at when it is called."""
    parts = urlsplit(url)
    schemes = ("https", "http") if webhook_actions.private_addresses_allowed(ctx.env) else ("https",)
    if parts.scheme not in schemes or not parts.hostname or parts.username is not None:
        raise AppError("The URL must be an https: address")
    if not events:
        raise AppError("Choose at least one event")


# ── what only the server calls ────────────────────────────────────────────────────────────────────────────────────────


@internal_query
def get_parcel(ctx: QueryCtx, delivery_id: Id[WebhookDelivery]) -> Parcel | None:
    """What to send where; null when nothing is to be sent any more."""
    delivery = ctx.db.get(delivery_id)
    webhook = None if delivery is None else ctx.db.get(delivery.webhook_id)
    if delivery is None or delivery.status != "pending" or webhook is None or not webhook.is_active:
        return None
    return Parcel(url=webhook.url, secret=webhook.secret, payload=delivery.payload)


@internal_mutation
def record_attempt(
    ctx: MutationCtx, delivery_id: Id[WebhookDelivery], response_status: int | None = None, error: str | None = None
) -> None:
    """An attempt was made: it is delivered, tried again later, or given up; too many failures disable the webhook."""
    delivery = ctx.db.get(delivery_id)
    if delivery is None or delivery.status != "pending":
        return
    attempts = delivery.attempts + 1
    ctx.db.patch(delivery.id, attempts=attempts, response_status=response_status, error=error, updated_at=ctx.now)
    webhook = ctx.db.get(delivery.webhook_id)
    if error is None:
        ctx.db.patch(delivery.id, status="delivered", delivered_at=ctx.now)
        if webhook is not None and webhook.failures:
            ctx.db.patch(webhook.id, failures=0, updated_at=ctx.now)
        return
    if webhook is not None and webhook.is_active:
        failures = webhook.failures + 1
        ctx.db.patch(webhook.id, failures=failures, updated_at=ctx.now)
        if failures >= MAX_FAILURES:
            ctx.db.patch(webhook.id, is_active=False, disabled_at=ctx.now)
        elif attempts <= len(DELIVERY_DELAYS):
            _send(ctx, delivery.id, DELIVERY_DELAYS[attempts - 1])
            return
    ctx.db.patch(delivery.id, status="failed")


@internal_mutation
def drop_delivery(ctx: MutationCtx, delivery_id: Id[WebhookDelivery]) -> None:
    """A delivery whose webhook was disabled or deleted meanwhile is not made."""
    delivery = ctx.db.get(delivery_id)
    if delivery is not None and delivery.status == "pending":
        ctx.db.patch(delivery.id, status="failed", error="The webhook is not active", updated_at=ctx.now)


@internal_mutation
def send_lost(ctx: MutationCtx) -> int:
    """Attempts that were lost, the server having stopped in the middle of them, are made again. How many."""
    overdue = WebhookDelivery.by_status.eq("pending").lt(ctx.now - LOST_AFTER)
    lost = ctx.db.query(overdue).take(LOST_AT_ONCE)
    for delivery in lost:
        _send(ctx, delivery.id, 0.0)
    return len(lost)
