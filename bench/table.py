"""Table: the results as Markdown, medians with the ratio to the best peer and what the goal says of it."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator

from bench.run import Results
from bench.subjects import SUBJECTS
from bench.workloads import WORKLOADS
from bench.workloads.workload import Goal, Workload

OURS = "reactor"


def median(results: Results, workload: str, subject: str, reading: str) -> float | None:
    """Of one cell, over the rounds; None when there is nothing."""
    found = [each[reading] for each in results.of(workload, subject) if reading in each]
    found = [value for value in found if not math.isnan(value)]
    return statistics.median(found) if found else None


def render(results: Results) -> str:
    """The whole document."""
    return "\n".join(_lines(results)) + "\n"


def _lines(results: Results) -> Iterator[str]:
    yield f"Servers on core {results.cores}, load on core 1; medians. Ratios are to the best peer of the same run.\n"
    yield "| goal | reactor | best peer | ratio | must | then | met |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for workload in WORKLOADS.values():
        for goal in workload.goals:
            if (line := _goal_line(results, workload, goal)) is not None:
                yield line
    yield "\n| floor | per second |\n| --- | --- |"
    for name, value in results.floors.items():
        yield f"| {name} | {value:,.0f} |"
    for workload in WORKLOADS.values():
        subjects = [name for name in SUBJECTS if results.of(workload.name, name)]
        if not subjects:
            continue
        yield f"\n### {workload.name}: {workload.title}\n"
        yield "| | rounds | " + " | ".join(workload.shown) + " |"
        yield "| --- | --- |" + " --- |" * len(workload.shown)
        for name in subjects:
            cells = [_shown(median(results, workload.name, name, reading)) for reading in workload.shown]
            yield f"| {name} | {len(results.of(workload.name, name))} | " + " | ".join(cells) + " |"
    if results.failures:
        yield "\nNot measured:\n"
        yield from (f"- {failure}" for failure in results.failures)
    yield "\nWhat an acknowledged write has survived: " + "; ".join(
        f"{name}: {subject.durable}" for name, subject in SUBJECTS.items()
    )


def _goal_line(results: Results, workload: type[Workload], goal: Goal) -> str | None:
    ours = median(results, workload.name, OURS, goal.reading)
    if ours is None:
        return None
    what = f"{workload.name} {goal.reading}"
    sign = "≤" if goal.better == "less" else "≥"
    if goal.absolute:
        return f"| {what} | {_shown(ours)} | | | {sign} {goal.must:g} | {sign} {goal.then:g} | {_met(ours, goal)} |"
    best = _best_peer(results, workload, goal)
    if best is None:
        return f"| {what} | {_shown(ours)} | none | | {sign} {goal.must:g} × | {sign} {goal.then:g} × | |"
    name, theirs = best
    ratio = ours / theirs if theirs else math.inf
    return (
        f"| {what} | {_shown(ours)} | {_shown(theirs)} ({name}) | {ratio:.2f} | {sign} {goal.must:g} × "
        f"| {sign} {goal.then:g} × | {_met(ratio, goal)} |"
    )


def _best_peer(results: Results, workload: type[Workload], goal: Goal) -> tuple[str, float] | None:
    found = [
        (value, name)
        for name in goal.among or SUBJECTS
        if not name.startswith(OURS) and (value := median(results, workload.name, name, goal.reading)) is not None
    ]
    if not found:
        return None
    value, name = min(found) if goal.better == "less" else max(found)
    return name, value


def _met(value: float, goal: Goal) -> str:
    def reaches(limit: float) -> bool:
        return value <= limit if goal.better == "less" else value >= limit

    return "then" if reaches(goal.then) else "must" if reaches(goal.must) else "**no**"


def _shown(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
