"""A query asked once: a subscriber that wants one result and leaves."""

from __future__ import annotations

import asyncio

from reactor.subscriptions.subscription import Observation, Subscription


class OneShot:
    """Waits for an observation that is true at `since` or later."""

    __slots__ = ("_since", "answer", "identity", "subscription")

    subscription: Subscription  # set by the manager

    def __init__(self, identity: bytes | None, since: int) -> None:
        self.identity = identity
        self._since = since  # the head when it was asked: what was committed before must be seen
        self.answer: asyncio.Future[Observation] = asyncio.get_running_loop().create_future()

    def updated(self) -> None:
        """See Subscriber."""
        observation = self.subscription.observation
        if observation is None or self.answer.done():
            return
        if self.subscription.valid_until is None or observation.ts >= self._since:
            self.answer.set_result(observation)
