"""Attempts at a job: scheduled, begun, given up, and made again.

Every attempt is a scheduled action with the number of the attempt, and the job is pending until it begins.
`retry_count` is the number of the attempt that counts: an attempt that was given up, and is still running somewhere,
can change nothing any more. A row in `generationRuns` names the scheduled action, so that a sweep finds out when one
has died with its server and lets the next attempt begin.
"""

from datetime import timedelta

from functions import generation_actions, generations, loose_objects, users
from functions.constants import ATTEMPT_TIME, MAX_RETRIES, RETRY_DELAY
from reactor import AppError, Id, Model, MutationCtx, QueryCtx, internal_mutation
from schema import GenerationJob, GenerationRun, Image

STUCK_AT_ONCE = 100  # jobs that one sweep looks at, of each status
HUNG_AFTER = ATTEMPT_TIME + timedelta(minutes=1)  # an attempt that ends itself has done so by then


class Attempt(Model):
    """An attempt that may begin: the job, whose it is, and what an earlier attempt has finished of it."""

    job: GenerationJob
    clerk_id: str
    image_ids: list[Id[Image]]


# ── for `generations` ─────────────────────────────────────────────────────────────────────────────────────────────────


def schedule(ctx: MutationCtx, job_id: Id[GenerationJob], *, attempt: int, delay: float) -> None:
    """Let an attempt begin, in so many seconds; it is the one that counts from now on."""
    scheduled_id = ctx.scheduler.run_after(delay, generation_actions.process_generation, job_id=job_id, attempt=attempt)
    forget_run(ctx, job_id)
    ctx.db.insert(GenerationRun(job_id=job_id, scheduled_id=scheduled_id, created_at=ctx.now))


def forget_run(ctx: MutationCtx, job_id: Id[GenerationJob]) -> None:
    """No attempt is awaited any more."""
    for run in ctx.db.query(GenerationRun.by_job.eq(job_id)):
        ctx.db.delete(run.id)


def again(ctx: MutationCtx, job: GenerationJob) -> int:
    """One more attempt, in 2, 4, 8 seconds; it makes the images that are missing. Returns its number."""
    attempt = job.retry_count + 1
    ctx.db.patch(job.id, retry_count=attempt, status="pending", updated_at=ctx.now)
    schedule(ctx, job.id, attempt=attempt, delay=RETRY_DELAY * 2**job.retry_count)
    return attempt


# ── what only the server calls ────────────────────────────────────────────────────────────────────────────────────────


@internal_mutation
def begin_attempt(ctx: MutationCtx, job_id: Id[GenerationJob], attempt: int) -> Attempt | None:
    """Begin an attempt, if it is this one's turn: the job waits for it, and nobody else has it."""
    job = ctx.db.get(job_id)
    user = None if job is None else ctx.db.get(job.user_id)
    if job is None or user is None or job.status != "pending" or job.retry_count != attempt:
        return None
    generations.move(ctx, job, "processing")
    if job.started_at is None:
        generations.tell(ctx, job, "generation.started")
    return Attempt(job=job, clerk_id=user.clerk_id, image_ids=[image.id for image in generations.images_of(ctx, job)])


@internal_mutation
def attempt_failed(
    ctx: MutationCtx, job_id: Id[GenerationJob], attempt: int, error: str, retry: bool, refund: bool
) -> None:
    """An attempt has ended without success: there is another one, or the job has failed."""
    job = generations.active_job(ctx, job_id, attempt)
    if job is not None:
        _end(ctx, job, error, retry=retry, refund=refund)


@internal_mutation
def announce_upload(
    ctx: MutationCtx, job_id: Id[GenerationJob], attempt: int, s3_key: str, s3_bucket: str, file_size_bytes: int
) -> bool:
    """Before an object is written: it may be, there is room for it, and it will be swept if no image comes of it."""
    job = generations.active_job(ctx, job_id, attempt)
    if job is None:
        return False
    user = users.existing_user(ctx, job.user_id)
    if user.storage_used_bytes + file_size_bytes > user.storage_quota_bytes:
        raise AppError("Storage quota exceeded")
    loose_objects.announce(ctx, s3_key, s3_bucket)
    return True


@internal_mutation
def recover_stuck_jobs(ctx: MutationCtx) -> int:
    """Jobs whose attempt has died with its server, or hangs, get the next one or fail. Returns how many were stuck."""
    stuck = [
        job
        for status in generations.ACTIVE
        for job in ctx.db.query(GenerationJob.by_status.eq(status)).take(STUCK_AT_ONCE)
        if _is_stuck(ctx, job)
    ]
    for job in stuck:
        _end(ctx, job, "The generation was interrupted", retry=True, refund=True)
    return len(stuck)


# ── parts ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _end(ctx: MutationCtx, job: GenerationJob, error: str, *, retry: bool, refund: bool) -> None:
    chosen = ctx.env.get("OPENROUTER_MAX_RETRIES", "")
    if retry and job.retry_count < (int(chosen) if chosen.isdecimal() else MAX_RETRIES):
        again(ctx, job)
    else:
        generations.fail(ctx, job, error, refund=refund)


def _is_stuck(ctx: QueryCtx, job: GenerationJob) -> bool:
    run = ctx.db.query(GenerationRun.by_job.eq(job.id)).first()
    scheduled = None if run is None else ctx.db.get(run.scheduled_id)
    if scheduled is None or scheduled.state.kind not in ("pending", "inProgress"):
        return True
    return job.status != "pending" and job.updated_at + HUNG_AFTER < ctx.now
