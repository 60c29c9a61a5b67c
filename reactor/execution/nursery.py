"""Nursery: the server's handle of a nursery process, which holds one imported bundle and forks runners from it.

Where fork is unsafe or absent (macOS, an import that left threads behind) the same handle spawns each runner afresh;
its users cannot tell. One nursery serves one bundle for its whole life; a reload makes another.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import os
import socket
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from reactor.errors import BundleBroken
from reactor.execution.frames import (
    AnyFrame,
    BundleFailed,
    BundleLoaded,
    Drain,
    Fork,
    Forked,
    ImportLibraries,
    LoadBundle,
    Reaped,
    Role,
    Unpacker,
    pack,
)
from reactor.execution.installed import installed_packages
from reactor.execution.mirror import make_mirror, put_back, remove_mirror
from reactor.execution.newborn import Newborn
from reactor.execution.runner import Runner, RunnerOwner
from reactor.execution.seal import KEY_SIZE
from reactor.execution.slot import Slot
from reactor.files.bucket import SECRETS
from reactor.files.place import FilePlace
from reactor.limits import Limits

_log = logging.getLogger("reactor.execution")
_numbers = itertools.count(1)  # runners of all nurseries: names of slots must not meet

HIDDEN = ("REACTOR_ADMIN_KEY", *SECRETS)  # environment variables that no function may see
_HASH_SEED = "0"  # unless this process has one: all runners of a deployment have the same, because the order of a set
# must not differ between them (engine B3)
_UNKNOWN_STATUS = -9  # of runners whose nursery died: the kernel killed them with it
_LOST_POLL = 0.01  # seconds between looks at runners that nobody can reap for us


class Process(Protocol):
    """A child of ours, executed or forked."""

    @property
    def pid(self) -> int: ...

    def kill(self) -> None: ...

    def wait(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the code of a server finds around it when it is imported: the variables in its database, and those we define."""

    database: str = ""
    built_in: Mapping[str, str] = field(default_factory=dict)
    files: FilePlace | None = None
    cursor_key: bytes = field(default_factory=lambda: os.urandom(KEY_SIZE), repr=False)  # user code never sees it

    @property
    def more(self) -> dict[str, Any]:
        """What of it a LoadBundle holds for every process alike."""
        files = self.files
        told: dict[str, Any] = {"built_in": dict(self.built_in), "cursor_key": self.cursor_key}
        return told if files is None else {**told, "files": str(files.folder), "upload_key": files.key.secret}


class Nursery:
    """Use `await Nursery(…).load()`, then `launch`; `drain` when no more runners are wanted, `kill` to end at once."""

    def __init__(
        self,
        root: Path,
        runtime_dir: Path,
        limits: Limits,
        *,
        spawn: bool = False,
        surroundings: Surroundings = Surroundings(),  # it is frozen
        libraries: Sequence[str] = (),
        sources: Mapping[str, bytes] | None = None,
        newborn: Newborn | None = None,
    ) -> None:
        """Start the process, or take over one that was forked ahead.

        It imports reactor at once and `libraries`, and the user's code when `load` says so.

        With `sources` of an earlier one that is the code it had, whatever is in `root` by now.
        """
        self._kept = sources
        self.root = root
        self.around = installed_packages()  # what there was to import when it began
        self.libraries: list[str] = []  # that the code imported; set by load
        self.sources: Mapping[str, bytes] = {}  # what was loaded; set by load
        self._surroundings = surroundings
        self.asked: frozenset[str] = frozenset()  # environment variables the import read; set by load
        self._variables: dict[str, tuple[str, int]] = {}  # those it could read; set by load
        self._code = root  # where runners import from: `root`, or its mirror when they are spawned
        self.bundle = ""  # these three are set by load
        self.manifest = b""
        self.warnings: list[str] = []
        self._limits = limits
        self._runtime_dir = runtime_dir
        self._spawns = spawn
        self._loop = asyncio.get_running_loop()
        self._runners: dict[int, Runner] = {}  # launched and not dead
        self._draining = False  # set by drain()
        self._secret = os.urandom(32)  # of a spawned bundle
        self._loaded: asyncio.Future[BundleLoaded] = self._loop.create_future()
        self._ended: asyncio.Future[int] = self._loop.create_future()
        self._unpacker = Unpacker()
        self._unsent: deque[tuple[bytes, int | None]] = deque()  # bytes and the descriptor that goes with them
        self._process: Process
        if newborn is None:
            self._socket, child = socket.socketpair()
            with child:
                self._process = _exec("reactor.execution.nursery_main", child, [], root)
        else:
            self._socket, self._process = newborn.connected, newborn
        self._socket.setblocking(False)
        _watch(self._process, self._loop, self._process_ended)
        self._loop.add_reader(self._socket, self._read)
        if libraries and not spawn:
            self._send(ImportLibraries(list(libraries), surroundings.database, dict(surroundings.built_in)))

    async def load(self) -> Nursery:
        """Have it import the code in `root` as it is now. Raises BundleBroken, and has ended then.

        Returns the nursery to use: another, which spawns, if the import left what no fork survives.
        """
        try:
            loaded = await self._import()
        except BaseException:
            await self.kill()
            raise
        if not loaded.forkable and not self._spawns:
            await self.kill()
            spawning = await Nursery(
                self.root,
                self._runtime_dir,
                self._limits,
                spawn=True,
                surroundings=self._surroundings,
                sources=self._kept,
            ).load()
            spawning.warnings = loaded.warnings
            return spawning
        self.bundle, self.manifest = loaded.bundle, loaded.manifest
        self.asked, self._variables = frozenset(loaded.asked), loaded.variables
        self.libraries, self.sources = loaded.libraries, loaded.sources
        if self._spawns:
            self._send(Drain())  # it was needed to learn of the bundle; each runner imports its own
        else:
            self.warnings = loaded.warnings
        return self

    async def _import(self) -> BundleLoaded:
        if self._spawns or self._kept is not None:
            self._code = self._runtime_dir / f"code-{os.getpid()}-{next(_numbers)}"
            make_mirror(self.root, self._code)
            if self._kept is not None:
                put_back(self._code, self._kept)
        around = self._surroundings
        self._send(LoadBundle(str(self._code), self._limits, database=around.database, **around.more))
        try:
            async with asyncio.timeout(self._limits.import_wall):
                return await asyncio.shield(self._loaded)
        except BundleBroken as broken:
            raise BundleBroken(broken.traceback.replace(str(self._code), str(self.root))) from None
        except TimeoutError:
            seconds = f"{self._limits.import_wall:g} s (limit import_wall)"
            raise BundleBroken(f"importing {self.root} took longer than {seconds}") from None

    @property
    def alive(self) -> bool:
        """Whether it can launch runners."""
        return self._spawns or not self._ended.done()

    @property
    def over(self) -> bool:
        """Whether no process of it is left, nor will be."""
        return self._draining and self._ended.done() and not self._runners

    def launch(self, role: Role, owner: RunnerOwner) -> Runner:
        """Start a runner. It can be written to at once; its death, however early, is reported to `owner`."""
        number = next(_numbers)
        slot = Slot.create(self._runtime_dir / f"slot-{os.getpid()}-{number}")
        ours, theirs = socket.socketpair()
        runner = Runner(number, role, ours, slot, owner)
        self._runners[number] = runner
        if self._spawns:
            with theirs:
                self._spawn(runner, theirs, slot.path)
        elif self._ended.done():
            theirs.close()
            self._loop.call_soon(self._runner_died, number, _UNKNOWN_STATUS)
        else:
            self._send(Fork(number, role, str(slot.path)), theirs.detach())
        return runner

    def drain(self) -> None:
        """No more runners will be asked for: the process ends when the last of its runners has."""
        self._draining = True
        if not self._ended.done() and not self._spawns:
            self._send(Drain())
        self._clean_up()

    async def kill(self) -> None:
        """End the nursery and all its runners, and wait until all are dead."""
        runners = list(self._runners.values())
        for runner in runners:
            runner.kill()
        if not self._ended.done():
            self._process.kill()
        await self.ended()
        for runner in runners:
            await runner.gone()
        self._draining = True
        self._clean_up()

    def _clean_up(self) -> None:
        """The sources go with the last runner that could import them."""
        if self._draining and not self._runners and self._code != self.root:
            remove_mirror(self._code)

    async def ended(self) -> int:
        """Wait for the end of the nursery process; its exit status."""
        return await asyncio.shield(self._ended)

    # ── the process and its socket ────────────────────────────────────────────────────────────────────────────────

    def _send(self, frame: ImportLibraries | LoadBundle | Fork | Drain, descriptor: int | None = None) -> None:
        self._unsent.append((pack(frame), descriptor))
        if len(self._unsent) == 1:
            self._loop.add_writer(self._socket, self._write)
            self._write()

    def _write(self) -> None:
        while self._unsent:
            data, descriptor = self._unsent[0]
            try:
                if descriptor is None:
                    taken = self._socket.send(data)
                else:
                    taken = socket.send_fds(self._socket, [data], [descriptor])
                    os.close(descriptor)
            except BlockingIOError:
                return
            except OSError:  # it is dying; its end is reported by the process watch
                self._drop_unsent()
                break
            self._unsent[0] = (data[taken:], None)
            if taken == len(data):
                self._unsent.popleft()
        self._loop.remove_writer(self._socket)

    def _drop_unsent(self) -> None:
        for _data, descriptor in self._unsent:
            if descriptor is not None:
                os.close(descriptor)
        self._unsent.clear()

    def _read(self) -> bool:
        try:
            data = self._socket.recv(1 << 16)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        if not data:
            self._loop.remove_reader(self._socket)
            return False
        for frame in self._unpacker.feed(data):
            self._take(frame)
        return True

    def _take(self, frame: AnyFrame) -> None:
        match frame:
            case BundleLoaded():
                self._loaded.set_result(frame)
            case BundleFailed(traceback=text):
                self._loaded.set_exception(BundleBroken(text))
            case Forked(runner=number, pid=pid):
                if (runner := self._runners.get(number)) is not None:
                    runner.started(pid)
            case Reaped(runner=number, status=status):
                self._runner_died(number, status)
            case _:
                raise AssertionError(frame)

    def _runner_died(self, number: int, status: int) -> None:
        runner = self._runners.pop(number, None)
        if runner is not None:
            runner.died(status)
            self._clean_up()

    def _process_ended(self, status: int) -> None:
        """The nursery is dead. Its runners get SIGKILL from the kernel; nobody reports when that has worked but us."""
        while self._read():
            pass
        self._drop_unsent()
        self._loop.remove_reader(self._socket)
        self._loop.remove_writer(self._socket)
        self._socket.close()
        self._ended.set_result(status)
        if not self._loaded.done():
            self._loaded.set_exception(BundleBroken(f"the process that imports your code died (exit status {status})"))
        self._loaded.exception()  # somebody may have stopped waiting: do not complain about that
        if self._runners and not self._spawns:
            _log.error("nursery died", extra={"status": status, "runners": len(self._runners)})
            for runner in self._runners.values():
                runner.kill()
            self._bury_lost()

    def _bury_lost(self) -> None:
        for number, runner in list(self._runners.items()):
            if runner.seen_dead():
                self._runner_died(number, _UNKNOWN_STATUS)
        if self._runners:
            self._loop.call_later(_LOST_POLL, self._bury_lost)

    # ── without fork ──────────────────────────────────────────────────────────────────────────────────────────────

    def _spawn(self, runner: Runner, theirs: socket.socket, slot: Path) -> None:
        arguments = ["--role", runner.role, "--slot", str(slot), "--bundle", self.bundle]
        process = _exec("reactor.execution.runner_main", theirs, arguments, self.root)
        more = self._surroundings.more
        runner.send(LoadBundle(str(self._code), self._limits, self._secret, variables=self._variables, **more))
        runner.started(process.pid)
        _watch(process, self._loop, lambda status: self._runner_died(runner.number, status))


def _exec(module: str, child: socket.socket, arguments: list[str], root: Path) -> subprocess.Popen[bytes]:
    """Start a Python process that serves on `child`. Never forks this process's threads: Popen execs at once."""
    command = [sys.executable, "-m", module, "--fd", str(child.fileno()), "--parent", str(os.getpid()), *arguments]
    seed = os.environ.get("PYTHONHASHSEED", "")
    environment = {**os.environ, "PYTHONHASHSEED": seed if seed.isdecimal() else _HASH_SEED}
    hide_secrets(environment)
    return subprocess.Popen(  # noqa: S603  # our own interpreter and module
        command,
        pass_fds=[child.fileno()],
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        env=environment,
        cwd=root,
    )


def hide_secrets(environment: MutableMapping[str, str]) -> None:
    """Take out what is for the command line, and for the server: no function needs it."""
    for name in HIDDEN:
        environment.pop(name, None)


def _watch(process: Process, loop: asyncio.AbstractEventLoop, ended: Callable[[int], None]) -> None:
    """Call `ended` on the loop once the child is reaped. A thread each: works on every system, and they are few."""

    def wait() -> None:
        status = process.wait()
        with contextlib.suppress(RuntimeError):  # the loop was closed first
            loop.call_soon_threadsafe(ended, status)

    threading.Thread(target=wait, name=f"reactor-wait-{process.pid}", daemon=True).start()
