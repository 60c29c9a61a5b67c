"""`reactor deploy`: a real server takes other code under load, refuses what it must, and keeps it over its death."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tarfile
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.cli.typed import Said, reactor
from tests.support import Project, RunningServer, serving

SCHEMA = """
    from reactor import Table

    class Note(Table, name="notes"):
        text: str
"""
NOTES = """
    from pathlib import Path
    from reactor import Id, MutationCtx, QueryCtx, action, ActionCtx, mutation, query
    from schema import Note

    WORD = Path(__file__).with_name("word.txt").read_text()

    @query
    def version(ctx: QueryCtx) -> str:
        return "{version} " + WORD

    @query
    def count(ctx: QueryCtx) -> int:
        return len(ctx.db.query(Note).collect())

    @mutation
    def add(ctx: MutationCtx, text: str) -> Id[Note]:
        return ctx.db.insert(Note(text=text))
"""


def project_at(root: Path, version: str, schema: str = SCHEMA, word: str = "a") -> Project:
    project = Project(root, schema=schema, functions={"notes": NOTES.replace("{version}", version)})
    project.write("functions/word.txt", word)
    return project


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningServer]:
    with serving(project_at(tmp_path / "server", "one"), "serve") as running:
        yield running


class Desk:
    """Where somebody works who deploys to the server, with the key in the environment. Commands run in this process."""

    def __init__(self, server: RunningServer, project: Project, key: str | None = None) -> None:
        self.project = project
        self._server = server
        self._environment = {"REACTOR_URL": server.url, "REACTOR_ADMIN_KEY": key or server.admin_key}

    def deploy(self, *options: str) -> Said:
        return reactor(self.project.root, "deploy", *options, environment=self._environment)

    def ask(self, path: str) -> object:
        """A query's result."""
        answer = httpx.post(f"{self._server.url}/api/query", json={"path": path, "args": {}}, trust_env=False)
        return answer.json()["value"]


def folders(server: RunningServer) -> list[str]:
    return [path.name for path in (server.project.data / "bundles").iterdir() if path.is_dir()]


class Watching:
    """`reactor run … --watch`, and what it has printed."""

    def __init__(self, server: RunningServer, path: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "reactor.cli", "run", path, "--watch"],
            cwd=server.project.root,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def next(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.communicate(timeout=10)


@pytest.mark.timeout(300)  # eight pushes and a death, each of which starts processes
def test_a_push_goes_live_under_load_survives_kill_and_what_does_not_fit_changes_nothing(
    server: RunningServer, tmp_path: Path
) -> None:
    desk = Desk(server, project_at(tmp_path / "desk", "two"))
    with Watching(server, "notes:version") as watching:
        assert_pushes_go_live(server, desk, watching)


def assert_pushes_go_live(server: RunningServer, desk: Desk, watching: Watching) -> None:
    assert watching.next() == '"one a"'

    planned = desk.deploy("--dry-run", "--json")
    assert planned.returncode == 0, planned.stderr
    assert json.loads(planned.stdout)["status"] == "planned"
    assert folders(server) == [], "a plan leaves nothing behind"

    stop, added, failed = threading.Event(), [0], list[str]()

    def write() -> None:
        with httpx.Client(trust_env=False) as client:
            while not stop.is_set():
                body = {"path": "notes:add", "args": {"text": "x"}}
                answer = client.post(f"{server.url}/api/mutation", json=body).json()
                if answer.get("status") == "success":
                    added[0] += 1
                else:
                    failed.append(str(answer))

    writer = threading.Thread(target=write)
    writer.start()
    pushed = desk.deploy()
    stop.set()
    writer.join()
    assert pushed.returncode == 0, pushed.stderr
    assert "✓ live: 3 files" in pushed.stderr
    assert "only what functions do, in 1 module of functions/: notes\n" in pushed.stderr
    assert watching.next() == '"two a"', "the socket stayed open and was told"
    assert not failed
    assert desk.ask("notes:count") == added[0] > 0, "no mutation lost or doubled"

    again = desk.deploy()
    assert (again.returncode, again.stderr) == (0, "Nothing to do: the server has this code.\n")
    desk.project.write("functions/word.txt", "b")  # data beside the code is code
    assert desk.deploy().returncode == 0
    assert watching.next() == '"two b"'
    (live,) = [name for name in folders(server) if name in (server.project.data / "bundles/in_force").read_text()]

    desk.project.write("schema.py", SCHEMA.replace("text: str", "text: str\n        size: int"))
    for options in (("--dry-run",), ()):
        narrowed = desk.deploy(*options)
        assert narrowed.returncode == 1
        assert "missing the required field `size`" in narrowed.stderr
    desk.project.write("schema.py", SCHEMA)
    desk.project.write_function("broken", "def broken(:")
    broken = desk.deploy()
    assert broken.returncode == 1
    assert 'File "functions/broken.py", line 1' in broken.stderr
    assert str(server.project.root) not in broken.stderr
    assert "what ran before runs on" in broken.stderr
    told = json.loads(desk.deploy("--json").stdout)
    assert (told["status"], told["code"]) == ("refused", "BundleBroken")
    assert 'File "functions/broken.py", line 1' in told["message"]
    assert desk.ask("notes:version") == "two b"

    server.restart()  # by kill -9
    assert f"serving version {live[:8]}" in server.output
    assert desk.ask("notes:version") == "two b"
    assert folders(server) == [live], "what nobody serves is gone"
    (desk.project.root / "functions/broken.py").unlink()
    desk.project.write_function("notes", NOTES.replace("{version}", "three"))
    assert desk.deploy().returncode == 0
    assert watching.next() == '"three b"', "it has connected again"


def test_hostile_and_foreign_pushes_are_refused_at_the_door(server: RunningServer, tmp_path: Path) -> None:
    desk = Desk(server, project_at(tmp_path / "desk", "two"), key="reactor|0000")
    said = desk.deploy()
    assert said.returncode == 1
    assert "admin key" in said.stderr
    url = f"{server.url}/api/_reactor/deploy"
    key = {"Authorization": f"Convex {server.admin_key}"}
    up = io.BytesIO()
    with tarfile.open(fileobj=up, mode="w:gz") as archive:
        archive.addfile(tarfile.TarInfo("../../../evil.py"))
    with httpx.Client(trust_env=False) as client:
        assert client.post(url, content=up.getvalue()).status_code == 403
        refused = client.post(url, content=up.getvalue(), headers=key)
        assert (refused.status_code, refused.json()["code"]) == (400, "BadArchive")
        assert client.post(url, content=bytes((32 << 20) + 1), headers=key).status_code == 413
        assert not list(tmp_path.rglob("evil.py"))
        # row 88: ten wrong keys a minute from one address, the desk's among them; others are not held up
        wrong = {"Authorization": "Convex reactor|guess"}
        answers = [client.post(url, content=b"", headers=wrong).status_code for _ in range(11)]
        assert answers == [403] * 9 + [429] * 2
        held = client.post(url, content=b"", headers=key)
        assert held.status_code == 429
        assert 0 < int(held.headers["Retry-After"]) <= 60
        assert_socket_is_turned_away(server)
        elsewhere = {**key, "X-Forwarded-For": "203.0.113.9"}
        assert client.post(url, content=b"", headers=elsewhere).status_code == 400
        body = {"path": "notes:count", "args": {}}
        assert client.post(f"{server.url}/api/query", json=body).json()["value"] == 0, "users are not held up"


def assert_socket_is_turned_away(server: RunningServer) -> None:
    """Also with the right key, while its address waits."""
    with connect(f"ws://127.0.0.1:{server.port}/api/sync", proxy=None) as socket:
        hello = {"type": "Connect", "sessionId": str(uuid.uuid4()), "connectionCount": 0}
        credential = {"type": "Authenticate", "tokenType": "Admin", "baseVersion": 0, "value": server.admin_key}
        for message in (hello, credential):
            socket.send(json.dumps(message))
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(timeout=10)  # nothing is said before the end
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1013, "TooManyAuthFailures")


def test_a_machine_without_sources_waits_for_its_first_push_and_one_that_serves_a_folder_takes_none(
    tmp_path: Path,
) -> None:
    machine = Project(tmp_path / "machine")
    (machine.root / "functions").rmdir()
    desk = project_at(tmp_path / "desk", "two")
    with serving(machine, "serve", options=("--code", "deployed")) as server:
        assert "waiting for `reactor deploy`" in server.output
        at = Desk(server, desk)
        assert at.deploy().returncode == 0
        assert at.ask("notes:version") == "two a"
        server.restart()
        assert at.ask("notes:version") == "two a"
    desk.data.mkdir()
    (desk.data / "bundles").symlink_to(machine.data / "bundles")
    with serving(desk, "serve", options=("--code", "here")) as server:
        said = Desk(server, desk).deploy()
        assert said.returncode == 1
        assert "takes none over the network" in said.stderr


def test_settings_no_server_could_start_with_are_refused(server: RunningServer, tmp_path: Path) -> None:
    desk = Desk(server, project_at(tmp_path / "desk", "two"))
    desk.project.write("pyproject.toml", "[tool.reactor]\nreader = 1\n")
    said = desk.deploy()
    assert said.returncode == 1
    assert "has no setting `reader`" in said.stderr
    bad = io.BytesIO()
    with tarfile.open(fileobj=bad, mode="w:gz") as archive:
        entry = tarfile.TarInfo("pyproject.toml")
        text = b"[tool.reactor]\nreader = 1\n"
        entry.size = len(text)
        archive.addfile(entry, io.BytesIO(text))
    key = {"Authorization": f"Convex {server.admin_key}"}
    answer = httpx.post(f"{server.url}/api/_reactor/deploy", content=bad.getvalue(), headers=key, trust_env=False)
    assert (answer.status_code, answer.json()["code"]) == (400, "BadSettings")
