"""Interval: the timestamps at which an outcome is known to hold."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Interval:
    """From `start` (included) to `end` (excluded); None means: until a commit says otherwise."""

    start: int
    end: int | None = None

    @property
    def is_empty(self) -> bool:
        """Whether no timestamp is in it."""
        return self.end is not None and self.start >= self.end

    def contains(self, ts: int) -> bool:
        """Whether the outcome holds at `ts`."""
        return self.start <= ts and (self.end is None or ts < self.end)

    def intersection(self, other: Interval) -> Interval:
        """Where both hold; possibly empty."""
        ends = [end for end in (self.end, other.end) if end is not None]
        return Interval(max(self.start, other.start), min(ends) if ends else None)
