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
    goals: ClassVar[tuple[Goal, ...]] = ()
    subjects: ClassVar[tuple[str, ...]] = ("reactor", "fastapi-shared", "fastapi-naive", "pocketbase", "parse")

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


def numbers(push: bytes) -> list[int]:
    """Of all texts in a push."""
    return list(map(int, _NUMBER.findall(push)))


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
