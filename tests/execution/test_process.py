import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from reactor.execution.process import (
    ProcessHandle,
    close_descriptors_except,
    describe_status,
    limit_memory,
    open_descriptors,
    reset_signals,
)


def in_child(work: str) -> int:
    """Run a statement of this module in a fork; its exit status is the value of the statement's last `os._exit`."""
    pid = os.fork()
    if pid == 0:
        try:
            exec(work, globals())
        finally:
            os._exit(99)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_only_what_is_kept_stays_open(tmp_path: Path) -> None:
    one, other = socket.socketpair()
    with one, other, (tmp_path / "file").open("w"):
        work = f"close_descriptors_except({{{one.fileno()}}}); os._exit(open_descriptors() == {{{one.fileno()}}})"
        assert in_child(work) == 1


def test_signals_do_again_what_the_kernel_does_by_default() -> None:
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        assert in_child("reset_signals(); os.kill(os.getpid(), signal.SIGTERM)") == -signal.SIGTERM
    finally:
        signal.signal(signal.SIGTERM, before)


def test_memory_beyond_the_limit_is_an_error_and_not_the_machines_end() -> None:
    work = """
limit_memory(64 << 20)
small = bytearray(16 << 20)
try:
    bytearray(256 << 20)
except MemoryError:
    os._exit(7)
"""
    assert in_child(work) == 7


def test_a_process_is_dead_when_it_has_ended_reaped_or_not() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, start_new_session=True)
    handle = ProcessHandle(child.pid)
    assert not handle.dead()
    handle.kill_group()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # ended, and not reaped
    assert handle.dead()
    child.communicate()
    assert child.returncode == -signal.SIGKILL
    assert handle.dead()
    handle.kill_group()  # harmless: nobody is hit
    handle.close()


def test_what_a_process_started_is_killed_with_it() -> None:
    child = subprocess.Popen(["sh", "-c", "sleep 1000 & echo $!; wait"], stdout=subprocess.PIPE, start_new_session=True)
    assert child.stdout is not None
    grandchild = ProcessHandle(int(child.stdout.readline()))
    handle = ProcessHandle(child.pid)
    handle.kill_group()
    child.wait()
    child.stdout.close()
    deadline = time.monotonic() + 5
    while not grandchild.dead():
        assert time.monotonic() < deadline
    handle.close()
    grandchild.close()


@pytest.mark.parametrize(
    ("status", "words"),
    [(-11, "SIGSEGV"), (-9, "SIGKILL"), (-99, "signal 99"), (3, "it ended itself, with os._exit or the like")],
)
def test_a_status_is_told_in_words(status: int, words: str) -> None:
    assert describe_status(status) == words


__all__ = ["close_descriptors_except", "limit_memory", "open_descriptors", "reset_signals"]
