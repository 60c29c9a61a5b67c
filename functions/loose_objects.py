"""Loose objects: what lies in the bucket, or may lie there, and has no image. `generation_actions.sweep_objects` deletes them.

An object is announced in this table before it is written and taken out of it in the transaction that makes its image;
an image that is deleted puts its object back. So at every moment an object has an image, or is found here.
"""

from collections import Counter
from datetime import timedelta

from functions import deletions
from functions.constants import UPLOAD_GRACE
from reactor import AppError, Id, MutationCtx, internal_mutation
from schema import AccountDeletion, Image, LooseObject

CLAIM_TIME = timedelta(minutes=10)  # after which a sweep that did not come back is done again


def announce(ctx: MutationCtx, key: str, bucket: str) -> None:
    """An object is about to be written."""
    ctx.db.insert(LooseObject(s3_key=key, s3_bucket=bucket, sweep_at=ctx.now + UPLOAD_GRACE))


def tie_up(ctx: MutationCtx, key: str) -> None:
    """The object gets its image. An error when it was given up already."""
    loose = ctx.db.query(LooseObject.by_key.eq(key)).unique()
    if loose is None or loose.is_doomed:
        raise AppError("The upload took too long")
    ctx.db.delete(loose.id)


def cut_loose(ctx: MutationCtx, image: Image, *, deletion_id: Id[AccountDeletion] | None = None) -> None:
    """The image goes, and its object may go from now on; the deletion it belongs to hears of it."""
    ctx.db.insert(
        LooseObject(
            s3_key=image.s3_key,
            s3_bucket=image.s3_bucket,
            sweep_at=ctx.now,
            is_doomed=True,
            deletion_id=deletion_id,
        )
    )


# ── what only the server calls ────────────────────────────────────────────────────────────────────────────────────────


@internal_mutation
def claim(ctx: MutationCtx, bucket: str, limit: int, ahead_seconds: float = 0) -> list[LooseObject]:
    """Objects to delete: due now, or in so many seconds. From here on no image can be made of them."""
    until = ctx.now + timedelta(seconds=ahead_seconds)
    due = ctx.db.query(LooseObject.by_sweep.eq(bucket).lte(until)).take(limit)
    for loose in due:
        ctx.db.patch(loose.id, is_doomed=True, sweep_at=ctx.now + CLAIM_TIME)
    return due


@internal_mutation
def forget(ctx: MutationCtx, ids: list[Id[LooseObject]]) -> None:
    """They are deleted."""
    gone = [loose for loose in map(ctx.db.get, ids) if loose is not None]
    for loose in gone:
        ctx.db.delete(loose.id)
    for deletion_id, count in Counter(loose.deletion_id for loose in gone).items():
        if deletion_id is not None:
            deletions.objects_deleted(ctx, deletion_id, count)
