"""`reactor data` and `reactor run` as scripts and people use them, against one running server."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from reactor.cli.commands import app
from reactor.errors import StorageError
from tests.cli.typed import reactor
from tests.support import Project, RunningServer, serving

SCHEMA = """
    from reactor import Index, Int64, Table

    class Message(Table, name="messages"):
        room: str
        text: str
        likes: int = 0
        big: Int64 = Int64(0)
        deleted: bool = False
        by_room = Index("room", "likes")
"""
CHAT = """
    from datetime import timedelta
    from reactor import AppError, MutationCtx, QueryCtx, mutation, query
    from schema import Message

    @mutation
    def fill(ctx: MutationCtx, count: int, room: str) -> None:
        for number in range(count):
            ctx.db.insert(Message(room=room, text=f"{room} {number}", likes=number))

    @mutation
    def later(ctx: MutationCtx) -> None:
        ctx.scheduler.run_after(timedelta(hours=1), fill, count=1, room="later")

    @query
    def hear(ctx: QueryCtx, room: str, limit: int = 1, note: str | None = None) -> list[str]:
        if limit < 0:
            raise AppError("negative")
        identity = ctx.auth.get_user_identity()
        who = "nobody" if identity is None else identity.subject
        return [f"{who}: {m.text}" for m in ctx.db.query(Message.by_room.eq(room)).order("desc").take(limit)]
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    project = Project(tmp_path_factory.mktemp("data") / "p", schema=SCHEMA, functions={"chat": CHAT})
    with serving(project, "serve") as running:
        for arguments in ("count=3 room=lobby", "count=1100 room=crowd", 'count=1 room=x,"y'):
            assert reactor(project.root, "run", "chat:fill", *arguments.split()).returncode == 0
        assert reactor(project.root, "run", "chat:later").returncode == 0
        yield running


def rows(server: RunningServer, *arguments: str) -> list[dict[str, Any]]:
    """What `reactor data` says into a pipe: a JSON object a line."""
    said = reactor(server.project.root, "data", *arguments)
    assert said.returncode == 0, said.stderr
    return [json.loads(line) for line in said.stdout.splitlines()]


def refusal(server: RunningServer, *arguments: str) -> str:
    said = reactor(server.project.root, *arguments)
    assert said.returncode != 0
    assert said.stdout == ""
    assert "Traceback" not in said.stderr
    return said.stderr


def test_tables_are_listed_with_counts_sizes_and_indexes(server: RunningServer) -> None:
    listed = {row["table"]: row for row in rows(server)}
    assert list(listed) == ["messages", "_scheduled_functions"]
    messages = listed["messages"]
    assert messages["documents"] == 1104
    assert messages["bytes"] > 1104 * 100
    assert messages["indexes"] == "by_room (room, likes)"


def test_documents_are_printed_newest_first_as_many_as_wanted(server: RunningServer) -> None:
    assert len(rows(server, "messages")) == 100
    assert len(rows(server, "messages", "--limit", "5000")) == 1104, "page after page"
    assert [row["room"] for row in rows(server, "messages", "-n", "2")] == ['x,"y', "crowd"]
    assert [row["text"] for row in rows(server, "messages", "-n", "2", "--order", "asc")] == ["lobby 0", "lobby 1"]


def test_filters_and_indexes_choose_documents(server: RunningServer) -> None:
    lobby = rows(server, "messages", "--filter", "room=lobby", "--index", "by_room", "--order", "asc")
    assert [row["likes"] for row in lobby] == [0, 1, 2]
    two = rows(server, "messages", "--filter", "likes=2", "--filter", "room=lobby")
    assert [row["text"] for row in two] == ["lobby 2"]
    assert rows(server, "messages", "--filter", f"_id={two[0]['_id']}") == two
    assert len(rows(server, "messages", "--filter", "big=0", "-n", "2000")) == 1104, "a number finds an Int64"
    assert rows(server, "messages", "--filter", "deleted=true") == []
    assert rows(server, "messages", "--filter", 'room="lobby"', "-n", "1")[0]["text"] == "lobby 2"
    misspelt = reactor(server.project.root, "data", "messages", "--filter", "rom=lobby")
    assert (misspelt.returncode, misspelt.stdout) == (0, "")
    assert "no document of messages has a field `rom`" in misspelt.stderr
    assert reactor(server.project.root, "data", "messages", "--filter", "deleted=true").stderr == ""
    (job,) = rows(server, "_scheduled_functions", "--filter", "state.kind=pending")
    assert job["name"] == "chat.js:fill"


def test_formats_are_read_back_by_programs(server: RunningServer) -> None:
    query = ("data", "messages", "--filter", 'room=x,"y')
    (row,) = json.loads(reactor(server.project.root, *query, "--format", "json").stdout)
    (line,) = csv.DictReader(io.StringIO(reactor(server.project.root, *query, "--format", "csv").stdout))
    assert (line["room"], line["likes"], line["deleted"]) == ('x,"y', "0", "false")
    assert line["_id"] == row["_id"]
    table = reactor(server.project.root, *query, "--format", "table").stdout
    assert "\x1b" not in table, "no colour into a pipe"
    assert table.splitlines()[0].split() == ["_id", "big", "deleted", "likes", "room", "text", "_creationTime"]


def test_what_cannot_be_asked_is_said_also_by_a_server_that_tells_nothing_of_its_errors(server: RunningServer) -> None:
    assert "There is no table `message`. Tables: " in refusal(server, "data", "message")
    assert "There is no index `messages.by_rom`. Indexes: by_creation_time" in refusal(
        server, "data", "messages", "--index", "by_rom"
    )
    assert "must be FIELD=VALUE" in refusal(server, "data", "messages", "--filter", "room")
    assert "need a table" in refusal(server, "data", "--filter", "a=b")
    assert "is not a field path" in refusal(server, "data", "messages", "--filter", "a b=1")
    assert "name=value" in refusal(server, "run", "chat:hear", "lobby")
    assert "Did you mean chat:hear" in refusal(server, "run", "chat:her")
    assert "Did you mean" not in refusal(server, "run", "chat:hear", "limit=-1", "room=a")
    assert "given twice" in refusal(server, "run", "chat:hear", "room=a", "room=b")


@pytest.mark.parametrize("url", ["http://[::", "foo", "ftp://host", "http://", "http://host:port", ""])
def test_what_is_no_url_is_said_and_not_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.chdir(Project(tmp_path / "p").root)
    elsewhere = ["--url", url, "--admin-key", "key"]
    for command in (["run", "a:b"], ["data"], ["logs"], ["env", "list"], ["migrate"], ["deploy"]):
        said = CliRunner().invoke(app, [*command, *elsewhere])
        assert said.exit_code == 2, (command, said.exception)
        assert "Invalid value" in said.stderr


def test_a_data_folder_that_cannot_be_made_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = Project(tmp_path / "p", schema=SCHEMA)
    project.write("file", "")
    monkeypatch.chdir(project.root)
    for command in (["dev", "--once"], ["serve"], ["data"], ["run", "a:b"], ["env", "set", "A", "b"]):
        said = CliRunner().invoke(app, [*command, "--data", "file/data"])
        assert isinstance(said.exception, StorageError), (command, said.exception)


def test_arguments_can_be_typed_without_json(server: RunningServer) -> None:
    said = reactor(
        server.project.root, "run", "chat:hear", "room=lobby", "limit=2", 'note="5"', "--identity", '{"subject": "ann"}'
    )
    assert json.loads(said.stdout) == ["ann: lobby 2", "ann: lobby 1"], said.stderr


def test_a_query_and_a_table_are_watched(server: RunningServer) -> None:
    commands = (
        ("run", "chat:hear", "room=new", "--identity", '{"subject": "ann"}', "--watch"),
        ("data", "messages", "--filter", "room=new", "--watch", "--format", "jsonl"),
        ("data", "--watch", "--format", "json"),
    )
    watching = [
        subprocess.Popen(
            [sys.executable, "-m", "reactor.cli", *command],
            cwd=server.project.root,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for command in commands
    ]
    try:
        query, documents, tables = (process.stdout for process in watching)
        assert query is not None
        assert documents is not None
        assert tables is not None
        assert query.readline() == "[]\n"
        before = _tree(tables)[0]["documents"]
        assert reactor(server.project.root, "run", "chat:fill", "count=1", "room=new").returncode == 0
        assert query.readline() + query.readline() + query.readline() == '[\n  "ann: new 0"\n]\n'
        assert json.loads(documents.readline())["text"] == "new 0"
        assert _tree(tables)[0]["documents"] == before + 1
        for process in watching:
            process.terminate()
            process.wait(10)
            assert process.stderr is not None
            assert process.stderr.read() == ""
    finally:
        for process in watching:
            process.kill()
            process.communicate()


def test_a_query_that_fails_is_watched_too(server: RunningServer) -> None:
    said = subprocess.Popen(
        [sys.executable, "-m", "reactor.cli", "run", "chat:hear", "room=a", "limit=-1", "--watch"],
        cwd=server.project.root,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert said.stderr is not None
        assert "Server Error" in said.stderr.readline()
        assert said.stderr.readline() == '"negative"\n', "the data of an AppError, which everybody is told"
    finally:
        said.kill()
        said.communicate()


def _tree(lines: Any) -> Any:
    """The next JSON array that is printed over several lines."""
    text = ""
    while not text.endswith("]\n"):
        text += lines.readline()
    return json.loads(text)
