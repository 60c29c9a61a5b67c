"""Sessions, engine and subscriptions together, against a pretend pool that delays everything it can.

The promise (design §3.3): every Transition moves a client's whole query set to one timestamp, never back, nothing
missed, nothing unchanged sent. Checked at every frame against the pretend database's history.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from reactor.application import Application
from reactor.execution.frames import Batch, Call, CommitRecord, Outcome
from reactor.server.heartbeat import Heartbeat
from reactor.server.sync_worker import SyncWorker
from reactor.storage.admin_key import AdminKey
from reactor.sync.client_info import ClientInfo
from reactor.sync.codec import decode_ts

CELLS = 4
SESSION = "5b0b2c0e-2f4b-4a1b-9a0e-0c3f6f7a1d1%x"


def cell_key(cell: int) -> bytes:
    return b"cell-%d" % cell


class PretendPool:
    """A writer and two readers whose every step is taken by the test.

    Cell 0 decides whether odd queries look at who asks. A query reads its own cell and cell 0.
    """

    def __init__(self) -> None:
        self.on_reader_idle: Callable[[], None] = lambda: None
        self.history: list[tuple[int, tuple[int, ...]]] = [(100, (0,) * CELLS)]
        self.waiting: list[Call] = []
        self.batches: list[tuple[Batch, list[Outcome]]] = []  # on disk, not told yet
        self.asked: list[tuple[int, list[Call], int]] = []  # handed to a reader, not run yet
        self.ran: list[tuple[int, int, list[Call], list[Outcome]]] = []  # run, not told yet
        self.runs = 0
        self.gangs: set[int] = set()  # batches to be run whole

    @property
    def readers_idle(self) -> int:
        return 2 - len(self.asked) - len(self.ran)

    def submit_mutation(self, call: Call) -> None:
        self.waiting.append(call)

    def submit_queries(self, batch_id: int, calls: Sequence[Call], min_ts: int, *, whole: bool = False) -> bool:
        assert self.readers_idle > 0
        if whole:
            self.gangs.add(batch_id)
        self.asked.append((batch_id, list(calls), min_ts))
        return True

    def commit(self) -> None:
        """One COMMIT of everything that waits."""
        calls, self.waiting = self.waiting, []
        ts, cells = self.history[-1]
        prev, records, outcomes = ts, [], []
        for call in calls:
            if call.path == "_system/head:advance":
                continue
            change = json.loads(call.args)
            if change["cell"] is None:
                outcomes.append(Outcome(call.id, b"null"))
                continue
            ts += 1
            cells = (*cells[: change["cell"]], change["value"], *cells[change["cell"] + 1 :])
            records.append(CommitRecord(ts, ts - 1, {7: [cell_key(change["cell"])]}, call.path))
            outcomes.append(Outcome(call.id, b"null", ts=ts))
        if records:
            self.history.append((ts, cells))
        outcomes = [Outcome(o.call, o.value, ts=o.ts or ts) for o in outcomes]
        self.batches.append((Batch(ts, prev, records), outcomes))

    def run(self, at: int) -> None:
        batch, calls, min_ts = self.asked.pop(at)
        ts = self.history[-1][0]
        assert ts >= min_ts, "a reader was asked for a state that is not there"
        self.runs += len(calls)
        self.ran.append((batch, ts, calls, [self.outcome(call, ts) for call in calls]))

    def outcome(self, call: Call, ts: int) -> Outcome:
        cell = int(call.path)
        looked = self.cells(ts)[0] == 1 and cell % 2 == 1
        value = self.answer(cell, call.identity, ts)
        keys = sorted({cell_key(cell), cell_key(0)})
        reads: dict[int, list[tuple[bytes, bytes | None]]] = {7: [(key, key + b"\0") for key in keys]}
        return Outcome(call.id, value, ts=ts, digest=value, reads=reads, identity_read=looked)

    def cells(self, ts: int) -> tuple[int, ...]:
        return next(cells for end, cells in reversed(self.history) if end <= ts)

    def answer(self, cell: int, identity: bytes | None, ts: int) -> bytes:
        cells = self.cells(ts)
        looked = cells[0] == 1 and cell % 2 == 1
        return json.dumps([cells[cell], identity.decode() if looked and identity else "-"]).encode()


class Browser:
    """A client that believes what it is told and checks it against history."""

    def __init__(self, number: int, application: Application, pool: PretendPool) -> None:
        self.pool = pool
        self.clear = True
        self.closed: tuple[int, str] | None = None
        self.version = {"querySet": 0, "identity": 0, "ts": "AAAAAAAAAAA="}
        self.results: dict[int, Any] = {}
        self.queries: dict[int, int] = {}  # query id → cell, as of the newest set sent
        self.sets: dict[int, dict[int, int]] = {0: {}}  # by query set version
        self.identities: dict[int, bytes | None] = {0: None}  # by identity version
        self.said_set = 0
        self.said_identity = 0
        self.requests = 0
        self.answered: dict[int, int] = {}  # request → ts, until a transition reaches it
        self.unsettled: set[int] = set()
        self.transitions = 0
        self.worker = SyncWorker(self, application, ClientInfo(), Heartbeat(15))
        self.say({"type": "Connect", "sessionId": SESSION % number, "connectionCount": 0, "lastCloseReason": None})

    def say(self, message: dict[str, Any]) -> None:
        self.worker.receive(json.dumps(message))

    on_clear = blocked_since = None

    # what SyncWorker asks of a socket
    def abort(self) -> None:
        raise AssertionError("cut")

    def close(self, code: int, reason: str) -> None:
        self.closed = (code, reason)

    def send_frame(self, frame: bytes) -> None:
        assert self.clear, "a frame was written to a client that does not keep up"
        message = json.loads(frame[{126: 4, 127: 10}.get(frame[1], 2) :])
        match message["type"]:
            case "MutationResponse":
                self.on_mutation_response(message)
            case "Transition":
                self.on_transition(message)
            case other:
                raise AssertionError(f"{other}: {message}")

    def on_mutation_response(self, message: dict[str, Any]) -> None:
        ts = decode_ts(message["ts"])
        self.answered[message["requestId"]] = ts

    def on_transition(self, message: dict[str, Any]) -> None:
        self.transitions += 1
        assert message["startVersion"] == self.version, "transitions do not chain"
        end = message["endVersion"]
        ts = decode_ts(end["ts"])
        assert ts >= decode_ts(self.version["ts"]), "time went back"
        assert ts in (0, *(end for end, _ in self.pool.history)), "a timestamp inside a batch (engine A8)"
        assert ts >= max(self.answered.values(), default=0), "a transition older than a response before it (engine D3)"
        for item in message["modifications"]:
            if item["type"] == "QueryRemoved":
                self.results.pop(item["queryId"], None)
                continue
            if end["identity"] == self.version["identity"] and item["queryId"] in self.results:
                assert item["value"] != self.results[item["queryId"]], "an unchanged result was sent"
            self.results[item["queryId"]] = item["value"]
        moved = any(end[part] != self.version[part] for part in ("querySet", "identity"))
        assert message["modifications"] or moved or self.answered, "a transition for nothing"
        self.version = end
        self.answered.clear()
        self.unsettled.clear()
        identity = self.identities[end["identity"]]
        expected = {
            number: json.loads(self.pool.answer(cell, identity, ts))
            for number, cell in self.sets[end["querySet"]].items()
        }
        assert self.results == expected, f"the client does not hold the state at {ts}"

    def watch(self, number: int, cell: int) -> None:
        if number in self.queries:
            del self.queries[number]
            item = {"type": "Remove", "queryId": number}
        else:
            self.queries[number] = cell
            item = {"type": "Add", "queryId": number, "udfPath": str(cell), "args": [{}]}
        base, self.said_set = self.said_set, self.said_set + 1
        self.sets[self.said_set] = dict(self.queries)
        self.say({"type": "ModifyQuerySet", "baseVersion": base, "newVersion": base + 1, "modifications": [item]})

    def become(self, user: str | None, key: str) -> None:
        base, self.said_identity = self.said_identity, self.said_identity + 1
        message: dict[str, Any] = {"type": "Authenticate", "baseVersion": base, "tokenType": "None"}
        self.identities[self.said_identity] = None
        if user is not None:
            message |= {"tokenType": "Admin", "value": key, "impersonating": {"issuer": "i", "subject": user}}
            shown = {"issuer": "i", "subject": user, "tokenIdentifier": f"i|{user}"}
            text = json.dumps(["actingAs", shown], separators=(",", ":"), sort_keys=True)
            self.identities[self.said_identity] = text.encode()
        self.say(message)

    def mutate(self, cell: int | None, value: int) -> None:
        number, self.requests = self.requests, self.requests + 1
        self.unsettled.add(number)
        args = [{"cell": cell, "value": value}]
        self.say({"type": "Mutation", "requestId": number, "udfPath": "set", "args": args})


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
