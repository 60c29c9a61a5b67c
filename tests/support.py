"""Builders for tests of the whole product: a project folder, and a real server process that runs it.

Everything here is bounded in time, and every process is ended by its id. Nothing here knows a room from the inside:
a `RunningServer` is what a user gets who types `reactor dev` or `reactor serve`.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Self

START_TIME = 30.0  # a server that is not ready by then is broken, not slow
STOP_TIME = 10.0
_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_MARK = "REACTOR_TEST_RUN"  # in the environment of a server and so of its runners: how they are found again


class Project:
    """A folder a developer could have written: `schema.py`, `functions/*.py`, perhaps `[tool.reactor]` settings.

    `functions` maps module names ("messages", "dir/deep") to their text; texts may be indented.
    """

    def __init__(
        self, root: Path, *, schema: str | None = None, functions: Mapping[str, str] | None = None, settings: str = ""
    ) -> None:
        self.root = root
        root.mkdir(parents=True, exist_ok=True)
        (root / "functions").mkdir(exist_ok=True)
        if schema is not None:
            self.write("schema.py", schema)
        for module, text in (functions or {}).items():
            self.write_function(module, text)
        if settings:
            self.write("pyproject.toml", settings)

    @property
    def data(self) -> Path:
        """Where the server of this project keeps its data."""
        return self.root / ".reactor"

    @property
    def generated(self) -> Path:
        return self.root / "functions" / "_generated"

    def write(self, path: str, text: str) -> None:
        """Save a file the way an editor does: nobody ever sees half of it."""
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = self.root.parent / f"{self.root.name}.{uuid.uuid4().hex}.draft"
        draft.write_text(textwrap.dedent(text).lstrip("\n"))
        draft.replace(target)

    def write_function(self, module: str, text: str) -> None:
        self.write(f"functions/{module}.py", text)

    def read(self, path: str) -> str:
        return (self.root / path).read_text()


class ServerFailed(AssertionError):
    """The server did not do what was waited for; the text ends with all it has printed."""


class RunningServer:
    """`reactor dev` or `reactor serve` as a real process, until `stop()` or `kill()`; also a context manager.

    `restart()` starts it again on the same port and data. `output` is what it printed so far, of all its lives.
    """

    def __init__(
        self,
        project: Project,
        command: str = "serve",
        *,
        port: int = 0,
        options: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.project = project
        self.command = command
        self.port = port or free_port()
        self.options = tuple(options)
        self.environment = dict(environment or {})
        self.orphans: list[int] = []  # runners that outlived a server and had to be killed; grows in stop()
        self._mark = uuid.uuid4().hex
        self._process: subprocess.Popen[str] | None = None  # set by start(), None again after stop() and kill()
        self._reader: threading.Thread | None = None  # of the running process; set by start()
        self._output: list[str] = []  # lines, grows in the reader thread
        self._printed = threading.Condition()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def output(self) -> str:
        with self._printed:
            return "".join(self._output)

    @property
    def admin_key(self) -> str:
        return (self.project.data / "admin_key").read_text().strip()

    @property
    def pid(self) -> int:
        assert self._process is not None, "the server is not running"
        return self._process.pid

    def start(self) -> Self:
        """Start it and wait until it says that it serves."""
        assert self._process is None, "the server is running"
        mark = self.mark()
        self._process = subprocess.Popen(
            self.arguments(),
            cwd=self.project.root,
            env={**os.environ, **self.environment, _MARK: self._mark},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, args=(self._process,), daemon=True)
        self._reader.start()
        try:
            said = self.wait_for_output(r"reactor ready at http://127\.0\.0\.1:(\d+)", START_TIME, after=mark)
            assert int(said[1]) == self.port, f"asked for port {self.port}, it says {said[0]}"
        except BaseException:
            self.stop()
            raise
        return self

    def arguments(self) -> list[str]:
        """The command line that `start` runs."""
        place = ["--port", str(self.port), "--data", str(self.project.data)]
        if "--site-port" not in self.options:  # its neighbour's number may be another test's port
            place += ["--site-port", "off"]
        return [sys.executable, "-m", "reactor.cli", self.command, *place, *self.options]

    def run(self, *arguments: str, timeout: float = 30.0) -> subprocess.CompletedProcess[str]:
        """Another `reactor` command in the same project, to its end."""
        return subprocess.run(
            [sys.executable, "-m", "reactor.cli", *arguments],
            cwd=self.project.root,
            env={**os.environ, **self.environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def mark(self) -> int:
        """A place in the output: give it to `wait_for_output` to look only at what comes later."""
        with self._printed:
            return len(self._output)

    def wait_for_output(self, pattern: str, timeout: float = 10.0, *, after: int = 0) -> re.Match[str]:
        """Wait until what was printed after the mark holds the pattern."""
        deadline = time.monotonic() + timeout
        while True:
            ended = self._status()
            if ended is not None and self._reader is not None:
                self._reader.join(1.0)  # what it said last may still be on its way
            with self._printed:
                found = re.search(pattern, "".join(self._output[after:]))
                if found is not None:
                    return found
                if ended is not None or time.monotonic() > deadline:
                    state = f"ended with status {ended}" if ended is not None else f"did not in {timeout} s"
                    raise ServerFailed(f"waited for {pattern!r}; the server {state}.\n{''.join(self._output)}")
                self._printed.wait(0.2)

    def kill(self) -> None:
        """SIGKILL, to the server process alone: its runners have to notice by themselves."""
        process = self._running()
        process.kill()
        process.wait(STOP_TIME)
        self._process = None

    def stop(self) -> int:
        """SIGTERM, as a service manager does; returns the exit status. Ends what is left of its runners."""
        process = self._process
        status = 0
        if process is not None:
            process.terminate()
            try:
                status = process.wait(STOP_TIME)
            except subprocess.TimeoutExpired:
                process.kill()
                status = process.wait(STOP_TIME)
            self._process = None
        if not self.runners_end(within=5.0):
            for pid in self.runners():
                self.orphans.append(pid)
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        if self._reader is not None:
            self._reader.join(STOP_TIME)
            self._reader = None
        return status

    def restart(self) -> Self:
        """Start again on the same port and data, killing the running one first if there is one."""
        if self._process is not None:
            self.kill()
        return self.start()

    def runners(self) -> list[int]:
        """Processes of this server other than itself (Linux; elsewhere none are seen)."""
        own = self._process.pid if self._process is not None else 0
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if f"{_MARK}={self._mark}".encode() in (entry / "environ").read_bytes():
                    found.append(int(entry.name))
        return [pid for pid in found if pid != own]

    def runners_end(self, *, within: float) -> bool:
        """Whether all runners are gone in that time."""
        return eventually(lambda: not self.runners(), within)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _running(self) -> subprocess.Popen[str]:
        assert self._process is not None, "the server is not running"
        return self._process

    def _status(self) -> int | None:
        return None if self._process is None else self._process.poll()

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        with process.stdout as lines:
            for line in lines:
                with self._printed:
                    self._output.append(_ANSI.sub("", line))
                    self._printed.notify_all()
        with self._printed:
            self._printed.notify_all()


def eventually(holds: Callable[[], bool], within: float) -> bool:
    """Whether a fact that no event announces (a file, a process) comes true in that time."""
    deadline = time.monotonic() + within
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def free_port() -> int:
    """A TCP port nobody listens on now."""
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def serving(project: Project, command: str = "serve", **options: object) -> Iterator[RunningServer]:
    """A server for the length of a `with` block; fails afterwards if it left processes behind."""
    server = RunningServer(project, command, **options)  # type: ignore[arg-type]
    try:
        yield server.start()
    finally:
        server.stop()
    assert not server.orphans, f"the server left runners behind: {server.orphans}"
