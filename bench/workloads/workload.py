"""Workload: one way to load a subject, and what is read off it."""

from __future__ import annotations

import asyncio
import re
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from bench.subjects.subject import Connection, OnPush, Subject

Reading = dict[str, float]
Better = Literal["less", "more"]

_NUMBER = re.compile(rb"~(\d{8})~")
_UNITS = {
    "_ms": ", ms",
    "_us": ", µs",
    "_mb": ", MB",
    "_kb": ", KB",
    "_seconds": ", s",
    "_s": "/s",
    "_core": " client, %",
}
_AT_ONCE = 25  # subscriptions asked for at the same time


@dataclass(frozen=True, slots=True)
class Goal:
    """What a reading of ours may be at most, or at least, as a ratio to the best peer's; or by itself."""

    reading: str
    better: Better
    must: float
    then: float
    absolute: bool = False
    among: tuple[str, ...] = ()  # the peers compared with; all when empty


class Workload(ABC):
    """`run` loads a fresh, started subject for about `seconds`."""

    name: ClassVar[str]
    title: ClassVar[str]
    shown: ClassVar[tuple[str, ...]]  # readings in the table, in order
    plotted: ClassVar[tuple[str, ...]] = ()  # those in the picture
    goals: ClassVar[tuple[Goal, ...]] = ()
    subjects: ClassVar[tuple[str, ...]] = ("reactor", "fastapi-shared", "fastapi-naive", "pocketbase", "parse")
    on_both_cores: ClassVar[tuple[str, ...]] = ("reactor", "fastapi-shared", "pocketbase", "parse")
    rounds: ClassVar[int | None] = None  # when a reading is a median already; None: as many as are asked for

    @abstractmethod
    async def run(self, subject: Subject, seconds: float) -> Reading: ...


class Numbered:
    """Texts of 100 bytes, each with a number of its own."""

    def __init__(self) -> None:
        self.last = 0  # rises with each text

    def text(self) -> tuple[int, str]:
        """The next number and its text."""
        self.last += 1
        return self.last, f"~{self.last:08d}~" + "x" * 90


def ignore(_push: bytes) -> None:
    """For subscribers of whom nothing is asked."""


def numbers(push: bytes) -> list[int]:
    """Of all texts in a push."""
    return list(map(int, _NUMBER.findall(push)))


def newest(push: bytes) -> int:
    """Of the first text in a push: every subject has the newest first, or alone. A tenth of the work of `numbers`."""
    found = _NUMBER.search(push)
    return int(found[1]) if found else 0


def label(reading: str) -> str:
    """A reading's name for people: "last_p50_ms" is "last p50, ms"."""
    for ending, unit in _UNITS.items():
        head, found, size = reading.rpartition(ending)
        if found and (not size or size[1:].isdecimal()):
            at = f" at {int(size[1:]):,}" if size else ""
            name = head.replace("_", " ").replace("http", "HTTP").replace("cpu", "CPU")
            return name + (" each" if ending == "_us" else "") + unit + at
    return reading.replace("_", " ")


def more_is_better(reading: str) -> bool:
    """Of rates; of all else less is."""
    return reading.endswith("_s") or "_s_" in reading


def percentile(samples: Sequence[float], share: float) -> float:
    """Of seconds, in milliseconds."""
    if not samples:
        return float("nan")
    return sorted(samples)[min(len(samples) - 1, int(len(samples) * share))] * 1000


async def subscribe_all(subject: Subject, wanted: Sequence[tuple[str, OnPush]]) -> list[Connection]:
    """Many subscriptions, a few at a time."""
    opened: list[Connection] = []
    for start in range(0, len(wanted), _AT_ONCE):
        part = wanted[start : start + _AT_ONCE]
        opened += await asyncio.gather(*(subject.subscribe(channel, on_push) for channel, on_push in part))
    return opened


async def settle(count: Callable[[], int], quiet: float = 0.7, limit: float = 20.0) -> None:
    """Until a counter stands still."""
    last, since = count(), time.perf_counter()
    began = since
    while time.perf_counter() - since < quiet and time.perf_counter() - began < limit:
        await asyncio.sleep(0.02)
        if (now := count()) != last:
            last, since = now, time.perf_counter()


async def in_turn(clients: Sequence[Callable[[], Awaitable[None]]], seconds: float) -> tuple[int, list[float]]:
    """Every client does its thing again and again. How often in all, and how long each took."""
    took: list[float] = []
    end = time.perf_counter() + seconds

    async def one(client: Callable[[], Awaitable[None]]) -> None:
        while (began := time.perf_counter()) < end:
            await client()
            took.append(time.perf_counter() - began)

    await asyncio.gather(*map(one, clients))
    return len(took), took
