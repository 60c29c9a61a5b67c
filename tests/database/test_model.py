"""Random calls against a dict: reads in every order and range, nested savepoints, batches kept and abandoned."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from reactor.database.batch import Batch
from reactor.database.database import Database
from reactor.database.transaction import Transaction
from reactor.footprint.commit import Commit
from reactor.footprint.read_set import ReadSet
from reactor.values.order import UNDEFINED, Undefined, order_key
from reactor.values.value import Value

from .conftest import StillClock
from .stories import MESSAGES, declare

scores: st.SearchStrategy[Value | Undefined] = st.sampled_from(
    [UNDEFINED, None, -1.5, 0, 1, 2, True, "", "a", "a\0", "b", b"x", [], [1]]
)
channels = st.sampled_from(["a", "b", "a\0"])
bounds = st.none() | st.tuples(scores, st.booleans())
Model = dict[str, dict[str, Any]]


def document(channel: str, score: Value | Undefined) -> dict[str, Value]:
    return {"channel": channel} if isinstance(score, Undefined) else {"channel": channel, "score": score}


def score_key(fields: dict[str, Any]) -> bytes:
    return order_key(fields.get("score", UNDEFINED))


def fits(fields: dict[str, Any], lower: Any, upper: Any) -> bool:
    key = score_key(fields)
    if lower is not None and (key < order_key(lower[0]) or (key == order_key(lower[0]) and not lower[1])):
        return False
    return not (upper is not None and (key > order_key(upper[0]) or (key == order_key(upper[0]) and not upper[1])))


class CallsAgainstADict(RuleBasedStateMachine):
    """`_states` mirrors the savepoints: the last one is what the innermost open call must see."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = TemporaryDirectory()
        path = Path(self._folder.name) / "data.sqlite"
        self.db = Database.open_writer(path, clock=StillClock(), boot="boot")
        self.reader = Database.open_reader(path)
        declare(self.db, MESSAGES)
        self.batch: Batch | None = None
        self.calls: list[Transaction] = []
        self.committed: Model = {}
        self._states: list[Model] = []
        self._watched: list[tuple[Any, ReadSet, list[str]]] = []  # a query, what it read, what it found

    @initialize()
    def begin(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self.batch = self.db.begin()
        self._states = [dict(self.committed)]

    @property
    def model(self) -> Model:
        return self._states[-1]

    def one_of(self, number: int) -> str | None:
        ids = sorted(self.model)
        return ids[number % len(ids)] if ids else None

    # ── calls ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    @precondition(lambda self: len(self.calls) < 3)
    @rule()
    def open_call(self) -> None:
        assert self.batch is not None
        self.calls.append(self.calls[-1].begin_nested() if self.calls else self.batch.transaction("test"))
        self._states.append(dict(self.model))

    @precondition(lambda self: self.calls)
    @rule()
    def release_call(self) -> None:
        self.calls.pop().release()
        state = self._states.pop()
        self._states[-1] = state

    @precondition(lambda self: self.calls)
    @rule()
    def roll_back_call(self) -> None:
        self.calls.pop().rollback()
        self._states.pop()

    @precondition(lambda self: self.calls)
    @rule(channel=channels, score=scores)
    def insert(self, channel: str, score: Value | Undefined) -> None:
        fields = document(channel, score)
        self.model[self.calls[-1].insert("messages", fields).id] = fields

    @precondition(lambda self: self.calls)
    @rule(number=st.integers(0, 50), channel=channels, score=scores)
    def replace(self, number: int, channel: str, score: Value | Undefined) -> None:
        chosen = self.one_of(number)
        if chosen is not None:
            self.calls[-1].replace(chosen, document(channel, score))
            self.model[chosen] = document(channel, score)

    @precondition(lambda self: self.calls)
    @rule(number=st.integers(0, 50))
    def delete(self, number: int) -> None:
        chosen = self.one_of(number)
        if chosen is not None:
            self.calls[-1].delete(chosen)
            del self.model[chosen]

    # ── reads ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    def expected(self, model: Model, channel: str | None, lower: Any, upper: Any, descending: bool) -> list[str]:
        found = [
            (b"" if channel is not None else score_key(fields), chosen)
            for chosen, fields in model.items()
            if (channel is None or fields["channel"] == channel) and fits(fields, lower, upper)
        ]
        return [chosen for _, chosen in sorted(found, reverse=descending)]

    @precondition(lambda self: self.calls)
    @rule(lower=bounds, upper=bounds, descending=st.booleans(), limit=st.none() | st.integers(0, 4))
    def scan_scores(self, lower: Any, upper: Any, descending: bool, limit: int | None) -> None:
        found = self.calls[-1].scan("messages", "by_score", (), lower, upper, descending=descending, limit=limit)
        expected = self.expected(self.model, None, lower, upper, descending)
        assert [message.id for message in found] == expected[:limit]

    @precondition(lambda self: self.calls)
    @rule(channel=channels, descending=st.booleans())
    def scan_channel(self, channel: str, descending: bool) -> None:
        found = self.calls[-1].scan("messages", "by_channel", (channel,), descending=descending)
        assert [message.id for message in found] == self.expected(self.model, channel, None, None, descending)

    @precondition(lambda self: self.calls)
    @rule(number=st.integers(0, 50))
    def get(self, number: int) -> None:
        chosen = self.one_of(number)
        if chosen is not None:
            stored = self.calls[-1].get(chosen)
            assert stored is not None
            assert stored.fields() == self.model[chosen]

    # ── batches, and what readers are told ────────────────────────────────────────────────────────────────────────────

    @precondition(lambda self: not self.calls)
    @rule()
    def commit(self) -> None:
        assert self.batch is not None
        before = self.db.head.ts
        done = self.batch.commit()
        changed = self.committed != self.model
        self.committed = self._states.pop()
        assert (done.ts > before) == bool(done.commits)
        assert bool(done.commits) or not changed
        self._check_watchers(done.commits)
        self._begin()

    @precondition(lambda self: not self.calls)
    @rule()
    def abandon(self) -> None:
        assert self.batch is not None
        self.batch.abandon()
        self._begin()

    @rule(channel=st.none() | channels, lower=bounds, descending=st.booleans(), limit=st.none() | st.integers(1, 3))
    def watch(self, channel: str | None, lower: Any, descending: bool, limit: int | None) -> None:
        """A query in a snapshot, remembered with its ReadSet."""
        if channel is not None:
            lower = None
        query = (channel, lower, descending, limit)
        with self.reader.snapshot() as snapshot:
            found = self._run(snapshot, query)
        assert found == self.expected(self.committed, channel, lower, None, descending)[:limit]
        self._watched.append((query, snapshot.reads.build(), found))

    def _run(self, reading: Any, query: Any) -> list[str]:
        channel, lower, descending, limit = query
        if channel is not None:
            scan = reading.scan("messages", "by_channel", (channel,), descending=descending, limit=limit)
        else:
            scan = reading.scan("messages", "by_score", (), lower, descending=descending, limit=limit)
        return [message.id for message in scan]

    def _check_watchers(self, commits: list[Commit]) -> None:
        """Nothing is missed: a query no commit met finds what it found before."""
        still: list[tuple[Any, ReadSet, list[str]]] = []
        for query, reads, found in self._watched:
            if not any(reads.meets(commit.keys) for commit in commits):
                channel, lower, descending, limit = query
                assert self.expected(self.committed, channel, lower, None, descending)[:limit] == found
                still.append((query, reads, found))
        self._watched = still

    @invariant()
    def readers_see_what_is_committed(self) -> None:
        with self.reader.snapshot() as snapshot:
            found = {message.id: message.fields() for message in snapshot.scan("messages")}
        assert found == self.committed

    def teardown(self) -> None:
        self.reader.close()
        self.db.close()
        self._folder.cleanup()


CallsAgainstADict.TestCase.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestCallsAgainstADict = CallsAgainstADict.TestCase
