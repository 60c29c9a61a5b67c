"""What the tables and the pictures say of readings."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import page
from bench.results import FLOOR, Cell, Conditions, Cores, Results
from bench.table import details, render, summary
from bench.workloads.workload import Reading, label, more_is_better


def results_of(*readings: tuple[str, str, Cores, list[Reading]]) -> Results:
    """Readings by workload, subject and cores, one for each round."""
    results = Results(Conditions(2.0, "digest", "a machine"))
    for workload, subject, cores, rounds in readings:
        for number, reading in enumerate(rounds):
            results.readings[Cell(workload, subject, cores, number)] = reading
    return results


def row(table: str, start: str) -> list[str]:
    [line] = [line for line in table.splitlines() if line.startswith(f"| {start}")]
    return [cell.strip() for cell in line.strip("|").split("|")]


RUN = results_of(
    ("W4", "reactor", "one", [{"writes_s": rate} for rate in (9000, 11_000, 10_000)]),
    ("W4", "reactor", "both", [{"writes_s": 15_000}]),
    ("W4", "fastapi-shared", "one", [{"writes_s": 4000}]),
    ("W4", "fastapi-shared", "both", [{"writes_s": 5000}]),
    ("W4", "pocketbase", "one", [{"writes_s": 8000}]),
    ("W4", FLOOR, "one", [{"writes_s": 80_000}]),
)


def test_a_goal_has_both_columns_with_their_ratios_and_the_share_of_the_floor() -> None:
    assert row(summary(RUN), "W4 writes/s") == [
        *("W4 writes/s", "10,000", "4,000 (fastapi-shared)", "2.50"),
        *("15,000", "5,000 (fastapi-shared)", "3.00"),
        *("80,000", "0.12 ×", "≥ 2 ×", "≥ 3 ×", "must"),
    ]


def test_a_peer_that_is_not_durable_is_shown_and_not_compared_with() -> None:
    assert row(details(RUN), "pocketbase |")[:3] == ["pocketbase", "1", "8,000"]
    assert row(details(RUN), "reactor |")[:3] == ["reactor", "3", "10,000 / 15,000"]
    assert "pocketbase: not durable until" in summary(RUN)


def test_a_peer_that_lost_what_it_acknowledged_is_not_the_best() -> None:
    run = results_of(
        ("W5", "reactor", "one", [{"increments_s": 9000, "lost": 0, "failed": 0}]),
        ("W5", "parse", "one", [{"increments_s": 8000, "lost": 4000}]),
        ("W5", "fastapi-shared", "one", [{"increments_s": 3000, "lost": 0}]),
    )
    assert row(summary(run), "W5 increments/s")[1:4] == ["9,000", "3,000 (fastapi-shared)", "3.00"]


def test_the_table_says_where_the_load_was_the_limit_what_was_noisy_and_what_failed() -> None:
    run = results_of(
        ("W2", "reactor", "one", [{"deliveries_s": 1e5, "load_core": 97, "other_core": 50}]),
        ("W2", "pocketbase", "one", [{"deliveries_s": 1e4, "load_core": 20, "other_core": 2}]),
    )
    run.failures[Cell("W2", "parse", "both", 1)] = "RuntimeError: gone"
    run.skipped["parse"] = "Node is not installed"
    table = render(run)
    assert "(above 90 % of its core): W2 reactor on one (97 %)." in table
    assert "more than a third of a core: 1 of 2." in table
    assert "- W2 parse, both, round 2: RuntimeError: gone" in table
    assert "(left out of this run: Node is not installed)" in table


def test_results_are_the_same_after_they_were_kept(tmp_path: Path) -> None:
    RUN.keep(tmp_path / "run.json")
    assert Results.from_json((tmp_path / "run.json").read_text()) == RUN


@pytest.mark.parametrize(
    ("reading", "text", "more"),
    [
        ("last_p50_ms", "last p50, ms", False),
        ("writes_s_10000", "writes/s at 10,000", True),
        ("http_queries_s", "HTTP queries/s", True),
        ("server_cpu_us", "server CPU each, µs", False),
        ("load_core", "load client, %", False),
        ("growth_to_5000", "growth to 5000", False),
        ("start_seconds", "start, s", False),
    ],
)
def test_readings_have_names_for_people(reading: str, text: str, more: bool) -> None:
    assert (label(reading), more_is_better(reading)) == (text, more)


def test_a_page_gets_the_tables_between_its_markers_and_again(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text(
        "before\n<!-- bench:summary -->\nold\n<!-- /bench:summary -->\nmiddle\n"
        "<!-- bench:details --><!-- /bench:details -->\nafter\n"
    )
    page.fill_in(path, RUN)
    once = path.read_text()
    page.fill_in(path, RUN)
    assert path.read_text() == once
    assert summary(RUN) in once
    assert details(RUN) in once
    assert "old" not in once
    assert once.startswith("before\n<!-- bench:summary -->\n")
    assert once.endswith("<!-- /bench:details -->\nafter\n")


def test_a_page_without_markers_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text("# Nothing\n")
    with pytest.raises(ValueError, match="bench:summary"):
        page.fill_in(path, RUN)
    assert path.read_text() == "# Nothing\n"


def test_each_workload_that_was_measured_has_a_picture_and_the_same_one_again(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="pictures need the extra `bench`")
    from bench.plots import draw

    sizes = {f"p50_ms_{size}": 0.5 for size in (10, 1000, 5000)} | {
        f"writes_s_{size}": 3000 for size in (10, 1000, 5000)
    }
    run = results_of(
        ("W4", "reactor", "one", [{"writes_s": 10_000, "server_cpu_us": 90}]),
        ("W4", "fastapi-shared", "one", [{"writes_s": 4000, "server_cpu_us": 180}]),
        ("W4", FLOOR, "one", [{"writes_s": 20_000}]),
        ("W5", "reactor", "one", [{"increments_s": 10_000, "lost": 0}]),
        ("W6", "reactor", "one", [sizes]),
        ("W10", "reactor", "one", [{f"{what}_ms_{10**3}": 1.0 for what in ("insert", "point", "range", "rerun")}]),
    )
    drawn = draw(run, tmp_path / "one")
    assert [path.name for path in drawn] == ["w4.svg", "w5.svg", "w6.svg", "w10.svg"]
    assert [path.read_bytes() for path in draw(run, tmp_path / "two")] == [path.read_bytes() for path in drawn]
