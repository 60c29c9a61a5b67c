"""KeyRange: a half-open stretch of one index's keys. It knows bytes only; `index_key` makes it from values."""

from __future__ import annotations

from typing import NamedTuple


class KeyRange(NamedTuple):
    """All keys `k` with `start <= k` and, unless `end` is None, `k < end`."""

    start: bytes
    end: bytes | None

    @classmethod
    def point(cls, key: bytes) -> KeyRange:
        """The range that holds `key` and no other."""
        return cls(key, key + b"\0")

    @property
    def is_empty(self) -> bool:
        """Whether no key can be in it."""
        return self.end is not None and self.start >= self.end

    def contains(self, key: bytes) -> bool:
        """Whether `key` lies in it."""
        return self.start <= key and (self.end is None or key < self.end)

    def intersection(self, other: KeyRange) -> KeyRange:
        """What both hold; possibly an empty range."""
        start = max(self.start, other.start)
        if self.end is None:
            return KeyRange(start, other.end)
        if other.end is None:
            return KeyRange(start, self.end)
        return KeyRange(start, min(self.end, other.end))


EVERYTHING = KeyRange(b"", None)
