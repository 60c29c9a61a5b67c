"""Usage: what one call has read and written so far, held against the limits (reference §4.6).

Counters only grow, a rolled back savepoint included (engine A7), and passing a limit is sticky: a call that catches the
error cannot succeed (A1).
"""

from __future__ import annotations

from reactor.errors import LimitExceeded
from reactor.limits import DEFAULT_LIMITS, Limits, setting

_ADVICE = (
    " Consider using smaller limits in your queries, paginating your queries, or using indexed queries with a "
    "selective index range expressions."
)


class Usage:
    """Counters of one call and everything it calls in the same transaction."""

    __slots__ = (
        "bytes_read",
        "bytes_written",
        "documents_read",
        "documents_written",
        "exceeded",
        "index_ranges",
        "limits",
    )

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        self.limits = limits
        self.documents_read = 0
        self.bytes_read = 0
        self.index_ranges = 0
        self.documents_written = 0
        self.bytes_written = 0
        self.exceeded: LimitExceeded | None = None  # the first limit passed; never cleared

    def check(self) -> None:
        """Raise the first LimitExceeded again, if there was one."""
        if self.exceeded is not None:
            raise self.exceeded

    def count_range(self) -> None:
        """One more stretch of an index is about to be read."""
        self.index_ranges += 1
        if self.index_ranges > self.limits.index_ranges:
            self._exceed("TooManyReads", "reads", f"limit: {self.limits.index_ranges}", "index_ranges", _ADVICE)

    def count_read(self, size: int) -> None:
        """One more document was read."""
        self.count_reads(1, size)

    def count_reads(self, documents: int, size: int) -> None:
        """So many more documents were read, of this size together."""
        self.documents_read += documents
        self.bytes_read += size
        limits = self.limits
        if self.documents_read > limits.documents_read:
            self._exceed(
                "TooManyDocumentsRead", "documents read", f"limit: {limits.documents_read}", "documents_read", _ADVICE
            )
        if self.bytes_read > limits.bytes_read:
            self._exceed("TooManyBytesRead", "bytes read", f"limit: {limits.bytes_read} bytes", "bytes_read", _ADVICE)

    def count_write(self, size: int) -> None:
        """One more document is about to be written."""
        self.documents_written += 1
        self.bytes_written += size
        limits = self.limits
        if self.documents_written > limits.documents_written:
            self._exceed("TooManyWrites", "writes", f"limit: {limits.documents_written}", "documents_written")
        if self.bytes_written > limits.bytes_written:
            self._exceed(
                "TooManyBytesWritten", "bytes written", f"limit: {limits.bytes_written} bytes", "bytes_written"
            )

    def _exceed(self, code: str, what: str, limit: str, name: str, advice: str = "") -> None:
        error = LimitExceeded(
            f"Too many {what} in a single function execution ({limit}).{advice} {setting(name)}",
            code=code,
        )
        if self.exceeded is None:
            self.exceeded = error
        raise error
