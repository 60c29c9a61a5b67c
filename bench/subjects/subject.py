"""Subject: a server under test, started on a fresh folder and pinned to its cores."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Protocol

import psutil

from bench.clients.http import Http

OnPush = Callable[[bytes], None]
"""Is given the bytes of every push after the first result."""

Reader = Callable[[int], Awaitable[bytes]]
"""Reads the newest rows of a group, and returns the answer as it came."""

_PSS = re.compile(rb"^Pss:\s+(\d+)", re.MULTILINE)
_UP_WITHIN = 90.0  # seconds
_DOWN_WITHIN = 10.0
_NICE = -15
_WORDS = 400  # characters of a log, when a subject does not come up
_WITH_US = ("setpriv", "--pdeathsig", "INT") if shutil.which("setpriv") else ()  # util-linux has it


def prefer(pid: int | str) -> None:
    """Let a process, and what it starts later, run before the machine's other work; without root, nothing happens."""
    with contextlib.suppress(OSError):
        Path(f"/proc/{pid}/autogroup").write_text(str(_NICE))
    if isinstance(pid, int):
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, pid, _NICE)


class Connection(Protocol):
    """A subscriber's."""

    @property
    def closed(self) -> bool: ...


class Writer(Protocol):
    """One client that writes, waiting for each answer."""

    async def write(self, channel: str, text: str) -> None:
        """Add a message to a channel; durable when this returns, where the subject promises that."""
        ...

    async def increment(self) -> None:
        """Add one to the counter, reading it first. Raises when the subject refused."""
        ...


class Subject(ABC):
    """What every server is asked for."""

    name: ClassVar[str]
    durable: ClassVar[str]  # what an acknowledged write has survived
    warm: ClassVar[float] = 0.5  # seconds of load before it counts
    runs_at: Path | None = (
        None  # where it counts, by channel, how often its query ran (`bench/apps`); None: it does not
    )

    def __init__(self, folder: Path, port: int, cores: str) -> None:
        self.folder = folder / self.name
        self.port = port
        self.cores = cores
        self._processes: list[subprocess.Popen[bytes]] = []  # grows in spawn()
        self.started_in = 0.0  # seconds from the command to the first answer; set by up()
        self._began = 0.0  # when its first process was started; set by spawn()

    # ── what a subject says of itself ────────────────────────────────────────────────────────────────────────────────

    @classmethod
    def missing(cls) -> str | None:
        """What is to be done before it can be run on this machine; None when nothing is."""
        return None

    @abstractmethod
    async def start(self) -> None:
        """Start it on a fresh folder, and wait until it answers."""

    @abstractmethod
    async def subscribe(self, channel: str, on_push: OnPush) -> Connection:
        """Follow the newest messages of a channel."""

    @abstractmethod
    async def writer(self) -> Writer: ...

    @abstractmethod
    async def counter(self) -> int:
        """What the counter stands at."""

    def runs(self, channels: int) -> Sequence[int]:
        """How often the query of channels "c0", "c1", … has run in its processes, counted there. Empty if it does not."""
        if self.runs_at is None:
            return ()
        return list(memoryview(self.runs_at.read_bytes()).cast("I"))[:channels]

    async def fill_rows(self, count: int) -> None:
        """Make the table of `count` rows that `ranges` reads: groups of 100."""
        raise NotImplementedError

    async def ranges(self, way: str, groups: int) -> list[Reader]:
        """64 clients, each of which reads the 20 newest rows of a group, by "http" or by "socket".

        They are called with any number, and return the answer; the group is that of the number, modulo `groups`.
        """
        raise NotImplementedError

    # ── processes ────────────────────────────────────────────────────────────────────────────────────────────────────

    def fresh_folder(self) -> None:
        """Empty what an earlier run left."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)

    def spawn(
        self,
        command: Sequence[str],
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        user: str | None = None,
    ) -> None:
        """Start one of its processes; should the benchmark be killed, it is told to end."""
        if not self._processes:
            self._began = time.monotonic()
        with (self.folder / f"{len(self._processes)}.log").open("wb") as log:
            process = subprocess.Popen(
                [*_WITH_US, "taskset", "-c", self.cores, *command],
                stdout=log,
                stderr=log,
                cwd=cwd or self.folder,
                env={**os.environ, **(env or {})},
                user=user,
                start_new_session=True,
            )
        self._processes.append(process)
        prefer(process.pid)

    async def up(self, path: str) -> None:
        """Wait until it answers there, and not with an error. Raises RuntimeError when it does not."""
        end = time.monotonic() + _UP_WITHIN
        while time.monotonic() < end and all(process.poll() is None for process in self._processes):
            if await self._answers(path):
                self.started_in = time.monotonic() - self._began
                return
            await asyncio.sleep(0.005)
        raise RuntimeError(f"{self.name} did not come up: {self._last_words()}")

    async def _answers(self, path: str) -> bool:
        try:
            connection = await Http.open(self.port)
            status, _ = await connection.request("GET", path)
        except OSError:
            return False
        connection.close()
        return status < 300

    def _last_words(self) -> str:
        """What its processes wrote last, on one line."""
        texts = (log.read_text(errors="replace") for log in sorted(self.folder.glob("*.log")))
        return " … ".join(" ".join(text.split())[-_WORDS:] for text in texts)

    def tree(self) -> list[psutil.Process]:
        """All its processes."""
        found: list[psutil.Process] = []
        for process in self._processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                parent = psutil.Process(process.pid)
                found += [parent, *parent.children(recursive=True)]
        return found

    def cpu_seconds(self) -> float:
        """Used by all its processes so far."""
        total = 0.0
        for process in self.tree():
            with contextlib.suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                total += times.user + times.system
        return total

    def memory(self) -> int:
        """Bytes in use by all its processes, shared pages counted once."""
        total = 0
        for process in self.tree():
            with contextlib.suppress(OSError):
                found = _PSS.search(Path(f"/proc/{process.pid}/smaps_rollup").read_bytes())
                total += int(found.group(1)) * 1024 if found else 0
        return total

    def stop(self) -> None:
        """End it, gently first."""
        for process in reversed(self._processes):
            process.send_signal(signal.SIGINT)
            try:
                process.wait(_DOWN_WITHIN)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        self._processes.clear()
