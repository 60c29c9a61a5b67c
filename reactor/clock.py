"""Where the time comes from: working rooms are handed a Clock, tests hand them one they can turn."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Two clocks: what people call the time, and one that only ever goes forward."""

    def now_ns(self) -> int:
        """Wall clock, nanoseconds since the epoch; may step back."""
        ...

    def monotonic(self) -> float:
        """Seconds from an arbitrary start; never goes back."""
        ...


class SystemClock:
    """The machine's own clocks."""

    def now_ns(self) -> int:
        return time.time_ns()

    def monotonic(self) -> float:
        return time.monotonic()
