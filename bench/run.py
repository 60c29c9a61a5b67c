"""Run: every workload on every subject, round by round, and the floors beside them."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.floors import FLOORS
from bench.subjects import SUBJECTS
from bench.workloads import WORKLOADS
from bench.workloads.workload import Reading

PORT = 18_400
FLOOR_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run."""

    workloads: Sequence[str]
    subjects: Sequence[str]
    rounds: int
    seconds: float
    cores: str  # the servers'


@dataclass(slots=True)
class Results:
    """Everything read, in the order it was."""

    cores: str
    readings: list[dict[str, Any]] = field(default_factory=list)  # workload, subject, round, and the Reading's items
    floors: dict[str, float] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    def of(self, workload: str, subject: str) -> list[Reading]:
        """All readings of one cell."""
        return [each["reading"] for each in self.readings if (each["workload"], each["subject"]) == (workload, subject)]

    def to_json(self) -> str:
        return json.dumps(
            {"cores": self.cores, "floors": self.floors, "readings": self.readings, "failures": self.failures}, indent=1
        )

    @classmethod
    def from_json(cls, text: str) -> Results:
        stored = json.loads(text)
        return cls(stored["cores"], stored["readings"], stored["floors"], stored["failures"])


async def run(plan: Plan, tell: Callable[[str], None]) -> Results:
    """All of it; a subject that fails is noted and the rest goes on."""
    results = Results(plan.cores)
    for name in FLOORS:
        command = [
            "taskset",
            "-c",
            "0",
            sys.executable,
            "-m",
            "bench.floors",
            name,
            str(min(FLOOR_SECONDS, plan.seconds)),
        ]
        results.floors[name] = float(await asyncio.to_thread(subprocess.check_output, command))
        tell(f"floor {name}: {results.floors[name]:,.0f}/s")
    port = PORT
    with tempfile.TemporaryDirectory(prefix="reactor-bench-") as folder:
        for workload in (WORKLOADS[name]() for name in plan.workloads):
            for round_number in range(plan.rounds):
                for name in plan.subjects:
                    if name not in workload.subjects and name != "reactor-http":
                        continue
                    port += 1
                    subject = SUBJECTS[name](Path(folder), port, plan.cores)
                    began = time.monotonic()
                    try:
                        await subject.start()
                        reading = await workload.run(subject, plan.seconds)
                    except Exception as error:  # noqa: BLE001 one cell of the table is not worth the others
                        results.failures.append(f"{workload.name} {name}: {type(error).__name__}: {error}")
                        tell(f"{workload.name} {name}: failed: {error}")
                        continue
                    finally:
                        with contextlib.suppress(OSError):
                            subject.stop()
                        gc.collect()
                    results.readings.append(
                        {"workload": workload.name, "subject": name, "round": round_number, "reading": reading}
                    )
                    shown = ", ".join(f"{key} {reading[key]:,.2f}" for key in workload.shown if key in reading)
                    tell(f"{workload.name} {name} ({time.monotonic() - began:.0f} s): {shown}")
    return results
