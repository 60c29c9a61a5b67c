"""The workloads, by name. W1–W6 are those of the peers' own comparison; W7–W10 are about reading, memory and size."""

from __future__ import annotations

from bench.workloads.growth import Growth
from bench.workloads.many_queries import Selective, Unrelated
from bench.workloads.memory import IdleConnections
from bench.workloads.one_query import FanOut, LastSubscriber
from bench.workloads.reads import RangeReads
from bench.workloads.start import StartFull, StartUp
from bench.workloads.workload import Workload
from bench.workloads.writes import Durable, HotCounter

WORKLOADS: dict[str, type[Workload]] = {
    workload.name: workload
    for workload in (
        LastSubscriber,
        FanOut,
        Selective,
        Durable,
        HotCounter,
        Unrelated,
        RangeReads,
        IdleConnections,
        StartUp,
        StartFull,
        Growth,
    )
}
