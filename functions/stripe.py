"""What Stripe's webhook tells us of subscriptions. The route in `http.py` has verified it; here each event counts once.

A checkout says which customer of Stripe's a user is; from then on the customer's subscription says the user's plan.
Events overtake each other: one that is older than what was dealt with already changes nothing.
"""

from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from functions import users
from reactor import AppError, Id, MutationCtx, QueryCtx, internal_mutation
from schema import Plan, StripeCustomer, StripeEvent, SubscriptionStatus, User

EventType = Literal[
    "checkout.session.completed",
    "customer.subscription.created",
    "customer.subscription.updated",
    "customer.subscription.deleted",
]
KEEP = timedelta(days=30)  # far longer than Stripe sends an event again
FORGET_AT_ONCE = 500

# What Stripe says of a subscription, as we say it. One that was never paid ("incomplete") is none yet.
STATUSES: dict[str, SubscriptionStatus] = {
    "active": "active",
    "trialing": "trialing",
    "past_due": "past_due",
    "canceled": "canceled",
    "unpaid": "canceled",
    "paused": "canceled",
    "incomplete_expired": "canceled",
}


@internal_mutation
def handle_event(ctx: MutationCtx, event_id: str, type: EventType, created: float, data: dict[str, Any]) -> bool:
    """Do what an event says; `created` is in seconds. False when nothing was done: it was dealt with, or is too old.

    An error when the customer or the price is not known here: the answer is one too, and Stripe sends it again.
    """
    if ctx.db.query(StripeEvent.by_event_id.eq(event_id)).first() is not None:
        return False
    at, customer_id, object_id = datetime.fromtimestamp(created, UTC), str(data["customer"]), str(data["id"])
    if type == "checkout.session.completed":
        done = _link(ctx, customer_id, str(data.get("client_reference_id")))
    else:
        overtaken = ctx.db.query(StripeEvent.by_object.eq(object_id).gt(at)).first() is not None
        ended = type == "customer.subscription.deleted"
        done = not overtaken and _subscribe(ctx, _user_of(ctx, customer_id), data, ended=ended)
    ctx.db.insert(
        StripeEvent(
            event_id=event_id, type=type, customer_id=customer_id, object_id=object_id, at=at, created_at=ctx.now
        )
    )
    return done


@internal_mutation
def forget_events(ctx: MutationCtx) -> int:
    """Events of long ago are forgotten. How many."""
    old = ctx.db.query(StripeEvent.by_created.lt(ctx.now - KEEP)).take(FORGET_AT_ONCE)
    for event in old:
        ctx.db.delete(event.id)
    return len(old)


# ── parts ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _link(ctx: MutationCtx, customer_id: str, reference: str) -> bool:
    """Note whom a customer is: the front end gave the user's id to the checkout."""
    user_id = ctx.db.normalize_id(User, reference)
    user = None if user_id is None else ctx.db.get(user_id)
    if user is None:
        return False  # deleted meanwhile, or not a checkout of ours
    if ctx.db.query(StripeCustomer.by_customer.eq(customer_id)).first() is None:
        ctx.db.insert(StripeCustomer(user_id=user.id, customer_id=customer_id, created_at=ctx.now))
        ctx.db.patch(user.id, stripe_customer_id=customer_id, updated_at=ctx.now)
    return True


def _user_of(ctx: QueryCtx, customer_id: str) -> Id[User]:
    customer = ctx.db.query(StripeCustomer.by_customer.eq(customer_id)).first()
    if customer is None:
        raise AppError("The customer is not known")
    return customer.user_id


def _subscribe(ctx: MutationCtx, user_id: Id[User], subscription: dict[str, Any], *, ended: bool) -> bool:
    status = "canceled" if ended else STATUSES.get(str(subscription["status"]))
    user, subscription_id = users.existing_user(ctx, user_id), str(subscription["id"])
    if status is None or (status == "canceled" and user.stripe_subscription_id not in (None, subscription_id)):
        return False  # not paid yet, or one that was followed by another
    plan: Plan = "free" if status == "canceled" else _plan_of(ctx, subscription)
    trial_end = subscription.get("trial_end")
    ctx.db.patch(
        user.id,
        stripe_customer_id=str(subscription["customer"]),
        stripe_subscription_id=subscription_id,
        subscription_status=status,
        trial_ends_at=None if trial_end is None else datetime.fromtimestamp(trial_end, UTC),
        updated_at=ctx.now,
    )
    if plan != user.plan:
        users.change_plan(ctx, user.id, plan)
    return True


def _plan_of(ctx: QueryCtx, subscription: dict[str, Any]) -> Plan:
    prices = {str(item["price"]["id"]) for item in subscription["items"]["data"]}
    plans: tuple[Plan, ...] = ("enterprise", "pro")
    for plan in plans:
        if ctx.env.get(f"STRIPE_PRICE_{plan.upper()}") in prices:
            return plan
    raise AppError("No plan has this price: set STRIPE_PRICE_PRO and STRIPE_PRICE_ENTERPRISE")
