"""Which stale queries are run next, and which of them in one snapshot.

A reader gets at most what is expected to take `target` seconds, judged by a moving average per function, so that a
slow query delays few others (engine B5). Functions past `slow` may use all readers but one. A *gang*, the whole query
set of one client, is never cut: its results share a snapshot, which is what guarantees progress (engine C3).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from reactor.subscriptions.subscription import Anyone, Identity, Subscription

UNKNOWN_COST = 0.0002  # seconds: a query nobody has run yet is taken for a quick one
SLOW = 0.020  # seconds: past this a function keeps to the slow lane
TARGET = 0.002  # seconds of work handed to one reader at once
WEIGHT = 0.2  # of the newest run in the moving average


class Run(msgspec.Struct, frozen=True, eq=False):
    """One run to be made: of which subscription, as whom, and in which gang."""

    subscription: Subscription
    identity: Identity
    gang: object | None = None  # whoever asked for the gang; None for ordinary runs


class RunQueue:
    """Stale subscriptions in the order they became so; gangs before them."""

    def __init__(self) -> None:
        self._waiting: dict[Subscription, None] = {}
        self._gangs: dict[object, tuple[Identity, tuple[Subscription, ...]]] = {}
        self._cost: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._waiting) + len(self._gangs)

    def add(self, subscription: Subscription) -> None:
        """Queue one run, unless one is queued already."""
        if not subscription.waiting:
            subscription.waiting = True
            self._waiting[subscription] = None

    def discard(self, subscription: Subscription) -> None:
        """Nobody wants it any more."""
        if subscription.waiting:
            subscription.waiting = False
            del self._waiting[subscription]

    def add_gang(self, owner: object, identity: Identity, subscriptions: Iterable[Subscription]) -> None:
        """Run all of these in one snapshot, as `identity`, for `owner`, which has at most one gang at a time."""
        self._gangs[owner] = (identity, tuple(subscriptions))

    def discard_gang(self, owner: object) -> None:
        """Its client is gone."""
        self._gangs.pop(owner, None)

    def observe(self, path: str, seconds: float) -> None:
        """A run of the function took so long."""
        cost = self._cost.get(path, seconds)
        self._cost[path] = cost + WEIGHT * (seconds - cost)

    def expected(self, path: str) -> float:
        """Seconds a run of the function is expected to take."""
        return self._cost.get(path, UNKNOWN_COST)

    def take(self, *, last_reader: bool) -> Sequence[Run]:
        """The next batch for one reader; empty when nothing may be run now.

        `last_reader` is True when no other reader is free: slow functions then stay queued.
        """
        if self._gangs:
            owner, (identity, members) = next(iter(self._gangs.items()))
            del self._gangs[owner]
            return [_start(Run(member, identity, owner)) for member in members]
        batch: list[Run] = []
        budget = TARGET
        for subscription in self._waiting:
            cost = self.expected(subscription.key.path)
            if (last_reader and cost > SLOW) or (batch and cost > budget):
                if batch:
                    break
                continue
            batch.append(_start(Run(subscription, _some_identity(subscription))))
            budget -= cost
            if budget <= 0:
                break
        for run in batch:
            self.discard(run.subscription)
        return batch


def _start(run: Run) -> Run:
    run.subscription.running += 1
    return run


def _some_identity(subscription: Subscription) -> Identity:
    """Whose eyes an entry is run with: its own identity, or for ANY that of some subscriber."""
    identity = subscription.identity
    return next(iter(subscription.subscribers)).identity if isinstance(identity, Anyone) else identity
