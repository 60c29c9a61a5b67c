"""Deleted users: the user goes at once, and what was theirs in the background, rows first and then the bucket's objects.

A chunk of rows a mutation, so that nobody waits for it. The rows of images leave their objects to the sweep
(`loose_objects`), which reports back here. Whoever was deleted sees how far it is until nothing is left.
"""

from functions import generation_actions, loose_objects, sharing, totals
from reactor import Id, Model, MutationCtx, QueryCtx, Table, internal_mutation, query
from schema import (
    AccountDeletion,
    ApiKey,
    Collaboration,
    Collection,
    CreditChange,
    GenerationJob,
    GenerationRun,
    Image,
    RateCounter,
    StripeCustomer,
    StripeEvent,
    Usage,
    User,
    UserTotals,
    Webhook,
    WebhookDelivery,
)

CHUNK = 500  # documents one mutation deletes: quick enough to pass unnoticed by others
OWNED = (
    Collaboration,
    Collection,
    Image,
    GenerationJob,
    ApiKey,
    Usage,
    UserTotals,
    CreditChange,
    RateCounter,
    StripeCustomer,
    Webhook,
    WebhookDelivery,
)


class DeletionProgress(Model):
    """How far the deletion of an account is."""

    images_total: int
    images_deleted: int
    documents_deleted: int
    objects_left: int


# ── for other modules ─────────────────────────────────────────────────────────────────────────────────────────────────


def begin(ctx: MutationCtx, user: User) -> None:
    """Delete a user now, and the rest from now on."""
    kept = totals.of(ctx, user.id)
    ctx.db.delete(user.id)
    deletion = AccountDeletion(
        user_id=user.id, clerk_id=user.clerk_id, images_total=kept.images if kept else 0, created_at=ctx.now
    )
    ctx.scheduler.run_after(0, purge, deletion_id=ctx.db.insert(deletion))


def objects_deleted(ctx: MutationCtx, deletion_id: Id[AccountDeletion], count: int) -> None:
    """So many objects of a deleted user's have left the bucket."""
    deletion = ctx.db.get(deletion_id)
    if deletion is not None:
        ctx.db.patch(deletion.id, objects_left=deletion.objects_left - count)
        _finish(ctx, deletion.id)


# ── what a browser may call ───────────────────────────────────────────────────────────────────────────────────────────


@query
def get_progress(ctx: QueryCtx) -> DeletionProgress | None:
    """How far the deletion of the signed-in person's account is; null when there is nothing left to delete."""
    identity = ctx.auth.get_user_identity()
    deletion = None if identity is None else ctx.db.query(AccountDeletion.by_clerk_id.eq(identity.subject)).first()
    if deletion is None:
        return None
    return DeletionProgress(
        images_total=deletion.images_total,
        images_deleted=deletion.images_deleted,
        documents_deleted=deletion.documents_deleted,
        objects_left=deletion.objects_left,
    )


# ── what only the server calls ────────────────────────────────────────────────────────────────────────────────────────


@internal_mutation
def purge(ctx: MutationCtx, deletion_id: Id[AccountDeletion]) -> None:
    """Delete a chunk of what a deleted user left, and come back for the rest."""
    deletion = ctx.db.get(deletion_id)
    if deletion is None:
        return
    chunk = _chunk(ctx, deletion.user_id)
    for document in chunk:
        _let_go(ctx, document, deletion)
        ctx.db.delete(document.id)
    images = sum(isinstance(document, Image) for document in chunk)
    ctx.db.patch(
        deletion.id,
        images_deleted=deletion.images_deleted + images,
        documents_deleted=deletion.documents_deleted + len(chunk),
        objects_left=deletion.objects_left + images,
        rows_are_gone=len(chunk) < CHUNK,
    )
    if len(chunk) == CHUNK:
        ctx.scheduler.run_after(0, purge, deletion_id=deletion.id)
    elif not _finish(ctx, deletion.id):
        ctx.scheduler.run_after(0, generation_actions.sweep_objects)


def _chunk(ctx: QueryCtx, user_id: Id[User]) -> list[Table]:
    chunk: list[Table] = []
    for table in OWNED:
        chunk += ctx.db.query(table.by_user.eq(user_id)).take(CHUNK - len(chunk))
        if len(chunk) == CHUNK:
            break
    return chunk


def _let_go(ctx: MutationCtx, document: Table, deletion: AccountDeletion) -> None:
    """What hangs on a document goes with it."""
    match document:
        case Image():
            loose_objects.cut_loose(ctx, document, deletion_id=deletion.id)
        case GenerationJob():
            for run in ctx.db.query(GenerationRun.by_job.eq(document.id)):
                ctx.db.delete(run.id)
        case Collection():
            sharing.forget_collaborations(ctx, document.id)
        case Collaboration():
            sharing.leave(ctx, document)
        case StripeCustomer():
            for event in ctx.db.query(StripeEvent.by_customer.eq(document.customer_id)):
                ctx.db.delete(event.id)
        case _:
            pass


def _finish(ctx: MutationCtx, deletion_id: Id[AccountDeletion]) -> bool:
    """Forget the deletion if there is nothing left to delete."""
    deletion = ctx.db.get(deletion_id)
    if deletion is None or not deletion.rows_are_gone or deletion.objects_left > 0:
        return deletion is None
    ctx.db.delete(deletion.id)
    return True
