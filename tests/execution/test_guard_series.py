"""Timers that serve several calls: each call has its whole time, none has more, and nothing is left set behind them."""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reactor.errors import FunctionTimeout
from reactor.execution.guard import Guard
from reactor.limits import DEFAULT_LIMITS
from tests.execution.pools import LIMITS, Pool, running_pool, value_of

SHORT = replace(DEFAULT_LIMITS, function_cpu=0.2, function_cpu_grace=30.0)

BUSY = """
    import resource
    from reactor import QueryCtx, query

    def used():
        return resource.getrusage(resource.RUSAGE_SELF).ru_utime

    @query
    def busy(ctx: QueryCtx, seconds: float, nonce: int) -> int:
        end = used() + seconds
        while used() < end:
            sum(range(10_000))
        return nonce
"""


def write_busy(pool: Pool) -> None:
    pool.write("functions/busy.py", BUSY)


def installed() -> Guard:
    guard = Guard(SHORT, hard=True)
    guard.install()
    return guard


def timers() -> list[float]:
    return [signal.getitimer(timer)[0] for timer in (signal.ITIMER_VIRTUAL, signal.ITIMER_PROF)]


def loop() -> None:
    while True:
        pass


def test_fresh_timers_serve_the_next_call_and_the_end_clears_them() -> None:
    guard = installed()
    with guard.series():
        guard.start()
        guard.stop()
        assert all(timers())
        guard.start()
        guard.stop()
        assert all(timers())
    assert timers() == [0.0, 0.0]
    guard.start()
    guard.stop()
    assert timers() == [0.0, 0.0]


def test_a_call_that_took_long_leaves_no_timer_set() -> None:
    guard = installed()
    with guard.series():
        guard.start()
        time.sleep(0.03)
        guard.stop()
        assert timers() == [0.0, 0.0]  # what the engine does now, however long, is not struck


def test_old_timers_are_set_anew_for_the_next_call() -> None:
    guard = installed()
    with guard.series():
        guard.start()
        guard.stop()
        end = time.process_time() + 0.1
        while time.process_time() < end:
            pass
        guard.start()
        assert timers()[0] > 0.19
        guard.stop()


def test_a_call_that_began_after_its_timer_is_given_the_difference_once() -> None:
    guard = installed()
    with guard.series():
        guard.start()
        guard.stop()
        time.sleep(0.01)
        guard.start()
        guard.strike()  # the timer goes off: the call has not had its time
        assert not guard.expired
        assert 0.0 < timers()[0] <= 0.03
        with pytest.raises(FunctionTimeout, match=r"maximum duration: 0.2s"):
            loop()
        guard.stop()
        guard.start()
        assert not guard.expired
        guard.stop()


def test_another_guard_in_between_does_not_leave_a_call_without_timers() -> None:
    guard, other = installed(), installed()
    with guard.series():
        guard.start()
        guard.stop()
        other.start()
        other.stop()
        guard.start()
        assert all(timers())
        guard.stop()


def test_a_series_in_another_thread_touches_no_timer() -> None:
    guard = Guard(SHORT, hard=True)
    seen: list[list[float]] = []

    def use() -> None:
        guard.install()
        with guard.series():
            guard.start()
            seen.append(timers())
            guard.stop()

    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    assert seen == [[0.0, 0.0]]


async def test_a_loop_in_the_middle_of_a_batch_ends_at_its_limit_and_who_follows_has_the_whole_of_its_own(
    tmp_path: Path,
) -> None:
    limits = replace(LIMITS, function_cpu=0.2, function_cpu_grace=0.1, query_wall=20.0, reader_batch_time=20.0)
    asked: list[tuple[str, dict[str, Any]]] = [
        *[("notes:one", {})] * 19,
        ("bad:as_query", {"how": "loop"}),
        ("busy:busy", {"seconds": 0.13, "nonce": 1}),
        *[("notes:one", {})] * 5,
        ("busy:busy", {"seconds": 0.13, "nonce": 2}),
        ("bad:as_query", {"how": "swallow"}),
    ]
    async with running_pool(tmp_path, limits, prepare=write_busy) as pool:
        outcomes = await asyncio.gather(*pool.ask_together(*asked))
        assert [value_of(outcome) for outcome in outcomes if outcome.failure is None] == [
            *[1] * 19,
            1,
            *[1] * 5,
            2,
        ]
        looped, swallowed = outcomes[19], outcomes[-1]
        assert looped.failure is not None
        assert looped.failure.text.startswith("Function execution timed out (maximum duration: 0.2s)")
        assert 0.18 < looped.cpu < 0.35
        assert swallowed.failure is not None  # killed by the kernel, and nobody else is blamed
        assert swallowed.failure.code == "FunctionTimeout"
