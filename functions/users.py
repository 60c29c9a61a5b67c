"""Users: who they are comes from Clerk, what they may do from their plan.

Clerk's webhook and Stripe call the internal functions; a browser sees and changes only its own user.
"""

from functions import deletions, ledger, totals
from functions.constants import PLAN_LIMITS
from reactor import (
    UNSET,
    AppError,
    Id,
    Model,
    MutationCtx,
    QueryCtx,
    Unset,
    internal_mutation,
    internal_query,
    mutation,
    query,
)
from schema import GenerationJob, Plan, SubscriptionStatus, User

RECENT_JOBS = 10  # on the dashboard


class Success(Model):
    """It worked."""

    success: bool = True


class NewBalance(Model):
    """A user's credits after a change."""

    new_balance: float


class UsageStats(Model):
    """What the dashboard shows."""

    total_images: int
    total_generations: int
    successful_generations: int
    failed_generations: int
    images_last_30_days: int
    recent_jobs: list[GenerationJob]
    storage_used_bytes: int
    storage_quota_bytes: int
    credits: float
    plan: Plan


# ── for other modules ─────────────────────────────────────────────────────────────────────────────────────────────────


def current_user(ctx: QueryCtx) -> User | None:
    """The signed-in user; None when signed out, or when Clerk's webhook has not arrived yet."""
    identity = ctx.auth.get_user_identity()
    return None if identity is None else user_of_clerk_id(ctx, identity.subject)


def require_user(ctx: QueryCtx) -> User:
    """The signed-in user, or an error that travels to the client."""
    if ctx.auth.get_user_identity() is None:
        raise AppError("Unauthorized")
    user = current_user(ctx)
    if user is None:
        raise AppError("User not found")
    return user


def user_of_clerk_id(ctx: QueryCtx, clerk_id: str) -> User | None:
    """The user Clerk knows by this id."""
    return ctx.db.query(User.by_clerk_id.eq(clerk_id)).unique()


def existing_user(ctx: QueryCtx, user_id: Id[User]) -> User:
    """The user with this id, or an error."""
    user = ctx.db.get(user_id)
    if user is None:
        raise AppError("User not found")
    return user


def change_storage(ctx: MutationCtx, user_id: Id[User], bytes_change: int) -> None:
    """Add to what a user stores; never below zero, never above the quota."""
    user = existing_user(ctx, user_id)
    used = max(0, user.storage_used_bytes + bytes_change)
    if bytes_change > 0 and used > user.storage_quota_bytes:
        raise AppError("Storage quota exceeded")
    ctx.db.patch(user.id, storage_used_bytes=used, updated_at=ctx.now)


def change_plan(ctx: MutationCtx, user_id: Id[User], plan: Plan) -> None:
    """Move a user to a plan: credits and quota become the plan's."""
    user, limits = existing_user(ctx, user_id), PLAN_LIMITS[plan]
    ctx.db.patch(user.id, plan=plan, storage_quota_bytes=limits.storage_bytes, updated_at=ctx.now)
    ledger.move(ctx, existing_user(ctx, user.id), limits.credits - user.credits, "plan", note=plan)


# ── what a browser may call ───────────────────────────────────────────────────────────────────────────────────────────


@query
def get_current_user(ctx: QueryCtx) -> User | None:
    """The signed-in user; null when signed out."""
    return current_user(ctx)


@query
def get_user_usage_stats(ctx: QueryCtx) -> UsageStats:
    """Totals of the signed-in user, live. Reads a dozen rows, however many images there are."""
    user = require_user(ctx)
    kept = totals.of(ctx, user.id)
    return UsageStats(
        total_images=kept.images if kept else 0,
        total_generations=kept.generations if kept else 0,
        successful_generations=kept.successful_generations if kept else 0,
        failed_generations=kept.failed_generations if kept else 0,
        images_last_30_days=totals.recent_images(kept, ctx.now) if kept else 0,
        recent_jobs=ctx.db.query(GenerationJob.by_user.eq(user.id)).order("desc").take(RECENT_JOBS),
        storage_used_bytes=user.storage_used_bytes,
        storage_quota_bytes=user.storage_quota_bytes,
        credits=user.credits,
        plan=user.plan,
    )


@mutation
def update_user_settings(
    ctx: MutationCtx, email_notifications: bool | Unset = UNSET, default_model: str | Unset | None = UNSET
) -> Success:
    """Change the signed-in user's settings; null clears the default model."""
    user = require_user(ctx)
    ctx.db.patch(user.id, email_notifications=email_notifications, default_model=default_model, updated_at=ctx.now)
    return Success()


# ── what only the server calls ────────────────────────────────────────────────────────────────────────────────────────


@internal_mutation
def create_user(
    ctx: MutationCtx,
    clerk_id: str,
    email: str,
    first_name: str | None = None,
    last_name: str | None = None,
    username: str | None = None,
    profile_image: str | None = None,
) -> Id[User]:
    """Make the user Clerk told us of; one that is there already is left as it is."""
    user = user_of_clerk_id(ctx, clerk_id)
    if user is not None:
        return user.id
    free = PLAN_LIMITS["free"]
    user_id = ctx.db.insert(
        User(
            clerk_id=clerk_id,
            email=email,
            first_name=first_name,
            last_name=last_name,
            username=username,
            profile_image=profile_image,
            credits=free.credits,
            storage_quota_bytes=free.storage_bytes,
            created_at=ctx.now,
            updated_at=ctx.now,
        )
    )
    ledger.record(ctx, user_id, free.credits, free.credits, "grant")
    return user_id


@internal_mutation
def update_user(
    ctx: MutationCtx,
    clerk_id: str,
    email: str | None = None,
    first_name: str | Unset | None = UNSET,
    last_name: str | Unset | None = UNSET,
    username: str | Unset | None = UNSET,
    profile_image: str | Unset | None = UNSET,
) -> Id[User]:
    """Change what was sent: a null name is removed, an empty email ignored."""
    user = user_of_clerk_id(ctx, clerk_id)
    if user is None:
        raise AppError("User not found")
    ctx.db.patch(
        user.id,
        email=email or UNSET,
        first_name=first_name,
        last_name=last_name,
        username=username,
        profile_image=profile_image,
        updated_at=ctx.now,
    )
    return user.id


@internal_mutation
def delete_user(ctx: MutationCtx, clerk_id: str) -> None:
    """Delete a user at once, and in the background all that was theirs. Silent when there is none."""
    user = user_of_clerk_id(ctx, clerk_id)
    if user is not None:
        deletions.begin(ctx, user)


@internal_query
def get_user_by_id(ctx: QueryCtx, user_id: Id[User]) -> User | None:
    """Any user."""
    return ctx.db.get(user_id)


@internal_mutation
def update_user_plan(
    ctx: MutationCtx,
    user_id: Id[User],
    plan: Plan,
    stripe_customer_id: str | Unset = UNSET,
    stripe_subscription_id: str | Unset = UNSET,
    subscription_status: SubscriptionStatus | Unset = UNSET,
) -> None:
    """Move a user to a plan: credits and quota become the plan's."""
    change_plan(ctx, user_id, plan)
    ctx.db.patch(
        user_id,
        stripe_customer_id=stripe_customer_id,
        stripe_subscription_id=stripe_subscription_id,
        subscription_status=subscription_status,
    )


@internal_mutation
def update_storage_usage(ctx: MutationCtx, user_id: Id[User], bytes_change: int) -> None:
    """Add to what a user stores."""
    change_storage(ctx, user_id, bytes_change)


@internal_mutation
def deduct_credits(ctx: MutationCtx, user_id: Id[User], amount: float) -> NewBalance:
    """Take credits; an error when there are not enough."""
    return NewBalance(new_balance=ledger.spend(ctx, existing_user(ctx, user_id), amount))


@internal_mutation
def adjust_credits(ctx: MutationCtx, user_id: Id[User], amount: float, note: str | None = None) -> NewBalance:
    """An operator's correction: give credits, or take them with a negative amount, down to none."""
    balance = ledger.move(ctx, existing_user(ctx, user_id), amount, "adjustment", note=note)
    return NewBalance(new_balance=balance)
