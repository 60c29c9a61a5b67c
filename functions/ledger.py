"""Credits: every movement is a row, and the balance on the user is their sum. The only place that changes a balance."""

from typing import Literal

from functions import users, webhooks
from functions.constants import LOW_CREDITS, PLAN_LIMITS
from reactor import AppError, Id, MutationCtx, Page, PaginationOpts, QueryCtx, query
from schema import CreditChange, CreditReason, GenerationJob, User

Alert = Literal["low", "depleted"]


# ── for other modules ─────────────────────────────────────────────────────────────────────────────────────────────────


def spend(ctx: MutationCtx, user: User, amount: float, *, job_id: Id[GenerationJob] | None = None) -> float:
    """Take credits; an error when there are not enough. Returns the new balance."""
    if amount < 0 or user.credits < amount:
        raise AppError("Insufficient credits")
    return move(ctx, user, -amount, "generation", job_id=job_id)


def move(
    ctx: MutationCtx,
    user: User,
    amount: float,
    reason: CreditReason,
    *,
    job_id: Id[GenerationJob] | None = None,
    note: str | None = None,
) -> float:
    """Give credits, or take them with a negative amount, down to none. Returns the new balance."""
    balance = max(0.0, user.credits + amount)
    ctx.db.patch(user.id, credits=balance, updated_at=ctx.now)
    record(ctx, user.id, balance - user.credits, balance, reason, job_id=job_id, note=note)
    before, after = _alert(user.credits, user), _alert(balance, user)
    if balance < user.credits and after is not None and after != before:
        data = {"credits": balance, "plan": user.plan}
        webhooks.emit(ctx, user.id, "credit.low" if after == "low" else "credit.depleted", data)
    return balance


def record(
    ctx: MutationCtx,
    user_id: Id[User],
    amount: float,
    balance: float,
    reason: CreditReason,
    *,
    job_id: Id[GenerationJob] | None = None,
    note: str | None = None,
) -> None:
    """Write a movement down. For a user who is being made with credits; everybody else calls `move`."""
    ctx.db.insert(
        CreditChange(
            user_id=user_id,
            amount=amount,
            balance=balance,
            reason=reason,
            job_id=job_id,
            note=note,
            created_at=ctx.now,
        )
    )


def _alert(balance: float, user: User) -> Alert | None:
    if balance <= 0:
        return "depleted"
    return "low" if balance < PLAN_LIMITS[user.plan].credits * LOW_CREDITS else None


# ── what a browser may call ───────────────────────────────────────────────────────────────────────────────────────────


@query
def list_credit_changes(ctx: QueryCtx, pagination_opts: PaginationOpts) -> Page[CreditChange]:
    """The movements of the signed-in user's credits, the newest first."""
    user = users.require_user(ctx)
    return ctx.db.query(CreditChange.by_user.eq(user.id)).order("desc").paginate(pagination_opts)


@query
def get_credit_alert(ctx: QueryCtx) -> Alert | None:
    """Whether the signed-in user's credits run out; null while there are enough."""
    user = users.require_user(ctx)
    return _alert(user.credits, user)
