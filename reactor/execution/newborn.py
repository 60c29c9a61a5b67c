"""Newborn: a nursery forked from the process that is to be its server, before that has threads, a loop or a database.

What both need is imported first, once; each imports the rest for itself, on two cores at the same time. To its server a
newborn is what any nursery's process is. It is used for the first load only: a server that runs cannot fork (engine B3).
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import random
import signal
import socket
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Self

_SHARED = (
    "asyncio",
    "pydantic.fields",  # the server has it from reading its command line
    "pydantic.type_adapter",
    "pydantic.types",
    "starlette.requests",
    "starlette.responses",
    "reactor.definitions.http_routes",
    "reactor.definitions.manifest",
    "reactor.execution.frames",
    "reactor.execution.process",
    "reactor.execution.told_shape",
    "reactor.storage.sqlite_connection",
)
"""What a nursery and a server have in common, as far as importing it takes time."""


@dataclass(frozen=True, slots=True)
class Newborn:
    """The process, and our end of its socket."""

    pid: int
    root: Path  # the folder it is in: the project it may be told to load
    connected: socket.socket

    @classmethod
    def fork(cls) -> Self:
        """Make one of this process, in whose working folder the project is. It waits to be told what to load."""
        for name in _SHARED:
            import_module(name)
        ours, theirs = socket.socketpair()
        parent = os.getpid()
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid:
            theirs.close()
            return cls(pid, Path.cwd(), ours)
        _live(theirs, parent)
        raise AssertionError("a nursery's process has no end but its own")

    def kill(self) -> None:
        """End it now."""
        with contextlib.suppress(ProcessLookupError):  # reaped a moment ago
            os.kill(self.pid, signal.SIGKILL)

    def wait(self) -> int:
        """Wait until it has ended; its exit status."""
        _pid, status = os.waitpid(self.pid, 0)
        return os.waitstatus_to_exitcode(status)

    def abandon(self) -> None:
        """It is not wanted: its socket's end is its own."""
        self.connected.close()
        self.wait()


def _live(connected: socket.socket, parent: int) -> None:
    """As a process that was executed begins, then be a nursery."""
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    random.seed()
    sys.path[0] = str(Path.cwd())  # instead of where the command is

    from reactor.execution.nursery import HIDDEN, hide_secrets
    from reactor.execution.nursery_main import live

    _overwrite(HIDDEN)
    hide_secrets(os.environ)
    live(connected, parent)


def _overwrite(names: Iterable[str]) -> None:
    """Blank environment variables where the kernel put them: /proc shows that place, whatever is unset later."""
    libc = ctypes.CDLL(None)
    libc.getenv.restype = ctypes.c_void_p
    for name in names:
        value = libc.getenv(name.encode())
        if value:
            ctypes.memset(value, 0, len(ctypes.string_at(value)))
