"""The typed Python client: judged by both type checkers, and used against a real server with the real PyPI client."""

from __future__ import annotations

import dataclasses
import json
import os
import random
import re
import subprocess
import sys
from pathlib import Path

import pytest

from codegen import python_client
from reactor.definitions.manifest import FunctionManifest, Manifest, TableManifest
from reactor.values.validator import ArrayV, Field, IdV, LiteralV, NullV, NumberV, ObjectV, RecordV, StringV, UnionV
from tests.codegen.manifests import MANIFEST, args, function
from tests.support import Project, serving
from tests.type_checkers import refused_by_mypy, refused_by_pyright

USE = """
from typing import Any, Literal, assert_type

import api
from api import AsyncClient, Client, Notes, NotesId, PaginationResult, Subscription, UsersId
from convex import ConvexInt64


def calls(client: Client, note: NotesId, author: UsersId) -> None:
    assert_type(client.query(api.notes.get, id=note), Notes | None)
    assert_type(client.query(api.notes.list), list[Notes])
    assert_type(client.query(api.notes.list, limit=3), list[Notes])
    assert_type(client.query(api.notes.list, limit=None), list[Notes])
    assert_type(client.mutation(api.notes.add, text="a", authorId=author), NotesId)
    assert_type(client.action(api.deep.er.module.run, input=[1]), Any)
    assert_type(client.query(api.notes.raw, anything="goes"), Any)
    assert_type(client.query(api.a.b), str)
    assert_type(client.query(api.a.b_.c), float)
    assert_type(client.subscribe(api.notes.get, id=note), Subscription[Notes | None])
    page = client.query(api.notes.page, paginationOpts={"numItems": 5, "cursor": None})
    assert_type(page, PaginationResult[Notes])
    assert_type(page["page"], list[Notes])
    for each in client.subscribe(api.notes.list):
        assert_type(each, list[Notes])


async def awaited(client: AsyncClient, note: NotesId) -> None:
    assert_type(await client.query(api.notes.get, id=note), Notes | None)
    assert_type(await client.action(api.deep.er.module.run, input=1), Any)
    async for each in client.subscribe(api.notes.list, limit=1):
        assert_type(each, list[Notes])


def parts(note: Notes, every: api.NotesEveryResult) -> None:
    assert_type(note["_id"], NotesId)
    assert_type(note["kind"], Literal["memo", "task"])
    assert_type(note["deletedAt"], float | None)
    assert_type(note["place"]["x"], float)
    assert_type(note["place"].get("label"), str | None)
    assert_type(note["content-type"], str)
    assert_type(every["big"], ConvexInt64)
    assert_type(every["bytes"], bytes)
    assert_type(every["byUser"], dict[UsersId, list[str | None]])
    assert_type(every.get("perhaps"), str | None)
    assert_type(every["grid"][0][0]["at"], dict[str, list[bytes]])
    shape = every["shape"]
    if shape["kind"] == "circle":
        assert_type(shape["r"], float)
    else:
        assert_type(shape["side"], ConvexInt64)
"""
MISUSE = """
import api
from api import AsyncClient, Client, Notes, NotesId, UsersId


def wrong(client: Client, note: NotesId, author: UsersId, notes: Notes) -> None:
    client.query(api.notes.get)  # a required argument is missing
    client.query(api.notes.get, id=author)  # an id of another table
    client.query(api.notes.get, id="abc")  # a plain str is no id
    client.query(api.notes.get, note)  # by position
    client.query(api.notes.list, limt=3)  # an argument nobody declared
    client.query(api.notes.list, limit="3")  # the wrong type
    client.query(api.notes.lst)  # no such function
    client.query(api.note.list)  # no such module
    client.query(api.notes.add, text="a", authorId=author)  # a mutation is no query
    client.mutation(api.notes.list)  # a query is no mutation
    client.subscribe(api.deep.er.module.run, input=1)  # nor can an action be subscribed to
    client.mutation(api.jobs.clean)  # internal
    client.query(api.notes.get, id=note)["text"]  # may be None
    notes["txt"]  # no such field
    print(notes["title"] + 1)  # a str
    client.query(api.notes.page, paginationOpts={"numItems": 5})  # no cursor


async def unawaited(client: AsyncClient) -> None:
    print(client.query(api.a.b).upper())  # a coroutine
"""


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("client")
    (folder / "api.py").write_text(python_client.render(MANIFEST))
    (folder / "use.py").write_text(USE)
    (folder / "misuse.py").write_text(MISUSE)
    return folder


def wrong_lines() -> set[int]:
    return {number for number, line in enumerate(MISUSE.splitlines(), 1) if "# " in line}


def test_mypy_knows_arguments_and_results(client: Path) -> None:
    assert refused_by_mypy("api.py", "use.py", folder=client) == []
    assert {line for file, line, _ in refused_by_mypy("misuse.py", folder=client)} == wrong_lines()


def test_pyright_knows_arguments_and_results(client: Path) -> None:
    assert refused_by_pyright("api.py", "use.py", folder=client) == []
    assert {line for file, line, _ in refused_by_pyright("misuse.py", folder=client)} == wrong_lines()


def test_names_that_python_needs_for_itself_are_no_trouble(tmp_path: Path) -> None:
    """Modules, tables, fields and functions may have the names of what the client is made of."""
    thing = ObjectV((Field("list", ArrayV(NumberV())), Field("more", ArrayV(NumberV())), Field("from", StringV())))
    hostile = Manifest(
        (
            function("list:list", "query", args(Field("str", StringV())), ArrayV(StringV())),
            function("list:dict", "query", args(), RecordV(StringV(), thing)),
            function("Client:float", "mutation", args(Field("list", ArrayV(thing))), UnionV((thing, NullV()))),
            function("foo:barBaz", "query", args(), thing, doc='Ends with a "quote"'),
            function("fooBar:baz", "query", args(), thing, doc='A """quoted""" \\\\ line.\n\nAnother.'),
            function(
                "q:two", "query", args(), UnionV((thing, ObjectV((Field("x", LiteralV(1.0)),)), LiteralV("é\u2028😀")))
            ),
        ),
        (
            TableManifest("clients", ObjectV((Field("_id", IdV("clients")),), "clients"), python_name="Client"),
            TableManifest("any", ObjectV((Field("type", IdV("any")),), "any"), python_name="Any"),
        ),
    )
    (tmp_path / "api.py").write_text(python_client.render(hostile))
    assert refused_by_mypy("api.py", folder=tmp_path) == []
    assert refused_by_pyright("api.py", folder=tmp_path) == []
    run = "import api; print(api.list_.list.wire(str='x'), api.Client_)"
    assert (
        "{'str': 'x'}"
        in subprocess.run([sys.executable, "-c", run], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    )


def test_an_empty_project_has_a_client(tmp_path: Path) -> None:
    (tmp_path / "api.py").write_text(python_client.render(Manifest()))
    assert refused_by_mypy("api.py", folder=tmp_path) == []
    assert refused_by_pyright("api.py", folder=tmp_path) == []


def test_the_order_of_a_manifest_does_not_show() -> None:
    for seed in range(5):
        shuffled = list(MANIFEST.functions)
        random.Random(seed).shuffle(shuffled)
        again = dataclasses.replace(MANIFEST, functions=tuple(shuffled), tables=MANIFEST.tables[::-1])
        assert python_client.render(again) == python_client.render(MANIFEST)


def test_arguments_are_called_as_in_python_and_sent_as_on_the_wire(tmp_path: Path) -> None:
    fields = args(Field("negativePrompt", StringV(), optional=True), Field("from", StringV()))
    made = FunctionManifest(
        "a:makeIt", "a:make_it", "mutation", "public", fields, NullV(), parameters=("negative_prompt", "from_")
    )
    (tmp_path / "api.py").write_text(python_client.render(Manifest((made,))))
    run = """
from api import a
print(a.make_it.wire(from_="x", negative_prompt="n"), a.make_it.wire(from_="y", negative_prompt=None), a.make_it)
for wrong in ({}, {"from_": "x", "other": 1}):
    try:
        a.make_it.wire(**wrong)
    except TypeError as error:
        print(error)
"""
    said = subprocess.run([sys.executable, "-c", run], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert said.splitlines() == [
        "{'from': 'x', 'negativePrompt': 'n'} {'from': 'y'} <MutationRef a:makeIt>",
        "missing a required argument: 'from_'",
        "got an unexpected keyword argument 'other'",
    ]


SCHEMA = """
    from datetime import datetime
    from reactor import Id, Index, Int64, Model, Table

    class Place(Model):
        x: float
        label: str | None = None

    class Item(Table, name="items"):
        made_at: datetime
        size: Int64
        data: bytes
        place: Place
        tags: dict[str, int]
        note: str | None = None
        by_size = Index("size")
"""
ITEMS = '''
    from reactor import (
        UNSET, ActionCtx, AppError, Id, Int64, MutationCtx, Page, PaginationOpts, QueryCtx, Unset, action, mutation, query,
    )
    from schema import Item, Place

    @mutation
    def add_item(ctx: MutationCtx, item_size: Int64, data: bytes, places: list[Place], note: str | None = None) -> Id[Item]:
        """Adds one."""
        return ctx.db.insert(
            Item(made_at=ctx.now, size=item_size, data=data, place=places[0], tags={"a": len(places)}, note=note)
        )

    @query
    def page_of(ctx: QueryCtx, pagination_opts: PaginationOpts) -> Page[Item]:
        return ctx.db.query(Item).paginate(pagination_opts)

    @query
    def count(ctx: QueryCtx, at_most: int = 100) -> int:
        return len(ctx.db.query(Item).take(at_most))

    @mutation
    def rename(ctx: MutationCtx, item_id: Id[Item], note: str | None | Unset = UNSET) -> str:
        ctx.db.patch(item_id, note=note)
        return repr(note)

    @action
    async def fail(ctx: ActionCtx, how_much: float) -> None:
        raise AppError({"code": "failed", "howMuch": how_much})
'''
PROGRAM = """
import asyncio, json, sys
import api
from api import AsyncClient, Client, items
from convex import ConvexError, ConvexInt64

said = {}
client = Client(sys.argv[1])
with client.subscribe(items.count) as counts:
    said["before"] = next(counts)
    item = client.mutation(
        items.add_item, item_size=ConvexInt64(2**60), data=b"\\x00\\xff", places=({"x": 1}, {"x": 2.5, "label": "b"})
    )
    said["after"] = next(counts)
page = client.query(items.page_of, pagination_opts={"numItems": 5, "cursor": None})
(found,) = page["page"]
said["found"] = [found["_id"] == item, found["size"].value == 2**60, found["data"] == b"\\x00\\xff", found["place"],
    found["tags"], "note" in found, found["madeAt"] > 1.6e12, page["isDone"]]
said["default"] = client.query(items.count, at_most=None)
said["renamed"] = [client.mutation(items.rename, item_id=item, **given) for given in ({}, {"note": None}, {"note": "n"})]
try:
    client.action(items.fail, how_much=3)
except ConvexError as error:
    said["error"] = error.data

async def main():
    client = AsyncClient(sys.argv[1])
    said["together"] = await asyncio.gather(*(client.query(items.count, at_most=n) for n in (0, 1, 2)))
    async for count in client.subscribe(items.count):
        said["live"] = count
        break

asyncio.run(main())
print(json.dumps(said), flush=True)
import os; os._exit(0)  # the client's threads have no end
"""


def test_a_program_talks_to_a_real_server_and_follows_its_saves(tmp_path: Path) -> None:
    settings = '[tool.reactor]\npython_client = "client/api.py"\nopenapi = "openapi.json"\n'
    project = Project(tmp_path / "project", schema=SCHEMA, functions={"items": ITEMS}, settings=settings)
    with serving(project, "dev") as server:
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, server.url],
            env={**os.environ, "PYTHONPATH": str(project.root / "client")},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout) == {
            "before": 0.0,
            "after": 1.0,
            "found": [True, True, True, {"x": 1.0}, {"a": 2.0}, False, True, True],
            "default": 1.0,
            "renamed": ["UNSET", "None", "'n'"],
            "error": {"code": "failed", "howMuch": 3.0},
            "together": [0.0, 1.0, 1.0],
            "live": 1.0,
        }
        mark = server.mark()
        project.write_function(
            "items", ITEMS + "\n    @query\n    def newest(ctx: QueryCtx) -> Item | None: return None\n"
        )
        server.wait_for_output(r"wrote client/api\.py", after=mark)
        server.wait_for_output(r"wrote openapi\.json", after=mark)
    assert "✓ client/api.py" not in server.output, "what a push writes led to another"
    assert re.search(r"^    newest = _items__newest$", project.read("client/api.py"), re.MULTILINE)
    assert "/api/run/items/newest" in json.loads(project.read("openapi.json"))["paths"]
