"""Clocks that tests turn: ManualClock stands still until then, AdvancingClock goes on by itself, too."""

from __future__ import annotations

import datetime as dt
from typing import Protocol, runtime_checkable

from reactor.clock import Clock, SystemClock


@runtime_checkable
class MovableClock(Clock, Protocol):
    """A Clock that can be set forward."""

    def advance(self, by: dt.timedelta) -> None:
        """Let time pass."""
        ...


class AdvancingClock:
    """The machine's clocks, ahead by what `advance` added."""

    def __init__(self) -> None:
        self._clock = SystemClock()
        self._ahead = dt.timedelta()  # grows in advance()

    def now_ns(self) -> int:
        """Wall clock, nanoseconds since the epoch."""
        return self._clock.now_ns() + round(self._ahead.total_seconds() * 1_000_000) * 1000

    def monotonic(self) -> float:
        """Seconds since some moment."""
        return self._clock.monotonic() + self._ahead.total_seconds()

    def advance(self, by: dt.timedelta) -> None:
        """Let time pass."""
        self._ahead += by


class ManualClock:
    """A Clock. Wall clock and monotonic clock move together; only the wall clock can be set back."""

    def __init__(self, start: dt.datetime = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)) -> None:
        self._now_ns = int(start.timestamp() * 1_000_000) * 1000  # moves in advance() and set()
        self._monotonic = 0.0  # moves in advance()

    def now_ns(self) -> int:
        """Wall clock, nanoseconds since the epoch."""
        return self._now_ns

    def monotonic(self) -> float:
        """Seconds since the clock was made."""
        return self._monotonic

    def advance(self, by: dt.timedelta) -> None:
        """Let time pass."""
        self._now_ns += round(by.total_seconds() * 1_000_000_000)
        self._monotonic += by.total_seconds()

    def set(self, now: dt.datetime) -> None:
        """Set the wall clock, forwards or back."""
        self._now_ns = int(now.timestamp() * 1_000_000) * 1000
