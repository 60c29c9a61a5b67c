"""Totals: one row a user that every mutation keeps true, so that the dashboard reads a row where it counted thousands.

Plain helpers: whoever adds or removes an image or a job says so here, in the same transaction.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta

from functions.constants import RECENT_DAYS
from reactor import Id, MutationCtx, QueryCtx, internal_mutation
from schema import GenerationJob, Image, User, UserTotals


def of(ctx: QueryCtx, user_id: Id[User]) -> UserTotals | None:
    """A user's totals; None until there is something to count."""
    return ctx.db.query(UserTotals.by_user.eq(user_id)).unique()


def recent_images(totals: UserTotals, now: datetime) -> int:
    """Images made today and on the 29 days before it."""
    return sum(count for day, count in totals.images_by_day.items() if day >= _oldest_day(now))


def images_added(ctx: MutationCtx, user_id: Id[User], made: Iterable[datetime]) -> None:
    """There are images more, made then."""
    _change(ctx, user_id, images=Counter(map(_day, made)))


def image_removed(ctx: MutationCtx, image: Image) -> None:
    """There is one image less."""
    _change(ctx, image.user_id, images=Counter({_day(image.created_at): -1}))


def jobs_changed(
    ctx: MutationCtx, user_id: Id[User], *, ordered: int = 0, successful: int = 0, failed: int = 0
) -> None:
    """Jobs were ordered, or have ended."""
    _change(ctx, user_id, ordered=ordered, successful=successful, failed=failed)


def _change(
    ctx: MutationCtx,
    user_id: Id[User],
    *,
    images: Counter[str] | None = None,
    ordered: int = 0,
    successful: int = 0,
    failed: int = 0,
) -> None:
    """Add to the totals; `images` is how many more there are of each day."""
    if ctx.db.get(user_id) is None:
        return  # deleted: what is left of theirs is not counted any more
    totals, more = of(ctx, user_id) or _new(ctx, user_id), images or Counter[str]()
    by_day = Counter(totals.images_by_day)
    by_day.update(more)
    ctx.db.patch(
        totals.id,
        images=totals.images + more.total(),
        images_by_day={day: count for day, count in by_day.items() if count > 0 and day >= _oldest_day(ctx.now)},
        generations=totals.generations + ordered,
        successful_generations=totals.successful_generations + successful,
        failed_generations=totals.failed_generations + failed,
        updated_at=ctx.now,
    )


def _new(ctx: MutationCtx, user_id: Id[User]) -> UserTotals:
    totals = ctx.db.get(ctx.db.insert(UserTotals(user_id=user_id, images_by_day={}, updated_at=ctx.now)))
    assert totals is not None
    return totals


def _day(at: datetime) -> str:
    return at.strftime("%Y-%m-%d")


def _oldest_day(now: datetime) -> str:
    return _day(now - timedelta(days=RECENT_DAYS - 1))


# ── what only the server calls ────────────────────────────────────────────────────────────────────────────────────────


@internal_mutation
def recount(ctx: MutationCtx, user_id: Id[User]) -> None:
    """Count a user's rows and write down what they are: for users who are older than their totals."""
    by_day = Counter(_day(image.created_at) for image in ctx.db.query(Image.by_user.eq(user_id)))
    jobs = Counter(job.status for job in ctx.db.query(GenerationJob.by_user.eq(user_id)))
    totals = of(ctx, user_id) or _new(ctx, user_id)
    ctx.db.patch(
        totals.id,
        images=by_day.total(),
        images_by_day={day: count for day, count in by_day.items() if day >= _oldest_day(ctx.now)},
        generations=jobs.total(),
        successful_generations=jobs["completed"],
        failed_generations=jobs["failed"],
        updated_at=ctx.now,
    )
