"""Why a call failed whose process died in it: the deadline, the CPU limit, or the call itself (engine A4, B1)."""

from __future__ import annotations

import signal

from reactor.errors import FunctionCrashed, FunctionTimeout
from reactor.execution.ended_for_time import ended_for_time
from reactor.execution.frames import Failure, Role
from reactor.execution.process import describe_status
from reactor.execution.runner import Runner
from reactor.limits import Limits

_WALLS: dict[Role, str] = {
    "writer": "mutation_wall",
    "reader": "query_wall",
    "action": "action_wall",
    "shared": "shared_stall",
    "examiner": "query_wall",
}


def wall_limit(role: Role, limits: Limits) -> float:
    """Seconds by the clock one call may take in a runner of this role; of a shared one, one turn of its loop."""
    seconds: float = getattr(limits, _WALLS[role])
    return seconds


def blame(runner: Runner, limits: Limits) -> dict[int, Failure]:
    """The guilty call of a dead runner and what to answer it; empty when no call was running."""
    if runner.guilty is None:
        return {}
    assert runner.status is not None
    call = runner.guilty.call
    if runner.killed_for is not None:
        if runner.killed_for.call != call:  # killed for the call before it, which ended in the same moment
            return {}
        return {call: ended_for_time(runner.allowed, _WALLS[runner.role])}
    if runner.status == -signal.SIGPROF:  # the hard timer: the code was stuck inside C
        return {call: ended_for_time(limits.function_cpu, "function_cpu")}
    return {call: crashed(runner.status)}


def crashed(status: int) -> Failure:
    """What a call is answered that took its process with it."""
    return Failure(
        FunctionCrashed.tag,
        f"The process that ran this function died (exit status {status}): {describe_status(status)}",
    )


def stalled(limit: float) -> Failure:
    """What every action of a shared loop is answered when one of them held it up."""
    return Failure(
        FunctionTimeout.tag,
        f"The process that ran this function was ended: an action blocked the loop it shares for {limit:g}s "
        '(limit shared_stall). Await what takes long, or leave out `concurrency="shared"`.',
    )
