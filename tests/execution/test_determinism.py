"""The guards: what a query or mutation finds, and that everybody else finds Python as it is."""

# Naive clocks are among what is tested.
# ruff: noqa: DTZ002, DTZ003, DTZ005, DTZ006, DTZ011

from __future__ import annotations

import datetime as dt
import os
import random
import secrets
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import traceback
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from pydantic import TypeAdapter

from reactor.errors import ForbiddenHere
from reactor.execution import determinism
from reactor.execution.chance import Chance
from reactor.execution.guard import Guard
from reactor.execution.logs import LogLines
from reactor.execution.run import Run
from reactor.limits import DEFAULT_LIMITS

NOON = dt.datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=dt.UTC)
NOON_NS = int(NOON.timestamp()) * 10**9 + 123_456_789


@pytest.fixture(autouse=True, scope="module")
def _guards() -> None:
    determinism.install()


@contextmanager
def running(*, deterministic: bool = True, seed: bytes = b"seed", now_ns: int = NOON_NS) -> Iterator[Run]:
    run = Run(
        now_ns=now_ns,
        chance=Chance(lambda: seed),
        logs=LogLines(DEFAULT_LIMITS),
        guard=Guard(DEFAULT_LIMITS),
        deterministic=deterministic,
    )
    token = run.enter()
    try:
        yield run
    finally:
        run.leave(token)


def test_every_clock_stands_still_at_the_time_the_call_began() -> None:
    with running():
        assert time.time_ns() == time.monotonic_ns() == time.perf_counter_ns() == NOON_NS
        assert time.time() == pytest.approx(NOON_NS / 1e9)
        assert dt.datetime.now(dt.UTC) == NOON
        assert dt.datetime.now(ZoneInfo("Asia/Tokyo")).hour == 21
        assert dt.datetime.now() == dt.datetime.fromtimestamp(NOON.timestamp())
        assert dt.datetime.utcnow() == NOON.replace(tzinfo=None)
        assert dt.date.today() == dt.datetime.today().date() == dt.datetime.now().date()
        assert time.gmtime()[:6] == (2026, 3, 1, 12, 0, 0)
        assert time.strftime("%Y-%m-%d") == time.strftime("%Y-%m-%d", time.localtime(NOON_NS / 1e9))
        assert time.gmtime(0).tm_year == 1970


def test_outside_of_a_call_and_in_actions_the_clocks_run() -> None:
    before = time.time_ns()
    with running(deterministic=False):
        assert time.time_ns() >= before
        assert dt.datetime.now(dt.UTC).year >= 2024
        assert time.monotonic() != NOON_NS / 1e9
    assert abs(dt.datetime.now().timestamp() - time.time()) < 5


def test_datetime_stays_the_one_type_everybody_knows() -> None:
    with running():
        now = dt.datetime.now(dt.UTC)
    assert type(now) is dt.datetime
    assert TypeAdapter(dt.datetime).validate_python(now) == NOON

    class Moment(dt.datetime):
        pass

    with running():
        assert type(Moment.now()) is Moment


def test_the_same_seed_gives_the_same_chance_and_another_seed_another() -> None:
    def draw(seed: bytes) -> list[object]:
        with running(seed=seed):
            return [
                random.random(),
                random.randint(1, 10**9),
                random.sample(range(1000), 3),
                uuid.uuid4(),
                uuid.uuid1(),
                secrets.token_hex(8),
                os.urandom(700),
                random.Random().random(),
                random.SystemRandom().random(),
            ]

    first = draw(b"a")
    assert draw(b"a") == first
    assert all(mine != other for mine, other in zip(draw(b"b"), first, strict=True))
    assert uuid.UUID(str(first[3])).version == 4
    assert uuid.UUID(str(first[4])).version == 1


def test_a_call_neither_reads_nor_moves_the_chance_of_others() -> None:
    random.seed(5)
    expected = random.random()
    random.seed(5)
    with running():
        random.seed(7)
        inside = random.random()
    assert random.random() == expected
    assert inside == random.Random(7).random()
    assert uuid.uuid4() != uuid.uuid4()


def test_tokens_of_a_mutation_cannot_repeat() -> None:
    assert Chance.unpredictable().bytes(16) != Chance.unpredictable().bytes(16)


def test_a_repeatable_seed_depends_on_the_secret_and_on_where_the_parts_end() -> None:
    def drawn(secret: bytes, *parts: bytes) -> bytes:
        return Chance.repeatable(secret, *parts).bytes(16)

    assert drawn(b"s", b"ab", b"c") == drawn(b"s", b"ab", b"c")
    assert drawn(b"s", b"ab", b"c") != drawn(b"s", b"a", b"bc")
    assert drawn(b"s", b"ab", b"c") != drawn(b"t", b"ab", b"c")


def test_a_stream_gives_the_same_bytes_in_whatever_portions() -> None:
    whole = Chance(lambda: b"x")
    portions = Chance(lambda: b"x")
    assert whole.bytes(400) == portions.bytes(1) + portions.bytes(149) + portions.bytes(250)
    with pytest.raises(ValueError, match="negative"):
        whole.bytes(-1)


OUTSIDE = {
    "socket": socket.socket,
    "connection": lambda: socket.create_connection(("127.0.0.1", 1)),
    "lookup": lambda: socket.getaddrinfo("localhost", 80),
    "process": lambda: subprocess.run([sys.executable, "-c", ""], check=False),
    "shell": lambda: os.system("true"),
    "fork": os.fork,
    "thread": lambda: threading.Thread(target=print).start(),
    "pool": lambda: ThreadPoolExecutor().submit(print),
    "sleep": lambda: time.sleep(0),
    "database": lambda: sqlite3.connect(":memory:"),
    "read": lambda: Path(__file__).read_text(),
    "write": lambda: Path("/tmp/reactor-never-written").write_text(""),
    "low level write": lambda: os.open("/tmp/reactor-never-written", os.O_WRONLY | os.O_CREAT),
    "delete": lambda: Path("/tmp/reactor-never-written").unlink(),
    "folder": lambda: Path("/tmp/reactor-never-made").mkdir(),
}


@pytest.mark.parametrize("deed", OUTSIDE.values(), ids=OUTSIDE)
def test_the_outside_world_is_refused_with_what_to_do_instead(deed: object) -> None:
    with running(), pytest.raises(ForbiddenHere, match="Use an action"):
        deed()  # type: ignore[operator]
    assert not Path("/tmp/reactor-never-written").exists()


def test_actions_and_other_threads_reach_the_outside_while_a_query_runs() -> None:
    with running(deterministic=False):
        socket.socket().close()
        Path(__file__).read_text()

    read: list[str] = []
    begin = threading.Event()
    done = threading.Event()

    def elsewhere() -> None:
        begin.wait()
        read.append(Path(__file__).read_text()[:3])
        done.set()

    thread = threading.Thread(target=elsewhere)
    thread.start()
    with running():
        begin.set()
        assert done.wait(10)
    thread.join()
    assert read == ['"""']


def test_a_lazy_import_goes_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "imported_late_in_a_query.py").write_text("answer = 42")
    monkeypatch.syspath_prepend(tmp_path)
    with running():
        import imported_late_in_a_query  # type: ignore[import-not-found]  # the import is what is tested
    assert imported_late_in_a_query.answer == 42


def test_time_zones_and_tracebacks_may_read_what_they_need() -> None:
    ZoneInfo.clear_cache()
    with running():
        assert str(ZoneInfo("America/Lima")) == "America/Lima"
        try:
            raise ValueError("seen")
        except ValueError:
            assert "raise ValueError" in traceback.format_exc()


def test_installing_twice_changes_nothing() -> None:
    before = (time.time, random.random, os.urandom)
    determinism.install()
    assert (time.time, random.random, os.urandom) == before
