"""Crons, and an action that shares a loop with others."""

from datetime import time, timedelta

from models import Job

from calls import job_actions, jobs
from reactor import ActionCtx, Crons, Id, action, internal_action

crons = Crons()
crons.interval("start", timedelta(minutes=5), jobs.start, width=3)
crons.hourly("hourly", 30, jobs.start, 3, name="n")
crons.hourly("some minute", None, jobs.start, 3)
crons.daily("daily", time(3, 30), jobs.start, width=3)
crons.daily("some minute of the day", 3, job_actions.start_and_wait, width=3)
crons.weekly("weekly", "sunday", time(9), job_actions.blocking, Id[Job]("x"))
crons.monthly("monthly", 31, 0, jobs.start, width=3)
crons.cron("cron", "*/5 * * * *", jobs.start, width=3)


@internal_action(concurrency="shared")
async def relay(ctx: ActionCtx, width: int) -> float:
    return (await ctx.run_mutation(jobs.start, width=width)).credits_remaining


@action(concurrency="shared")
async def twice(ctx: ActionCtx, width: int) -> float:
    return await ctx.run_action(relay, width=width) + await ctx.run_action(relay, width)
