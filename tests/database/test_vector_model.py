"""Random calls against a slow search: savepoints, batches kept and abandoned, readers that remember and ones that cannot."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reactor.database.batch import Batch
from reactor.database.structure import IndexShape, TableStructure
from reactor.database.transaction import Transaction
from reactor.database.vector_search import VectorSearch
from reactor.footprint.fact import filter_value
from reactor.footprint.read_set import ReadSet
from reactor.limits import DEFAULT_LIMITS
from reactor.storage.storage import VectorHit

from .conftest import Open
from .stories import declare
from .vectors import assert_nearest, assert_vector_indexes_are_whole, passing

SEARCHED = TableStructure(
    "images", searched={"by_vector": IndexShape(("vector",), "vector", ("owner", "kind"), dimensions=3)}
)
NUMBERS = (-1.0, 0.0, 1.0, 2)
EXTREME = ([1e-300, 1e300, 0.0], [1e-320, 0.0, 0.0], [-1e300, 1e300, 1e300])
HOSTILE = (None, "x", [], [1.0], [1.0] * 4, [1.0, float("nan"), 0.0], [float("inf")] * 3, [True] * 3, ["1", "2", "3"])
OWNERS = ("ann", "bob", "o" * 100)
KINDS = (None, 1, 1.0, True, "1")
STEPS = 500
Model = dict[str, dict[str, Any]]
Query = tuple[list[float], str | None, tuple[str, ...], int]


def search_of(query: Query) -> VectorSearch:
    """Everything of one owner, and what others have of two kinds."""
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
        theirs = passing(model, owner=[each])
        found |= {name: vector for name, vector in theirs.items() if str(model[name].get("kind")) in ("1", "1.0")}
    return found


class Story:
    """`states` mirrors the savepoints: the last one is what the innermost open call must see."""

    def __init__(self, opened: Open, seed: int) -> None:
        self.chance = random.Random(seed)
        self.db = opened()
        self.readers = [opened(reader=True), opened(reader=True, limits=replace(DEFAULT_LIMITS, vector_memory=0))]
        declare(self.db, SEARCHED)
        self.batch: Batch = self.db.begin()
        self.calls: list[Transaction] = []
        self.committed: Model = {}
        self.states: list[Model] = [{}]
        self.watched: list[tuple[Query, ReadSet, list[VectorHit]]] = []
        self.spared = 0  # watched queries that a commit did not meet

    @property
    def model(self) -> Model:
        return self.states[-1]

    def step(self) -> None:
        steps = [self.watch, self.watch, self.commit, self.abandon, *([self.open_call] if len(self.calls) < 3 else [])]
        if self.calls:
            steps += [self.insert, self.search, self.search, self.release_call, self.roll_back_call]
            steps += [self.replace, self.replace, self.delete] if self.model else []
        self.chance.choice(steps)()

    def vector(self) -> Any:
        if self.chance.random() < 0.2:
            return self.chance.choice([*EXTREME, *HOSTILE])
        return self.near()

    def near(self) -> list[float]:
        return [self.chance.choice(NUMBERS) for _ in range(3)]

    def query(self) -> Query:
        owner = self.chance.choice([None, *OWNERS])
        others = tuple(self.chance.sample(OWNERS, self.chance.choice([0, 0, 1, 2])))
        return self.near(), owner, others, self.chance.randint(1, 4)

    def open_call(self) -> None:
        self.calls.append(self.calls[-1].begin_nested() if self.calls else self.batch.transaction("test"))
        self.states.append(dict(self.model))

    def release_call(self) -> None:
        self.calls.pop().release()
        state = self.states.pop()
        self.states[-1] = state

    def roll_back_call(self) -> None:
        self.calls.pop().rollback()
        self.states.pop()

    def insert(self) -> None:
        for _ in range(self.chance.randint(1, 3)):
            fields = {"vector": self.vector(), "owner": self.chance.choice(OWNERS), "kind": self.chance.choice(KINDS)}
            self.model[self.calls[-1].insert("images", fields).id] = fields

    def replace(self) -> None:
        chosen = self.chance.choice(sorted(self.model))
        fields = {"vector": self.vector(), "owner": self.chance.choice(OWNERS)}
        self.calls[-1].replace(chosen, fields)
        self.model[chosen] = fields

    def delete(self) -> None:
        chosen = self.chance.choice(sorted(self.model))
        self.calls[-1].delete(chosen)
        del self.model[chosen]

    def search(self) -> None:
        query = self.query()
        assert_nearest(self.calls[-1].nearest(search_of(query)), query[0], candidates(self.model, query), query[3])

    def watch(self) -> None:
        """Both readers find what is committed, the one that keeps nothing in memory too; remembered with its ReadSet."""
        query = self.query()
        answers = []
        for reader in self.readers:
            with reader.snapshot() as snapshot:
                answers.append(snapshot.nearest(search_of(query)))
                reads = snapshot.reads.build()
        assert answers[0] == answers[1]
        assert_nearest(answers[0], query[0], candidates(self.committed, query), query[3])
        self.watched.append((query, ReadSet.from_wire(reads.to_wire()), answers[0]))

    def commit(self) -> None:
        while self.calls:
            self.release_call()
        commits = self.batch.commit().commits
        self.committed = self.states.pop()
        still = []
        with self.readers[0].snapshot() as snapshot:
            for query, reads, hits in self.watched:
                if not any(reads.meets(commit.keys) for commit in commits):
                    assert snapshot.nearest(search_of(query)) == hits, "a commit that changes a result meets its query"
                    still.append((query, reads, hits))
                    self.spared += bool(commits)
        self.watched = still
        self.begin()

    def abandon(self) -> None:
        for call in reversed(self.calls):
            call.rollback()
        self.calls.clear()
        self.batch.abandon()
        self.begin()

    def begin(self) -> None:
        self.batch = self.db.begin()
        self.states = [dict(self.committed)]


@pytest.mark.parametrize("seed", range(6))
def test_searches_find_what_a_slow_one_finds(opened: Open, path: Path, seed: int) -> None:
    story = Story(opened, seed)
    for _ in range(STEPS):
        story.step()
    story.commit()
    story.abandon()
    story.batch.abandon()
    assert story.spared > 0, "commits that are far away meet nobody"
    assert assert_vector_indexes_are_whole(path) == 1
