"""The matrix alone: many blocks, kept or not, sparse and dense filters, ties beyond the count."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from reactor.footprint.fact import filter_value, pack_fact
from reactor.footprint.vector_predicate import Either
from reactor.storage import vector_matrix
from reactor.storage.vector_matrix import VectorMatrix, VectorRow
from reactor.values.vector import unit_vector
from tests.database.vectors import assert_nearest

DIMENSIONS = 7


@pytest.mark.parametrize("kept", [0, 3, 1000], ids="{} blocks in memory".format)
@pytest.mark.parametrize("seed", range(3))
def test_a_search_over_many_blocks_finds_what_a_slow_one_finds(
    monkeypatch: pytest.MonkeyPatch, kept: int, seed: int
) -> None:
    monkeypatch.setattr(vector_matrix, "_BLOCK_BYTES", 0)
    monkeypatch.setattr(vector_matrix, "_FEWEST_ROWS", 16)
    monkeypatch.setattr(vector_matrix, "_AT_ONCE", 3)
    monkeypatch.setattr(vector_matrix, "_FIRST_ROWS", 4)
    chance = random.Random(seed)
    room = iter([True] * kept + [False] * 1000)
    matrix = VectorMatrix(DIMENSIONS, lambda _: next(room))
    rows: dict[int, VectorRow] = {}
    vectors: dict[str, tuple[str, list[float]]] = {}

    def stored(first: int, end: int) -> Sequence[VectorRow]:
        return [row for slot, row in rows.items() if first <= slot < end]

    def put(slot: int, seq: int) -> None:
        known = chance.choice(list(vectors.values()))[1] if vectors and chance.random() < 0.3 else None
        vector = known or [chance.uniform(-1, 1) for _ in range(DIMENSIONS)]
        owner = chance.choice(["a", "a", "a", "b"] if slot % 40 else ["c"])
        rows[slot] = VectorRow(slot, seq, f"id{seq:05}", pack_fact([owner], unit_vector(vector, DIMENSIONS)))
        vectors[f"id{seq:05}"] = (owner, vector)

    for seq in range(300):
        put(seq, seq)
    matrix.put(list(rows.values()))
    for seq in range(300, 400):
        slot = chance.randrange(320)
        if slot in rows and rows[slot].id is not None:
            del vectors[rows[slot].id or ""]
        if chance.random() < 0.3:
            rows[slot] = VectorRow(slot, seq, None, None)
        else:
            put(slot, seq)
        matrix.put([rows[slot]])
    for owner in (None, "a", "b", "c", "nobody"):
        for count in (1, 5, 256):
            wanted = chance.choice(list(vectors.values()))[1]
            either: Either = () if owner is None else (((0, (filter_value(owner),)),),)
            hits = matrix.nearest(unit_vector(wanted, DIMENSIONS), either, count, stored)
            theirs = {name: vector for name, (whose, vector) in vectors.items() if owner in (None, whose)}
            assert_nearest(hits, wanted, theirs, count)
