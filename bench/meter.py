"""Meter: what a stretch of load cost, on the server's side and on ours."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

import psutil

from bench.subjects.subject import Subject


class Meter:
    """Reads CPU counters at both ends of a `with` block. `stop` ends the stretch before the block does."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self.seconds = 0.0  # of the wall; set by stop()
        self._shares: dict[str, float] = {}  # set by the first of lap() and stop()
        self._server_cpu = 0.0  # seconds; set by stop()

    def __enter__(self) -> Self:
        self._began = self._now()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self.seconds:
            self.stop()

    def lap(self) -> None:
        """The load has ended, though not yet what it caused: shares of a core are those up to here."""
        wall, server, load, machine = (after - before for after, before in zip(self._now(), self._began, strict=True))
        used = {"server_core": server, "load_core": load, "other_core": max(0.0, machine - server - load)}
        self._shares = {name: 100 * seconds / wall for name, seconds in used.items()}

    def stop(self) -> None:
        """Take the second reading."""
        if not self._shares:
            self.lap()
        self.seconds, self._server_cpu, *_ = (a - b for a, b in zip(self._now(), self._began, strict=True))

    def readings(self, operations: int) -> dict[str, float]:
        """CPU of the server per operation in microseconds, and the shares of a core in percent.

        Above a third of a core for others, a reading is doubtful; above nine tenths for the load, it is the load's.
        """
        return {"server_cpu_us": self._server_cpu * 1e6 / max(1, operations), **self._shares}

    def _now(self) -> tuple[float, float, float, float]:
        times = psutil.cpu_times()
        machine = times.user + times.system + times.nice + times.softirq + times.irq
        return time.perf_counter(), self._subject.cpu_seconds(), time.process_time(), machine
