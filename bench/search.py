"""What text search costs: inserts with and without an index, searches among many: `python bench/search.py [documents]`."""

from __future__ import annotations

import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import accumulate
from pathlib import Path
from string import ascii_lowercase

from reactor.clock import SystemClock
from reactor.database.database import Database
from reactor.database.structure import IndexShape, TableStructure
from reactor.values.value import Value

ORDERED = {"by_user": ("userId", "createdAt")}
SEARCH = {"search_prompt": IndexShape(("prompt",), "search", ("userId", "isPublic"))}
USERS = 1000
LONG, SHORT = 2000, 400  # characters

_chance = random.Random(1)
_words = ["".join(_chance.choices(ascii_lowercase, k=_chance.randint(3, 9))) for _ in range(20_000)]
_weights = list(accumulate(1 / (rank + 1) for rank in range(len(_words))))  # as words of a language are spread
FREQUENT, USUAL, RARE = _words[0], _words[200], _words[15_000]


def prompt(size: int) -> str:
    """A text of about so many characters."""
    return " ".join(_chance.choices(_words, cum_weights=_weights, k=size // 6))[:size]


def opened(folder: str, name: str, searched: dict[str, IndexShape]) -> Database:
    """A new database with one table."""
    db = Database.open_writer(Path(folder) / name, clock=SystemClock(), boot="bench")
    batch = db.begin()
    batch.apply_schema([TableStructure("images", ORDERED, searched=searched)])
    batch.commit()
    return db


def insert(db: Database, count: int, size: int) -> float:
    """So many documents, fifty in a batch; processor seconds for one."""
    texts = [prompt(size) for _ in range(500)]
    began = time.process_time()
    for first in range(0, count, 50):
        batch = db.begin()
        for number in range(first, first + 50):
            fields: dict[str, Value] = {
                "userId": f"user{number % USERS:024}",
                "isPublic": number % 2 == 0,
                "prompt": texts[number % 500],
                "createdAt": number,
            }
            transaction = batch.transaction("insert")
            transaction.insert("images", fields)
            transaction.release()
        batch.commit()
        if first % 5000 == 0:
            db.checkpoint()
    return (time.process_time() - began) / count


def median(work: Callable[[], object], times: int = 9) -> float:
    """Seconds of processor time the work takes."""
    taken = []
    for _ in range(times):
        began = time.process_time()
        work()
        taken.append(time.process_time() - began)
    return statistics.median(taken)


def search(db: Database, text: str, filters: dict[str, Value]) -> int:
    """The best twenty."""
    with db.snapshot() as snapshot:
        return len(snapshot.search("images", "search_prompt", text, filters, limit=20).collect())


def main(count: int) -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as folder:
        for name, searched in (("without", {}), ("with", SEARCH)):
            db = opened(folder, name, searched)
            print(f"insert of {LONG} characters {name} a search index: {insert(db, 2000, LONG) * 1e6:.0f} µs")
            db.close()
        db = opened(folder, "many", SEARCH)
        print(f"insert of {SHORT} characters, {count} times: {insert(db, count, SHORT) * 1e6:.0f} µs")
        mine: dict[str, Value] = {"userId": f"user{7:024}"}
        public: dict[str, Value] = {"isPublic": True}
        for what, filters in (("all", {}), ("one owner's", mine), ("the public half", public)):
            for text in (
                f"{FREQUENT} ",
                f"{FREQUENT} {USUAL} {RARE}",
                f"{RARE} ",
                FREQUENT[:1],
                FREQUENT[:2],
                FREQUENT[:3],
                " ".join(_words[:16]),
            ):
                found = search(db, text, filters)
                seconds = median(lambda text=text, filters=filters: search(db, text, filters))  # type: ignore[misc]
                print(f"{what:16} {text[:34]!r:38} {found:3} found  {seconds * 1e3:7.2f} ms")
        batch = db.begin()
        transaction = batch.transaction("both")

        def both() -> None:
            transaction.insert("images", {"userId": "me", "prompt": prompt(LONG)})
            transaction.search("images", "search_prompt", FREQUENT, {"userId": "me"}, limit=20).collect()

        print(f"insert and search in one mutation: {median(both) * 1e3:.2f} ms")
        batch.abandon()
        db.close()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
