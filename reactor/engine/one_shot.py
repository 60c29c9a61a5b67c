"""A query asked once: a subscriber that wants one result and leaves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from reactor.subscriptions.subscription import Observation, Subscriber, Subscription
from reactor.sync.frame_cache import FrameCache


class Host(Protocol):
    """The part of the engine it needs."""

    def touch(self, view: OneShot) -> None:
        """Refresh it at the end of this step."""
        ...

    def unwatch(self, subscriber: Subscriber) -> None: ...


class OneShot:
    """Waits for an observation that is true at `since` or later, and tells it once, at the end of a step.

    A callback and no future: to answer costs no turn of the loop and no change of task.
    """

    __slots__ = ("_done", "_host", "_since", "identity", "subscription")

    subscription: Subscription  # set by the manager

    def __init__(
        self, host: Host, identity: bytes | None, since: int, done: Callable[[Observation], None] | None
    ) -> None:
        self.identity = identity
        self._host = host
        self._since = since  # the head when it was asked: what was committed before must be seen
        self._done = done  # None once it was called, or nobody waits any more

    @property
    def _found(self) -> Observation | None:
        observation = self.subscription.observation
        if observation is not None and (self.subscription.valid_until is None or observation.ts >= self._since):
            return observation
        return None

    def updated(self) -> None:
        """See Subscriber."""
        if self._found is not None:
            self._host.touch(self)

    def refresh(self, cache: FrameCache) -> None:
        """See View."""
        del cache
        done, found = self._done, self._found
        if done is not None and found is not None:
            self.leave()
            done(found)

    def leave(self) -> None:
        """Nobody waits any more; safe to repeat."""
        if self._done is not None:
            self._done = None
            self._host.unwatch(self)

    def aligned(self, ts: int, seen: dict[Subscription, Observation], cache: FrameCache) -> None:
        """See View: it asks for no gang."""

    def scattered(self) -> None:
        """See View."""
