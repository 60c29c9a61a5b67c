"""Latencies: how long things took, any number of them in little memory; percentiles are within half a per cent."""

from __future__ import annotations

import math

_LEAST = 1e-7  # seconds: what is shorter counts as that
_STEPS = 1 / math.log(1.01)  # buckets are one per cent wide


class Latencies:
    """Seconds. `least`, `most` and `mean` are exact."""

    __slots__ = ("_buckets", "_total", "count", "least", "most")

    def __init__(self) -> None:
        self._buckets: dict[int, int] = {}  # number of the bucket → how many are in it
        self._total = 0.0
        self.count = 0
        self.least = math.inf
        self.most = 0.0

    def add(self, seconds: float) -> None:
        """One more."""
        bucket = int(math.log(seconds / _LEAST) * _STEPS) if seconds > _LEAST else 0
        self._buckets[bucket] = self._buckets.get(bucket, 0) + 1
        self._total += seconds
        self.count += 1
        if seconds < self.least:
            self.least = seconds
        if seconds > self.most:
            self.most = seconds

    @property
    def mean(self) -> float:
        """0 for none."""
        return self._total / self.count if self.count else 0.0

    def percentile(self, share: float) -> float:
        """What so large a share of them did not exceed; 0 for none."""
        if share >= 1:
            return self.most
        rank = math.ceil(share * self.count)
        for bucket in sorted(self._buckets):
            rank -= self._buckets[bucket]
            if rank <= 0:
                middle = _LEAST * math.exp((bucket + 0.5) / _STEPS)
                return min(max(middle, self.least), self.most)
        return 0.0
