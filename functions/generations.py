"""Generation jobs: ordered by a browser, carried out by `generation_actions`, settled here.

A job is paid when it is ordered. It ends once, as completed or as failed; whoever comes late finds it settled and
changes nothing, so no job is counted or refunded twice.
"""

from typing import Literal

from functions import generation_actions, usage
from functions.constants import (
    DEFAULT_GUIDANCE,
    DEFAULT_HEIGHT,
    DEFAULT_NUM_IMAGES,
    DEFAULT_STEPS,
    DEFAULT_WIDTH,
    MAX_ACTIVE_JOBS,
    MAX_IMAGES,
    MAX_PROMPT,
    MAX_SIDE,
    MIN_SIDE,
    price_of,
)
from functions.users import change_storage, require_user
from reactor import AppError, Id, Model, MutationCtx, QueryCtx, internal_mutation, internal_query, mutation, query
from schema import GenerationJob, Image, JobStatus, User

ACTIVE: tuple[JobStatus, ...] = ("pending", "processing", "uploading")


class JobStarted(Model):
    """A job that was ordered and paid."""

    job_id: Id[GenerationJob]
    credits_used: float
    credits_remaining: float


# ── what a browser may call ───────────────────────────────────────────────────────────────────────────────────────────


@mutation
def create_generation_job(
    ctx: MutationCtx,
    prompt: str,
    model: str,
    negative_prompt: str | None = None,
    width: int = DEFAULT_WIDTH,
    height: int = DEFAULT_HEIGHT,
    steps: int = DEFAULT_STEPS,
    guidance: float = DEFAULT_GUIDANCE,
    seed: int | None = None,
    num_images: int = DEFAULT_NUM_IMAGES,
) -> JobStarted:
    """Order images. Credits are taken at once; a job that fails for no fault of the user gives them back."""
    user = require_user(ctx)
    _check_order(prompt, width, height, num_images)
    if sum(len(_jobs_of(ctx, user, status, MAX_ACTIVE_JOBS)) for status in ACTIVE) >= MAX_ACTIVE_JOBS:
        raise AppError(f"At most {MAX_ACTIVE_JOBS} generations at a time")
    price = price_of(model, width, height, num_images)
    if user.credits < price:
        raise AppError("Insufficient credits")
    job_id = ctx.db.insert(
        GenerationJob(
            user_id=user.id,
            status="pending",
            prompt=prompt,
            negative_prompt=negative_prompt,
            model=model,
            width=width,
            height=height,
            steps=steps,
            guidance=guidance,
            seed=seed,
            num_images=num_images,
            credits_used=price,
            created_at=ctx.now,
            updated_at=ctx.now,
        )
    )
    remaining = user.credits - price
    ctx.db.patch(user.id, credits=remaining, updated_at=ctx.now)
    ctx.scheduler.run_after(0, generation_actions.process_generation, job_id=job_id)
    return JobStarted(job_id=job_id, credits_used=price, credits_remaining=remaining)


def _check_order(prompt: str, width: int, height: int, num_images: int) -> None:
    if not prompt.strip() or len(prompt) > MAX_PROMPT:
        raise AppError(f"The prompt must have 1 to {MAX_PROMPT} characters")
    if not (MIN_SIDE <= width <= MAX_SIDE and MIN_SIDE <= height <= MAX_SIDE):
        raise AppError(f"Width and height must be {MIN_SIDE} to {MAX_SIDE} pixels")
    if not 1 <= num_images <= MAX_IMAGES:
        raise AppError(f"The number of images must be 1 to {MAX_IMAGES}")


def _jobs_of(ctx: QueryCtx, user: User, status: JobStatus, limit: int) -> list[GenerationJob]:
    return ctx.db.query(GenerationJob.by_user_status.eq(user.id, status)).order("desc").take(limit)


@query
def get_generation_job(ctx: QueryCtx, job_id: Id[GenerationJob]) -> GenerationJob | None:
    """A job of the signed-in user; null when it does not exist."""
    user = require_user(ctx)
    job = ctx.db.get(job_id)
    if job is not None and job.user_id != user.id:
        raise AppError("Unauthorized")
    return job


@query
def get_image(ctx: QueryCtx, image_id: Id[Image]) -> Image | None:
    """A public image, or one of the signed-in user; null when it does not exist."""
    image = ctx.db.get(image_id)
    if image is None or image.is_public:
        return image
    if image.user_id != require_user(ctx).id:
        raise AppError("Unauthorized")
    return image


@query
def list_generation_jobs(ctx: QueryCtx, limit: int = 50, status: JobStatus | None = None) -> list[GenerationJob]:
    """The signed-in user's jobs, the newest first."""
    user = require_user(ctx)
    if status is not None:
        return _jobs_of(ctx, user, status, limit)
    return ctx.db.query(GenerationJob.by_user.eq(user.id)).order("desc").take(limit)


# ── what only the server calls ────────────────────────────────────────────────────────────────────────────────────────


@internal_query
def get_generation_job_internal(ctx: QueryCtx, id: Id[GenerationJob]) -> GenerationJob | None:
    """Any job."""
    return ctx.db.get(id)


@internal_query
def get_user_internal(ctx: QueryCtx, id: Id[User]) -> User | None:
    """Any user."""
    return ctx.db.get(id)


@internal_mutation
def update_job_status(
    ctx: MutationCtx, job_id: Id[GenerationJob], status: Literal["pending", "processing", "uploading"]
) -> bool:
    """Move an active job on; false when it is settled or gone, and nothing more should be done for it."""
    job = _active_job(ctx, job_id)
    if job is None:
        return False
    started_at = ctx.now if status == "processing" and job.started_at is None else job.started_at
    ctx.db.patch(job.id, status=status, started_at=started_at, updated_at=ctx.now)
    return True


@internal_mutation
def increment_retry_count(ctx: MutationCtx, job_id: Id[GenerationJob]) -> int:
    """Count one more try, and let the job wait for it: a retried job is pending again. Returns the tries so far."""
    job = _active_job(ctx, job_id)
    if job is None:
        return 0
    ctx.db.patch(job.id, retry_count=job.retry_count + 1, status="pending", updated_at=ctx.now)
    return job.retry_count + 1


@internal_mutation
def create_image(
    ctx: MutationCtx,
    job_id: Id[GenerationJob],
    s3_key: str,
    s3_bucket: str,
    cloud_front_url: str,
    file_size_bytes: int,
    mime_type: str,
    thumbnail_url: str | None = None,
    blur_data_url: str | None = None,
    seed: int | None = None,
) -> Id[Image]:
    """A picture of a job that lies in storage now: its row, and its bytes against the quota, in one step."""
    job = _active_job(ctx, job_id)
    if job is None:
        raise AppError("The job is settled")
    change_storage(ctx, job.user_id, file_size_bytes)
    return ctx.db.insert(
        Image(
            user_id=job.user_id,
            generation_job_id=job.id,
            prompt=job.prompt,
            negative_prompt=job.negative_prompt,
            model=job.model,
            width=job.width,
            height=job.height,
            steps=job.steps,
            guidance=job.guidance,
            seed=job.seed if seed is None else seed,
            s3_key=s3_key,
            s3_bucket=s3_bucket,
            cloud_front_url=cloud_front_url,
            thumbnail_url=thumbnail_url,
            blur_data_url=blur_data_url,
            file_size_bytes=file_size_bytes,
            mime_type=mime_type,
            is_public=False,
            created_at=ctx.now,
            updated_at=ctx.now,
        )
    )


@internal_mutation
def update_storage_usage(ctx: MutationCtx, user_id: Id[User], bytes_change: int) -> None:
    """Add to what a user stores."""
    change_storage(ctx, user_id, bytes_change)


@internal_mutation
def complete_generation(
    ctx: MutationCtx,
    job_id: Id[GenerationJob],
    image_ids: list[Id[Image]],
    processing_time_ms: float | None = None,
    estimated_cost_usd: float | None = None,
) -> None:
    """Settle a job well: its images are there."""
    job = _active_job(ctx, job_id)
    if job is None:
        return
    ctx.db.patch(
        job.id,
        status="completed",
        image_ids=image_ids,
        processing_time_ms=processing_time_ms,
        estimated_cost_usd=estimated_cost_usd,
        error=None,
        completed_at=ctx.now,
        updated_at=ctx.now,
    )
    images = [image for image in map(ctx.db.get, image_ids) if image is not None]
    usage.count(
        ctx,
        job.user_id,
        model=job.model,
        generations_success=1,
        credits_used=job.credits_used,
        images_uploaded=len(images),
        storage_bytes=sum(image.file_size_bytes for image in images),
    )


@internal_mutation
def fail_generation(ctx: MutationCtx, job_id: Id[GenerationJob], error: str, refund: bool = False) -> None:
    """Settle a job badly, and give its credits back when the user is not to blame."""
    job = _active_job(ctx, job_id)
    if job is None:
        return
    ctx.db.patch(job.id, status="failed", error=error, completed_at=ctx.now, updated_at=ctx.now)
    user = ctx.db.get(job.user_id)
    if user is None:
        return
    if refund:
        ctx.db.patch(user.id, credits=user.credits + job.credits_used, updated_at=ctx.now)
    usage.count(ctx, user.id, generations_failed=1, credits_used=0 if refund else job.credits_used)


def _active_job(ctx: QueryCtx, job_id: Id[GenerationJob]) -> GenerationJob | None:
    job = ctx.db.get(job_id)
    return job if job is not None and job.status in ACTIVE else None
