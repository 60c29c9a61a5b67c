"""`python -m bench`: run, and print one table."""

from __future__ import annotations

import argparse
import os
import resource
from pathlib import Path

import psutil
import uvloop

from bench.run import Plan, Results, run
from bench.subjects import SUBJECTS
from bench.subjects.subject import prefer
from bench.table import render
from bench.workloads import WORKLOADS


def main() -> None:
    """See --help."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="reactor beside its peers, in one run.")
    parser.add_argument("--workloads", default=",".join(WORKLOADS), help="of these: %(default)s")
    parser.add_argument("--subjects", default=",".join(SUBJECTS), help="of these: %(default)s")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=6.0, help="of load in each reading")
    parser.add_argument("--both-cores", action="store_true", help="servers may use both cores, as deployed")
    parser.add_argument("--results", type=Path, default=None, help="keep the readings in this JSON file")
    parser.add_argument("--plots", type=Path, default=None, help="draw an SVG for each workload into this folder")
    parser.add_argument("--show", type=Path, default=None, help="only print the table of a file kept before")
    options = parser.parse_args()
    if options.show is not None:
        results = Results.from_json(options.show.read_text())
    else:
        _settle_in()
        plan = Plan(
            options.workloads.split(","),
            options.subjects.split(","),
            options.rounds,
            options.seconds,
            "0,1" if options.both_cores else "0",
        )
        results = uvloop.run(run(plan, lambda line: print(line, flush=True)))
        if options.results is not None:
            options.results.parent.mkdir(parents=True, exist_ok=True)
            options.results.write_text(results.to_json())
    print()
    print(render(results))
    if options.plots is not None:
        from bench.plots import draw  # matplotlib is large, and not needed for the table

        for path in draw(results, options.plots):
            print(path)


def _settle_in() -> None:
    """The load has the last core to itself, and as many files as it needs."""
    prefer(os.getpid())
    os.sched_setaffinity(0, {(psutil.cpu_count() or 1) - 1})
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


if __name__ == "__main__":
    main()
