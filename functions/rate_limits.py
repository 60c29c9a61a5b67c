"""Rate limits: a counter in a row for each window that is open. Exact, because mutations run one after another."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

from functions import users
from functions.constants import PLAN_LIMITS
from reactor import Id, Model, MutationCtx, QueryCtx, query
from schema import RateCounter, User

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


class RateStatus(Model):
    """How much of a limit is used; a limit of null is none."""

    limit: int | None
    used: int
    resets_at: datetime | None = None


class RateLimits(Model):
    """The limits of the signed-in user's plan."""

    generations: RateStatus
    api_requests: RateStatus


@dataclass(frozen=True)
class Window:
    """At most `limit` times in `length`, from the first time on; no limit is None."""

    key: str
    limit: int | None
    length: timedelta


def generations_of(user: User) -> Window:
    """How often a user may order."""
    return Window(f"generations:{user.id}", PLAN_LIMITS[user.plan].generations_per_hour, HOUR)


def api_requests_of(user: User) -> Window:
    """How often a user's programs may call."""
    return Window(f"api:{user.id}", PLAN_LIMITS[user.plan].api_requests_per_day, DAY)


def take(ctx: MutationCtx, user_id: Id[User], window: Window) -> int | None:
    """Count once more; or the whole seconds until there is room again, and nothing is counted."""
    if window.limit is None:
        return None
    counter = _counter(ctx, window)
    if counter is None or counter.window_start + window.length <= ctx.now:
        if counter is not None:
            ctx.db.patch(counter.id, window_start=ctx.now, count=1)
        else:
            ctx.db.insert(RateCounter(user_id=user_id, key=window.key, window_start=ctx.now, count=1))
        return None
    if counter.count >= window.limit:
        return max(1, ceil((counter.window_start + window.length - ctx.now).total_seconds()))
    ctx.db.patch(counter.id, count=counter.count + 1)
    return None


@query
def check_rate_limit(ctx: QueryCtx) -> RateLimits:
    """What is left of the signed-in user's limits."""
    user = users.require_user(ctx)
    return RateLimits(generations=_status(ctx, generations_of(user)), api_requests=_status(ctx, api_requests_of(user)))


def _status(ctx: QueryCtx, window: Window) -> RateStatus:
    counter = _counter(ctx, window)
    if counter is None or counter.window_start + window.length <= ctx.now:
        return RateStatus(limit=window.limit, used=0)
    return RateStatus(limit=window.limit, used=counter.count, resets_at=counter.window_start + window.length)


def _counter(ctx: QueryCtx, window: Window) -> RateCounter | None:
    return ctx.db.query(RateCounter.by_key.eq(window.key)).unique()
