"""Generation jobs: ordered by a browser or a program, carried out by `generation_actions`, settled here.

A job is paid when it is ordered. It ends once, as completed or as failed; whoever comes late finds it settled and
changes nothing, so no job is counted or refunded twice.
"""

from dataclasses import dataclass
from typing import Any, Literal

from functions import attempts, ledger, loose_objects, rate_limits, totals, usage, users, webhooks
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
from reactor import AppError, Id, Model, MutationCtx, QueryCtx, internal_mutation, internal_query, mutation, query
from schema import GenerationJob, Image, JobStatus, User, WebhookEvent

ACTIVE: tuple[JobStatus, ...] = ("pending", "processing", "uploading")


class JobStarted(Model):
    """A job that was ordered and paid."""

    job_id: Id[GenerationJob]
    credits_used: float
    credits_remaining: float


@dataclass(frozen=True)
class Order:
    """What somebody wants to have made."""

    prompt: str
    model: str
    negative_prompt: str | None = None
    width: int = DEFAULT_WIDTH
    height: int = DEFAULT_HEIGHT
    steps: int = DEFAULT_STEPS
    guidance: float = DEFAULT_GUIDANCE
    seed: int | None = None
    num_images: int = DEFAULT_NUM_IMAGES


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
    order = Order(prompt, model, negative_prompt, width, height, steps, guidance, seed, num_images)
    return place(ctx, users.require_user(ctx), order)


def place(ctx: MutationCtx, user: User, order: Order) -> JobStarted:
    """Take an order: check it, take the credits, and let the first attempt begin, all in one transaction."""
    _check(order)
    if sum(len(_jobs_of(ctx, user, status, MAX_ACTIVE_JOBS)) for status in ACTIVE) >= MAX_ACTIVE_JOBS:
        raise AppError(f"At most {MAX_ACTIVE_JOBS} generations at a time")
    price = price_of(order.model, order.width, order.height, order.num_images)
    if user.credits < price:
        raise AppError("Insufficient credits")
    wait = rate_limits.take(ctx, user.id, rate_limits.generations_of(user))
    if wait is not None:
        raise AppError({"code": "rateLimited", "message": "Too many generations", "retryAfter": wait})
    job_id = ctx.db.insert(
        GenerationJob(
            user_id=user.id,
            status="pending",
            prompt=order.prompt,
            negative_prompt=order.negative_prompt,
            model=order.model,
            width=order.width,
            height=order.height,
            steps=order.steps,
            guidance=order.guidance,
            seed=order.seed,
            num_images=order.num_images,
            credits_used=price,
            created_at=ctx.now,
            updated_at=ctx.now,
        )
    )
    totals.jobs_changed(ctx, user.id, ordered=1)
    remaining = ledger.spend(ctx, user, price, job_id=job_id)
    attempts.schedule(ctx, job_id, attempt=0, delay=0)
    return JobStarted(job_id=job_id, credits_used=price, credits_remaining=remaining)


def _check(order: Order) -> None:
    if not order.prompt.strip() or len(order.prompt) > MAX_PROMPT:
        raise AppError(f"The prompt must have 1 to {MAX_PROMPT} characters")
    if not (MIN_SIDE <= order.width <= MAX_SIDE and MIN_SIDE <= order.height <= MAX_SIDE):
        raise AppError(f"Width and height must be {MIN_SIDE} to {MAX_SIDE} pixels")
    if not 1 <= order.num_images <= MAX_IMAGES:
        raise AppError(f"The number of images must be 1 to {MAX_IMAGES}")


def _jobs_of(ctx: QueryCtx, user: User, status: JobStatus, limit: int) -> list[GenerationJob]:
    return ctx.db.query(GenerationJob.by_user_status.eq(user.id, status)).order("desc").take(limit)


@query
def get_generation_job(ctx: QueryCtx, job_id: Id[GenerationJob]) -> GenerationJob | None:
    """A job of the signed-in user; null when it does not exist."""
    user = users.require_user(ctx)
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
    if image.user_id != users.require_user(ctx).id:
        raise AppError("Unauthorized")
    return image


@query
def list_generation_jobs(ctx: QueryCtx, limit: int = 50, status: JobStatus | None = None) -> list[GenerationJob]:
    """The signed-in user's jobs, the newest first."""
    user = users.require_user(ctx)
    if status is not None:
        return _jobs_of(ctx, user, status, limit)
    return ctx.db.query(GenerationJob.by_user.eq(user.id)).order("desc").take(limit)


# ── what only the server calls ────────────────────────────────────────────────────────────────────────────────────────


@internal_query
def get_generation_job_internal(ctx: QueryCtx, id: Id[GenerationJob]) -> GenerationJob | None:
    """Any job."""
    return ctx.db.get(id)


@internal_query
def get_job_of_user(ctx: QueryCtx, user_id: Id[User], job_id: str) -> GenerationJob | None:
    """A user's job by the text of its id, for their programs."""
    found = ctx.db.normalize_id(GenerationJob, job_id)
    job = None if found is None else ctx.db.get(found)
    return job if job is not None and job.user_id == user_id else None


@internal_query
def get_user_internal(ctx: QueryCtx, id: Id[User]) -> User | None:
    """Any user."""
    return ctx.db.get(id)


@internal_mutation
def place_order(
    ctx: MutationCtx,
    user_id: Id[User],
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
    """Order images for a user whose API key was checked."""
    order = Order(prompt, model, negative_prompt, width, height, steps, guidance, seed, num_images)
    return place(ctx, users.existing_user(ctx, user_id), order)


@internal_mutation
def update_job_status(
    ctx: MutationCtx,
    job_id: Id[GenerationJob],
    status: Literal["pending", "processing", "uploading"],
    attempt: int | None = None,
) -> bool:
    """Move an active job on; false when it is settled, gone or another attempt's, and nothing more is to be done."""
    job = active_job(ctx, job_id, attempt)
    if job is None:
        return False
    move(ctx, job, status)
    return True


@internal_mutation
def increment_retry_count(ctx: MutationCtx, job_id: Id[GenerationJob]) -> int:
    """Give up the attempt that is under way, and schedule the next one. Returns the retries so far."""
    job = active_job(ctx, job_id)
    return 0 if job is None else attempts.again(ctx, job)


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
    attempt: int | None = None,
) -> Id[Image]:
    """A picture of a job that lies in storage now: its row, and its bytes against the quota, in one step."""
    job = active_job(ctx, job_id, attempt)
    if job is None:
        raise AppError("The job is settled")
    users.change_storage(ctx, job.user_id, file_size_bytes)
    loose_objects.tie_up(ctx, s3_key)
    totals.images_added(ctx, job.user_id, [ctx.now])
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
    users.change_storage(ctx, user_id, bytes_change)


@internal_mutation
def complete_generation(
    ctx: MutationCtx,
    job_id: Id[GenerationJob],
    image_ids: list[Id[Image]],
    processing_time_ms: float | None = None,
    estimated_cost_usd: float | None = None,
    attempt: int | None = None,
) -> None:
    """Settle a job well: its images are there."""
    job = active_job(ctx, job_id, attempt)
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
    totals.jobs_changed(ctx, job.user_id, successful=1)
    attempts.forget_run(ctx, job.id)
    tell(ctx, job, "generation.completed", images=[{"id": image.id, "url": image.cloud_front_url} for image in images])


@internal_mutation
def fail_generation(ctx: MutationCtx, job_id: Id[GenerationJob], error: str, refund: bool = False) -> None:
    """Settle a job badly, and give its credits back when the user is not to blame."""
    job = active_job(ctx, job_id)
    if job is not None:
        fail(ctx, job, error, refund=refund)


# ── steps of a job ────────────────────────────────────────────────────────────────────────────────────────────────────


def active_job(ctx: QueryCtx, job_id: Id[GenerationJob], attempt: int | None = None) -> GenerationJob | None:
    """The job unless it is settled, or the attempt that asks was given up."""
    job = ctx.db.get(job_id)
    if job is None or job.status not in ACTIVE or attempt not in (None, job.retry_count):
        return None
    return job


def images_of(ctx: QueryCtx, job: GenerationJob) -> list[Image]:
    return ctx.db.query(Image.by_job.eq(job.id)).collect()


def move(ctx: MutationCtx, job: GenerationJob, status: JobStatus) -> None:
    started_at = ctx.now if status == "processing" and job.started_at is None else job.started_at
    ctx.db.patch(job.id, status=status, started_at=started_at, updated_at=ctx.now)


def fail(ctx: MutationCtx, job: GenerationJob, error: str, *, refund: bool) -> None:
    ctx.db.patch(job.id, status="failed", error=error, completed_at=ctx.now, updated_at=ctx.now)
    attempts.forget_run(ctx, job.id)
    user = ctx.db.get(job.user_id)
    if user is None:
        return  # deleted, and what was theirs is on its way out
    for image in images_of(ctx, job):  # a failed job has no images: nobody gets a part of them and the credits too
        loose_objects.cut_loose(ctx, image)
        ctx.db.delete(image.id)
        totals.image_removed(ctx, image)
        users.change_storage(ctx, job.user_id, -image.file_size_bytes)
    if refund:
        ledger.move(ctx, user, job.credits_used, "refund", job_id=job.id)
    totals.jobs_changed(ctx, user.id, failed=1)
    usage.count(ctx, user.id, generations_failed=1, credits_used=0 if refund else job.credits_used)
    tell(ctx, job, "generation.failed", error=error, refunded=refund)


def tell(ctx: MutationCtx, job: GenerationJob, event: WebhookEvent, **more: Any) -> None:
    webhooks.emit(ctx, job.user_id, event, {"jobId": job.id, "prompt": job.prompt, "model": job.model, **more})
