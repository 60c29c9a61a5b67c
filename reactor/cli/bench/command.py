"""`reactor bench`: how fast a function is, and what it costs the server."""

from __future__ import annotations

import re
import sys
from typing import Annotated, Any

import orjson
import typer

from reactor.cli.bench.arguments import Arguments
from reactor.cli.bench.load import Extent
from reactor.cli.bench.measured import Measured
from reactor.cli.bench.plan import Live, Over, Plan
from reactor.cli.bench.progress import Progress
from reactor.cli.bench.report import report_of
from reactor.cli.bench.sheet import print_sheet
from reactor.cli.bench.trial import Trial
from reactor.cli.project import DATA, Data, run_to_end
from reactor.cli.run import json_object
from reactor.cli.target import Key, Target, Url, nobody_serves

EXAMPLES = """
**Examples**

    reactor bench chat:latest room=lobby                     # 16 clients, 10 seconds

    reactor bench chat:latest room=lobby --fresh --rate 500  # every call runs, 500 a second

    reactor bench chat:like @args.jsonl --calls 1000 --yes   # a mutation, with the lines of a file in turn

    reactor bench chat:latest room=lobby --subscribers 200 --write chat:send --write-args '{"room": "lobby", …}'

    reactor bench chat:latest room=lobby --json | jq .latencyMs.p99

**Arguments**: as for `reactor run`, or `@FILE`: a JSON object a line, used in turn; `@-` reads them from standard input.
"""
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|)")
_UNITS = {"ms": 0.001, "s": 1.0, "": 1.0, "m": 60.0, "h": 3600.0}
_CLIENTS, _WRITERS = 16, 1
_SECONDS, _WARM_UP = 10.0, 1.0
_LIVE, _LOAD = "Live", "How much"


def bench(
    path: Annotated[str, typer.Argument(help="The function: `users:getCurrentUser` or `users:get_current_user`.")],
    args: Annotated[
        list[str] | None,
        typer.Argument(metavar="[ARGS]", help="A JSON object, name=value for each argument, or @FILE of JSON lines."),
    ] = None,
    args_text: Annotated[str | None, typer.Option("--args", help="The same as one text.")] = None,
    clients: Annotated[
        int | None,
        typer.Option(
            "--clients",
            "-c",
            min=1,
            max=10_000,
            help="How many call at once. [default: 16; with --subscribers 1]",
            rich_help_panel=_LOAD,
        ),
    ] = None,
    duration: Annotated[
        str | None,
        typer.Option(
            "--duration", "-d", help="For how long: `500ms`, `10s`, `2m`. [default: 10s]", rich_help_panel=_LOAD
        ),
    ] = None,
    calls: Annotated[
        int | None,
        typer.Option(
            "--calls",
            "-n",
            min=1,
            help="So many calls, without warm-up, however long they take.",
            rich_help_panel=_LOAD,
        ),
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(
            min=0.01,
            max=100_000,
            help="So many calls a second, whatever becomes of those before. Latency counts from when each was due.",
            rich_help_panel=_LOAD,
        ),
    ] = None,
    warm_up: Annotated[
        str | None,
        typer.Option("--warm-up", help="Not measured. [default: 1s; with --calls 0s]", rich_help_panel=_LOAD),
    ] = None,
    over: Annotated[
        Over, typer.Option(help="Calls by HTTP, or by the sockets of live clients.", rich_help_panel=_LOAD)
    ] = Over.HTTP,
    fresh: Annotated[
        bool,
        typer.Option(
            "--fresh", help="A query: have every call run. Else equal ones share results.", rich_help_panel=_LOAD
        ),
    ] = False,
    subscribers: Annotated[
        int | None,
        typer.Option(
            min=1, max=50_000, help="Follow the query with so many, while --write is called.", rich_help_panel=_LIVE
        ),
    ] = None,
    write: Annotated[
        str | None, typer.Option(help="The mutation the subscribers are to see.", rich_help_panel=_LIVE)
    ] = None,
    write_args: Annotated[
        str | None, typer.Option(help="Its arguments: a JSON object, or @FILE.", rich_help_panel=_LIVE)
    ] = None,
    identity: Annotated[
        str | None, typer.Option(help="The user to call it as: a JSON object with at least `subject`.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before calling what writes.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
    data: Data = DATA,
    url: Url = None,
    admin_key: Key = None,
) -> None:
    """Measure a function: throughput, latency, and what it reads.

    Calls it on the running server, many at once, and prints what clients saw and what the server counted. A mutation or
    an action is really run, every time. You are the operator, as in `reactor run`. Ctrl-C ends it early.
    """
    if (subscribers is None) != (write is None):
        raise typer.BadParameter(
            "--subscribers and --write go together: a query is followed while a mutation is called"
        )
    if write is None and write_args is not None:
        raise typer.BadParameter("--write-args are those of --write, which is missing")
    if write is not None and (fresh or over is Over.SOCKET):
        raise typer.BadParameter("--fresh and --over go with calls, not with --subscribers")
    plan = Plan(
        path,
        Arguments.of(args or [], args_text, "--args", fresh=fresh),
        None if identity is None else json_object(identity, "--identity"),
        clients or (_CLIENTS if write is None else _WRITERS),
        Extent(_seconds(duration, "--duration", None if calls else _SECONDS), calls, rate),
        _seconds(warm_up, "--warm-up", 0.0 if calls else _WARM_UP) or 0.0,
        over,
        fresh,
        None if write is None else Live(subscribers or 0, write, Arguments.of([], write_args, "--write-args")),
    )
    measured = run_to_end(_measure(Target(data, url, admin_key), plan, yes=yes))
    report = report_of(measured)
    if as_json:
        print(orjson.dumps(report, option=orjson.OPT_INDENT_2).decode())
    else:
        print_sheet(report)
    if measured.interrupted:
        raise typer.Exit(130)
    if measured.lost is not None or not measured.tally.latencies.count:
        raise typer.Exit(1)


async def _measure(target: Target, plan: Plan, *, yes: bool) -> Measured:
    async with target.running() as remote:
        if remote is None:
            raise nobody_serves()
        trial = await Trial.of(remote, plan)
        if trial.function.writes and not yes and not _agreed(trial, plan, remote.url):
            raise typer.Exit(1)
        return await trial.run(Progress("writes" if plan.live is not None else "calls"))


def _agreed(trial: Trial, plan: Plan, url: str) -> bool:
    function = trial.function
    often = f"{plan.extent.calls:,} times" if plan.extent.calls else "as often as the server manages"
    if plan.extent.rate and not plan.extent.calls:
        often = f"{plan.extent.rate:g} times a second"
    many = f"{function.path} is {'an action' if function.kind == 'action' else 'a mutation'}: it would really be run, {often}"
    if not sys.stdin.isatty():
        raise typer.BadParameter(f"{many}, on {url}; what it does stays. Say --yes if that is meant")
    print(f"{many}, on {url}. What it does stays.", file=sys.stderr)
    return typer.confirm("Go on?", err=True)


def _seconds(text: str | None, option: str, otherwise: float | None) -> float | None:
    if text is None:
        return otherwise
    found = _DURATION.fullmatch(text.strip())
    seconds: Any = float(found[1]) * _UNITS[found[2]] if found else None
    if seconds is None or (seconds == 0 and option == "--duration") or seconds > 24 * 3600:
        raise typer.BadParameter(f"{option} is a time like 500ms, 10s or 2m, up to a day, not {text!r}")
    return float(seconds)
