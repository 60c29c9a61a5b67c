"""The daily counters: one row a user and day, made when the first thing of the day happens. Plain helpers."""

from reactor import Id, MutationCtx
from schema import Usage, User


def count(
    ctx: MutationCtx,
    user_id: Id[User],
    *,
    model: str | None = None,
    generations_success: int = 0,
    generations_failed: int = 0,
    credits_used: float = 0,
    storage_bytes: int = 0,
    images_uploaded: int = 0,
    images_deleted: int = 0,
    api_requests_success: int = 0,
    api_requests_failed: int = 0,
) -> None:
    """Add to today's counters of a user, unless they are gone. `model` is counted once."""
    if ctx.db.get(user_id) is None:
        return
    today = _today(ctx, user_id)
    model_usage = dict(today.model_usage)
    if model is not None:
        model_usage[model] = model_usage.get(model, 0) + 1
    ctx.db.patch(
        today.id,
        generations_count=today.generations_count + generations_success + generations_failed,
        generations_success=today.generations_success + generations_success,
        generations_failed=today.generations_failed + generations_failed,
        credits_used=today.credits_used + credits_used,
        model_usage=model_usage,
        storage_used_bytes=max(0, today.storage_used_bytes + storage_bytes),
        images_uploaded=today.images_uploaded + images_uploaded,
        images_deleted=today.images_deleted + images_deleted,
        api_requests_count=today.api_requests_count + api_requests_success + api_requests_failed,
        api_requests_success=max(0, today.api_requests_success + api_requests_success),
        api_requests_failed=today.api_requests_failed + api_requests_failed,
        updated_at=ctx.now,
    )


def _today(ctx: MutationCtx, user_id: Id[User]) -> Usage:
    date = ctx.now.strftime("%Y-%m-%d")
    row = ctx.db.query(Usage.by_user_date.eq(user_id, date)).unique()
    if row is None:
        new = Usage(user_id=user_id, date=date, model_usage={}, created_at=ctx.now, updated_at=ctx.now)
        row = ctx.db.get(ctx.db.insert(new))
        assert row is not None
    return row
