"""Runner: the server's handle of one runner process. Frames to it and from it, its slot, its death.

Dead means reaped, or seen dead by the kernel's own word; the end of its socket proves nothing (engine A3). What it had
sent before it died is read out first. The handle has no opinion about what to do next: its owner is told and decides.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import Protocol

import msgspec

from reactor.execution.frames import AnyFrame, Role, Unpacker, pack
from reactor.execution.process import ProcessHandle
from reactor.execution.slot import Occupant, Slot

_log = logging.getLogger("reactor.execution")
_CHUNK = 1 << 18


class RunnerOwner(Protocol):
    """Who is told. Called on the loop, never awaits."""

    def runner_said(self, runner: Runner, frame: AnyFrame) -> None:
        """A frame arrived."""
        ...

    def runner_ended(self, runner: Runner) -> None:
        """The process is dead; `runner.status`, `runner.guilty` and `runner.killed_for` say what is known of it."""
        ...


class Runner:
    """One process. Made by Nursery.launch; closes itself when the process is dead."""

    def __init__(self, number: int, role: Role, connected: socket.socket, slot: Slot, owner: RunnerOwner) -> None:
        connected.setblocking(False)
        self.number = number
        self.role: Role = role
        self.status: int | None = None  # exit status (negative: signal); set by the nursery's report of death
        self.guilty: Occupant | None = None  # the call in the slot at death
        self.killed_for: Occupant | None = None  # the call whose deadline passed; set by kill()
        self.allowed = 0.0  # seconds it had; set with it
        self._socket = connected
        self._owner = owner
        self._slot = slot
        self._process: ProcessHandle | None = None  # from started() to died()
        self._kill_wanted = False  # kill() came before started()
        self._unpacker = Unpacker()
        self._unsent = bytearray()  # what the kernel did not take yet; emptied by _write
        self._loop = asyncio.get_running_loop()
        self._gone: asyncio.Future[int] = self._loop.create_future()
        self._loop.add_reader(connected, self._read)
        self._reading = True  # False after the socket's end

    # ── talking ───────────────────────────────────────────────────────────────────────────────────────────────────

    def send(self, *frames: AnyFrame) -> None:
        """Send frames, now or as soon as the process reads. To a dead process: forgotten, its death is reported.

        Frames sent together wake the process once.
        """
        if self.status is not None:
            return
        data = pack(*frames)
        if self._unsent:
            self._unsent += data
            return
        try:
            taken = self._socket.send(data)
        except BlockingIOError:
            taken = 0
        except OSError:  # dying: the nursery will tell
            return
        if taken < len(data):
            self._unsent += memoryview(data)[taken:]
            self._loop.add_writer(self._socket, self._write)

    def _write(self) -> None:
        try:
            taken = self._socket.send(self._unsent)
        except BlockingIOError:
            return
        except OSError:
            self._unsent.clear()
            self._loop.remove_writer(self._socket)
            return
        del self._unsent[:taken]
        if not self._unsent:
            self._loop.remove_writer(self._socket)

    def _read(self) -> bool:
        """Take what is there. False when nothing was."""
        try:
            data = self._socket.recv(_CHUNK)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        if not data:
            self._stop_reading()
            return False
        try:
            frames = self._unpacker.feed(data)
        except msgspec.DecodeError as error:
            self.babbled(str(error))
            return False
        for frame in frames:
            self._owner.runner_said(self, frame)
        return True

    def _stop_reading(self) -> None:
        if self._reading:
            self._reading = False
            self._loop.remove_reader(self._socket)

    # ── living and dying ──────────────────────────────────────────────────────────────────────────────────────────

    @property
    def pid(self) -> int | None:
        """The process number once known, while the process is not known dead."""
        return self._process.pid if self._process is not None else None

    @property
    def occupant(self) -> Occupant | None:
        """The call that runs there now."""
        return self._slot.read() if self.status is None else None

    def started(self, pid: int) -> None:
        """The nursery says which process it is."""
        if self.status is not None:
            return
        self._process = ProcessHandle(pid)
        if self._kill_wanted:
            self._process.kill_group()

    def kill(self, overdue: Occupant | None = None, allowed: float = 0.0) -> None:
        """End the process group now. Death is reported as always.

        `overdue` is the call whose deadline passed, `allowed` the seconds it had.
        """
        if overdue is not None:
            self.killed_for, self.allowed = overdue, allowed
        self._kill_wanted = True
        if self._process is not None:
            self._process.kill_group()

    def babbled(self, what: str) -> None:
        """It said what no runner says: user code broke it, or another process speaks in its place. End it."""
        _log.error("runner made no sense", extra={"runner": self.number, "role": self.role, "what": what})
        self._stop_reading()
        self.kill()

    def seen_dead(self) -> bool:
        """Whether the kernel says the process has ended. For when the nursery cannot report any more."""
        return self._process is None or self._process.dead()

    def died(self, status: int) -> None:
        """The process is reaped (or seen dead): read out what it had said, then tell the owner."""
        if self.status is not None:
            return
        while self._reading and self._read():
            pass
        self.status = status
        self.guilty = self._slot.read()
        self._stop_reading()
        if self._unsent:
            self._loop.remove_writer(self._socket)
        self._socket.close()
        if self._process is not None:
            self._process.close()
            self._process = None
        self._slot.remove()
        self._gone.set_result(status)
        _log.debug("runner ended", extra={"runner": self.number, "role": self.role, "status": status})
        self._owner.runner_ended(self)

    async def gone(self) -> int:
        """Wait until the process is dead; its exit status."""
        return await asyncio.shield(self._gone)
