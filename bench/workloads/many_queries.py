"""W3 and W6: subscriptions that a write does not touch."""

from __future__ import annotations

from typing import ClassVar

from bench.meter import Meter
from bench.subjects.subject import Subject
from bench.workloads.channels import Channels
from bench.workloads.workload import Goal, Reading, Workload, percentile, settle, subscribe_all


class Selective(Workload):
    """16 writers write to random ones of 1,000 channels, each with one subscriber."""

    name: ClassVar[str] = "W3"
    title: ClassVar[str] = "1,000 distinct queries, 16 writers"
    shown: ClassVar[tuple[str, ...]] = (
        "writes_s", "delivery_p50_ms", "delivery_p99_ms", "lost", "needless", "server_cpu_us",
    )  # fmt: skip
    goals: ClassVar[tuple[Goal, ...]] = (
        Goal("writes_s", "more", 1.1, 1.5),
        Goal("needless", "less", 0, 0, absolute=True),
    )

    async def run(self, subject: Subject, seconds: float) -> Reading:
        channels = Channels(1000, "c")
        await subscribe_all(subject, [(name, channels.subscriber(at)) for at, name in enumerate(channels.names)])
        await channels.load(subject, 16, 1)
        await settle(lambda: channels.delivered)
        channels.begin()
        with Meter(subject) as meter:
            load = await channels.load(subject, 16, seconds)
            meter.stop()
            await settle(lambda: channels.delivered)
        return {
            "writes_s": load.writes / load.seconds,
            "ack_p50_ms": percentile(load.acks, 0.5),
            "delivery_p50_ms": percentile(channels.latencies, 0.5),
            "delivery_p99_ms": percentile(channels.latencies, 0.99),
            "lost": load.writes - channels.delivered,
            "needless": channels.needless + channels.misdirected,
            **meter.readings(load.writes),
        }


class Unrelated(Workload):
    """16 active subscribers, and from 10 to 10,000 that no write concerns."""

    name: ClassVar[str] = "W6"
    title: ClassVar[str] = "one write while 10 → 10,000 unrelated subscriptions exist"
    shown: ClassVar[tuple[str, ...]] = (
        "p50_ms_10", "p50_ms_1000", "p50_ms_5000", "p50_ms_10000", "growth", "writes_s_10", "writes_s_5000", "lost",
    )  # fmt: skip
    goals: ClassVar[tuple[Goal, ...]] = (
        Goal("growth", "less", 1.2, 1.2, absolute=True),
        Goal("p50_ms_5000", "less", 1.5, 1.3),
        Goal("writes_s_5000", "more", 1.4, 2.0),
    )
    sizes: ClassVar[tuple[int, ...]] = (10, 1000, 5000, 10_000)
    slow: ClassVar[frozenset[str]] = frozenset({"pocketbase", "parse"})  # to these 10,000 takes minutes

    async def run(self, subject: Subject, seconds: float) -> Reading:
        active = Channels(16, "active")
        await subscribe_all(subject, [(name, active.subscriber(at)) for at, name in enumerate(active.names)])
        await active.load(subject, 16, 1)
        idle = 0
        reading: Reading = {"lost": 0}
        sizes = self.sizes[:-1] if subject.name in self.slow else self.sizes
        for size in sizes:
            await subscribe_all(subject, [(f"idle{number}", _ignore) for number in range(idle, size)])
            idle = size
            await settle(lambda: active.delivered)
            for writers in (1, 16):
                active.begin()
                load = await active.load(subject, writers, seconds / 3, closed=writers == 1)
                await settle(lambda: active.delivered)
                reading["lost"] += load.writes - active.delivered
                if writers == 1:
                    reading[f"p50_ms_{size}"] = percentile(active.latencies, 0.5)
                else:
                    reading[f"writes_s_{size}"] = load.writes / load.seconds
        reading["growth"] = reading["p50_ms_5000"] / reading["p50_ms_10"]
        return reading


def _ignore(_push: bytes) -> None: ...
