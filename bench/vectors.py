"""How long it takes to insert vectors and to find the nearest: `.venv/bin/python bench/vectors.py [DIMENSIONS [COUNT]]`.

A database of its own in a temporary folder: no server, no clients. Processor time is told beside the time on the wall, so
that a busy machine shows.
"""

from __future__ import annotations

import itertools
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as runners have it (execution/vector_library.py)

import numpy as np

from reactor.clock import SystemClock
from reactor.database.database import Database
from reactor.database.structure import IndexShape, TableStructure
from reactor.database.vector_search import VectorSearch
from reactor.footprint.fact import filter_value
from reactor.values.value import Value

BATCH = 500
OWNERS = 100


def measured(what: str, work: Callable[[], object], times: int = 1) -> None:
    walls, cpus = [], []
    for _ in range(times):
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    middle = times // 2
    print(f"  {what}: {sorted(walls)[middle] * 1000:.2f} ms ({sorted(cpus)[middle] * 1000:.2f} ms of processor time)")


def bench(folder: Path, dimensions: int, count: int) -> None:
    print(f"{count} vectors of {dimensions} numbers")
    chance = np.random.default_rng(1)
    indexed = TableStructure(
        "images", searched={"by_vector": IndexShape(("vector",), "vector", ("owner",), dimensions)}
    )
    path = folder / f"{dimensions}-{count}.sqlite"
    writer = Database.open_writer(path, clock=SystemClock(), boot="bench")
    batch = writer.begin()
    batch.apply_schema([indexed, TableStructure("plain")])
    batch.commit()

    def documents(number: int) -> list[dict[str, Value]]:
        rows = chance.standard_normal((number, dimensions), dtype=np.float32).astype(np.float64).tolist()
        return [{"vector": row, "owner": f"user{chance.integers(OWNERS)}"} for row in rows]

    def insert(table: str, rows: list[dict[str, Value]]) -> None:
        batch = writer.begin()
        for row in rows:
            transaction = batch.transaction("insert")
            transaction.insert(table, row)
            transaction.release()
        batch.commit()

    rows = documents(BATCH)
    for table, what in (("plain", "without an index"), ("images", "with one")):
        measured(f"insert {BATCH} documents {what}", lambda table=table: insert(table, rows))  # type: ignore[misc]
    left = count - BATCH
    while left > 0:
        insert("images", documents(min(left, BATCH)))
        left -= BATCH
    writer.checkpoint()
    reader = Database.open_reader(path)
    vectors = itertools.cycle([tuple(row) for row in chance.standard_normal((16, dimensions)).tolist()])

    def search(owner: str | None = None, wanted: int = 10) -> None:
        vector = next(vectors)
        either = () if owner is None else ({"owner": (filter_value(owner),)},)
        with reader.snapshot() as snapshot:
            found = snapshot.nearest(VectorSearch("images", "by_vector", vector, either, wanted))
        assert found

    measured("the first search of a process", search)
    measured("the nearest 10", search, 15)
    measured("the nearest 256", lambda: search(wanted=256), 15)
    measured(f"the nearest 10 of one of {OWNERS} owners", lambda: search("user7"), 15)

    def after_a_write() -> None:
        insert("images", documents(1))
        search()

    measured("insert one, commit, the nearest 10", after_a_write, 15)
    reader.close()
    writer.close()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        sizes = [int(each) for each in sys.argv[1:]]
        for dimensions in sizes[:1] or (384, 1536):
            for count in sizes[1:] or (1_000, 10_000, 100_000):
                bench(Path(name), dimensions, count)
