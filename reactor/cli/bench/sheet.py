"""Sheet: a report for people, on standard output."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from reactor.cli.bench.progress import milliseconds

_NAMES = ("p50", "p90", "p99", "max")
_ERRORS = 10  # kinds that are shown
_LENGTH = 160  # characters of an error
_WIDTH = 110  # characters of a line where nobody says how many there is room for


def print_sheet(report: dict[str, Any]) -> None:
    """The JSON of a report, laid out."""
    console = Console(highlight=False, soft_wrap=True)
    if not console.is_terminal:
        console.width = max(console.width, _WIDTH)
    console.print(Text(_title(report), style="bold"))
    console.print()
    console.print(_figures(report))
    if report["errors"]:
        console.print()
        for error in report["errors"][:_ERRORS]:
            text = error["first"].splitlines()[0] if error["first"] else error["code"]
            shown = text if text.startswith((error["code"], "Uncaught")) else f"{error['code']}: {text}"
            console.print(Text(f"{error['count']:>8,} × {shown[:_LENGTH]}", style="red"))
    if report["server"] is not None:
        console.print()
        console.print(_functions(_with_first_call(report)))
    console.print()
    console.print(Text(_processors(report), style="dim"))
    for hint in report["hints"]:
        console.print(Text(f"• {hint}", style="yellow"))


def _title(report: dict[str, Any]) -> str:
    many = "" if report["clients"] == 1 else "s"
    live = report.get("live")
    if live is not None:
        what = f"{live['query']}, {live['subscribers']:,} subscribers, while {report['clients']:,} client{many} called {report['function']}"
    else:
        what = f"{report['function']}, {report['kind']}, {report['clients']:,} client{many} over {report['over']}"
    rate = "" if report["rate"] is None else f" at {report['rate']:,g}/s"
    return f"{what}{rate}, {report['seconds']:.1f} s"


def _figures(report: dict[str, Any]) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="dim")
    table.add_column(justify="right")
    table.add_column()
    calls, live = report["calls"], report.get("live")
    table.add_row("writes" if live else "calls", f"{calls['succeeded']:,}", f"{report['perSecond']:,.0f}/s")
    if calls["failed"]:
        share = calls["failed"] / (calls["succeeded"] + calls["failed"])
        table.add_row("failed", f"{calls['failed']:,}", f"{share:.2%}")
    if live:
        table.add_row("deliveries", f"{live['deliveries']:,}", f"{live['deliveriesPerSecond']:,.0f}/s")
        _latencies(table, "write → its answer", live["answerMs"])
        _latencies(table, "write → a subscriber", live["deliveryMs"])
        _latencies(table, "write → the last one", report["latencyMs"])
    else:
        _latencies(table, "latency", report["latencyMs"])
    return table


def _latencies(table: Table, name: str, told: dict[str, float] | None) -> None:
    if told is not None:
        rest = "   ".join(f"{each} {milliseconds(told[each] / 1000)}" for each in _NAMES[1:])
        table.add_row(name, f"p50 {milliseconds(told['p50'] / 1000)}", rest)


def _functions(functions: list[dict[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("server, per run", no_wrap=True)
    for name in ("runs", "CPU", "documents read", "bytes read", "index ranges", "documents written"):
        table.add_column(name, justify="right")
    for each in functions:
        per_run = each["perRun"] or {}
        table.add_row(
            Text(each["path"]),
            f"{each['runs']:,}",
            "" if each["processorMs"] is None else milliseconds(each["processorMs"] / 1000),
            *(_mean(per_run.get(name)) for name in ("documentsRead", "bytesRead", "indexRanges", "documentsWritten")),
        )
    return table


def _with_first_call(report: dict[str, Any]) -> list[dict[str, Any]]:
    """A function whose results were all shared was run in the first call only: what it read then is what is known."""
    functions: list[dict[str, Any]] = report["server"]["functions"]
    first = report["firstCall"]
    if first["cost"] is None or any(each["path"] == first["path"] for each in functions):
        return functions
    return [{**first["cost"], "runs": 0}, *functions]


def _mean(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if value == int(value) or value >= 1000 else f"{value:,.1f}"


def _processors(report: dict[str, Any]) -> str:
    client = f"this command {report['client']['processorShare']:.0%} of a core"
    if report["server"] is None:
        return f"{client}; the server does not tell what calls cost it"
    functions = sum((each["processorMs"] or 0.0) * each["runs"] for each in report["server"]["functions"])
    share = functions / 1000 / max(report["seconds"], 1e-9)
    return f"CPU: your functions {share:.0%} of a core, the server's process {report['server']['processorShare']:.0%}, {client}"
