"""Plots: one picture for each workload, for people who would rather look. A white card: it reads on light pages and dark."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from bench.results import FLOOR, Results
from bench.subjects import SUBJECTS
from bench.workloads import WORKLOADS
from bench.workloads.growth import SIZES
from bench.workloads.many_queries import Unrelated
from bench.workloads.workload import Workload, label, more_is_better

INK, QUIET, RULE = "#1f2328", "#656d76", "#d0d7de"
COLORS = {
    "reactor": "#1f6feb",
    "reactor-http": "#6ea8fe",
    "fastapi-shared": "#2da44e",
    "fastapi-naive": "#8ddb8c",
    "pocketbase": "#bf8700",
    "parse": "#a475f9",
}
FLOOR_COLOR = "#cf222e"
ROOM = 1.38
"""Of the longest bar: its figure stands behind it."""

FAR = 4.0
"""A floor this many times as far as the longest bar is told in words: drawn, it would leave no bars."""

_STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9.5,
    "text.color": INK,
    "axes.labelcolor": QUIET,
    "axes.edgecolor": RULE,
    "xtick.color": QUIET,
    "ytick.color": INK,
    "svg.hashsalt": "reactor",  # the same readings make the same file
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def draw(results: Results, folder: Path, kind: str = "svg") -> list[Path]:
    """Write a file for each workload that was measured; which."""
    mpl.use("Agg")  # no screen is needed
    mpl.rcParams.update(_STYLE)
    folder.mkdir(parents=True, exist_ok=True)
    drawn: list[Path] = []
    for workload in WORKLOADS.values():
        subjects = [name for name in SUBJECTS if results.of(workload.name, name)]
        if not subjects or not workload.plotted:
            continue
        if workload.name == "W10":
            figure = _growth(results)
        elif workload.name == "W6":
            figure = _over_sizes(results, subjects)
        else:
            figure = _bars(results, workload, subjects)
        figure.suptitle(f"{workload.name}  {workload.title}", x=0.015, ha="left", fontsize=11, fontweight="bold")
        path = folder / f"{workload.name.lower()}.{kind}"
        figure.savefig(path, metadata={"Date": None} if kind == "svg" else None, facecolor="white", dpi=110)
        plt.close(figure)
        drawn.append(path)
    return drawn


def _bars(results: Results, workload: type[Workload], subjects: Sequence[str]) -> Figure:
    told = [
        each
        for each in workload.plotted
        if any(results.median(workload.name, name, each) for name in subjects)  # zeros make no picture
    ]
    figure, panels = plt.subplots(
        1, len(told), figsize=(10, 1.5 + 0.46 * len(subjects)), squeeze=False, layout=_layout(), sharey=True
    )
    for axes, reading in zip(panels[0], told, strict=True):
        _bar_panel(axes, results, workload, reading, subjects)
    return figure


def _bar_panel(axes: Axes, results: Results, workload: type[Workload], reading: str, subjects: Sequence[str]) -> None:
    longest = 0.0
    for at, name in enumerate(subjects):
        values = {cores: results.median(workload.name, name, reading, cores) for cores in ("one", "both")}
        height = 0.36 if values["both"] is not None else 0.5
        for cores, value in values.items():
            if value is None:
                continue
            place = at if values["both"] is None else at + (0.2 if cores == "both" else -0.2)
            [bar] = axes.barh(place, value, height, color=COLORS[name], alpha=0.45 if cores == "both" else 1)
            text = f" {_short(value)}" + ("  both cores" if cores == "both" else "")
            axes.annotate(text, (value, bar.get_y() + height / 2), va="center", fontsize=8.5, color=INK)
            longest = max(longest, value)
    axes.set_yticks(range(len(subjects)), subjects)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(subjects) - 0.45, -0.55)
    axes.set_xlim(0, longest * ROOM)
    _floor_line(axes, results.median(workload.name, FLOOR, reading), longest)
    axes.locator_params(axis="x", nbins=5)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.4g}" if value < 1e4 else f"{value / 1000:,.0f}k")
    axes.set_title(f"{label(reading)}  ({_better(reading)})", loc="left", fontsize=9.5, color=QUIET)


def _floor_line(axes: Axes, floor: float | None, longest: float) -> None:
    """With its figure below the axis, where the line meets it."""
    if floor is None:
        return
    if floor > longest * FAR:
        axes.set_xlabel(f"floor {_short(floor)}, far to the right", loc="right", color=FLOOR_COLOR, fontsize=8.5)
        return
    right = max(longest * ROOM, floor * 1.12)
    axes.set_xlim(0, right)
    axes.axvline(floor, color=FLOOR_COLOR, linestyle="--", linewidth=1.2)
    place = min(0.93, max(0.07, floor / right))
    axes.set_xlabel(f"floor {_short(floor)}", x=place, ha="center", color=FLOOR_COLOR, fontsize=8.5)


def _over_sizes(results: Results, subjects: Sequence[str]) -> Figure:
    figure, panels = plt.subplots(1, 2, figsize=(10, 3.9), layout=_layout())
    titles = ("one writer: write to delivery, p50 ms", "16 writers: writes/s")
    for axes, reading, title in zip(panels, Unrelated.plotted, titles, strict=True):
        for name in (*subjects, FLOOR):
            points = [
                (size, value)
                for size in Unrelated.sizes
                if (value := results.median(Unrelated.name, name, f"{reading}_{size}")) is not None
            ]
            if points:
                axes.plot(*zip(*points, strict=True), label=name, **_line_style(name))
        axes.set(xscale="log", yscale="log", xlabel="subscriptions that no write concerns")
        axes.set_xticks(
            Unrelated.sizes, [_short(size) if size < 1000 else f"{size // 1000}k" for size in Unrelated.sizes]
        )
        axes.minorticks_off()
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}" if value >= 1 else f"{value:g}")
        axes.grid(axis="y", color=RULE, linewidth=0.6)
        axes.set_title(f"{title}  ({_better(reading)})", loc="left", fontsize=9.5, color=QUIET)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=6, frameon=False)
    return figure


def _line_style(name: str) -> dict[str, Any]:
    if name == FLOOR:
        return {"color": FLOOR_COLOR, "linestyle": "--", "linewidth": 1.2}
    ours = {"linewidth": 2.4, "zorder": 3} if name == "reactor" else {}
    return {"color": COLORS[name], "marker": "o", "markersize": 5, **ours}


def _growth(results: Results) -> Figure:
    figure, axes = plt.subplots(figsize=(8, 3.9), layout=_layout())
    for what in ("rerun", "insert", "range", "point"):
        values = [results.median("W10", "reactor", f"{what}_ms_{size}") or 0 for size in SIZES]
        axes.plot(SIZES, values, marker="o", markersize=5, label=what)
    axes.set(xscale="log", xlabel="documents in the table")
    axes.set_xticks(SIZES, [f"{size:,}" for size in SIZES])
    axes.set_ylim(bottom=0)
    axes.minorticks_off()
    axes.grid(axis="y", color=RULE, linewidth=0.6)
    axes.set_title("p50, ms  (less is better)", loc="left", fontsize=9.5, color=QUIET)
    figure.legend(loc="outside lower center", ncols=4, frameon=False)
    return figure


def _layout() -> ConstrainedLayoutEngine:
    return ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.09)  # inches


def _better(reading: str) -> str:
    return "more is better" if more_is_better(reading) else "less is better"


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
