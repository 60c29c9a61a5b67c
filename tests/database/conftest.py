"""A database in a folder of its own, and a clock that stands still until told otherwise."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from reactor.clock import Clock
from reactor.database.database import Database
from reactor.limits import DEFAULT_LIMITS, Limits

START = 1_700_000_000_000_000_000
Open = Callable[..., Database]


class StillClock:
    """Time as a plain number."""

    def __init__(self, now: int = START) -> None:
        self.now = now

    def now_ns(self) -> int:
        return self.now

    def monotonic(self) -> float:
        return self.now / 1e9


@pytest.fixture
def clock() -> StillClock:
    return StillClock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data.sqlite"


@pytest.fixture
def opened(path: Path, clock: StillClock) -> Iterator[Open]:
    """Opens writers (and readers, with `reader=True`) of the same file and closes them in the end."""
    databases = []

    def open_database(*, boot: str = "boot", limits: Limits = DEFAULT_LIMITS, reader: bool = False) -> Database:
        with_clock: Clock = clock
        database = (
            Database.open_reader(path, limits=limits)
            if reader
            else Database.open_writer(path, clock=with_clock, boot=boot, limits=limits)
        )
        databases.append(database)
        return database

    yield open_database
    for database in databases:
        database.close()


@pytest.fixture
def db(opened: Open) -> Database:
    return opened()
