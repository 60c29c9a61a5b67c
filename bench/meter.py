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
        self.server_cpu = 0.0  # seconds
        self.load_cpu = 0.0
        self.other_cpu = 0.0  # of everything else on the machine: above a third of a core a reading is doubtful

    def __enter__(self) -> Self:
        self._began = self._now()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self.seconds:
            self.stop()

    def stop(self) -> None:
        """Take the second reading."""
        wall, server, load, machine = (after - before for after, before in zip(self._now(), self._began, strict=True))
        self.seconds, self.server_cpu, self.load_cpu = wall, server, load
        self.other_cpu = max(0.0, machine - server - load)

    def readings(self, operations: int) -> dict[str, float]:
        """CPU of the server per operation in microseconds, and the shares of a core in percent."""
        return {
            "server_cpu_us": self.server_cpu * 1e6 / max(1, operations),
            "server_core": 100 * self.server_cpu / self.seconds,
            "load_core": 100 * self.load_cpu / self.seconds,
            "other_core": 100 * self.other_cpu / self.seconds,
        }

    def _now(self) -> tuple[float, float, float, float]:
        times = psutil.cpu_times()
        machine = times.user + times.system + times.nice + times.softirq + times.irq
        return time.perf_counter(), self._subject.cpu_seconds(), time.process_time(), machine
