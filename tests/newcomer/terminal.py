"""Terminal: a shell that things are typed into, one after another, with what appeared in it."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import threading
import time
import uuid
from collections.abc import Mapping
from pathlib import Path

from tests.newcomer.tutorial import Command

COMMAND_TIME = 600.0  # installing takes as long as the network does
PUSH_TIME = 30.0
STOP_TIME = 10.0
_LOOK = 0.05  # seconds between looks whether everything in it has ended
_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class NotAppeared(AssertionError):
    """Something else than the page says appeared in the terminal, or the command failed."""


class Terminal:
    """A bash with an open end. `busy` while a command stays in it."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.busy = False
        self.shown = ""  # grows in the reader thread
        self._grew = threading.Condition()
        self._shell = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # so that what runs in it can be ended together
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def type(self, command: Command) -> str:
        """Type a command, see what the page says appear, and nothing else; what appeared."""
        assert not self.busy, "a command stays in this terminal"
        mark = uuid.uuid4().hex
        began = len(self.shown)
        self._write(f"{{ {command.typed}\n}} < /dev/null\necho {mark} $?\n")
        if command.lasting:
            self.busy = True
            wanted = re.compile(_like(command.appears))
        else:
            wanted = re.compile(rf"^{mark} (\d+)\n", re.MULTILINE)
        deadline = time.monotonic() + COMMAND_TIME
        with self._grew:
            while (found := wanted.search(self.shown, began)) is None:
                ended = command.lasting and f"{mark} " in self.shown
                if ended or not self._grew.wait(deadline - time.monotonic()):
                    raise NotAppeared(f"$ {command.typed}\n{self.shown[began:]}\nbut not:\n{command.appears}")
            if command.lasting:
                return found[0]
            appeared = self.shown[began : found.start()]
        if found[1] != "0" or not _same(appeared, command.appears):
            raise NotAppeared(f"$ {command.typed}\n{appeared}[{found[1]}]\nand not:\n{command.appears}")
        return appeared

    def wait_for(self, text: str, since: int) -> None:
        """Until a line like this appears after so much."""
        wanted = re.compile(text, re.MULTILINE)
        with self._grew:
            if not self._grew.wait_for(lambda: wanted.search(self.shown, since), PUSH_TIME):
                raise NotAppeared(f"not seen: {text}\n{self.shown[since:]}")

    def close(self) -> None:
        """Close it, and what runs in it."""
        deadline = time.monotonic() + STOP_TIME
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._shell.pid, signal.SIGTERM)
            while time.monotonic() < deadline:
                self._shell.poll()
                os.killpg(self._shell.pid, 0)
                time.sleep(_LOOK)
            os.killpg(self._shell.pid, signal.SIGKILL)
        self._shell.wait()
        self._reader.join()
        for stream in (self._shell.stdin, self._shell.stdout):
            assert stream is not None
            stream.close()

    def _write(self, text: str) -> None:
        assert self._shell.stdin is not None
        self._shell.stdin.write(text.encode())
        self._shell.stdin.flush()

    def _read(self) -> None:
        assert self._shell.stdout is not None
        while chunk := os.read(self._shell.stdout.fileno(), 65536):
            with self._grew:
                self.shown += _ANSI.sub("", chunk.decode(errors="replace")).replace("\r\n", "\n")
                self._grew.notify_all()


def _same(appeared: str, wanted: str) -> bool:
    appeared = appeared.strip("\n")
    return re.fullmatch(_like(wanted), f"{appeared}\n" if appeared else "") is not None


def _like(wanted: str) -> str:
    """An expression for text with `...` in it: anything within a line, any lines when it stands alone in one."""
    return "".join(
        r"(?:[^\n]*\n)*?"
        if line == "..."
        else r"[^\n]*?".join(re.escape(part) for part in line.rstrip().split("...")) + r"[ \t]*\n"
        for line in wanted.strip("\n").splitlines()
    )
