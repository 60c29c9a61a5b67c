"""Actions of both forms."""

from datetime import timedelta

from models import Job

from calls import jobs
from reactor import ActionCtx, Id, SyncActionCtx, action, internal_action


@internal_action
async def process(ctx: ActionCtx, job_id: Id[Job]) -> None:
    job = await ctx.run_query(jobs.get_internal, job_id=job_id)
    if job is not None and job.status == "pending":
        await ctx.run_mutation(jobs.complete, job_id=job.id)
        await ctx.scheduler.run_after(timedelta(minutes=5), process, job_id=job.id)


@action
async def start_and_wait(ctx: ActionCtx, width: int) -> float:
    started = await ctx.run_mutation(jobs.start, width=width)
    await ctx.run_action(process, started.job_id)
    await ctx.run_action(blocking, job_id=started.job_id)
    return started.credits_remaining


@action
def blocking(ctx: SyncActionCtx, job_id: Id[Job]) -> str | None:
    job = ctx.run_query(jobs.get_internal, job_id=job_id)
    ctx.scheduler.run_after(1.5, process, job_id=job_id)
    return None if job is None else job.status
