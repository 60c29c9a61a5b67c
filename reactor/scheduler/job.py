"""One call to make later, as the scheduler sees it."""

from __future__ import annotations

from dataclasses import dataclass

from reactor.values.value import Value


@dataclass(frozen=True, slots=True)
class Job:
    """A pending document of `_scheduled_functions`. `due` is milliseconds since the epoch."""

    id: str
    path: str
    args: Value  # an object
    due: float
