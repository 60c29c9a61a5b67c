"""The manager against a pretend database: nothing missed, nobody shown another's result, nothing run for nothing."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from reactor.footprint.commit import Commit
from reactor.footprint.key_range import KeyRange
from reactor.footprint.read_set import ReadSet
from reactor.footprint.write_log import WriteLog
from reactor.subscriptions.manager import SubscriptionManager
from reactor.subscriptions.run_queue import Run
from reactor.subscriptions.subscription import Observation, QueryKey, Subscription

INDEX = 7


def key_of(cell: int) -> bytes:
    return b"k%d" % cell


def reads_of(cells: set[int]) -> ReadSet:
    return ReadSet({INDEX: tuple(KeyRange(key_of(c), key_of(c) + b"\0") for c in sorted(cells))})


@dataclass(eq=False)
class Client:
    """A subscriber that remembers what it was told to look at."""

    identity: bytes | None
    key: QueryKey
    subscription: Subscription = field(init=False)
    updates: int = 0

    def updated(self) -> None:
        self.updates += 1


class World:
    """A database of numbered cells with its whole history, and the queries over it.

    The query `path` reads cell `path`, and, when `private` says so at that time, also who asks.
    """

    def __init__(self) -> None:
        self.log = WriteLog(1)
        self.manager = SubscriptionManager(self.log)
        self.history: list[tuple[int, dict[int, int], bool]] = [(1, {}, False)]
        self.runs = 0

    @property
    def head(self) -> int:
        return self.history[-1][0]

    def commit(self, cell: int, value: int, private: bool) -> None:
        ts = self.head + 10
        self.history.append((ts, self.history[-1][1] | {cell: value}, private))
        touched = {INDEX: (key_of(cell),)}
        self.log.append(ts, [Commit(ts, ts - 10, touched, "test")])
        self.manager.committed(ts, touched)

    def value(self, key: QueryKey, identity: bytes | None, ts: int) -> tuple[bytes, bool]:
        _, cells, private = next(entry for entry in reversed(self.history) if entry[0] <= ts)
        cell = int(key.path)
        looked = private and cell % 2 == 0
        return repr((cells.get(cell), identity if looked else "-")).encode(), looked

    def observe(self, run: Run, ts: int, journal: str | None = None) -> Observation:
        self.runs += 1
        digest, looked = self.value(run.subscription.key, run.identity, ts)
        # cell 0 says whether results are private: whoever looked at it reads it too
        return Observation(ts, reads_of({int(run.subscription.key.path), 0}), digest, journal, looked, digest)

    def settle(self) -> None:
        while runs := self.manager.queue.take(last_reader=False):
            for run in runs:
                self.manager.arrived(run, self.observe(run, self.head, run.subscription.key.journal))


def ask(path: int, journal: str | None = None) -> QueryKey:
    return QueryKey(str(path), b"{}", journal)


def test_one_run_serves_everybody_who_asks_the_same() -> None:
    world = World()
    clients = [Client(b"%d" % n, ask(1)) for n in range(50)]
    for client in clients:
        world.manager.subscribe(client.key, client)
    world.settle()
    assert world.runs == 1
    assert {client.subscription for client in clients} == {clients[0].subscription}
    assert all(client.updates == 1 for client in clients)


def test_a_commit_outside_every_read_range_runs_nothing() -> None:
    world = World()
    client = Client(None, ask(1))
    world.manager.subscribe(client.key, client)
    world.settle()
    world.commit(2, 5, False)
    assert client.subscription.fresh
    world.settle()
    assert world.runs == 1


def test_a_result_met_since_is_delivered_and_queued_again() -> None:
    """Engine C2: born invalid means delivered *and* queued."""
    world = World()
    client = Client(None, ask(1))
    world.manager.subscribe(client.key, client)
    (run,) = world.manager.queue.take(last_reader=False)
    observation = world.observe(run, world.head)
    world.commit(1, 5, False)
    world.manager.arrived(run, observation)
    assert client.updates == 1
    assert client.subscription.observation is observation
    assert client.subscription.valid_until == world.head
    assert len(world.manager.queue) == 1


def test_results_nobody_watches_are_kept_up_to_a_size() -> None:
    world = World()
    manager = world.manager = SubscriptionManager(world.log, cached_bytes=1000)
    clients = [Client(None, ask(cell)) for cell in range(20)]
    for client in clients:
        manager.subscribe(client.key, client)
        (run,) = manager.queue.take(last_reader=False)
        manager.arrived(run, replace(world.observe(run, world.head), size=300))
        manager.check()
    assert len(manager) == 20, "what is watched stays"
    for client in clients:
        manager.unsubscribe(client)
        manager.check()
    assert len(manager) == 3
    again = Client(None, ask(19))
    manager.subscribe(again.key, again)
    assert again.subscription.fresh, "the newest are kept"
    manager.check()


def test_a_run_that_reads_the_identity_splits_a_shared_entry() -> None:
    """Engine D1: the probe's result must not reach the others."""
    world = World()
    clients = [Client(b"%d" % n, ask(2)) for n in range(5)]
    for client in clients:
        world.manager.subscribe(client.key, client)
    world.settle()
    assert world.runs == 1
    world.commit(0, 1, True)
    world.settle()
    assert world.runs == 1 + 5
    for client in clients:
        assert client.subscription.observation is not None
        assert client.subscription.observation.digest == world.value(client.key, client.identity, world.head)[0]
    world.manager.check()


def test_before_its_own_run_nobody_holds_a_result_after_a_split() -> None:
    world = World()
    mine, yours = Client(b"me", ask(2)), Client(b"you", ask(2))
    for client in (mine, yours):
        world.manager.subscribe(client.key, client)
    world.settle()
    world.commit(0, 1, True)
    (run,) = world.manager.queue.take(last_reader=False)
    assert run.identity == b"me"
    world.manager.arrived(run, world.observe(run, world.head))
    assert mine.subscription.observation is not None
    assert yours.subscription is not mine.subscription
    assert yours.subscription.observation is None


def test_a_run_begun_as_somebody_else_before_a_split_is_thrown_away() -> None:
    world = World()
    mine, yours = Client(b"me", ask(2)), Client(b"you", ask(2))
    for client in (mine, yours):
        world.manager.subscribe(client.key, client)
    world.settle()
    world.commit(0, 1, True)
    shared = mine.subscription
    (ordinary,) = world.manager.queue.take(last_reader=False)
    world.manager.queue.add_gang("gang", b"you", [shared])
    (gang,) = world.manager.queue.take(last_reader=False)
    assert (ordinary.identity, gang.identity) == (b"me", b"you")
    world.manager.arrived(ordinary, world.observe(ordinary, world.head))
    world.manager.arrived(gang, world.observe(gang, world.head))
    assert mine.subscription.observation is not None
    assert mine.subscription.observation.digest == world.value(mine.key, b"me", world.head)[0]
    world.manager.check()


def test_a_newcomer_without_a_journal_gets_a_run_of_its_own() -> None:
    """Engine D2: else it would be given another client's pinned page."""
    world = World()
    old = Client(None, ask(1))
    world.manager.subscribe(old.key, old)
    (run,) = world.manager.queue.take(last_reader=False)
    world.manager.arrived(run, world.observe(run, world.head, "page-end"))
    assert old.subscription.key.journal == "page-end"
    new = Client(None, ask(1))
    world.manager.subscribe(new.key, new)
    assert new.subscription is not old.subscription
    (run,) = world.manager.queue.take(last_reader=False)
    world.manager.arrived(run, world.observe(run, world.head, "page-end"))
    assert new.subscription is old.subscription, "with equal journals they share again"
    world.manager.check()


def test_a_result_nobody_watches_is_kept_only_while_it_is_true() -> None:
    world = World()
    client = Client(None, ask(1))
    world.manager.subscribe(client.key, client)
    world.settle()
    world.manager.unsubscribe(client)
    again = Client(None, ask(1))
    world.manager.subscribe(again.key, again)
    assert again.subscription.fresh
    world.manager.unsubscribe(again)
    world.commit(1, 1, False)
    assert len(world.manager) == 0
    world.settle()
    assert world.runs == 1


def test_an_older_run_never_replaces_a_newer_one() -> None:
    world = World()
    client = Client(None, ask(1))
    world.manager.subscribe(client.key, client)
    (slow,) = world.manager.queue.take(last_reader=False)
    old = world.observe(slow, world.head)
    world.commit(1, 1, False)
    world.manager.queue.add_gang("gang", None, [client.subscription])
    (quick,) = world.manager.queue.take(last_reader=False)
    new = world.observe(quick, world.head)
    world.manager.arrived(quick, new)
    world.manager.arrived(slow, old)
    assert client.subscription.observation is new


class Conversations(RuleBasedStateMachine):
    """Clients come and go, commits and runs interleave in every order; quiet must mean true."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.clients: list[Client] = []
        self.flying: list[tuple[Run, Observation | None]] = []

    @rule(path=st.integers(0, 3), who=st.sampled_from([None, b"a", b"b"]), journal=st.sampled_from([None, "j"]))
    def subscribe(self, path: int, who: bytes | None, journal: str | None) -> None:
        client = Client(who, ask(path, journal))
        self.world.manager.subscribe(client.key, client)
        self.clients.append(client)

    @precondition(lambda self: self.clients)
    @rule(n=st.integers(0, 99))
    def unsubscribe(self, n: int) -> None:
        self.world.manager.unsubscribe(self.clients.pop(n % len(self.clients)))

    @rule(cell=st.integers(0, 3), value=st.integers(0, 2), private=st.booleans())
    def commit(self, cell: int, value: int, private: bool) -> None:
        if private != self.world.history[-1][2]:
            cell = 0  # what makes results private is read by all
        self.world.commit(cell, value, private)

    @rule(last=st.booleans())
    def take(self, last: bool) -> None:
        for run in self.world.manager.queue.take(last_reader=last):
            self.flying.append((run, self.world.observe(run, self.world.head, run.subscription.key.journal)))

    @precondition(lambda self: self.clients)
    @rule()
    def gang(self) -> None:
        who = self.clients[0].identity
        members = dict.fromkeys(c.subscription for c in self.clients if c.identity == who)
        self.world.manager.queue.add_gang(self, who, members)

    @precondition(lambda self: self.flying)
    @rule(n=st.integers(0, 99), journal=st.sampled_from([None, "j"]), lost=st.booleans())
    def land(self, n: int, journal: str | None, lost: bool) -> None:
        run, observation = self.flying.pop(n % len(self.flying))
        if lost or observation is None:
            self.world.manager.returned(run)
            return
        observation.journal = journal if observation.journal is None else observation.journal
        self.world.manager.arrived(run, observation)

    @invariant()
    def rules_hold(self) -> None:
        self.world.manager.check()
        for client in self.clients:
            seen = client.subscription.observation
            if seen is not None:
                expected, _ = self.world.value(client.key, client.identity, seen.ts)
                assert seen.digest == expected, "somebody holds another's result, or one that was never true"

    def teardown(self) -> None:
        for run, _ in self.flying:
            self.world.manager.returned(run)
        self.world.settle()
        for client in self.clients:
            assert client.subscription.fresh
            assert client.subscription.observation is not None
            expected, _ = self.world.value(client.key, client.identity, self.world.head)
            assert client.subscription.observation.digest == expected, "a change was missed"
        for client in self.clients:
            self.world.manager.unsubscribe(client)
        self.world.manager.check()


Conversations.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestConversations = Conversations.TestCase
