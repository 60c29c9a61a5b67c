"""What talks to the image provider. None is connected yet: a job says so, and its credits come back."""

from functions import generations
from reactor import ActionCtx, Id, internal_action
from schema import GenerationJob

NO_PROVIDER = "No image provider is configured on this server. Nothing was generated and your credits were returned."


@internal_action
async def process_generation(ctx: ActionCtx, job_id: Id[GenerationJob]) -> None:
    """Carry out a job that is waiting; one that somebody else took, or that is settled, is left alone."""
    job = await ctx.run_query(generations.get_generation_job_internal, id=job_id)
    if job is None or job.status != "pending":
        return
    await ctx.run_mutation(generations.fail_generation, job_id=job_id, error=NO_PROVIDER, refund=True)
