"""The nursery process: imports the user's code once, then forks runners that have it already.

`python -m reactor.execution.nursery_main --fd N --parent PID`. Single-threaded, no event loop, and the database closed again
before anything is imported: nothing a fork could break (engine B3). It serves nothing itself; each runner talks to the server over a socket of its own, whose
end arrives with the Fork frame. It reaps its runners and reports how they ended, and ends with the server.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import gc
import os
import selectors
import signal
import socket
import sys
import traceback
from collections import deque
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

from reactor.database.environment import stored_variables
from reactor.errors import BundleBroken
from reactor.execution import debugger, determinism, loader
from reactor.execution.environment import Noted
from reactor.execution.frames import (
    BundleFailed,
    BundleLoaded,
    Drain,
    Fork,
    Forked,
    ImportLibraries,
    LoadBundle,
    Reaped,
    Unpacker,
    pack,
)
from reactor.execution.libraries import forget_shadowed, import_libraries
from reactor.execution.pipe import Pipe
from reactor.execution.process import close_descriptors_except, die_with_parent, open_descriptors, reset_signals
from reactor.execution.seal import Seal
from reactor.execution.serve import Post, file_place, serve
from reactor.execution.threads import unsafe_threads

if TYPE_CHECKING:
    from reactor.execution.bundle import Bundle

_FORK_FAILED = 72  # the status reported for a runner that could not be forked


class Nursery:
    """The loop of the process: frames from the server, deaths of children."""

    def __init__(self, server: socket.socket) -> None:
        self._server = server
        self._unpacker = Unpacker()
        self._descriptors: deque[int] = deque()  # arrived with Fork frames not yet carried out, in order
        self._children: dict[int, int] = {}  # pid → runner; until reaped
        self._bundle: Bundle | None = None  # set by LoadBundle
        self._load: LoadBundle | None = None
        self._asked: set[str] = set()  # environment variables that libraries asked for when imported ahead
        self._libraries: list[str] = []  # those
        self._before: set[int] = set()  # descriptors that are ours; set by run()
        self._users: set[int] = set()  # descriptors the user's modules opened while being imported
        self._draining = False  # Drain came: end with the last child

    def run(self) -> None:
        """Serve until the server is gone, or has said Drain and the last runner has ended."""
        wakeup, signalled = socket.socketpair()
        wakeup.setblocking(False)
        signalled.setblocking(False)
        signal.set_wakeup_fd(signalled.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, _note)
        with selectors.DefaultSelector() as selector:
            selector.register(self._server, selectors.EVENT_READ)
            selector.register(wakeup, selectors.EVENT_READ)
            self._before = open_descriptors()
            while not (self._draining and not self._children):
                for key, _events in selector.select():
                    if key.fileobj is wakeup:
                        wakeup.recv(4096)
                        self._reap()
                    elif not self._read():
                        return

    def kill_children(self) -> None:
        """End every runner, and what it started."""
        for pid in self._children:
            _kill_group(pid)

    def _read(self) -> bool:
        data, descriptors, _flags, _address = socket.recv_fds(self._server, 1 << 16, 16)
        self._descriptors.extend(descriptors)
        for descriptor in descriptors:
            os.set_inheritable(descriptor, False)
        for frame in self._unpacker.feed(data):
            match frame:
                case ImportLibraries():
                    self._import_libraries(frame)
                case LoadBundle():
                    if not self._import(frame):
                        return False
                case Fork():
                    self._fork(frame, self._descriptors.popleft())
                case Drain():
                    self._draining = True
                case _:
                    raise AssertionError(frame)
        return bool(data)

    def _import_libraries(self, frame: ImportLibraries) -> None:
        variables = stored_variables(Path(frame.database)) if frame.database else {}
        environment = Noted(variables, frame.built_in)
        import_libraries(frame.names, environment)
        gc.collect()
        gc.freeze()  # the collection after the load has the project's own objects to look at, and no others
        self._libraries, self._asked = frame.names, environment.asked

    def _import(self, load: LoadBundle) -> bool:
        variables = stored_variables(Path(load.database)) if load.database else {}
        environment = Noted(variables, load.built_in)
        environment.asked |= self._asked
        forget_shadowed(self._libraries, Path(load.root))
        gc.disable()  # an import makes objects that stay: looking for garbage among them is a third of its time
        try:
            bundle = loader.load_bundle(Path(load.root), environment)
            self._bundle = dataclasses.replace(bundle, files=file_place(load), seal=Seal(load.cursor_key))
        except BundleBroken as broken:
            self._send(BundleFailed(broken.traceback))
            return False
        self._load = load
        self._users = open_descriptors() - self._before
        threads = unsafe_threads()
        gc.collect()
        gc.enable()
        gc.freeze()  # what is here now is never collected, so forks share its pages
        self._send(
            BundleLoaded(
                bundle=self._bundle.hash,
                manifest=self._bundle.manifest.to_bytes(),
                warnings=[*self._bundle.warnings, *threads],
                asked=sorted(self._bundle.asked),
                sources=dict(self._bundle.texts),
                libraries=list(self._bundle.libraries),
                variables={name: (row.value, row.ts) for name, row in variables.items()},
                forkable=not threads,
            )
        )
        return True

    def _fork(self, fork: Fork, descriptor: int) -> None:
        assert self._bundle is not None, "LoadBundle comes first"
        assert self._load is not None
        nursery = os.getpid()
        sys.stdout.flush()
        sys.stderr.flush()
        try:
            pid = os.fork()
        except OSError as error:  # no memory or too many processes
            print(f"reactor: cannot fork a {fork.role}: {error}", file=sys.stderr)  # noqa: T201  # our only voice
            self._send(Reaped(fork.runner, _FORK_FAILED))
            os.close(descriptor)
            return
        if pid == 0:
            status = 1
            try:
                # Files the user's modules opened stay open: were they closed, the database would get their numbers,
                # and a stale file object of the user's would write into it.
                close_descriptors_except({descriptor, *self._users})
                os.setsid()
                reset_signals()
                die_with_parent(nursery)
                post = Post(Pipe(socket.socket(fileno=descriptor)), fork.role, Path(fork.slot))
                status = serve(post, self._bundle, self._load.limits)
            except BaseException:  # noqa: BLE001  # nothing may unwind into the nursery's own loop
                traceback.print_exc()
            finally:
                _leave(status)
        os.close(descriptor)
        self._children[pid] = fork.runner
        self._send(Forked(fork.runner, pid))

    def _reap(self) -> None:
        for pid in list(self._children):
            # Look first, kill the rest of its group, and only then reap: until then the group's number cannot be reused.
            if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
                continue
            _kill_group(pid)
            _pid, status = os.waitpid(pid, 0)
            self._send(Reaped(self._children.pop(pid), os.waitstatus_to_exitcode(status)))

    def _send(self, frame: BundleLoaded | BundleFailed | Forked | Reaped) -> None:
        self._server.sendall(pack(frame))


def _note(_signal: int, _frame: FrameType | None) -> None:
    """The wakeup descriptor does the work; a Python handler must exist for it to be written."""


def _kill_group(pid: int) -> None:
    with contextlib.suppress(OSError):  # not yet a group of its own, or empty
        os.killpg(pid, signal.SIGKILL)


def _leave(status: int) -> NoReturn:
    """End a runner without the exit handlers user code registered in the nursery: they are not its own."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(status)


def main() -> None:
    """Entry of the process."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--fd", type=int, required=True)
    parser.add_argument("--parent", type=int, required=True)
    arguments = parser.parse_args()
    live(socket.socket(fileno=arguments.fd), arguments.parent)


def live(server: socket.socket, parent: int) -> NoReturn:
    """Be the nursery process of that parent, which speaks on the socket."""
    die_with_parent(parent)
    server.set_inheritable(False)
    close_descriptors_except({server.fileno()})
    determinism.install()
    debugger.install()
    nursery = Nursery(server)
    try:
        nursery.run()
    except (BrokenPipeError, ConnectionResetError):
        pass  # the server is gone
    finally:
        nursery.kill_children()
        _leave(0)


if __name__ == "__main__":
    main()
