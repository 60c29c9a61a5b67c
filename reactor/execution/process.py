"""Manners of a process in reactor's family: dies with its parent, owns only its own descriptors, can be proved dead.

Used by the nursery and the runners about themselves, and by the server about them. Nothing here knows a frame.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import random
import resource
import select
import signal
import sys
import threading
import time
from collections.abc import Collection
from pathlib import Path

ENGINE_FAILED = 70  # EX_SOFTWARE: how a runner ends after an error that is not the user's
UNAVAILABLE = 75  # EX_TEMPFAIL: how a writer ends that could not write to its files
OUT_OF_MEMORY = 71  # how one ends whose user code took all it may have

_PR_SET_PDEATHSIG = 1
_PARENT_POLL = 0.5  # seconds; only where the kernel cannot tell us that the parent died

_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def die_with_parent(parent: int) -> None:
    """From now on this process ends when process `parent` does. Ends at once if that has happened already."""
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    else:
        threading.Thread(target=_watch_parent, args=(parent,), name="reactor-parent", daemon=True).start()
    if os.getppid() != parent:
        os._exit(1)


def _watch_parent(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_PARENT_POLL)
    os._exit(1)


def open_descriptors() -> set[int]:
    """The numbers of this process's open files, without the three standard ones."""
    listing = "/proc/self/fd" if sys.platform == "linux" else "/dev/fd"
    with os.scandir(listing) as entries:
        numbers = [int(entry.name) for entry in entries]
    return {number for number in numbers if number > 2 and _is_open(number)}  # the listing's own is closed by now


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def close_descriptors_except(kept: Collection[int]) -> None:
    """Close every open file but the standard three and `kept`."""
    for number in open_descriptors().difference(kept):
        with contextlib.suppress(OSError):  # gone meanwhile
            os.close(number)


def reset_signals() -> None:
    """Forget the parent's handlers: each signal does what the kernel does by default. SIGPIPE stays ignored, so that a
    closed pipe is an exception and not a death."""
    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, signal.SIGPIPE}:
        if signal.getsignal(number) not in (signal.SIG_DFL, None):
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def reseed() -> None:
    """A fork must not repeat its siblings' chance."""
    random.seed()
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is not None:  # user code imported it; its global generator was copied by the fork
        numpy_random.seed()


def limit_memory(size: int) -> None:
    """Let the data of this process grow by at most `size` bytes: past it, allocations raise MemoryError.

    RLIMIT_DATA, not RLIMIT_AS: the latter counts mapped databases and what libraries only reserve (engine B3).
    """
    if sys.platform != "linux":
        return
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmData:"):
            size += int(line.split()[1]) << 10
    _soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if hard != resource.RLIM_INFINITY:
        size = min(size, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (size, hard))


class ProcessHandle:
    """A process that may be nobody's child here: can be killed with its group, and seen to be dead."""

    __slots__ = ("_pidfd", "pid")

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._pidfd = -1  # Linux: holds the process's identity, so that a number used again is never hit
        if hasattr(os, "pidfd_open"):
            with contextlib.suppress(OSError):  # dead and reaped already, or a kernel before 5.3
                self._pidfd = os.pidfd_open(pid)

    def kill_group(self) -> None:
        """SIGKILL to the process and everything it started that stayed in its group."""
        try:
            if self._pidfd >= 0:
                signal.pidfd_send_signal(
                    self._pidfd, signal.SIGKILL
                )  # raises if it was reaped: then spare the group id
            os.killpg(self.pid, signal.SIGKILL)
        except OSError:
            pass

    def dead(self) -> bool:
        """True when the process has ended and its files are closed, reaped or not."""
        if self._pidfd >= 0:
            poll = select.poll()  # not select(): a server has more than 1,024 descriptors
            poll.register(self._pidfd, select.POLLIN)
            return bool(poll.poll(0))
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        return False

    def close(self) -> None:
        """Let go of the handle; the process is not touched."""
        if self._pidfd >= 0:
            os.close(self._pidfd)
            self._pidfd = -1


def describe_status(status: int) -> str:
    """An exit status in words: `exit status -11): SIGSEGV` wants both the number and its name."""
    if status < 0:
        try:
            return signal.Signals(-status).name
        except ValueError:
            return f"signal {-status}"
    if status == ENGINE_FAILED:
        return "reactor itself failed, see the server's log"
    if status == UNAVAILABLE:
        return "the data could not be written, see the server's log"
    if status == OUT_OF_MEMORY:
        return "it ran out of memory"
    return "it ended itself, with os._exit or the like"
