"""Sessions, engine and subscriptions together, against a pretend pool that delays everything it can.

The promise (design §3.3): every Transition moves a client's whole query set to one timestamp, never back, nothing
missed, nothing unchanged sent. Checked at every frame against the pretend database's history.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from reactor.application import Application
from reactor.errors import OutOfRetention, Overloaded
from reactor.execution.frames import Outcome
from reactor.storage.admin_key import AdminKey
from tests.engine.pretend import CELLS, Browser, PretendPool

USERS = st.sampled_from([None, b"ann", b"bob"])


class Transitions(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.pool = PretendPool()
        self.application = Application(Path("/nowhere"), Path("/nowhere"))
        self.application._admin_key = AdminKey("k|secret")
        self.engine = self.application._engine
        self.engine.attach(self.pool)  # type: ignore[arg-type]
        self.engine.opened(100)
        self.browsers: list[Browser] = []
        self.asked_at: list[tuple[asyncio.Task[Outcome], bytes]] = []  # and what is true at that time
        self.asked_together: list[tuple[asyncio.Task[list[Outcome]], list[int], bytes | None, int]] = []

    def do(self, action: Callable[[], None]) -> None:
        async def step() -> None:
            action()
            await asyncio.sleep(0)
            await asyncio.sleep(0)

        self.loop.run_until_complete(step())

    def batch_arrives(self) -> None:
        batch, outcomes = self.pool.batches.pop(0)
        self.do(lambda: self.engine.batch_done(batch, outcomes))

    def results_arrive(self, at: int) -> None:
        batch, ts, calls, outcomes = self.pool.ran.pop(at % len(self.pool.ran))
        self.do(lambda: self.engine.queries_done(batch, ts, calls, outcomes))

    @precondition(lambda self: len(self.browsers) < 3)
    @rule()
    def open(self) -> None:
        self.do(lambda: self.browsers.append(Browser(len(self.browsers), self.application, self.pool)))

    @precondition(lambda self: self.browsers)
    @rule(who=st.integers(0, 9), number=st.integers(0, 3), cell=st.integers(0, CELLS - 1))
    def watch(self, who: int, number: int, cell: int) -> None:
        self.do(lambda: self.browsers[who % len(self.browsers)].watch(number, cell))

    @precondition(lambda self: self.browsers)
    @rule(who=st.integers(0, 9), user=st.sampled_from([None, "ann", "bob"]))
    def become(self, who: int, user: str | None) -> None:
        self.do(lambda: self.browsers[who % len(self.browsers)].become(user, "k|secret"))

    @precondition(lambda self: self.browsers)
    @rule(who=st.integers(0, 9), cell=st.sampled_from([None, 0, 1, 1, 2, 3]), value=st.integers(0, 2))
    def mutate(self, who: int, cell: int | None, value: int) -> None:
        self.do(lambda: self.browsers[who % len(self.browsers)].mutate(cell, value))

    @precondition(lambda self: self.browsers)
    @rule(who=st.integers(0, 9))
    def block_or_clear(self, who: int) -> None:
        browser = self.browsers[who % len(self.browsers)]
        if not browser.clear or not browser.unsettled:  # responses may be queued while blocked: not played here
            browser.clear = not browser.clear
            if browser.clear:
                self.do(browser.worker.cleared)

    @rule(cell=st.integers(0, CELLS - 1), user=USERS, back=st.integers(0, 3))
    def ask_at(self, cell: int, user: bytes | None, back: int) -> None:
        told = [ts for ts, _ in self.pool.history if ts <= self.engine.head]
        ts = told[max(len(told) - 1 - back, 0)]
        asked = self.loop.create_task(self.engine.query_at(str(cell), b"{}", user, ts))
        self.asked_at.append((asked, self.pool.answer(cell, user, ts)))
        self.do(lambda: None)

    @rule(cells=st.lists(st.integers(0, CELLS - 1), min_size=1, max_size=5), user=USERS)
    def ask_together(self, cells: list[int], user: bytes | None) -> None:
        asked = self.loop.create_task(self.engine.query_all([(str(cell), b"{}") for cell in cells], user))
        self.asked_together.append((asked, cells, user, self.engine.head))
        self.do(lambda: None)

    @precondition(lambda self: any(not asked.done() for asked, *_ in self.asked_together))
    @rule()
    def hang_up(self) -> None:
        asked = next(asked for asked, *_ in self.asked_together if not asked.done())
        asked.cancel()
        self.do(lambda: None)

    @precondition(lambda self: self.pool.waiting)
    @rule()
    def commit(self) -> None:
        self.pool.commit()

    @precondition(lambda self: self.pool.batches and all(b.clear for b in self.browsers))
    @rule()
    def tell_batch(self) -> None:
        self.batch_arrives()

    @precondition(lambda self: self.pool.asked)
    @rule(at=st.integers(0, 1))
    def run(self, at: int) -> None:
        self.pool.run(at % len(self.pool.asked))

    @precondition(lambda self: self.pool.ran)
    @rule(at=st.integers(0, 1))
    def tell_results(self, at: int) -> None:
        self.results_arrive(at)

    @precondition(lambda self: self.pool.asked)
    @rule(at=st.integers(0, 1))
    def reader_dies(self, at: int) -> None:
        batch, calls, _ = self.pool.asked.pop(at % len(self.pool.asked))
        self.do(lambda: self.engine.queries_unrun(batch, calls))

    @precondition(lambda self: any(len(calls) > 1 for _, calls, _ in self.pool.asked))
    @rule()
    def reader_takes_too_long(self) -> None:
        """It starts no further query (engine C4): the rest of a batch comes back unrun."""
        at = next(at for at, (_, calls, _) in enumerate(self.pool.asked) if len(calls) > 1)
        batch, calls, min_ts = self.pool.asked[at]
        self.pool.asked[at] = (batch, calls[:-1], min_ts)
        self.do(lambda: self.engine.queries_unrun(batch, calls[-1:]))

    @invariant()
    def what_was_asked_once_is_answered_truly(self) -> None:
        for asked, expected in self.asked_at:
            if asked.done() and not isinstance(asked.exception(), OutOfRetention):
                assert asked.result().value == expected, "a state of another time"
        for asked, cells, user, since in self.asked_together:
            if not asked.done() or asked.cancelled() or isinstance(asked.exception(), Overloaded):
                continue
            values = [outcome.value for outcome in asked.result()]
            states = [
                [self.pool.answer(cell, user, ts) for cell in cells] for ts, _ in self.pool.history if ts >= since
            ]
            assert values in states, "no snapshot shows these results"

    @invariant()
    def rules_hold(self) -> None:
        self.engine.subscriptions.check()
        for browser in self.browsers:
            browser.worker._session.check()
            assert browser.closed is None

    def teardown(self) -> None:
        try:
            self.drain()
        finally:
            for browser in self.browsers:
                self.do(browser.worker.closed)
            self.loop.close()

    def drain(self) -> None:
        """End in silence: everything arrives, then every client holds the state at the head, with nothing owed."""
        for browser in self.browsers:
            browser.clear = True
            self.do(browser.worker.cleared)
        while self.pool.waiting or self.pool.batches or self.pool.asked or self.pool.ran:
            if self.pool.waiting:
                self.pool.commit()
            if self.pool.batches:
                self.batch_arrives()
            if self.pool.asked:
                self.pool.run(0)
            if self.pool.ran:
                self.results_arrive(0)
        assert all(asked.done() for asked, *_ in (*self.asked_at, *self.asked_together)), "somebody waits for ever"
        self.what_was_asked_once_is_answered_truly()
        head = self.pool.history[-1][0]
        for browser in self.browsers:
            assert not browser.worker._session.owes, "a client waits for a transition that never comes"
            assert not browser.unsettled
            identity = browser.identities[browser.said_identity]
            assert browser.version["querySet"] == browser.said_set
            assert browser.version["identity"] == browser.said_identity
            expected = {n: json.loads(self.pool.answer(c, identity, head)) for n, c in browser.queries.items()}
            assert browser.results == expected, "a change was missed"


Transitions.TestCase.settings = settings(max_examples=200, stateful_step_count=50, deadline=None)
TestTransitions = Transitions.TestCase


def test_under_a_stream_of_commits_a_gang_lost_with_its_reader_is_asked_for_again() -> None:
    """Engine C3: progress. Every result is met before it arrives, so only a gang can ever be shown."""
    world = Transitions()
    pool = world.pool
    try:
        world.open()
        world.open()
        for cell in (1, 2):
            world.watch(0, cell, cell)
        lost = 0
        for value in range(200):
            for path in ("1", "2"):
                world.engine.subscriptions.queue.observe(path, 0.005)  # dear enough for a batch of its own
            if pool.asked and pool.asked[0][0] in pool.gangs and lost < 3:
                lost += 1
                world.reader_dies(0)
            elif pool.asked:
                pool.run(0)
            for cell in (1, 2):
                world.mutate(1, cell, value)
            world.commit()
            world.batch_arrives()
            if pool.ran:
                world.results_arrive(0)
        assert lost == 3
        assert world.browsers[0].results, "nothing was ever shown"
    finally:
        world.teardown()
