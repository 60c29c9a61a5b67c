"""`python -m bench`: run, and print the tables."""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import signal
import sys
from collections.abc import Coroutine
from pathlib import Path

import psutil
import uvloop

from bench import page, parse_packages
from bench.results import CORES, Conditions, Results
from bench.run import Plan, run
from bench.subjects import SUBJECTS
from bench.subjects.subject import prefer
from bench.table import render
from bench.workloads import WORKLOADS

MORE = 75
"""The exit status when time was up before all was read: call again."""


def main() -> None:
    """See --help."""
    options = _arguments()
    if options.install_parse:
        print(parse_packages.install())
        return
    results = _measure(options) if options.show is None else _read(options.show)
    if not options.quiet:
        print(f"\n{render(results)}", end="")
    if options.page is not None:
        page.fill_in(options.page, results)
    if options.plots is not None:
        from bench.plots import draw  # matplotlib is large, and not needed for the table

        for path in draw(results, options.plots):
            print(path)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="reactor beside its peers, in one run.")
    parser.add_argument("--only", default=",".join(WORKLOADS), metavar="WORKLOADS", help="of these: %(default)s")
    parser.add_argument("--subjects", default=",".join(SUBJECTS), help="of these: %(default)s")
    parser.add_argument(
        "--cores", default=",".join(CORES), help="one: the servers pinned to core 0; both: free to use two; %(default)s"
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0, help="of load in each reading; %(default)s")
    parser.add_argument(
        "--into", type=Path, default=None, metavar="JSON", help="keep the readings here; add those it lacks"
    )
    parser.add_argument(
        "--within", type=float, default=None, metavar="SECONDS", help=f"then end, with {MORE} if more is left"
    )
    parser.add_argument(
        "--show", type=Path, default=None, metavar="JSON", help="measure nothing: tell what is kept here"
    )
    parser.add_argument("--anew", action="store_true", help="measure again what is kept there")
    parser.add_argument("--quiet", action="store_true", help="do not print the tables")
    parser.add_argument("--plots", type=Path, default=None, metavar="FOLDER", help="draw an SVG for each workload")
    parser.add_argument(
        "--page", type=Path, default=None, metavar="MARKDOWN", help="put the tables between its markers"
    )
    parser.add_argument(
        "--install-parse", action="store_true", help=f"only fetch Parse Server into {parse_packages.folder()}"
    )
    options = parser.parse_args()
    for name, known in (("only", WORKLOADS), ("subjects", SUBJECTS), ("cores", CORES)):
        chosen = [each for each in getattr(options, name).split(",") if each]
        if unknown := [each for each in chosen if each not in known]:
            parser.error(f"--{name}: {', '.join(unknown)} is not one of {', '.join(known)}")
        setattr(options, name, chosen)
    return options


def _measure(options: argparse.Namespace) -> Results:
    """Exits with MORE when there is more to do."""
    plan = Plan(options.only, options.subjects, options.cores, options.rounds, options.seconds)
    path: Path | None = options.into
    conditions = Conditions.now(plan.seconds)
    results = Results(conditions)
    if path is not None and path.exists() and not options.anew:
        results = _read(path)
        if results.conditions != conditions:
            sys.exit(
                f"{path} was measured under other conditions: {results.conditions}, now {conditions}.\n"
                "Figures of both would not compare: move it away, or name another file."
            )
    _settle_in()
    keep = (lambda: results.keep(path)) if path is not None else (lambda: None)
    if not uvloop.run(_until_told(run(plan, results, lambda line: print(line, flush=True), keep, options.within))):
        sys.exit(MORE)
    return results


def _read(path: Path) -> Results:
    """Exits when there is no run in it."""
    try:
        return Results.from_json(path.read_text())
    except (OSError, ValueError, LookupError, TypeError) as error:
        sys.exit(f"{path} holds no run of this benchmark: {type(error).__name__}: {error}")


async def _until_told(work: Coroutine[object, object, bool]) -> bool:
    """SIGTERM, too, ends what was started before it ends us."""
    task = asyncio.ensure_future(work)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        return await task
    except asyncio.CancelledError:
        sys.exit(128 + signal.SIGTERM)


def _settle_in() -> None:
    """The load has the last core to itself, and as many files as it needs."""
    prefer(os.getpid())
    os.sched_setaffinity(0, {(psutil.cpu_count() or 1) - 1})
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


if __name__ == "__main__":
    main()
