"""Results: everything read, kept in one JSON file that a later call adds to."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import os
import platform
import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

import reactor
from bench.workloads.workload import Reading

Cores = Literal["one", "both"]
CORES: Mapping[Cores, str] = {"one": "0", "both": "0,1"}
"""Those of the servers; the load has the last."""

FLOOR = "floor"
"""A subject in the results, though no server: see `bench.floors`."""

_BENCH = Path(__file__).parent
_MEASURING = ("apps", "clients", "subjects", "workloads", "floors.py", "meter.py")


@dataclass(frozen=True, slots=True)
class Cell:
    """One reading's place."""

    workload: str
    subject: str
    cores: Cores
    round: int


@dataclass(frozen=True, slots=True)
class Conditions:
    """What must not change within one run, for its figures to be comparable."""

    seconds: float  # of load in a reading
    sources: str  # a digest of what was measured, and of what measures
    machine: str

    @classmethod
    def now(cls, seconds: float) -> Self:
        return cls(seconds, _digest_of_sources(), _machine())


@dataclass(slots=True)
class Results:
    """Readings by their cell; cells that failed, with the reason; subjects that could not be run here at all."""

    conditions: Conditions
    readings: dict[Cell, Reading] = field(default_factory=dict)
    failures: dict[Cell, str] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)  # subject → what is to be done
    took: dict[str, float] = field(default_factory=dict)  # "W3 reactor one" → the most seconds such a cell has taken

    def has(self, cell: Cell) -> bool:
        """Whether it was tried."""
        return cell in self.readings or cell in self.failures

    def of(self, workload: str, subject: str, cores: Cores = "one") -> list[Reading]:
        """The readings of all rounds."""
        return [
            reading
            for cell, reading in self.readings.items()
            if (cell.workload, cell.subject, cell.cores) == (workload, subject, cores)
        ]

    def median(self, workload: str, subject: str, reading: str, cores: Cores = "one") -> float | None:
        """Over the rounds; None when there is nothing."""
        found = [each[reading] for each in self.of(workload, subject, cores) if reading in each]
        found = [value for value in found if not math.isnan(value)]
        return statistics.median(found) if found else None

    def to_json(self) -> str:
        return json.dumps(
            {
                "conditions": dataclasses.asdict(self.conditions),
                "readings": [{**dataclasses.asdict(cell), "reading": each} for cell, each in self.readings.items()],
                "failures": [{**dataclasses.asdict(cell), "reason": each} for cell, each in self.failures.items()],
                "skipped": self.skipped,
                "took": self.took,
            },
            indent=1,
        )

    @classmethod
    def from_json(cls, text: str) -> Self:
        stored = json.loads(text)
        return cls(
            Conditions(**stored["conditions"]),
            {_cell(each): each["reading"] for each in stored["readings"]},
            {_cell(each): each["reason"] for each in stored["failures"]},
            stored["skipped"],
            stored["took"],
        )

    def keep(self, path: Path) -> None:
        """Write the file whole: a later call finds the old one or the new one."""
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(path.name + ".new")
        beside.write_text(self.to_json())
        beside.replace(path)


def _cell(stored: Mapping[str, Any]) -> Cell:
    return Cell(stored["workload"], stored["subject"], stored["cores"], stored["round"])


def _digest_of_sources() -> str:
    assert reactor.__file__ is not None
    digest = hashlib.sha256()
    for root in (Path(reactor.__file__).parent, *(_BENCH / name for name in _MEASURING)):
        for path in sorted(root.rglob("*")) if root.is_dir() else [root]:
            if path.is_file() and path.suffix != ".pyc":
                digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _machine() -> str:
    processor = platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else ():
        if line.startswith("model name"):
            processor = line.partition(":")[2].strip()
            break
    return f"{processor}, {os.cpu_count()} cores, {platform.system()} {platform.release()}, Python {platform.python_version()}"
