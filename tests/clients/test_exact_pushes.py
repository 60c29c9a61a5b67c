"""A push runs again exactly the queries of the modules it changes, as a client of the npm package sees it (engine D6).

What was run is what the server's log of function calls tells its operator.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.clients.clients import Client, Subscription
from tests.clients.conftest import Clients
from tests.support import Project, RunningServer, serving

SCHEMA = """
    from reactor import Table


    class Item(Table, name="items"):
        name: str
"""
WORDS = 'WORD = "{}"\n'
MODULE = """
    {imports}
    from reactor import MutationCtx, QueryCtx, mutation, query


    @query
    def ask(ctx: QueryCtx) -> str:
        return {result}
"""
NOTES = """
    from reactor import MutationCtx, QueryCtx, internal_query, mutation, query
    from schema import Item


    @mutation
    def add(ctx: MutationCtx, name: str) -> None:
        ctx.db.insert(Item(name=name))


    @query
    def count(ctx: QueryCtx) -> int:
        return len(ctx.db.query(Item).collect())


    @query
    def by_path(ctx: QueryCtx) -> object:
        return ctx.run_query("fourth:ask")
"""


def module(result: str, imports: str = "") -> str:
    return MODULE.format(result=result, imports=imports)


FUNCTIONS = {
    "words": WORDS.format("old"),
    "first": module("'first'"),
    "second": module("WORD + ' second'", "from functions.words import WORD"),
    "third": module("WORD + ' third'", "from functions.words import WORD"),
    "fourth": module("'fourth'"),
    "notes": NOTES,
}
QUERIES = ("first:ask", "second:ask", "third:ask", "fourth:ask", "notes:count", "notes:byPath")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningServer]:
    with serving(Project(tmp_path / "project", schema=SCHEMA, functions=FUNCTIONS), "dev") as running:
        yield running


class Runs:
    """Which queries ran since the last time it was asked."""

    def __init__(self, server: RunningServer, client: Client, count: Subscription) -> None:
        self._server = server
        self._client = client
        self._count = count
        self._cursor = 0
        self.since()

    def since(self) -> Counter[str]:
        """Without what it does itself: a mutation, and the run of `notes:count` it leads to, come after all others."""
        before = self._count.results[-1]
        self._client.mutation("notes:add", {"name": "x"})
        self._count.wait_until(before + 1)
        entries: list[dict[str, Any]] = []
        while not _are_in_order(entries):
            answer = httpx.get(
                f"{self._server.url}/api/stream_function_logs",
                params={"cursor": self._cursor, "wait": 5},
                headers={"Authorization": f"Convex {self._server.admin_key}"},
            ).json()
            entries += answer["entries"]
            self._cursor = answer["newCursor"]
        return Counter(each["identifier"] for each in entries) - Counter(OWN)


OWN = ["notes:add", "notes:count"]


def _are_in_order(entries: list[dict[str, Any]]) -> bool:
    names = [each["identifier"] for each in entries]
    return "notes:add" in names and "notes:count" in names[names.index("notes:add") :]


def test_only_queries_of_changed_modules_run_again(clients: Clients, server: RunningServer) -> None:
    project, client = server.project, clients.js(server)
    watched = {query: client.subscribe(query) for query in QUERIES}
    missing = client.subscribe("fifth:ask")
    for each in watched.values():
        each.next()
    missing.wait_until_failed()
    ran = Runs(server, client, watched["notes:count"]).since
    assert ran() == {}, "what nobody touched does not run"

    project.write_function("first", module("'edited'"))
    watched["first:ask"].wait_until("edited")
    assert ran() == {"first:ask": 1}

    project.write_function("words", WORDS.format("new"))
    watched["second:ask"].wait_until("new second")
    watched["third:ask"].wait_until("new third")
    assert ran() == {"second:ask": 1, "third:ask": 1}

    project.write_function("fourth", module("'edited'"))
    watched["fourth:ask"].wait_until("edited")
    watched["notes:byPath"].wait_until("edited")
    assert ran() == {"fourth:ask": 1, "notes:byPath": 1}, "who calls it by its path has read its module"

    project.write_function("fifth", module("'here'"))
    missing.wait_until("here")
    assert ran() == {"fifth:ask": 1}
    (project.root / "functions" / "fifth.py").unlink()
    missing.wait_until_failed()
    assert ran() == {"fifth:ask": 1}

    mark = server.mark()
    project.write_function("first", "def ask(:\n")
    server.wait_for_output("SyntaxError", after=mark)
    assert ran() == {}
    project.write_function("first", module("'mended'"))
    watched["first:ask"].wait_until("mended")
    assert ran() == {"first:ask": 1}, "a broken edit on the way changes nothing"

    project.write("schema.py", SCHEMA + "        other: str | None = None\n")
    server.wait_for_output(r"field items\.other", after=mark)
    assert set(ran() + ran()) >= {*QUERIES} - {*OWN}, "the schema is part of every module"
    assert client.connections == 1
