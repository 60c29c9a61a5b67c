"""Run: every workload on every subject, round by round, the floors beside them, both ways of giving out the cores."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import itertools
import json
import os
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.floors import FLOORS
from bench.results import CORES, FLOOR, Cell, Cores, Results
from bench.subjects import SUBJECTS
from bench.workloads import WORKLOADS
from bench.workloads.workload import Reading

_FIRST_PORT = 18_400
CELL_LIMIT = 100.0  # seconds; longer is a failure
_UNKNOWN = 45.0  # seconds to keep for a cell that was never run; most take five
_FLOOR_SECONDS = 1.5


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run."""

    workloads: Sequence[str]
    subjects: Sequence[str]
    cores: Sequence[Cores]
    rounds: int
    seconds: float

    def cells(self) -> Iterator[Cell]:
        """In the order they are run: what is compared lies close together, and no subject is always the first."""
        for name in self.workloads:
            workload = WORKLOADS[name]
            for number in range(workload.rounds or self.rounds):
                ours = [Cell(name, FLOOR, "one", number)] if name in FLOORS and "one" in self.cores else []
                for subject in self.subjects:
                    allowed = {"one": workload.subjects, "both": workload.on_both_cores}
                    ours += [Cell(name, subject, cores, number) for cores in self.cores if subject in allowed[cores]]
                yield from ours if number % 2 == 0 else reversed(ours)


async def run(
    plan: Plan, results: Results, tell: Callable[[str], None], keep: Callable[[], None], within: float | None = None
) -> bool:
    """Fill in what the results lack; whether that is all of it. A cell that fails is noted and the rest goes on.

    With `within`, no cell is begun, but the first, that would probably not end in so many seconds.
    """
    began = time.monotonic()
    missing = {name: reason for name in plan.subjects if (reason := SUBJECTS[name].missing())}
    for name, reason in missing.items():
        tell(f"{name} is left out: {reason}")
    results.skipped = missing
    left = [cell for cell in plan.cells() if cell.subject not in missing and not results.has(cell)]
    done = 0
    with tempfile.TemporaryDirectory(prefix="reactor-bench-") as folder:
        for number, cell in enumerate(left):
            kind = f"{cell.workload} {cell.subject} {cell.cores}"
            needs = results.took.get(kind, _UNKNOWN)
            if within is not None and done and time.monotonic() - began + needs > within:
                tell(f"{len(left) - done} readings are left")
                return False
            cell_began = time.monotonic()
            try:
                reading = await asyncio.wait_for(_read(plan, cell, Path(folder), _free_port(number)), CELL_LIMIT)
            except Exception as error:  # noqa: BLE001 one cell of the table is not worth the others
                results.failures[cell] = f"{type(error).__name__}: {error}"
                tell(f"{kind}: failed: {results.failures[cell]}")
            else:
                results.readings[cell] = reading
                tell(_line(cell, reading, time.monotonic() - cell_began))
            results.took[kind] = max(results.took.get(kind, 0), time.monotonic() - cell_began)
            done += 1
            keep()
    return True


def _free_port(number: int) -> int:
    """A port that is free, as the one above it is; another one in each cell, and in runs side by side."""
    for port in itertools.count(_FIRST_PORT + os.getpid() % 250 * 16 + number):
        with contextlib.suppress(OSError):
            for each in (port, port + 1):
                socket.create_server(("127.0.0.1", each)).close()
            return port
    raise AssertionError("count() has no end")


async def _read(plan: Plan, cell: Cell, folder: Path, port: int) -> Reading:
    if cell.subject == FLOOR:
        return await _floor(cell.workload, min(plan.seconds, _FLOOR_SECONDS))
    subject = SUBJECTS[cell.subject](folder, port, CORES[cell.cores])
    try:
        await subject.start()
        return await WORKLOADS[cell.workload]().run(subject, plan.seconds)
    finally:
        with contextlib.suppress(OSError):
            subject.stop()
        gc.collect()


async def _floor(workload: str, seconds: float) -> Reading:
    command = ("taskset", "-c", CORES["one"], sys.executable, "-m", "bench.floors", workload, str(seconds))
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"it ended with {process.returncode}")
    reading: Reading = json.loads(output)
    return reading


def _line(cell: Cell, reading: Reading, took: float) -> str:
    shown = ", ".join(f"{key} {reading[key]:,.2f}" for key in WORKLOADS[cell.workload].shown if key in reading)
    where = "" if cell.subject == FLOOR else f", {cell.cores} core{'s' if cell.cores == 'both' else ''}"
    return f"{cell.workload} {cell.subject}{where} ({took:.0f} s): {shown}"
