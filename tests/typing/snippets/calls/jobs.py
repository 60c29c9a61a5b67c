"""Queries and mutations; their circle with job_actions is fine, because modules are imported and not names."""

from models import Image, Job

from calls import job_actions
from calls.users import require_user
from reactor import (
    Id,
    Model,
    MutationCtx,
    Page,
    PaginationOpts,
    QueryCtx,
    internal_mutation,
    internal_query,
    mutation,
    query,
)


class Started(Model):
    job_id: Id[Job]
    credits_remaining: float


class Card(Model):
    id: Id[Image]
    url: str


@mutation
def start(ctx: MutationCtx, width: int, name: str = "") -> Started:
    user = require_user(ctx)
    job = Job(user_id=user.id, status="pending", width=width, created_at=ctx.now, updated_at=ctx.now)
    job_id = ctx.db.insert(job)
    ctx.scheduler.run_after(0, job_actions.process, job_id=job_id)
    return Started(job_id=job_id, credits_remaining=user.credits)


@query
def get(ctx: QueryCtx, job_id: Id[Job]) -> Job | None:
    return ctx.db.get(job_id)


@query
def gallery(ctx: QueryCtx, pagination_opts: PaginationOpts) -> Page[Image]:
    return ctx.db.query(Image.by_public.eq(True)).order("desc").paginate(pagination_opts)


@query
def cards(ctx: QueryCtx, pagination_opts: PaginationOpts) -> Page[Card]:
    page = ctx.db.query(Image.by_public.eq(True).gte(ctx.now)).paginate(pagination_opts)
    return page.map(lambda image: Card(id=image.id, url=image.prompt))


@internal_query
def get_internal(ctx: QueryCtx, job_id: Id[Job]) -> Job | None:
    return ctx.db.get(job_id)


@internal_mutation
def complete(ctx: MutationCtx, job_id: Id[Job]) -> None:
    ctx.db.patch(job_id, status="completed")
