"""`reactor bench` against a real server: its figures are counts, and they are right."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.typed import Said, reactor
from tests.support import Project, RunningServer, serving

SCHEMA = """
    from reactor import Index, Table

    class Message(Table, name="messages"):
        room: str
        likes: int = 0
        by_room = Index("room")
"""
CHAT = """
    from reactor import (
        ActionCtx, AppError, Id, MutationCtx, QueryCtx, action, internal_query, mutation, query,
    )
    from schema import Message

    @query
    def latest(ctx: QueryCtx, room: str) -> list[Message]:
        return ctx.db.query(Message.by_room.eq(room)).order("desc").take(20)

    @query
    def liked(ctx: QueryCtx, likes: int) -> list[Message]:
        return [m for m in ctx.db.query(Message).collect() if m.likes == likes]

    @mutation
    def send(ctx: MutationCtx, room: str) -> Id[Message]:
        return ctx.db.insert(Message(room=room))

    @mutation
    def fill(ctx: MutationCtx, room: str, count: int) -> None:
        for number in range(count):
            ctx.db.insert(Message(room=room, likes=number))

    @query
    def picky(ctx: QueryCtx, n: int) -> int:
        if n == 1:
            raise AppError({"code": "one"})
        if n == 2:
            raise ValueError("two is too many")
        return n

    @internal_query
    def whoami(ctx: QueryCtx) -> str:
        identity = ctx.auth.get_user_identity()
        if identity is None:
            raise ValueError("nobody")
        return identity.subject

    @query
    def quiet(ctx: QueryCtx) -> None:
        pass

    @mutation
    def mark(ctx: MutationCtx, word: str) -> None:
        print(word)

    @action
    async def both(ctx: ActionCtx, room: str) -> int:
        await ctx.run_mutation(send, room=room)
        return len(await ctx.run_query(latest, room=room))
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    project = Project(tmp_path_factory.mktemp("bench") / "p", schema=SCHEMA, functions={"chat": CHAT})
    with serving(project, "serve") as running:
        said = reactor(project.root, "run", "chat:fill", "room=seven", "count=7")
        assert said.returncode == 0, said.stderr
        yield running


def bench(server: RunningServer, *arguments: str) -> dict[str, Any]:
    said = reactor(server.project.root, "bench", *arguments, "--json")
    assert said.returncode == 0, said.stdout + said.stderr
    told: dict[str, Any] = json.loads(said.stdout)
    return told


def refused(server: RunningServer, *arguments: str) -> Said:
    said = reactor(server.project.root, "bench", *arguments)
    assert said.returncode != 0, said.stdout
    assert not said.stdout.strip() or said.returncode == 1
    return said


def cost(told: dict[str, Any], path: str) -> dict[str, Any]:
    (found,) = [each for each in told["server"]["functions"] if each["path"] == path]
    return dict(found)


def stored(server: RunningServer, room: str) -> int:
    """How many messages there are in a room: as many as `chat:send` was run for it."""
    said = reactor(
        server.project.root, "data", "messages", "--filter", f"room={room}", "-n", "1000", "--format", "jsonl"
    )
    return len(said.stdout.splitlines())


def logged(server: RunningServer, line: str) -> list[str]:
    """The functions of the log, once it has the line; it is a moment behind."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        said = reactor(server.project.root, "logs", "--history", "1000", "--success", "--jsonl")
        entries = [json.loads(text) for text in said.stdout.splitlines()]
        if any(line in each["logLines"] for each in entries):
            return [each["identifier"] for each in entries]
    raise AssertionError(f"the log never told of {line}")


@pytest.mark.parametrize("over", ["http", "socket"])
def test_fresh_calls_all_run_and_what_they_read_is_counted(server: RunningServer, over: str) -> None:
    told = bench(server, "chat:latest", "room=seven", "--calls", "60", "--fresh", "--clients", "4", "--over", over)
    assert told["calls"] == {"succeeded": 60, "failed": 0, "unanswered": 0, "neverBegun": 0, "beforehand": 1}
    found = cost(told, "chat:latest")
    assert (found["kind"], found["runs"], found["failed"]) == ("query", 60, 0)
    assert found["processorMs"] > 0
    per_run = found["perRun"]
    assert (per_run["documentsRead"], per_run["indexRanges"], per_run["documentsWritten"]) == (7, 1, 0)
    assert per_run["bytesRead"] > 7 * 10
    assert told["firstCall"]["answerItems"] == 7
    assert told["perSecond"] == pytest.approx(60 / told["seconds"], rel=0.01)
    latency = told["latencyMs"]
    assert 0 < latency["min"] <= latency["p50"] <= latency["p90"] <= latency["p99"] <= latency["max"]


def test_equal_calls_share_a_result_and_what_it_read_is_known_all_the_same(server: RunningServer) -> None:
    first = bench(server, "chat:latest", "room=seven", "--calls", "50")
    again = bench(server, "chat:latest", "room=seven", "--calls", "50")
    assert cost(first, "chat:latest")["runs"] <= 1
    assert again["calls"]["succeeded"] == 50
    assert again["server"]["functions"] == []
    assert again["firstCall"]["cost"]["perRun"]["documentsRead"] == 7
    assert any("--fresh" in hint for hint in again["hints"])


@pytest.mark.parametrize("over", ["http", "socket"])
def test_as_many_mutations_run_as_are_told_the_first_one_included(server: RunningServer, over: str) -> None:
    told = bench(server, "chat:send", "--args", f'{{"room": "{over}"}}', "--calls", "40", "--yes", "--over", over)
    assert (told["calls"]["succeeded"], told["calls"]["beforehand"]) == (40, 1)
    assert cost(told, "chat:send")["runs"] == 40
    assert cost(told, "chat:send")["perRun"]["documentsWritten"] == 1
    assert stored(server, over) == 41


def test_the_log_has_as_many_calls_as_the_figures(server: RunningServer) -> None:
    for mark in ("before", "after"):
        assert reactor(server.project.root, "run", "chat:mark", f"word={mark}").returncode == 0
        if mark == "before":
            told = bench(server, "chat:quiet", "--calls", "30", "--fresh", "--clients", "3")
    found = logged(server, "[LOG] 'after'")
    assert found.count("chat:quiet") == told["calls"]["succeeded"] + told["calls"]["beforehand"] == 31


def test_warm_up_calls_are_made_and_not_measured(server: RunningServer) -> None:
    told = bench(server, "chat:send", "room=warm", "--calls", "5", "--warm-up", "200ms", "--rate", "100", "--yes")
    assert told["calls"]["succeeded"] == 5
    assert told["calls"]["beforehand"] == 21
    assert cost(told, "chat:send")["runs"] == 5
    assert stored(server, "warm") == 26


def test_at_a_rate_so_many_calls_are_made_in_the_time(server: RunningServer) -> None:
    told = bench(server, "chat:latest", "room=seven", "--rate", "100", "--duration", "500ms", "--warm-up", "0")
    assert told["calls"]["succeeded"] == 50
    assert told["rate"] == 100
    assert 0.45 < told["seconds"] < 1.0


def test_an_actions_calls_are_told_by_function(server: RunningServer) -> None:
    told = bench(server, "chat:both", "room=action", "--calls", "10", "--clients", "2", "--yes")
    assert cost(told, "chat:both")["runs"] == 10
    assert cost(told, "chat:both")["processorMs"] is None
    assert cost(told, "chat:send")["perRun"]["documentsWritten"] == 1
    assert told["kind"] == "action"


def test_an_internal_function_is_called_as_a_user(server: RunningServer) -> None:
    told = bench(server, "chat:whoami", "--identity", '{"subject": "ann"}', "--calls", "5")
    assert told["calls"]["succeeded"] == 5
    assert "nobody" in refused(server, "chat:whoami", "--calls", "5").stderr, "the log is asked for a hidden text"


def test_errors_are_counted_by_kind_with_what_the_first_said(server: RunningServer, tmp_path: Path) -> None:
    lines = tmp_path / "args.jsonl"
    lines.write_text("\n".join(f'{{"n": {n}}}' for n in (0, 1, 2, 3)))
    for over in ("http", "socket"):
        told = bench(server, "chat:picky", f"@{lines}", "--calls", "40", "--clients", "2", "--over", over)
        assert (told["calls"]["succeeded"], told["calls"]["failed"], told["argumentLines"]) == (20, 20, 4)
        kinds = {each["code"]: each for each in told["errors"]}
        assert {code: each["count"] for code, each in kinds.items()} == {"AppError": 10, "ServerError": 10}
        assert kinds["AppError"]["first"] == '{"code":"one"}'
        assert "two is too many" in kinds["ServerError"]["first"], "the operator may read what clients are not told"


def test_writes_are_followed_to_every_subscriber(server: RunningServer) -> None:
    writes = ("--write", "chat:send", "--write-args", '{"room": "live"}', "--yes")
    told = bench(server, "chat:latest", "room=live", "--subscribers", "12", "--calls", "10", *writes)
    live = told["live"]
    assert (told["calls"]["succeeded"], told["calls"]["failed"], live["lost"]) == (10, 0, 0)
    assert (live["query"], live["subscribers"], live["deliveries"]) == ("chat:latest", 12, 120)
    assert cost(told, "chat:send")["runs"] == cost(told, "chat:latest")["runs"] == 10, "one run serves all twelve"
    assert live["answerMs"]["p50"] < live["deliveryMs"]["p50"] <= told["latencyMs"]["p50"] * 1.01


def test_a_sheet_for_people_has_no_colours_without_a_terminal(server: RunningServer) -> None:
    reactor(server.project.root, "run", "chat:fill", "room=many", "count=300")
    said = reactor(
        server.project.root, "bench", "chat:liked", "likes=299", "--duration", "1.2s", "--warm-up", "0", "--fresh"
    )
    assert said.returncode == 0, said.stderr
    assert "\x1b" not in said.stdout + said.stderr
    assert "measuring" in said.stderr
    for word in ("chat:liked, query, 16 clients", "latency", "p99", "documents read", "CPU: your functions"):
        assert word in said.stdout
    assert "an index" in said.stdout, "the query reads some hundred documents and returns one"


def test_nothing_is_written_without_consent(server: RunningServer) -> None:
    said = refused(server, "chat:send", "room=never")
    assert said.returncode == 2
    assert "--yes" in said.stderr
    assert stored(server, "never") == 0


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["chat:latst", "room=x"], 1, "Did you mean chat:latest"),
        (["chat:latest"], 1, "missing the required field `room`"),
        (["chat:latest", "room=x", "--duration", "soon"], 2, "a time like"),
        (["chat:latest", "room=x", "--duration", "0s"], 2, "a time like"),
        (["chat:latest", "room=x", "--subscribers", "3"], 2, "go together"),
        (["chat:latest", "room=x", "--write-args", "{}"], 2, "which is missing"),
        (["chat:latest", "@no/such.jsonl"], 2, "cannot read the arguments"),
        (["chat:send", "room=x", "--subscribers", "3", "--write", "chat:send"], 1, "only a query has subscribers"),
        (["chat:latest", "room=x", "--subscribers", "3", "--write", "chat:liked"], 1, "takes a mutation"),
        (
            ["chat:latest", "room=x", "--subscribers", "3", "--write", "chat:send", "--write-args", '{"room": 5}'],
            1,
            "does not match validator",
        ),
        (["chat:latest", "room=x", "--rate", "1e9"], 2, "Invalid value for '--rate'"),
        (["chat:latest", "room=x", "--identity", "ann"], 2, "must be JSON"),
        (["chat:latest", "room=x", "--url", "http://127.0.0.1:1", "--admin-key", "k"], 1, "does not answer"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_called(
    server: RunningServer, arguments: list[str], status: int, says: str
) -> None:
    said = refused(server, *arguments, "--yes")
    assert (said.returncode, said.stdout) == (status, "")
    assert says in " ".join(said.stderr.replace("│", " ").split())


def test_without_a_server_it_says_how_to_start_one(tmp_path: Path) -> None:
    project = Project(tmp_path / "p", schema=SCHEMA, functions={"chat": CHAT})
    said = reactor(project.root, "bench", "chat:latest", "room=x")
    assert said.returncode == 1
    assert "reactor dev" in said.stderr


def test_ctrl_c_ends_it_early_with_the_figures_and_a_terminal_sees_it_move(server: RunningServer) -> None:
    terminal, theirs = pty.openpty()
    command = [sys.executable, "-m", "reactor.cli", "bench", "chat:latest", "room=seven", "-d", "60s", "--warm-up", "0"]
    with subprocess.Popen(
        command, cwd=server.project.root, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=theirs, text=True,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "160"},
    ) as process:  # fmt: skip
        os.close(theirs)
        seen = b""
        while b"calls/s" not in seen:
            seen += os.read(terminal, 4096)
        process.send_signal(signal.SIGINT)
        assert process.stdout is not None
        shown = process.stdout.read()
        assert process.wait(10) == 130
    os.close(terminal)
    assert "measuring" in seen.decode()
    assert "━" in seen.decode()
    assert "latency" in shown
    assert "Interrupted" in shown


def test_a_server_that_dies_meanwhile_ends_it_with_what_was_measured(tmp_path: Path) -> None:
    project = Project(tmp_path / "p", schema=SCHEMA, functions={"chat": CHAT})
    with serving(project, "serve") as server:
        command = [sys.executable, "-m", "reactor.cli", "bench", "chat:latest", "room=x", "-d", "9s", "--json"]
        with subprocess.Popen(
            command, cwd=project.root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stderr is not None
            assert process.stdout is not None
            while "measuring" not in process.stderr.readline():
                pass
            server.kill()
            told = json.loads(process.stdout.read())
            assert process.wait(10) == 1
    assert told["calls"]["succeeded"] > 0
    assert told["server"] is None
    assert any("could not be reached" in hint for hint in told["hints"])
