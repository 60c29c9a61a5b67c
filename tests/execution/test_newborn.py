"""The first nursery is forked from the command; nobody but its parent can tell."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.support import Project, RunningServer

FUNCTIONS = {
    "about": """
        import os

        from reactor import MutationCtx, SyncActionCtx, action, mutation

        SEEN = {
            "stdin": os.readlink("/proc/self/fd/0"),
            "cwd": os.getcwd(),
            "secret": "REACTOR_ADMIN_KEY" in os.environ,
            "session": os.getsid(0) == os.getpid(),
        }


        @action
        def imported(ctx: SyncActionCtx) -> dict[str, str | bool]:
            return SEEN


        @mutation
        def order(ctx: MutationCtx) -> list[str]:
            return list({"a", "b", "c", "d", "e", "f", "g", "h"})
    """,
}

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="runners are spawned elsewhere")


def nursery_of(server: RunningServer) -> psutil.Process:
    (nursery,) = [each for each in psutil.Process(server.pid).children() if each.children()]
    return nursery


def test_a_forked_nursery_is_as_an_executed_one_and_another_takes_its_place_when_it_dies(tmp_path: Path) -> None:
    project = Project(tmp_path / "project", functions=FUNCTIONS)
    with RunningServer(project, environment={"REACTOR_ADMIN_KEY": "of-another-server"}) as server:
        first = nursery_of(server)
        assert first.cmdline() == psutil.Process(server.pid).cmdline(), "it was forked"
        seen = server.run("run", "about:imported").stdout
        order = server.run("run", "about:order").stdout
        first.kill()
        first.wait()
        assert server.run("run", "about:imported").stdout == seen, "the next one was executed, and looks alike"
        assert '"secret": false' in seen
        assert '"session": true' in seen
        assert '"stdin": "/dev/null"' in seen
        assert f'"cwd": "{project.root}"' in seen
        assert server.run("run", "about:order").stdout == order, "a set has one order, whatever process it is in"
        assert "nursery_main" in " ".join(nursery_of(server).cmdline())


def test_a_command_that_does_not_come_to_serve_leaves_no_process(tmp_path: Path) -> None:
    project = Project(tmp_path / "project", functions=FUNCTIONS)
    for words, status in ((["--port", "none"], 2), (["--port", "0", "--code", "deployed", "--site-port", "-1"], 2)):
        mark = f"{tmp_path.name}-{words[1]}"
        done = subprocess.run(
            [sys.executable, "-m", "reactor.cli", "serve", *words, "--data", str(tmp_path / "data")],
            cwd=project.root,
            env={**os.environ, "MARK": mark},
            capture_output=True,
            timeout=30,
            check=False,
        )
        assert done.returncode == status, done.stderr
        _gone, alive = psutil.wait_procs([each for each in psutil.process_iter() if _marked(each, mark)], timeout=5)
        assert not alive


def test_a_killed_server_takes_its_nursery_along(tmp_path: Path) -> None:
    with RunningServer(Project(tmp_path / "project", functions=FUNCTIONS)) as server:
        nursery = nursery_of(server)
        os.kill(server.pid, signal.SIGKILL)
        assert not psutil.wait_procs([nursery], timeout=5)[1]


def _marked(process: psutil.Process, mark: str) -> bool:
    try:
        return process.environ().get("MARK") == mark
    except psutil.Error:
        return False
