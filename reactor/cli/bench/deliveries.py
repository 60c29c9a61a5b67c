"""Deliveries: when writes have reached the subscribers of a query.

The answer to a mutation tells its timestamp, and a Transition the one it leads to: a subscriber has been shown a write
with the first Transition that leads there or further. Answer and Transitions come on different connections, in any
order.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from reactor.cli.bench.latencies import Latencies

_REMEMBERED = 256  # Transitions of a subscriber that may have been earlier than the answer to their write


class Write:
    """One mutation that was answered, on its way to the subscribers."""

    __slots__ = ("meant", "missing", "on_delivered", "ts")

    def __init__(self, ts: int, meant: float, missing: int, on_delivered: Callable[[], None]) -> None:
        self.ts = ts
        self.meant = meant  # when it was to be sent
        self.missing = missing  # subscribers that have not been shown it
        self.on_delivered = on_delivered  # called when there are none


class Watcher:
    """One subscriber, as deliveries know it."""

    __slots__ = ("seen", "waiting")

    def __init__(self) -> None:
        self.seen: deque[tuple[int, float]] = deque(maxlen=_REMEMBERED)  # (timestamp, when) of its last Transitions
        self.waiting: list[Write] = []  # that it has not been shown

    def shown_at(self, ts: int) -> float | None:
        """When it was brought there or further; None if it has not been. Timestamps only grow."""
        when = None
        for seen, at in reversed(self.seen):
            if seen < ts:
                break
            when = at
        return when


class Deliveries:
    """To all watchers of one query."""

    def __init__(self) -> None:
        self.latencies = Latencies()  # from each write to each subscriber; renewed by begin_anew()
        self.watchers: list[Watcher] = []

    def begin_anew(self) -> None:
        """What was measured was the warm-up."""
        self.latencies = Latencies()

    def add(self) -> Watcher:
        """One more subscriber."""
        watcher = Watcher()
        self.watchers.append(watcher)
        return watcher

    def written(self, ts: int, meant: float, on_delivered: Callable[[], None]) -> Write:
        """A mutation was answered."""
        write = Write(ts, meant, len(self.watchers), on_delivered)
        for watcher in self.watchers:
            when = watcher.shown_at(ts)
            if when is None:
                watcher.waiting.append(write)
            else:
                self._reached(write, when)
        return write

    def shown(self, watcher: Watcher, ts: int, at: float) -> None:
        """A subscriber was brought to a timestamp."""
        watcher.seen.append((ts, at))
        if watcher.waiting:
            reached = [write for write in watcher.waiting if write.ts <= ts]
            if reached:
                watcher.waiting = [write for write in watcher.waiting if write.ts > ts]
                for write in reached:
                    self._reached(write, at)

    def give_up(self, write: Write) -> None:
        """Nobody waits for it any more."""
        for watcher in self.watchers:
            if write in watcher.waiting:
                watcher.waiting.remove(write)

    def _reached(self, write: Write, at: float) -> None:
        self.latencies.add(at - write.meant)
        write.missing -= 1
        if write.missing == 0:
            write.on_delivered()
