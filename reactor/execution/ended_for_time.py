"""What a call is answered that was ended for its time."""

from __future__ import annotations

from reactor.errors import FunctionTimeout
from reactor.execution.frames import Failure
from reactor.execution.guard import timed_out


def ended_for_time(seconds: float, limit: str) -> Failure:
    """Its failure, which names the limit."""
    return Failure(FunctionTimeout.tag, str(timed_out(seconds, limit)))
