"""Backups, restores, and what becomes of an import whose server is killed."""

from __future__ import annotations

import json
import stat
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from reactor.errors import TransferRefused
from reactor.transfer.restore import restore
from tests.clients.conftest import Clients
from tests.clients.test_environment import CANARY, change
from tests.clients.test_moving_data import FUNCTIONS, SCHEMA, export, facts
from tests.support import Project, RunningServer, eventually, serving


def test_an_old_backup_is_restored_under_a_client_that_has_seen_later(clients: Clients, tmp_path: Path) -> None:
    """Engine A9: a timestamp that a client has seen never comes back from the future."""
    project = Project(tmp_path / "app", schema=SCHEMA, functions=FUNCTIONS)
    with serving(project, "serve") as server:
        client = clients.js(server)
        client.mutation("m:fill", {"texts": ["kept"]})
        file = client.action("m:store", {"text": "a stored file"})
        change(server, SECRET=CANARY)
        before = facts(server, tmp_path, "before", file)
        texts = client.subscribe("m:texts")
        assert texts.next() == ["kept"]
        backup = tmp_path / "backup.zip"
        done = server.run("backup", str(backup))
        assert done.returncode == 0, done.stderr
        assert stat.S_IMODE(backup.stat().st_mode) == 0o600
        assert CANARY not in done.stdout + done.stderr
        client.mutation("m:fill", {"texts": ["later"]})
        texts.wait_until(["kept", "later"])
        key = server.admin_key

        refused = server.run("restore", str(backup), "--force")
        assert "Another server is using this database" in refused.stderr
        with pytest.raises(TransferRefused, match="--force"):
            restore(backup, project.data, lambda *_: None)
        assert_damage_is_refused(backup, tmp_path / "nowhere")
        server.stop()
        done = server.run("restore", str(backup), "--force")
        assert done.returncode == 0, done.stderr
        server.start()
        texts.wait_until(["kept"], timeout=20.0)
        client.mutation("m:fill", {"texts": ["goes on"]})
        texts.wait_until(["goes on", "kept"])
        assert server.admin_key == key
        assert CANARY in server.run("env", "get", "SECRET").stdout
        path = client.query("m:url", {"file": file}).split("/api/", 1)[1]
        assert client.fetch(f"{server.url}/api/{path}").body == b"a stored file"

    elsewhere = Project(tmp_path / "elsewhere", schema=SCHEMA, functions=FUNCTIONS)
    command = RunningServer(elsewhere)
    assert command.run("restore", str(backup)).returncode == 0
    assert facts(command, tmp_path, "after", file) == before  # of a data folder that no server serves


def assert_damage_is_refused(backup: Path, data: Path) -> None:
    whole = backup.read_bytes()
    broken = backup.with_name("broken.zip")
    at = whole.index(b"a stored file")
    for content in (whole[:-100], whole[:at] + b"A" + whole[at + 1 :], b"", b"PK"):
        broken.write_bytes(content)
        with pytest.raises(TransferRefused, match="backup"):
            restore(broken, data, lambda *_: None, force=True)
    assert not data.exists()
    assert not list(data.parent.glob(".*restoring*"))


def test_an_import_is_whole_or_not_there_whenever_the_server_is_killed(tmp_path: Path) -> None:
    project = Project(tmp_path / "app", schema=SCHEMA, functions=FUNCTIONS)
    count = 20_000
    lines = "".join(json.dumps({"name": f"room {at}"}) + "\n" for at in range(count)).encode()
    with serving(project, "serve") as server:
        for after in (0.0, 0.1):
            own_id = begin_import(server, lines)
            post(server, "/api/perform_import", {"importId": own_id})
            time.sleep(after)
            server.restart()
            state = call(server, "_system/cli/queryImport", {"importId": own_id})["state"]["state"]
            found = count_of(server, "rooms")
            assert (state, found) in (("completed", count), ("failed", 0)), (state, found)
            assert not list((project.data / "runtime" / "transfers").iterdir())
            if found:
                post_import = {"format": "jsonLines", "mode": "replace", "tableName": "rooms"}
                finish_import(server, begin_import(server, b"", post_import))
        finish_import(server, begin_import(server, lines))
        assert count_of(server, "rooms") == count


def test_a_server_killed_while_it_checks_an_import_has_changed_nothing(tmp_path: Path) -> None:
    project = Project(tmp_path / "app", schema=SCHEMA, functions=FUNCTIONS)
    with serving(project, "serve") as server:
        lines = b'{"name": "x"}\n' * 200_000
        own_id = upload(server, lines)
        assert eventually(lambda: stagers(server), 5.0)
        server.restart()
        assert eventually(lambda: not stagers(server), 5.0)
        told = call(server, "_system/cli/queryImport", {"importId": own_id})
        assert told["state"]["state"] == "failed"
        assert call(server, "m:names", {}) == []
        export(server, tmp_path / "goes_on.zip")


@pytest.mark.parametrize("body", [b"PK\x05\x06", b"", b"x" * 1000])
def test_what_is_no_archive_changes_nothing_and_says_so(server: RunningServer, body: bytes) -> None:
    own_id = upload(server, body, {"format": "zip", "mode": "replaceAll"})
    assert eventually(lambda: state_of(server, own_id)["state"] == "failed", 10.0)
    assert "zip archive" in state_of(server, own_id)["error_message"]


def test_only_the_operator_moves_data(server: RunningServer) -> None:
    for method, path in (
        ("POST", "/api/export/request/zip"),
        ("POST", "/api/_reactor/backup"),
        ("GET", "/api/export/zip/1"),
        ("POST", "/api/import/start_upload"),
        ("POST", "/api/import/upload_part?uploadToken=x&partNumber=1"),
        ("POST", "/api/import/finish_upload"),
        ("POST", "/api/perform_import"),
    ):
        assert httpx.request(method, f"{server.url}{path}").status_code == 403, path


PROJECT = {"schema": SCHEMA, "functions": FUNCTIONS}


# ── what a client of these endpoints sends ────────────────────────────────────────────────────────────────────────────


def post(server: RunningServer, path: str, body: Any = None, *, raw: bytes | None = None) -> Any:
    response = httpx.post(
        f"{server.url}{path}",
        content=json.dumps(body) if raw is None else raw,
        headers={"Authorization": f"Convex {server.admin_key}"},
        timeout=30,
    )
    assert response.status_code == 200, response.text
    return response.json() if response.content else None


def call(server: RunningServer, path: str, args: dict[str, Any]) -> Any:
    told = post(server, "/api/function", {"path": path, "args": args, "format": "json"})
    assert told["status"] == "success", told
    return told["value"]


def upload(server: RunningServer, data: bytes, wanted: dict[str, Any] | None = None) -> str:
    token = post(server, "/api/import/start_upload")["uploadToken"]
    part = post(server, f"/api/import/upload_part?uploadToken={token}&partNumber=1", raw=data)
    wanted = wanted or {"format": "jsonLines", "mode": "requireEmpty", "tableName": "rooms"}
    body = {"import": wanted, "uploadToken": token, "partTokens": [part]}
    return str(post(server, "/api/import/finish_upload", body)["importId"])


def state_of(server: RunningServer, own_id: str) -> dict[str, Any]:
    state: dict[str, Any] = call(server, "_system/cli/queryImport", {"importId": own_id})["state"]
    return state


def begin_import(server: RunningServer, data: bytes, wanted: dict[str, Any] | None = None) -> str:
    own_id = upload(server, data, wanted)
    assert eventually(lambda: state_of(server, own_id)["state"] == "waiting_for_confirmation", 20.0), state_of(
        server, own_id
    )
    return own_id


def finish_import(server: RunningServer, own_id: str) -> None:
    post(server, "/api/perform_import", {"importId": own_id})
    assert eventually(lambda: state_of(server, own_id)["state"] == "completed", 20.0), state_of(server, own_id)


def count_of(server: RunningServer, table: str) -> int:
    found: dict[str, int] = {each["name"]: each["count"] for each in call(server, "_system/cli/tableStats", {})}
    return found[table]


def stagers(server: RunningServer) -> list[int]:
    return [pid for pid in server.runners() if "stage_main" in command_of(pid)]


def command_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""
