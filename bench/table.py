"""Table: the results as Markdown. One table of goals, with both ways of giving out the cores and the floor side by side;
then every reading of every subject."""

from __future__ import annotations

import math
from collections.abc import Iterator

from bench.results import FLOOR, Cores, Results
from bench.subjects import SUBJECTS
from bench.workloads import WORKLOADS
from bench.workloads.workload import Goal, Workload, label

OURS = "reactor"
LOAD_LIMIT = 90.0  # % of a core: from here on the load client may be what was measured
NOISE_LIMIT = 33.0  # % of a core: taken by others

_HEAD = (
    "goal", "reactor", "best peer", "ratio", "two cores: reactor", "best peer", "ratio", "floor", "of the floor",
    "must", "then", "met",
)  # fmt: skip


def render(results: Results) -> str:
    """The whole document."""
    return f"{summary(results)}\n{details(results)}"


def summary(results: Results) -> str:
    """The goals, and what durable means to each subject."""
    return "\n".join(_summary(results)) + "\n"


def details(results: Results) -> str:
    """A table for each workload, and what is to be known of the run."""
    return "\n".join((*_details(results), *_remarks(results))) + "\n"


def _summary(results: Results) -> Iterator[str]:
    yield _row(_HEAD)
    yield _row(["---"] * len(_HEAD))
    for workload in WORKLOADS.values():
        for goal in workload.goals:
            if results.median(workload.name, OURS, goal.reading) is not None:
                yield _goal_row(results, workload, goal)
    yield ""
    yield from _durability(results)


def _goal_row(results: Results, workload: type[Workload], goal: Goal) -> str:
    one, both = (_compared(results, workload, goal, cores) for cores in ("one", "both"))
    ours = results.median(workload.name, OURS, goal.reading)
    floor = results.median(workload.name, FLOOR, goal.reading)
    sign, unit = ("≤" if goal.better == "less" else "≥"), ("" if goal.absolute else " ×")
    of_floor = f"{ours / floor:.2g} ×" if floor and ours is not None else ""
    limits = [f"{sign} {limit:g}{unit}" for limit in (goal.must, goal.then)]
    met = _met(ours if goal.absolute else _ratio(results, workload, goal, "one"), goal)
    return _row([f"{workload.name} {label(goal.reading)}", *one, *both, _shown(floor), of_floor, *limits, met])


def _compared(results: Results, workload: type[Workload], goal: Goal, cores: Cores) -> list[str]:
    """Ours, the best peer's, the ratio."""
    ours = _shown(results.median(workload.name, OURS, goal.reading, cores))
    if (best := best_peer(results, workload, goal, cores)) is None:
        return [ours, "", ""]
    name, theirs = best
    ratio = _ratio(results, workload, goal, cores)
    return [ours, f"{_shown(theirs)} ({name})", "" if ratio is None else f"{ratio:.2f}"]


def _ratio(results: Results, workload: type[Workload], goal: Goal, cores: Cores) -> float | None:
    ours, best = results.median(workload.name, OURS, goal.reading, cores), best_peer(results, workload, goal, cores)
    if ours is None or best is None or (goal.absolute and not best[1]):
        return None
    return ours / best[1] if best[1] else math.inf


def best_peer(results: Results, workload: type[Workload], goal: Goal, cores: Cores) -> tuple[str, float] | None:
    """Among those the goal names, and that lost nothing."""
    found = [
        (value, name)
        for name in goal.among or SUBJECTS
        if not name.startswith(OURS)
        and (value := results.median(workload.name, name, goal.reading, cores)) is not None
        and not results.median(workload.name, name, "lost", cores)
    ]
    if not found:
        return None
    value, name = min(found) if goal.better == "less" else max(found)
    return name, value


def _met(value: float | None, goal: Goal) -> str:
    if value is None:
        return ""

    def reaches(limit: float) -> bool:
        return value <= limit if goal.better == "less" else value >= limit

    return "then" if reaches(goal.then) else "must" if reaches(goal.must) else "**no**"


def _durability(results: Results) -> Iterator[str]:
    yield "What an acknowledged write has survived:"
    yield ""
    for name, subject in SUBJECTS.items():
        reason = f" (left out of this run: {results.skipped[name]})" if name in results.skipped else ""
        yield f"- {name}: {subject.durable}{reason}"


def _details(results: Results) -> Iterator[str]:
    yield "One core for the servers / two, where both were measured; medians of the rounds."
    for workload in WORKLOADS.values():
        present = [name for name in (*SUBJECTS, FLOOR) if results.of(workload.name, name)]
        if not present:
            continue
        yield f"\n**{workload.name}: {workload.title}**\n"
        yield _row(["", "rounds", *map(label, workload.shown)])
        yield _row(["---"] * (2 + len(workload.shown)))
        for name in present:
            rounds = str(len(results.of(workload.name, name)))
            yield _row([name, rounds, *(_both_ways(results, workload.name, name, each) for each in workload.shown)])


def _both_ways(results: Results, workload: str, name: str, reading: str) -> str:
    one, both = (_shown(results.median(workload, name, reading, cores)) for cores in ("one", "both"))
    return f"{one} / {both}" if both else one


def _remarks(results: Results) -> Iterator[str]:
    conditions = results.conditions
    yield f"\n{conditions.machine}; {conditions.seconds:g} s of load in a reading."
    yield f"\nThe load client may be the limit (above {LOAD_LIMIT:.0f} % of its core): {_where_the_load_is(results)}."
    noisy = sum(each.get("other_core", 0) > NOISE_LIMIT for each in results.readings.values())
    yield f"\nReadings while others used more than a third of a core: {noisy} of {len(results.readings)}."
    if results.failures:
        yield "\nNot measured:\n"
        for cell, reason in results.failures.items():
            yield f"- {cell.workload} {cell.subject}, {cell.cores}, round {cell.round + 1}: {reason}"


def _where_the_load_is(results: Results) -> str:
    found = []
    for name, workload in WORKLOADS.items():
        for subject in SUBJECTS:
            for cores in ("one", "both"):
                for reading in (each for each in workload.shown if each.endswith("load_core")):
                    share = results.median(name, subject, reading, cores)
                    if share is not None and share > LOAD_LIMIT:
                        found.append(f"{name} {subject} on {cores} ({share:.0f} %)")
    return ", ".join(found) or "nowhere"


def _row(cells: list[str] | tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"


def _shown(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
