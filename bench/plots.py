"""Plots: one picture for each workload, for people who would rather look."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from bench.run import Results
from bench.subjects import SUBJECTS
from bench.table import median
from bench.workloads import WORKLOADS
from bench.workloads.growth import SIZES

COLORS = {"reactor": "#2563eb", "reactor-http": "#60a5fa"}
OTHERS = "#9ca3af"


def draw(results: Results, folder: Path) -> list[Path]:
    """Write SVG files; which."""
    mpl.use("Agg")  # no screen is needed
    folder.mkdir(parents=True, exist_ok=True)
    drawn: list[Path] = []
    for workload in WORKLOADS.values():
        subjects = [name for name in SUBJECTS if results.of(workload.name, name)]
        if not subjects:
            continue
        path = folder / f"{workload.name.lower()}.svg"
        if workload.name == "W10":
            _curves(results, path)
        elif workload.name == "W6":
            _latencies(results, subjects, path)
        else:
            _bars(results, workload.name, workload.title, workload.shown[:2], subjects, path)
        drawn.append(path)
    return drawn


def _bars(
    results: Results, workload: str, title: str, readings: tuple[str, ...], subjects: list[str], path: Path
) -> None:
    figure, axes = plt.subplots(1, len(readings), figsize=(10, 0.6 + 0.5 * len(subjects)), squeeze=False)
    for axis, reading in zip(axes[0], readings, strict=True):
        values = [median(results, workload, name, reading) or 0 for name in subjects]
        bars = axis.barh(subjects, values, color=[COLORS.get(name, OTHERS) for name in subjects])
        axis.bar_label(bars, [f" {value:,.4g}" for value in values])
        axis.margins(x=0.25)
        axis.set_title(reading, fontsize=10)
        axis.invert_yaxis()
        axis.spines[["top", "right"]].set_visible(False)
    figure.suptitle(f"{workload}: {title}", fontsize=11)
    _save(figure, path)


def _latencies(results: Results, subjects: list[str], path: Path) -> None:
    figure, axis = plt.subplots(figsize=(8, 4))
    for name in subjects:
        points = [
            (size, value)
            for size in WORKLOADS["W6"]().sizes  # type: ignore[attr-defined]
            if (value := median(results, "W6", name, f"p50_ms_{size}")) is not None
        ]
        axis.plot(*zip(*points, strict=True), marker="o", label=name, color=COLORS.get(name))
    axis.set(xscale="log", yscale="log", xlabel="unrelated subscriptions", ylabel="write to delivery, p50 ms")
    axis.legend()
    figure.suptitle(f"W6: {WORKLOADS['W6'].title}", fontsize=11)
    _save(figure, path)


def _curves(results: Results, path: Path) -> None:
    figure, axis = plt.subplots(figsize=(8, 4))
    for what in ("insert", "point", "range", "rerun"):
        axis.plot(
            SIZES,
            [median(results, "W10", "reactor", f"{what}_ms_{size}") or 0 for size in SIZES],
            marker="o",
            label=what,
        )
    axis.set(xscale="log", xlabel="documents in the table", ylabel="p50 ms")
    axis.set_ylim(bottom=0)
    axis.legend()
    figure.suptitle(f"W10: {WORKLOADS['W10'].title}", fontsize=11)
    _save(figure, path)


def _save(figure: Figure, path: Path) -> None:
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
