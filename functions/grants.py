"""Monthly grants: on the first of a month everybody's credits are filled up to what their plan includes.

What somebody has beyond it stays theirs. A grant is a row of the ledger, by which a second one in the month is refused:
the cron may come twice, and a chain of mutations that broke may be started again.
"""

from datetime import datetime

from functions import ledger
from functions.constants import PLAN_LIMITS
from reactor import MutationCtx, PaginationOpts, QueryCtx, internal_mutation
from schema import CreditChange, SubscriptionStatus, User

CHUNK = 200  # users of one mutation
UNPAID: tuple[SubscriptionStatus, ...] = ("past_due", "canceled")  # who gets nothing until it is settled


@internal_mutation
def grant_monthly(ctx: MutationCtx, cursor: str | None = None) -> None:
    """Fill up a chunk of users, and come back for the rest."""
    page = ctx.db.query(User).paginate(PaginationOpts(num_items=CHUNK, cursor=cursor))
    for user in page.page:
        missing = PLAN_LIMITS[user.plan].credits - user.credits
        if missing > 0 and user.subscription_status not in UNPAID and not _granted(ctx, user, ctx.now):
            ledger.move(ctx, user, missing, "grant", note=f"{ctx.now:%Y-%m}")
    if not page.is_done:
        ctx.scheduler.run_after(0, grant_monthly, cursor=page.continue_cursor)


def _granted(ctx: QueryCtx, user: User, now: datetime) -> bool:
    """Whether this month has been granted, or the user came only in it."""
    last = ctx.db.query(CreditChange.by_user_reason.eq(user.id, "grant")).order("desc").first()
    return last is not None and (last.created_at.year, last.created_at.month) == (now.year, now.month)
