"""The timers: each test that could kill a process does so in a process of its own."""

from __future__ import annotations

import dataclasses
import signal
import subprocess
import sys
import textwrap
import threading

import pytest

from reactor.errors import FunctionTimeout
from reactor.execution.guard import Guard
from reactor.limits import DEFAULT_LIMITS

SHORT = dataclasses.replace(DEFAULT_LIMITS, function_cpu=0.05, function_cpu_grace=0.1)


def spin(guard: Guard) -> None:
    while not guard.expired:
        pass


def loop() -> None:
    while True:
        pass


def test_a_loop_ends_with_a_timeout_that_says_how_long_was_allowed() -> None:
    guard = Guard(SHORT)
    guard.install()
    guard.start()
    with pytest.raises(FunctionTimeout, match=r"Function execution timed out \(maximum duration: 0.05s\)"):
        loop()
    guard.stop()
    assert guard.expired


def test_while_the_engine_works_the_timeout_is_noted_and_raised_at_its_border() -> None:
    guard = Guard(SHORT)
    guard.install()
    guard.start()
    guard.user_code = False
    spin(guard)  # raises nothing: a document and its index row are being written
    with pytest.raises(FunctionTimeout):
        guard.resume()
    guard.stop()


def test_after_stop_nothing_strikes() -> None:
    guard = Guard(SHORT)
    guard.install()
    guard.start()
    guard.stop()
    assert signal.getitimer(signal.ITIMER_VIRTUAL) == (0.0, 0.0)
    assert not guard.expired


def test_another_thread_neither_arms_nor_installs_anything() -> None:
    before = signal.getsignal(signal.SIGVTALRM)
    guard = Guard(SHORT, hard=True)

    def use() -> None:
        guard.install()
        guard.start()
        guard.stop()

    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    assert signal.getsignal(signal.SIGVTALRM) is before
    assert signal.getitimer(signal.ITIMER_PROF) == (0.0, 0.0)


def test_code_stuck_in_c_or_in_a_catching_loop_is_killed_by_the_kernel() -> None:
    for body in (
        "sum(range(10**12))",
        "def spin():\n  while True: pass\ntry:\n  spin()\nexcept Exception:\n  spin()",
    ):
        script = textwrap.dedent("""
            import dataclasses
            from reactor.execution.guard import Guard
            from reactor.limits import DEFAULT_LIMITS
            guard = Guard(dataclasses.replace(DEFAULT_LIMITS, function_cpu=0.05, function_cpu_grace=0.1), hard=True)
            guard.install()
            guard.start()
        """)
        ended = subprocess.run([sys.executable, "-c", script + body], timeout=30, check=False)
        assert ended.returncode == -signal.SIGPROF
