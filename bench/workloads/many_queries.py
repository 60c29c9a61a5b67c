"""W3 and W6: subscriptions that a write does not touch."""

from __future__ import annotations

from typing import ClassVar

from bench.meter import Meter
from bench.subjects.subject import Subject
from bench.workloads.channels import Channels, Load
from bench.workloads.workload import Goal, Reading, Workload, ignore, percentile, settle, subscribe_all

WRITERS = 16
QUERIES = 1000
PEERS = (
    "reactor",
    "fastapi-shared",
    "pocketbase",
    "parse",
)  # for one subscriber a query, the naive service is the tuned one


class Selective(Workload):
    """16 writers write to random ones of 1,000 channels, each with one subscriber."""

    name: ClassVar[str] = "W3"
    title: ClassVar[str] = "1,000 distinct queries, 16 writers"
    shown: ClassVar[tuple[str, ...]] = (
        "writes_s", "delivery_p50_ms", "delivery_p99_ms", "lost", "needless_pushes", "needless_runs", "server_cpu_us",
        "load_core",
    )  # fmt: skip
    plotted: ClassVar[tuple[str, ...]] = ("writes_s", "delivery_p50_ms")
    subjects: ClassVar[tuple[str, ...]] = PEERS
    goals: ClassVar[tuple[Goal, ...]] = (
        Goal("writes_s", "more", 1.1, 1.5),
        Goal("needless_runs", "less", 0, 0, absolute=True),
        Goal("needless_pushes", "less", 0, 0, absolute=True),
        Goal("lost", "less", 0, 0, absolute=True),
    )

    async def run(self, subject: Subject, seconds: float) -> Reading:
        channels = Channels(QUERIES, "c")
        await subscribe_all(subject, [(name, channels.subscriber(at)) for at, name in enumerate(channels.names)])
        await channels.load(subject, WRITERS, subject.warm)
        await settle(lambda: channels.delivered)
        channels.begin()
        with Meter(subject) as meter:
            load = await channels.load(subject, WRITERS, seconds)
            meter.stop()
            await settle(lambda: channels.delivered)
        reading = self._reading(channels, load, meter)
        before = subject.runs(QUERIES)
        await channels.load(subject, WRITERS, seconds / 4, first=QUERIES // 2)
        await settle(lambda: channels.delivered)
        after = subject.runs(QUERIES)
        if after:  # the subject's own count, of the half that was not written to
            assert sum(after) > sum(before), "it counts nothing"
            reading["needless_runs"] = sum(after[QUERIES // 2 :]) - sum(before[QUERIES // 2 :])
        return reading

    @staticmethod
    def _reading(channels: Channels, load: Load, meter: Meter) -> Reading:
        return {
            "writes_s": load.writes / load.seconds,
            "ack_p50_ms": percentile(load.acks, 0.5),
            "delivery_p50_ms": percentile(channels.latencies, 0.5),
            "delivery_p99_ms": percentile(channels.latencies, 0.99),
            "lost": load.writes - channels.delivered,
            "needless_pushes": channels.needless + channels.misdirected,
            **meter.readings(load.writes),
        }


class Unrelated(Workload):
    """16 active subscribers, and from 10 to 10,000 that no write concerns."""

    name: ClassVar[str] = "W6"
    title: ClassVar[str] = "one write while 10 → 10,000 unrelated subscriptions exist"
    shown: ClassVar[tuple[str, ...]] = (
        "p50_ms_10", "p50_ms_1000", "p50_ms_5000", "p50_ms_10000", "growth_to_5000", "growth_to_10000", "writes_s_10",
        "writes_s_5000", "writes_s_10000", "lost", "load_core",
    )  # fmt: skip
    plotted: ClassVar[tuple[str, ...]] = ("p50_ms", "writes_s")  # over the sizes
    subjects: ClassVar[tuple[str, ...]] = PEERS
    on_both_cores: ClassVar[tuple[str, ...]] = ("reactor", "fastapi-shared")
    goals: ClassVar[tuple[Goal, ...]] = (
        Goal("growth_to_5000", "less", 1.2, 1.2, absolute=True),
        Goal("growth_to_10000", "less", 1.2, 1.2, absolute=True),
        Goal("p50_ms_5000", "less", 1.5, 1.3),
        Goal("writes_s_5000", "more", 1.4, 2.0),
    )
    sizes: ClassVar[tuple[int, ...]] = (10, 1000, 5000, 10_000)
    slow: ClassVar[frozenset[str]] = frozenset({"pocketbase", "parse"})  # to these 10,000 takes minutes

    async def run(self, subject: Subject, seconds: float) -> Reading:
        active = Channels(WRITERS, "active")
        await subscribe_all(subject, [(name, active.subscriber(at)) for at, name in enumerate(active.names)])
        await active.load(subject, WRITERS, subject.warm)
        idle = 0
        reading: Reading = {"lost": 0}
        for size in self.sizes[:-1] if subject.name in self.slow else self.sizes:
            await subscribe_all(subject, [(f"idle{number}", ignore) for number in range(idle, size)])
            idle = size
            await settle(lambda: active.delivered, 0.3)
            active.begin()
            load = await active.load(subject, 1, seconds / 3, closed=True)
            await settle(lambda: active.delivered, 0.3)
            reading["lost"] += load.writes - active.delivered
            reading[f"p50_ms_{size}"] = percentile(active.latencies, 0.5)
            active.begin()
            with Meter(subject) as meter:
                load = await active.load(subject, WRITERS, seconds / 3)
                meter.stop()
                await settle(lambda: active.delivered, 0.3)
            reading["lost"] += load.writes - active.delivered
            reading[f"writes_s_{size}"] = load.writes / load.seconds
            reading |= meter.readings(load.writes)  # those of the largest stay
            reading[f"growth_to_{size}"] = reading[f"p50_ms_{size}"] / reading[f"p50_ms_{self.sizes[0]}"]
        return reading
