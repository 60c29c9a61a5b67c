"""Why a call failed whose process died in it: the deadline, the CPU limit, or the call itself (engine A4, B1)."""

from __future__ import annotations

import signal

from reactor.errors import FunctionCrashed, FunctionTimeout
from reactor.execution.frames import Failure, Role
from reactor.execution.guard import timed_out
from reactor.execution.process import describe_status
from reactor.execution.runner import Runner
from reactor.limits import Limits

_WALLS: dict[Role, str] = {"writer": "mutation_wall", "reader": "query_wall", "action": "action_wall"}


def wall_limit(role: Role, limits: Limits) -> float:
    """Seconds by the clock one call may take in a runner of this role."""
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
        return {call: _timed_out(runner.allowed, _WALLS[runner.role])}
    if runner.status == -signal.SIGPROF:  # the hard timer: the code was stuck inside C
        return {call: _timed_out(limits.function_cpu, "function_cpu")}
    return {call: crashed(runner.status)}


def _timed_out(seconds: float, limit: str) -> Failure:
    """What a call killed for its time is answered."""
    return Failure(FunctionTimeout.tag, str(timed_out(seconds, limit)))


def crashed(status: int) -> Failure:
    """What a call is answered that took its process with it."""
    return Failure(
        FunctionCrashed.tag,
        f"The process that ran this function died (exit status {status}): {describe_status(status)}",
    )
