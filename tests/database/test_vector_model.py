"""Random calls against a slow search: savepoints, batches kept and abandoned, readers that remember and ones that cannot."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from reactor.database.batch import Batch
from reactor.database.database import Database
from reactor.database.structure import IndexShape, TableStructure
from reactor.database.transaction import Transaction
from reactor.database.vector_search import VectorSearch
from reactor.footprint.fact import filter_value
from reactor.footprint.read_set import ReadSet
from reactor.limits import DEFAULT_LIMITS
from reactor.storage.storage import VectorHit
from reactor.values.value import Value

from .conftest import StillClock
from .stories import declare
from .vectors import assert_nearest, assert_vector_indexes_are_whole, passing

SEARCHED = TableStructure(
    "images", searched={"by_vector": IndexShape(("vector",), "vector", ("owner", "kind"), dimensions=3)}
)
numbers = st.sampled_from([-1.0, 0.0, 1.0, 2, 1e-300, 1e300])
found_vectors = st.lists(numbers, min_size=3, max_size=3)
hostile = st.sampled_from([None, "x", [], [1.0], [1.0, 2.0, 3.0, 4.0], [1.0, float("nan"), 0.0], [float("inf")] * 3])
owners = st.sampled_from(["ann", "bob", "o" * 100])
kinds = st.sampled_from([None, 1, 1.0, True, "1"])
Model = dict[str, dict[str, Any]]
Query = tuple[list[float], str | None, tuple[str, ...], int]
queries = st.tuples(
    found_vectors, st.none() | owners, st.lists(owners, max_size=2, unique=True).map(tuple), st.integers(1, 4)
)


def search_of(query: Query) -> VectorSearch:
    """Documents of one owner, or of these kinds: `owner=…`, and then `or_` another owner each."""
    vector, owner, others, count = query
    either = [] if owner is None else [{"owner": (filter_value(owner),)}]
    either += [{"owner": (filter_value(each),), "kind": (filter_value(1), filter_value("1"))} for each in others]
    return VectorSearch("images", "by_vector", tuple(map(float, vector)), tuple(either), count)


def candidates(model: Model, query: Query) -> dict[str, list[float]]:
    _, owner, others, _ = query
    if owner is None and not others:
        return passing(model)
    found: dict[str, list[float]] = {} if owner is None else passing(model, owner=[owner])
    for each in others:
        found |= {
            id: vector
            for id, vector in passing(model, owner=[each]).items()
            if model[id].get("kind") in (1, "1") and model[id].get("kind") is not True
        }
    return found


class SearchesAgainstASlowOne(RuleBasedStateMachine):
    """`_states` mirrors the savepoints: the last one is what the innermost open call must see."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = TemporaryDirectory()
        self.path = Path(self._folder.name) / "data.sqlite"
        self.db = Database.open_writer(self.path, clock=StillClock(), boot="boot")
        self.readers = [
            Database.open_reader(self.path),
            Database.open_reader(self.path, limits=replace(DEFAULT_LIMITS, vector_memory=0)),
        ]
        declare(self.db, SEARCHED)
        self.calls: list[Transaction] = []
        self.committed: Model = {}
        self._states: list[Model] = []
        self._watched: list[tuple[Query, ReadSet, list[VectorHit]]] = []

    @initialize()
    def begin(self) -> None:
        self.batch: Batch = self.db.begin()
        self._states = [dict(self.committed)]

    @property
    def model(self) -> Model:
        return self._states[-1]

    @precondition(lambda self: len(self.calls) < 3)
    @rule()
    def open_call(self) -> None:
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
    @rule(vector=found_vectors | hostile, owner=owners, kind=kinds)
    def insert(self, vector: Any, owner: str, kind: Value) -> None:
        fields = {"vector": vector, "owner": owner, "kind": kind}
        self.model[self.calls[-1].insert("images", fields).id] = fields

    @precondition(lambda self: self.calls and self.model)
    @rule(number=st.integers(0, 50), vector=found_vectors | hostile, owner=owners)
    def replace(self, number: int, vector: Any, owner: str) -> None:
        chosen = sorted(self.model)[number % len(self.model)]
        fields = {"vector": vector, "owner": owner}
        self.calls[-1].replace(chosen, fields)
        self.model[chosen] = fields

    @precondition(lambda self: self.calls and self.model)
    @rule(number=st.integers(0, 50))
    def delete(self, number: int) -> None:
        chosen = sorted(self.model)[number % len(self.model)]
        self.calls[-1].delete(chosen)
        del self.model[chosen]

    @precondition(lambda self: self.calls)
    @rule(query=queries)
    def search(self, query: Query) -> None:
        hits = self.calls[-1].nearest(search_of(query))
        assert_nearest(hits, query[0], candidates(self.model, query), query[3])

    @rule(query=queries)
    def watch(self, query: Query) -> None:
        """Both readers find what is committed, the one that keeps nothing in memory too; remembered with its ReadSet."""
        answers = []
        for reader in self.readers:
            with reader.snapshot() as snapshot:
                answers.append(snapshot.nearest(search_of(query)))
                reads = snapshot.reads.build()
        assert answers[0] == answers[1]
        assert_nearest(answers[0], query[0], candidates(self.committed, query), query[3])
        self._watched.append((query, ReadSet.from_wire(reads.to_wire()), answers[0]))

    @precondition(lambda self: not self.calls)
    @rule()
    def commit(self) -> None:
        commits = self.batch.commit().commits
        self.committed = self._states.pop()
        still = []
        with self.readers[0].snapshot() as snapshot:
            for query, reads, hits in self._watched:
                if not any(reads.meets(commit.keys) for commit in commits):
                    assert snapshot.nearest(search_of(query)) == hits, "nothing is missed"
                    still.append((query, reads, hits))
        self._watched = still
        self.begin()

    @precondition(lambda self: not self.calls)
    @rule()
    def abandon(self) -> None:
        self.batch.abandon()
        self.begin()

    def teardown(self) -> None:
        for call in reversed(self.calls):
            call.rollback()
        self.batch.abandon()
        assert assert_vector_indexes_are_whole(self.path) == 1
        for each in (self.db, *self.readers):
            each.close()
        self._folder.cleanup()


TestSearchesAgainstASlowOne = SearchesAgainstASlowOne.TestCase
TestSearchesAgainstASlowOne.settings = settings(
    max_examples=40, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
