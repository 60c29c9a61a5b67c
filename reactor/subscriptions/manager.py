"""Follows the log and ends what a commit makes untrue: the one place where a result becomes stale.

Theory of operation. Subscriptions live in *families*: one per QueryKey. A family starts with a single entry for ANY
identity, run as one of its subscribers; once a run says that it looked at the identity, the family splits, and every
other identity gets a run of its own before anything is sent to it (engine D1). A run that returns another journal
moves its entry to that key's family (engine D2), where it may meet one that is there already.

An observation is delivered at its own timestamp even if a commit has met it since; it is then also queued again
(engine C2). An entry nobody subscribes to is kept while it is fresh: that is the query cache.

Steps, all synchronous: `subscribe`, `committed`, `arrived`, `unsubscribe`; `check` states the invariants.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence

from reactor.footprint.write_log import WriteLog
from reactor.subscriptions.run_queue import Run, RunQueue
from reactor.subscriptions.subscription import ANY, Anyone, Identity, Observation, QueryKey, Subscriber, Subscription
from reactor.subscriptions.subscription_set import SubscriptionSet

CACHED = 4096  # entries without subscribers kept while they are true
CACHED_BYTES = 64 << 20  # of their results together


class _Family:
    """The entries of one QueryKey: one for ANY identity until some run looks at it, then one for each."""

    __slots__ = ("by_identity", "reads_identity", "shared")

    def __init__(self) -> None:
        self.shared: Subscription | None = None
        self.by_identity: dict[Identity, Subscription] = {}
        self.reads_identity = False  # becomes True with the first entry that is one identity's; newcomers get their own

    def serving(self, identity: Identity) -> Subscription | None:
        """The entry a newcomer may join."""
        return self.by_identity.get(identity) or (None if self.reads_identity else self.shared)

    def exact(self, identity: Identity | Anyone) -> Subscription | None:
        return self.shared if isinstance(identity, Anyone) else self.by_identity.get(identity)

    def put(self, subscription: Subscription) -> None:
        if isinstance(subscription.identity, Anyone):
            self.shared = subscription
        else:
            self.by_identity[subscription.identity] = subscription
            self.reads_identity = True

    def remove(self, subscription: Subscription) -> None:
        if self.exact(subscription.identity) is not subscription:
            return
        if isinstance(subscription.identity, Anyone):
            self.shared = None
        else:
            del self.by_identity[subscription.identity]

    @property
    def empty(self) -> bool:
        """Whether it has no entry."""
        return self.shared is None and not self.by_identity

    def members(self) -> list[Subscription]:
        return [*self.by_identity.values(), *([self.shared] if self.shared else [])]


class SubscriptionManager:
    """Subscriptions, the queue of runs they need, and the cache of results still true."""

    def __init__(self, log: WriteLog, *, cached: int = CACHED, cached_bytes: int = CACHED_BYTES) -> None:
        self._log = log
        self.queue = RunQueue()
        self._families: dict[QueryKey, _Family] = {}
        self._watched: SubscriptionSet[Subscription] = SubscriptionSet()
        self._idle: OrderedDict[Subscription, None] = OrderedDict()  # no subscribers, fresh; oldest first
        self._idle_bytes = 0  # of the results of those
        self._cached = cached
        self._cached_bytes = cached_bytes

    def __len__(self) -> int:
        return sum(len(family.members()) for family in self._families.values())

    # ── subscribers come and go ──────────────────────────────────────────────────────────────────────────────────────

    def subscribe(self, key: QueryKey, subscriber: Subscriber) -> Subscription:
        """Watch the query for `subscriber`; sets `subscriber.subscription`.

        When the entry is fresh its observation can be used at once; else `subscriber.updated()` follows a run.
        """
        family = self._family(key)
        subscription = family.serving(subscriber.identity)
        if subscription is None:
            subscription = Subscription(key, subscriber.identity if family.reads_identity else ANY)
            family.put(subscription)
        self._attach(subscription, subscriber)
        return subscription

    def unsubscribe(self, subscriber: Subscriber) -> None:
        """Its client no longer wants it."""
        subscription = subscriber.subscription
        subscription.subscribers.pop(subscriber, None)
        if not subscription.subscribers:
            self._release(subscription)

    # ── the log moved ────────────────────────────────────────────────────────────────────────────────────────────────

    def committed(self, ts: int, touched: Mapping[int, Sequence[bytes]]) -> None:
        """A batch ended at `ts`, and the log holds it: what it meets is no longer true."""
        for subscription in self._watched.met(touched):
            self._expire(subscription, ts)

    def expire_all(self, ts: int) -> None:
        """Everything may be different from `ts` on: new code."""
        for family in list(self._families.values()):
            for subscription in family.members():
                self._expire(subscription, ts)

    def try_again(self, subscription: Subscription) -> None:
        """Its last run died: have another made, though nothing is known to have changed."""
        if not subscription.dropped and subscription.subscribers and subscription.fresh:
            self._expire(subscription, self._log.head)

    # ── runs come back ───────────────────────────────────────────────────────────────────────────────────────────────

    def arrived(self, run: Run, observation: Observation) -> None:
        """A run ended. `observation.ts` is not past the log's head (engine C1)."""
        subscription = run.subscription
        subscription.running -= 1
        if subscription.dropped:
            return
        if observation.identity_read and subscription.identity is ANY:
            subscription = self._split(subscription, run.identity)
        elif observation.identity_read and subscription.identity != run.identity:
            self._settle(subscription)  # begun while it was anyone's, split since: another's result
            return
        if observation.journal != subscription.key.journal:
            subscription = self._rekey(subscription, observation.journal)
        seen = subscription.observation
        if seen is None or observation.ts >= seen.ts:
            reads = observation.reads
            subscription.observation = observation
            subscription.valid_until = (
                None if observation.ts == self._log.head else self._log.first_met(reads, observation.ts)
            )
            self._watched.watch(subscription, reads)
        for subscriber in list(subscription.subscribers):
            subscriber.updated()
        self._settle(subscription)

    def returned(self, run: Run) -> None:
        """A run was not made: the reader had no time for it, or is gone."""
        subscription = run.subscription
        subscription.running -= 1
        if not subscription.dropped:
            self._settle(subscription)

    # ── steps ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _family(self, key: QueryKey) -> _Family:
        family = self._families.get(key)
        if family is None:
            family = self._families[key] = _Family()
        return family

    def _attach(self, subscription: Subscription, subscriber: Subscriber) -> None:
        self._wanted(subscription)
        subscription.subscribers[subscriber] = None
        subscriber.subscription = subscription
        self._requeue(subscription)

    def _requeue(self, subscription: Subscription) -> None:
        """Queue a run if one is needed and none is under way that may answer for it."""
        if subscription.subscribers and not subscription.fresh and not subscription.running:
            self.queue.add(subscription)

    def _expire(self, subscription: Subscription, ts: int) -> None:
        if subscription.valid_until is None and subscription.observation is not None:
            subscription.valid_until = ts
            if subscription.subscribers:
                self._requeue(subscription)
            elif not subscription.running:
                self._drop(subscription)

    def _split(self, subscription: Subscription, identity: Identity) -> Subscription:
        """A run as `identity` looked at who asks: nobody else may get this entry (engine D1)."""
        family = self._family(subscription.key)
        family.remove(subscription)
        others = [s for s in subscription.subscribers if s.identity != identity]
        for subscriber in others:
            del subscription.subscribers[subscriber]
        subscription.identity = identity
        subscription = self._place(subscription)
        for subscriber in others:
            self.subscribe(subscription.key, subscriber)
            subscriber.updated()
        return subscription

    def _rekey(self, subscription: Subscription, journal: str | None) -> Subscription:
        """Move an entry under the journal its run returned (engine D2)."""
        self._leave(subscription)
        subscription.key = subscription.key._replace(journal=journal)
        return self._place(subscription)

    def _place(self, subscription: Subscription) -> Subscription:
        """Put an entry where its key and identity say; if one is there, its subscribers join that one."""
        family = self._family(subscription.key)
        found = family.exact(subscription.identity)
        if found is None:
            family.put(subscription)
            return subscription
        for subscriber in list(subscription.subscribers):
            self._attach(found, subscriber)
        subscription.subscribers.clear()
        self._forget(subscription)
        return found

    def _settle(self, subscription: Subscription) -> None:
        """After a run: queue the next one, keep the entry for whoever asks next, or let it go."""
        if subscription.subscribers:
            self._requeue(subscription)
        else:
            self._release(subscription)

    def _release(self, subscription: Subscription) -> None:
        """Nobody subscribes: keep it while it is true, unless a run is under way."""
        self.queue.discard(subscription)
        if subscription.running:
            return
        if not subscription.fresh or subscription.observation is None or subscription.observation.failed:
            self._drop(subscription)
            return
        if subscription not in self._idle:
            self._idle[subscription] = None
            self._idle_bytes += subscription.observation.size
        while len(self._idle) > self._cached or self._idle_bytes > self._cached_bytes:
            self._drop(next(iter(self._idle)))

    def _wanted(self, subscription: Subscription) -> None:
        """It is not idle, or not any more."""
        if subscription in self._idle:
            del self._idle[subscription]
            assert subscription.observation is not None
            self._idle_bytes -= subscription.observation.size

    def _drop(self, subscription: Subscription) -> None:
        self._leave(subscription)
        self._forget(subscription)

    def _forget(self, subscription: Subscription) -> None:
        subscription.dropped = True
        self.queue.discard(subscription)
        self._watched.forget(subscription)
        self._wanted(subscription)

    def _leave(self, subscription: Subscription) -> None:
        family = self._families[subscription.key]
        family.remove(subscription)
        if family.empty:
            del self._families[subscription.key]

    # ── invariants ───────────────────────────────────────────────────────────────────────────────────────────────────

    def check(self) -> None:
        """Raise AssertionError unless every invariant of this room holds; tests call it after each step."""
        assert self._idle_bytes == sum(s.observation.size for s in self._idle if s.observation is not None)
        for key, family in self._families.items():
            assert family.members(), f"empty family {key}"
            for subscription in family.members():
                assert subscription.key == key
                assert not subscription.dropped
                assert family.exact(subscription.identity) is subscription
                for subscriber in subscription.subscribers:
                    assert subscriber.subscription is subscription
                    assert subscription.identity is ANY or subscriber.identity == subscription.identity
                if subscription.subscribers:
                    needed = not subscription.fresh
                    assert not needed or subscription.waiting or subscription.running, f"nobody will run {key}"
                else:
                    assert subscription.running or subscription in self._idle, f"nobody wants {key}"
