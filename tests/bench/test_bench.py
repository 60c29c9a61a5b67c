"""The benchmark runs: figures are for `make bench`, here it is only tried that one can be had, and had in parts."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from bench.results import Cell, Results
from bench.table import render

ROOT = Path(__file__).parents[2]


def bench(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bench", *map(str, arguments)]
    return subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True, timeout=100)


def test_workloads_run_on_reactor_with_their_floors_and_the_readings_make_tables(tmp_path: Path) -> None:
    kept = tmp_path / "kept" / "results.json"
    done = bench(
        *("--subjects", "reactor", "--only", "W3,W5", "--cores", "one"),
        *("--rounds", 1, "--seconds", 0.3, "--into", kept),
    )
    assert done.returncode == 0, done.stderr
    results = Results.from_json(kept.read_text())
    assert results.failures == {}
    [selective], [counter] = results.of("W3", "reactor"), results.of("W5", "reactor")
    assert selective["writes_s"] > 0
    assert (selective["lost"], selective["needless_pushes"], selective["needless_runs"]) == (0, 0, 0)
    assert (counter["lost"], counter["failed"]) == (0, 0)
    assert results.of("W3", "floor")[0]["writes_s"] > selective["writes_s"]
    assert "W5: 32 writers on one counter" in render(results)
    assert render(results) in done.stdout


def test_a_run_is_ended_when_its_time_is_up_and_goes_on_where_it_was(tmp_path: Path) -> None:
    kept = tmp_path / "results.json"
    plan = ("--subjects", "fastapi-shared", "--only", "W9", "--rounds", 2, "--into", kept)
    first = bench(*plan, "--within", 0)
    assert (first.returncode, len(Results.from_json(kept.read_text()).readings)) == (75, 1)
    reading = json.loads(kept.read_text())["readings"][0]
    second = bench(*plan)
    assert second.returncode == 0, second.stderr
    results = Results.from_json(kept.read_text())
    assert set(results.readings) == {
        Cell("W9", "fastapi-shared", cores, number) for cores in ("one", "both") for number in (0, 1)
    }
    assert json.loads(kept.read_text())["readings"][0] == reading
    assert bench(*plan).stdout == f"\n{render(results)}"  # nothing is left to do


def test_what_was_measured_under_other_conditions_is_not_added_to(tmp_path: Path) -> None:
    kept = tmp_path / "results.json"
    plan = ("--subjects", "fastapi-shared", "--only", "W9", "--rounds", 1, "--cores", "one", "--into", kept)
    assert bench(*plan).returncode == 0
    before = kept.read_text()
    refused = bench(*plan, "--seconds", 1)
    assert refused.returncode == 1
    assert "other conditions" in refused.stderr
    assert kept.read_text() == before
    kept.write_text("[]")
    assert "holds no run" in bench(*plan).stderr


@pytest.mark.parametrize(
    ("end", "status"), [(signal.SIGINT, None), (signal.SIGTERM, 143), (signal.SIGKILL, -9)], ids=str
)
def test_servers_end_with_the_benchmark_however_it_ends(end: signal.Signals, status: int | None) -> None:
    command = [sys.executable, "-m", "bench", "--subjects", "fastapi-shared", "--only", "W4", "--seconds", "60"]
    process = subprocess.Popen(
        [*command, "--cores", "both"], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        server = _server_of(process.pid)
        process.send_signal(end)
        ended_with = process.wait(30)
        server.wait(10)
    finally:
        process.kill()
        process.wait()
    assert ended_with == status or status is None
    assert not server.is_running()


def _server_of(pid: int) -> psutil.Process:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        for child in psutil.Process(pid).children():
            if "uvicorn" in " ".join(child.cmdline()) and child.net_connections():
                return child
        time.sleep(0.02)
    raise AssertionError("no server was started")


def test_a_subject_that_cannot_run_here_is_named_with_what_to_do(tmp_path: Path) -> None:
    """Parse's packages lie in the user's cache: an empty one has none."""
    command = [sys.executable, "-m", "bench", "--subjects", "parse", "--only", "W9", "--rounds", "1"]
    environment = {"PATH": str(Path(sys.executable).parent), "XDG_CACHE_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, check=True, cwd=ROOT, capture_output=True, text=True, env=environment)
    assert "parse is left out: " in done.stdout
    assert "(left out of this run: " in done.stdout


def test_unknown_names_are_refused_before_anything_is_started() -> None:
    for option in ("--only", "--subjects", "--cores"):
        refused = bench(option, "W99")
        assert refused.returncode == 2
        assert f"{option}: W99 is not one of " in refused.stderr
