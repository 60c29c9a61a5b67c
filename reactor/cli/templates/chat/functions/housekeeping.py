"""For the crons: clients cannot call what is internal."""

from datetime import timedelta

from reactor import MutationCtx, internal_mutation
from schema import Message

KEPT = timedelta(days=7)
AT_ONCE = 1000  # the rest goes the next time


@internal_mutation
def forget_old(ctx: MutationCtx) -> int:
    """Delete what is a week old; how many that was."""
    before = (ctx.now - KEPT).timestamp() * 1000
    old = ctx.db.query(Message.by_creation_time.lt(before)).take(AT_ONCE)
    for message in old:
        ctx.db.delete(message.id)
    return len(old)
