"""Report: what was measured, as the JSON that programs read. docs/bench.md describes it."""

from __future__ import annotations

from typing import Any

from reactor.cli.bench.hints import hints_of
from reactor.cli.bench.latencies import Latencies
from reactor.cli.bench.measured import Measured
from reactor.cli.bench.server_profile import FunctionCost, ServerCost

_PERCENTILES = (("p50", 0.5), ("p90", 0.9), ("p99", 0.99))


def report_of(measured: Measured) -> dict[str, Any]:
    """Times in seconds and milliseconds, as their names say."""
    plan, tally = measured.plan, measured.tally
    told: dict[str, Any] = {
        "function": measured.function.path,
        "kind": measured.function.kind,
        "url": measured.url,
        "over": "socket" if plan.live is not None else plan.over.value,
        "clients": plan.clients,
        "rate": plan.extent.rate,
        "fresh": plan.fresh,
        "argumentLines": len(plan.arguments if plan.live is None else plan.live.arguments),
        "seconds": round(measured.seconds, 6),
        "interrupted": measured.interrupted,
        "calls": {
            "succeeded": tally.latencies.count,
            "failed": tally.failures,
            "unanswered": measured.unanswered,
            "neverBegun": measured.never_begun,
            "beforehand": measured.before,
        },
        "perSecond": round(tally.latencies.count / measured.seconds, 3),
        "latencyMs": latencies_of(tally.latencies),
        "errors": [{"code": code, "count": kind.count, "first": kind.first} for code, kind in tally.errors.items()],
        "firstCall": {
            "path": (measured.query or measured.function).path,
            "answerBytes": measured.answer.size,
            "answerItems": measured.answer.items,
            "cost": None if measured.answer.cost is None else _function(measured.answer.cost),
        },
        "server": None if measured.server is None else _server(measured.server),
        "client": {"processorShare": round(measured.client_share, 3)},
        "hints": hints_of(measured),
    }
    if plan.live is not None and measured.delivered is not None and measured.query is not None:
        delivered = measured.delivered
        told["live"] = {
            "query": measured.query.path,
            "subscribers": plan.live.subscribers,
            "lost": delivered.lost,
            "deliveries": delivered.latencies.count,
            "deliveriesPerSecond": round(delivered.latencies.count / measured.seconds, 3),
            "deliveryMs": latencies_of(delivered.latencies),
            "answerMs": latencies_of(delivered.answers),
        }
    return told


def latencies_of(latencies: Latencies) -> dict[str, float] | None:
    """In milliseconds; None when there are none."""
    if not latencies.count:
        return None
    told = {"min": latencies.least, "mean": latencies.mean}
    told |= {name: latencies.percentile(share) for name, share in _PERCENTILES}
    told["max"] = latencies.most
    return {name: round(seconds * 1000, 4) for name, seconds in told.items()}


def _server(server: ServerCost) -> dict[str, Any]:
    return {
        "processorShare": round(server.processor / server.seconds, 3),
        "functions": [_function(cost) for cost in server.functions],
    }


def _function(cost: FunctionCost) -> dict[str, Any]:
    told: dict[str, Any] = {
        "path": cost.path,
        "kind": cost.kind,
        "runs": cost.runs,
        "failed": cost.failed,
        "processorMs": None if cost.kind in ("action", "httpAction") else round(cost.cpu * 1000 / cost.runs, 4),
        "perRun": None,
    }
    if cost.counted:
        told["perRun"] = {
            "documentsRead": cost.documents_read / cost.counted,
            "bytesRead": cost.bytes_read / cost.counted,
            "indexRanges": cost.index_ranges / cost.counted,
            "documentsWritten": cost.documents_written / cost.counted,
            "bytesWritten": cost.bytes_written / cost.counted,
        }
    return told
