"""Several queries asked once, all answered from one snapshot (`/api/query_batch`).

A View for the length of one request: the engine runs the queries as a gang (engine C3), which has one snapshot by
construction, and says so with `aligned`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from reactor.errors import Overloaded
from reactor.subscriptions.subscription import Observation, Subscription
from reactor.sync.frame_cache import FrameCache

_ATTEMPTS = 3  # a gang cut short is run again whole; one that is too much for a reader is refused


class Asked:
    """One of the queries: keeps its entry alive until the request is answered."""

    __slots__ = ("identity", "subscription")

    subscription: Subscription  # set by the manager

    def __init__(self, identity: bytes | None) -> None:
        self.identity = identity

    def updated(self) -> None:
        """See Subscriber: only what the gang brings is of one snapshot."""


class OneSnapshot:
    """Waits until each of `asked` was run at one timestamp."""

    def __init__(self, asked: Sequence[Asked], run: Callable[[OneSnapshot, Sequence[Subscription]], None]) -> None:
        """`run` has a gang run. The subscriptions are those of now: an entry may split or move while it runs."""
        self._wanted = [one.subscription for one in asked]
        self._run = run
        self._attempts = 0
        self.answer: asyncio.Future[Sequence[Observation]] = asyncio.get_running_loop().create_future()
        self._again()

    def refresh(self, cache: FrameCache) -> None:
        """See View: only what the gang brings is of one snapshot."""

    def scattered(self) -> None:
        """See View: it is run again, whole."""
        self._again()

    def aligned(self, ts: int, seen: dict[Subscription, Observation], cache: FrameCache) -> None:
        """See View."""
        del ts, cache
        found = [seen[one] for one in self._wanted if one in seen]
        if len(found) == len(self._wanted) and not self.answer.done():
            self.answer.set_result(found)

    def _again(self) -> None:
        if self.answer.done():
            return
        if self._attempts == _ATTEMPTS:
            self.answer.set_exception(
                Overloaded("TooManyConcurrentRequests", "These queries are too much for one snapshot. Ask for fewer.")
            )
            return
        self._attempts += 1
        self._run(self, list(dict.fromkeys(self._wanted)))
