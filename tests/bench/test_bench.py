"""The benchmark runs: figures are for `make bench`, here it is only tried that one can be had."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from bench.run import Results
from bench.table import render


def test_a_workload_runs_on_reactor_and_its_readings_make_a_table(tmp_path: Path) -> None:
    kept = tmp_path / "results.json"
    command = [
        "-m",
        "bench",
        "--subjects",
        "reactor",
        "--workloads",
        "W3,W5",
        "--rounds",
        "1",
        "--seconds",
        "0.3",
        "--results",
    ]
    subprocess.run(
        [sys.executable, *command, str(kept)], check=True, cwd=Path(__file__).parents[2], stdout=subprocess.DEVNULL
    )
    results = Results.from_json(kept.read_text())
    assert results.failures == []
    [selective], [counter] = results.of("W3", "reactor"), results.of("W5", "reactor")
    assert selective["writes_s"] > 0
    assert (selective["lost"], selective["needless"], counter["lost"], counter["failed"]) == (0, 0, 0, 0)
    assert "W5: 32 writers on one counter" in render(results)
