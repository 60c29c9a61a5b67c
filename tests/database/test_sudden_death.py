"""kill −9 of the writer at every named place: afterwards there are whole batches, and all that were answered."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from reactor.clock import SystemClock
from reactor.database.database import Database
from reactor.database.vector_search import VectorSearch

from .conftest import Open
from .doomed_writer import CALLS
from .stories import insert, read
from .texts import assert_text_indexes_are_whole
from .vectors import assert_vector_indexes_are_whole

PLACES = [
    ("SAVEPOINT call_0", False),
    ("RELEASE call_0", False),
    ("inside the text index", False),
    ("inside the vector index", False),
    ("INSERT INTO _log VALUES (?, ?, ?, ?, ?, ?)", False),
    ("before commit", False),
    ("COMMIT", False),
    ("after commit", True),
    ("after answering", True),
    ("PRAGMA wal_checkpoint(RESTART)", True),
]
DOOMED = 6


def die_at(path: Path, place: str, delay: float = 0.0) -> int:
    """Run the writer to its death; the number of the last batch it answered."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.database.doomed_writer", str(path), place, str(DOOMED), str(delay)],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    return max(map(int, done.stdout.split()), default=0)


def assert_whole_batches(db: Database, path: Path, last: int) -> None:
    """Batches 1 … last, three calls each, in documents, indexes, log, requests and outcomes alike."""
    notes = read(db, "notes")
    places = [(note.fields()["batch"], note.fields()["call"]) for note in notes]
    assert places == [(batch, call) for batch in range(1, last + 1) for call in range(CALLS)]
    assert [note.id for note in read(db, "notes", "by_batch")] == [note.id for note in notes]
    committed = [batch for batch in db.commits_after(0) if batch.commits[0].source.startswith("call")]
    assert [len(batch.commits) for batch in committed] == [CALLS] * last
    if committed:
        assert committed[-1].ts == db.head.ts
    answered = range(CALLS, (last + 1) * CALLS)
    assert list(db.recorded_calls("doomed", range(1000))) == list(answered)
    batch = db.begin()
    assert [n for n in range(100) if batch.recorded_request("session", n)] == list(answered)
    batch.abandon()
    assert assert_text_indexes_are_whole(path) == 1
    assert assert_vector_indexes_are_whole(path) == 1
    with db.snapshot() as snapshot:
        found = snapshot.nearest(VectorSearch("notes", "by_vector", (1.0, 1.0), (), 256))
    assert {hit.id for hit in found} == {note.id for note in notes}
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as tool:
        assert tool.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    tool.close()


@pytest.mark.parametrize(("place", "survives"), PLACES, ids=[place for place, _ in PLACES])
def test_after_a_death_there_are_whole_batches(opened: Open, path: Path, place: str, survives: bool) -> None:
    answered = die_at(path, place)
    db = opened(boot="doomed")
    assert_whole_batches(db, path, DOOMED if survives else DOOMED - 1)
    assert answered == (DOOMED - 1 if place == "after commit" or not survives else DOOMED)
    insert(db, "notes", {"batch": 99, "call": 0})


def test_a_death_inside_commit_leaves_all_of_the_batch_or_nothing(tmp_path: Path) -> None:
    """Which of both is not known before reading: that is why outcomes are looked up (engine A3)."""
    found: Counter[bool] = Counter()
    for attempt in range(12):
        path = tmp_path / f"{attempt}.sqlite"
        answered = die_at(path, "inside commit", delay=attempt * 0.0004)
        db = Database.open_writer(path, clock=SystemClock(), boot="doomed")
        last = max((int(str(note.fields()["batch"])) for note in read(db, "notes")), default=0)
        assert last >= answered
        assert last in (DOOMED - 1, DOOMED, DOOMED + 1)
        assert_whole_batches(db, path, last)
        found[last >= DOOMED] += 1
        db.close()
    assert found.total() == 12
