"""All data out and in while clients watch: exports, imports, and the official command, unmodified (reference §5.1, §5.2)."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.clients.conftest import Clients
from tests.clients.test_environment import CANARY, change, convex
from tests.support import Project, RunningServer, serving

SCHEMA = """
    from typing import Annotated

    from pydantic import Field
    from reactor import Id, Index, Int64, SearchIndex, Table, VectorIndex


    class Room(Table, name="rooms"):
        name: str
        size: Int64 = Int64(3)


    class Message(Table, name="messages"):
        room: Id[Room]
        text: str
        likes: Annotated[float, Field(ge=0)] = 0.0
        data: bytes | None = None
        place: list[float] | None = None
        by_room = Index("room")
        by_text = SearchIndex("text")
        by_place = VectorIndex("place", dimensions=2)
"""
FUNCTIONS = {
    "m": """
        from reactor import ActionCtx, Id, Int64, MutationCtx, QueryCtx, action, internal_mutation, mutation, query
        from schema import Message, Room


        @mutation
        def fill(ctx: MutationCtx, texts: list[str]) -> Id[Room]:
            room = ctx.db.insert(Room(name="lobby", size=Int64(2**60)))
            for at, text in enumerate(texts):
                ctx.db.insert(Message(room=room, text=text, likes=float(at), data=text.encode(), place=[1.0, at]))
            ctx.scheduler.run_after(3600, note, text="later")
            return room


        @internal_mutation
        def note(ctx: MutationCtx, text: str) -> None:
            ctx.db.insert(Room(name=text))


        @query
        def rooms(ctx: QueryCtx) -> list[Room]:
            return ctx.db.query(Room).collect()


        @query
        def messages(ctx: QueryCtx, room: Id[Room]) -> list[Message]:
            return ctx.db.query(Message.by_room.eq(room)).collect()


        @query
        def texts(ctx: QueryCtx) -> list[str]:
            return sorted(each.text for each in ctx.db.query(Message).collect())


        @query
        def names(ctx: QueryCtx) -> list[str]:
            return sorted(each.name for each in ctx.db.query(Room).collect())


        @query
        def find(ctx: QueryCtx, text: str) -> list[str]:
            return [each.text for each in ctx.db.query(Message.by_text(text)).take(10)]


        @action
        async def store(ctx: ActionCtx, text: str) -> str:
            return await ctx.storage.store(text.encode(), content_type="text/plain")


        @action
        async def near(ctx: ActionCtx) -> list[Id[Message]]:
            return [hit.id for hit in await ctx.vector_search(Message.by_place.nearest([1.0, 0.0]), limit=1)]


        @query
        def url(ctx: QueryCtx, file: str) -> str | None:
            return ctx.storage.get_url(file)
    """
}
PROJECT = {"schema": SCHEMA, "functions": FUNCTIONS}
COMMAND = "dev"  # `npx convex run` reads the text of an error


def test_a_live_client_sees_an_import_in_one_transition(
    clients: Clients, server: RunningServer, tmp_path: Path
) -> None:
    client = clients.js(server, views=True)
    client.mutation("m:fill", {"texts": ["one", "two"]})
    texts, names = client.subscribe("m:texts"), client.subscribe("m:names")
    assert (texts.next(), names.next()) == (["one", "two"], ["lobby"])
    archive = export(server, tmp_path / "a.zip")
    client.mutation("m:fill", {"texts": ["three"]})
    texts.wait_until(["one", "three", "two"])
    names.wait_until(["lobby", "lobby"])
    done = server.run("import", str(archive), "--replace", "--yes")
    assert done.returncode == 0, done.stderr
    texts.wait_until(["one", "two"])
    names.wait_until(["lobby"])
    shown = [(view.values.get(texts.label), view.values.get(names.label)) for view in client.views]
    assert (["one", "two"], ["lobby", "lobby"]) not in shown
    assert (["one", "three", "two"], ["lobby"]) not in shown
    assert client.query("m:find", {"text": "two"}) == ["two"]
    assert client.query("m:find", {"text": "three"}) == []
    assert len(client.action("m:near")) == 1


def test_what_is_exported_wiped_and_imported_is_the_same(
    clients: Clients, server: RunningServer, tmp_path: Path
) -> None:
    """Pixorly's acceptance item 16: same ids, same files, same schedules. In a deployment whose tables have other numbers."""
    client = clients.js(server)
    client.mutation("m:fill", {"texts": ["ä \\u0000 ü", "日本"]})
    file = client.action("m:store", {"text": "content of a file"})
    change(server, SECRET=CANARY)
    archive = export(server, tmp_path / "whole.zip", "--include-file-storage")
    change(server, SECRET=None)
    with zipfile.ZipFile(archive) as packed:
        assert all(CANARY.encode() not in packed.read(name) for name in packed.namelist())
    swapped = SCHEMA.replace('name="rooms"', 'name="zrooms"')
    before = facts(server, tmp_path, "before", file)
    fresh = Project(tmp_path / "fresh", schema=swapped, functions={})
    with serving(fresh, "serve") as other:  # makes numbers that differ: `zrooms` and `messages`
        assert "zrooms" in other.run("data").stdout
        fresh.write("schema.py", SCHEMA)
        fresh.write_function("m", FUNCTIONS["m"])
    with serving(fresh, "serve") as other:
        done = other.run("import", str(archive))
        assert done.returncode == 0, done.stderr
        assert facts(other, tmp_path, "after", file) == before
        found = clients.js(other)
        rooms = found.query("m:rooms")
        assert rooms == client.query("m:rooms")
        assert found.query("m:messages", {"room": rooms[0]["_id"]}) == client.query(
            "m:messages", {"room": rooms[0]["_id"]}
        )
        path = found.query("m:url", {"file": file}).split("/api/", 1)[1]
        assert clients.js(other).fetch(f"{other.url}/api/{path}").body == b"content of a file"
        found.mutation("m:fill", {"texts": ["goes on"]})


def test_json_lines_and_csv_come_back_as_they_went(server: RunningServer, tmp_path: Path) -> None:
    for suffix in ("jsonl", "csv"):
        out = tmp_path / f"rooms.{suffix}"
        assert server.run("export", "--table", "rooms", "--path", str(out)).returncode == 0
        done = server.run("import", str(out), "--table", "rooms", "--replace", "--yes")
        assert done.returncode == 0, done.stderr
        again = tmp_path / f"again.{suffix}"
        assert server.run("export", "--table", "rooms", "--path", str(again)).returncode == 0
        assert again.read_bytes() == out.read_bytes()


def test_one_bad_line_and_nothing_has_changed(clients: Clients, server: RunningServer, tmp_path: Path) -> None:
    client = clients.js(server)
    before = client.query("m:names")
    lines = [{"name": f"room {at}"} for at in range(1000)]
    bad: dict[str, Any] = {"name": 7}
    path = tmp_path / "rooms.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in [*lines, bad, {"nam": "x"}]))
    done = server.run("import", str(path), "--table", "rooms", "--append")
    assert done.returncode == 1
    assert "rooms, line 1001: " in done.stderr
    assert "rooms, line 1002: " in done.stderr
    assert client.query("m:names") == before


def export(server: RunningServer, path: Path, *options: str) -> Path:
    done = server.run("export", "--path", str(path), *options)
    assert done.returncode == 0, done.stdout + done.stderr
    return path


def facts(server: RunningServer, folder: Path, name: str, file: str) -> dict[str, str]:
    """Documents, files and schedules, as an export has them; `internalId` is where the bytes are, not what they are."""
    with zipfile.ZipFile(export(server, folder / f"{name}.zip", "--include-file-storage")) as packed:
        assert any(file in entry for entry in packed.namelist())
        return {
            entry: packed.read(entry).decode()
            for entry in sorted(packed.namelist())
            if entry not in ("README.md", "_tables/documents.jsonl") and not entry.startswith("zrooms/")
        }


# ── the official command ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def npx(server: RunningServer, node_packages: Path, tmp_path: Path) -> Any:
    def run(*arguments: str, given: str = "") -> Any:
        return convex(server, node_packages, tmp_path, *arguments, given=given)

    return run


def test_the_official_command_exports_and_imports(
    npx: Any, clients: Clients, server: RunningServer, tmp_path: Path
) -> None:
    client = clients.js(server)
    client.mutation("m:fill", {"texts": ["official"]})
    client.action("m:store", {"text": "a file"})
    before = client.query("m:texts")
    done = npx("export", "--path", "official.zip", "--include-file-storage")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Created snapshot export" in done.stderr
    client.mutation("m:fill", {"texts": ["gone again"]})
    done = npx("import", "--replace-all", "--yes", "official.zip")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Added" in done.stderr
    assert client.query("m:texts") == before
    (tmp_path / "more.jsonl").write_text('{"name": "from npx"}\n')
    done = npx("import", "--table", "rooms", "--append", "more.jsonl")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "from npx" in client.query("m:names")
    done = npx("import", "--table", "rooms", "more.jsonl")
    assert done.returncode == 1
    assert "has documents" in done.stderr


def test_the_official_command_runs_shows_and_describes(npx: Any, server: RunningServer) -> None:
    assert npx("run", "m:fill", '{texts: ["for npx"]}').returncode == 0
    done = npx("run", "m:names")
    assert done.returncode == 0, done.stdout + done.stderr
    assert isinstance(json.loads(done.stdout), list)
    done = npx("run", "m:nothing")
    assert done.returncode == 1
    assert "Available functions" in done.stderr
    done = npx("data")
    assert {"rooms", "messages"} <= set(done.stdout.split())
    done = npx("data", "rooms", "--format", "jsonLines", "--limit", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "_id" in done.stdout
    done = npx("function-spec")
    assert done.returncode == 0, done.stdout + done.stderr
    spec = json.loads(done.stdout)
    assert spec["url"] == server.url
    assert {"m.js:names", "m.js:note"} <= {each.get("identifier") for each in spec["functions"]}


@pytest.mark.parametrize("command", [("dev", "--once"), ("deploy", "--yes")])
def test_the_official_push_is_told_what_to_type(
    npx: Any, node_packages: Path, tmp_path: Path, command: tuple[str, ...]
) -> None:
    (tmp_path / "node_modules").symlink_to(node_packages / "node_modules")
    (tmp_path / "convex").mkdir()
    (tmp_path / "convex" / "f.js").write_text("export default 1;\n")
    done = npx(*command, "--typecheck", "disable", "--codegen", "disable")
    assert done.returncode != 0
    assert "reactor deploy" in done.stdout + done.stderr, done.stdout + done.stderr
