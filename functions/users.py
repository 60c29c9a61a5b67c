"""Users: who they are comes from Clerk, what they may do from their plan.

Clerk's webhook and Stripe call the internal functions; a browser sees and changes only its own user.
"""

from datetime import timedelta

from functions import ledger, loose_objects
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
from schema import (
    ApiKey,
    Collection,
    CreditChange,
    GenerationJob,
    GenerationRun,
    Image,
    Plan,
    RateCounter,
    SubscriptionStatus,
    Usage,
    User,
    Webhook,
    WebhookDelivery,
)

OWNED = (Image, GenerationJob, Collection, ApiKey, Usage, CreditChange, RateCounter, Webhook, WebhookDelivery)
PURGE_CHUNK = 500  # documents one mutation of a purge deletes: quick enough to pass unnoticed by others


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


# ── what a browser may call ───────────────────────────────────────────────────────────────────────────────────────────


@query
def get_current_user(ctx: QueryCtx) -> User | None:
    """The signed-in user; null when signed out."""
    return current_user(ctx)


@query
def get_user_usage_stats(ctx: QueryCtx) -> UsageStats:
    """Totals of the signed-in user, live."""
    user = require_user(ctx)
    month_ago = ctx.now - timedelta(days=30)
    jobs = ctx.db.query(GenerationJob.by_user.eq(user.id)).order("desc").collect()
    images = ctx.db.query(Image.by_user_created.eq(user.id)).collect()
    return UsageStats(
        total_images=len(images),
        total_generations=len(jobs),
        successful_generations=sum(job.status == "completed" for job in jobs),
        failed_generations=sum(job.status == "failed" for job in jobs),
        images_last_30_days=sum(image.created_at >= month_ago for image in images),
        recent_jobs=jobs[:10],
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
        ctx.db.delete(user.id)
        ctx.scheduler.run_after(0, purge_user, user_id=user.id)


@internal_mutation
def purge_user(ctx: MutationCtx, user_id: Id[User]) -> None:
    """Delete a chunk of what a deleted user left, and come back for the rest."""
    room = PURGE_CHUNK
    for table in OWNED:
        documents = ctx.db.query(table.by_user.eq(user_id)).take(room)
        for document in documents:
            if isinstance(document, Image):
                loose_objects.cut_loose(ctx, document)
            elif isinstance(document, GenerationJob):
                for run in ctx.db.query(GenerationRun.by_job.eq(document.id)):
                    ctx.db.delete(run.id)
            ctx.db.delete(document.id)
        room -= len(documents)
        if room == 0:
            ctx.scheduler.run_after(0, purge_user, user_id=user_id)
            return


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
    user = existing_user(ctx, user_id)
    limits = PLAN_LIMITS[plan]
    ctx.db.patch(
        user.id,
        plan=plan,
        storage_quota_bytes=limits.storage_bytes,
        stripe_customer_id=stripe_customer_id,
        stripe_subscription_id=stripe_subscription_id,
        subscription_status=subscription_status,
        updated_at=ctx.now,
    )
    ledger.move(ctx, existing_user(ctx, user.id), limits.credits - user.credits, "plan", note=plan)


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
