"""`reactor dev`: an edit is live at once for those who are subscribed, a broken one changes nothing."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.conftest import Clients
from tests.support import Project, RunningServer, eventually, serving

SCHEMA = """
    from reactor import Index, Table


    class Item(Table, name="items"):
        name: str
        size: float
"""
GREETINGS = """
    from reactor import QueryCtx, query


    @query
    def greet(ctx: QueryCtx, name: str) -> str:
        return "{greeting}, " + name
"""
ITEMS = """
    from reactor import Id, MutationCtx, QueryCtx, mutation, query
    from schema import Item


    @mutation
    def add(ctx: MutationCtx, name: str, size: float) -> Id[Item]:
        return ctx.db.insert(Item(name=name, size=size))


    @query
    def names(ctx: QueryCtx) -> list[str]:
        return [item.name for item in ctx.db.query(Item).collect()]
"""
LIVE = 1.0  # seconds from saving a file to the new result


def greeting(word: str) -> str:
    return GREETINGS.replace("{greeting}", word)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningServer]:
    functions = {"greetings": greeting("Hello"), "items": ITEMS}
    with serving(Project(tmp_path / "project", schema=SCHEMA, functions=functions), "dev") as running:
        yield running


# ── good edits ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_edit_reaches_subscribers_within_a_second_on_the_open_socket(
    clients: Clients, server: RunningServer
) -> None:
    client, python = clients.js(server), clients.python(server)
    greet = client.subscribe("greetings:greet", {"name": "Ann"})
    too = python.subscribe("greetings:greet", {"name": "Ann"})
    assert greet.next() == "Hello, Ann"
    took = []
    for word in ("Hi", "Ahoy", "Servus"):
        began = time.monotonic()
        server.project.write_function("greetings", greeting(word))
        greet.wait_until(f"{word}, Ann")
        took.append(time.monotonic() - began)
        too.wait_until(f"{word}, Ann")
    assert min(took) < LIVE, took  # the best of three: the machine may be busy with other tests
    assert client.connections == 1


def test_a_helper_module_is_code_like_any_other(clients: Clients, server: RunningServer) -> None:
    server.project.write_function("words", 'WORD = "old"\n')
    for module in ("first", "second"):
        server.project.write_function(
            module,
            f"""
                from functions.words import WORD
                from reactor import QueryCtx, query


                @query
                def word(ctx: QueryCtx) -> str:
                    return WORD + " {module}"
            """,
        )
    client = clients.js(server, views=True)
    first, second = client.subscribe("first:word"), client.subscribe("second:word")
    first.wait_until("old first")
    second.wait_until("old second")
    server.project.write_function("words", 'WORD = "new"\n')
    client.driver.wait_for(
        lambda event: event.get("event") == "view" and event["values"].get(second.label) == "new second",
        since=client.opened,
        what="a view of the new code",
    )
    together = [
        (str(view.values[first.label]).split()[0], str(view.values[second.label]).split()[0])
        for view in client.views
        if isinstance(view.values.get(first.label), str) and isinstance(view.values.get(second.label), str)
    ]
    assert set(together) == {("old", "old"), ("new", "new")}, "a view mixes old and new code"


def test_a_subscription_to_a_function_that_does_not_exist_yet_comes_alive(
    clients: Clients, server: RunningServer
) -> None:
    client = clients.js(server)
    early = client.subscribe("later:greet", {"name": "Bob"})
    early.wait_until_failed()
    server.project.write_function("later", greeting("At last"))
    early.wait_until("At last, Bob")
    (server.project.root / "functions" / "later.py").unlink()
    early.wait_until_failed()
    assert client.connections == 1


def test_mutations_around_a_push_are_neither_lost_nor_doubled(clients: Clients, server: RunningServer) -> None:
    client = clients.js(server)
    greet, names = client.subscribe("greetings:greet", {"name": "x"}), client.subscribe("items:names")
    greet.next()
    sent = []
    for number, word in enumerate(("One", "Two", "Three")):
        sent += [client.begin_mutation("items:add", {"name": f"{number}/{n}", "size": n}) for n in range(40)]
        server.project.write_function("greetings", greeting(word))
        sent += [client.begin_mutation("items:add", {"name": f"{number}/{n}", "size": n}) for n in range(40, 80)]
        greet.wait_until(f"{word}, x")
    for one in sent:
        one.result()
    expected = [f"{number}/{n}" for number in range(3) for n in range(80)]
    names.wait_until(lambda shown: len(shown) == len(expected))
    assert client.query("items:names") == expected
    assert client.connections == 1


# ── broken edits ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("broken", "complaint"),
    [
        ("def greet(:\n", r"SyntaxError"),
        ("import reactor\n\nreactor.no_such_thing\n", r"(?s)Traceback.*greetings\.py.*AttributeError"),
        ("from reactor import query\n\n\n@query\nasync def greet(ctx):\n    return 1\n", r"(?s)greet.*\basync\b"),
    ],
    ids=["syntax", "import", "definition"],
)
def test_a_broken_edit_is_printed_and_the_old_code_serves_on(
    clients: Clients, server: RunningServer, broken: str, complaint: str
) -> None:
    client = clients.js(server)
    greet = client.subscribe("greetings:greet", {"name": "Ann"})
    assert greet.next() == "Hello, Ann"
    mark = server.mark()
    server.project.write_function("greetings", broken)
    server.wait_for_output(complaint, after=mark)
    assert client.query("greetings:greet", {"name": "Bob"}) == "Hello, Bob"
    client.mutation("items:add", {"name": "still", "size": 1})
    assert greet.results == ["Hello, Ann"]
    server.project.write_function("greetings", greeting("Repaired"))
    greet.wait_until("Repaired, Ann")
    assert greet.results == ["Hello, Ann", "Repaired, Ann"]
    assert client.connections == 1


def test_a_schema_that_documents_break_is_refused_with_their_ids(clients: Clients, server: RunningServer) -> None:
    client = clients.js(server)
    names = client.subscribe("items:names")
    assert names.next() == []
    identifier = client.mutation("items:add", {"name": "old", "size": 1})
    mark = server.mark()
    server.project.write("schema.py", SCHEMA.rstrip() + "\n        colour: str\n")
    said = server.wait_for_output(re.escape(identifier), after=mark)
    assert said
    assert "colour" in server.output
    client.mutation("items:add", {"name": "still without", "size": 2})
    names.wait_until(["old", "still without"])
    server.project.write("schema.py", SCHEMA.rstrip() + '\n        colour: str = "grey"\n')
    server.project.write_function(
        "colours",
        """
            from reactor import QueryCtx, query
            from schema import Item


            @query
            def all(ctx: QueryCtx) -> list[str]:
                return [item.colour for item in ctx.db.query(Item).collect()]
        """,
    )
    client.subscribe("colours:all").wait_until(["grey", "grey"])
    assert client.connections == 1


# ── indexes and stubs ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_new_index_is_filled_when_the_push_is_live(clients: Clients, server: RunningServer) -> None:
    client = clients.js(server)
    for size in (30, 10, 20, 40):
        client.mutation("items:add", {"name": f"of size {size}", "size": size})
    early = client.subscribe("sizes:under", {"limit": 35})
    early.wait_until_failed()
    server.project.write("schema.py", SCHEMA.rstrip() + '\n        by_size = Index("size")\n')
    server.project.write_function(
        "sizes",
        """
            from reactor import QueryCtx, query
            from schema import Item


            @query
            def under(ctx: QueryCtx, limit: float) -> list[str]:
                return [item.name for item in ctx.db.query(Item.by_size.lt(limit)).collect()]
        """,
    )
    early.wait_until(["of size 10", "of size 20", "of size 30"])
    client.mutation("items:add", {"name": "of size 5", "size": 5})
    assert early.results[-1] == ["of size 5", "of size 10", "of size 20", "of size 30"]


def test_stubs_follow_the_functions_and_are_written_only_when_they_change(
    clients: Clients, server: RunningServer
) -> None:
    client = clients.js(server)
    stubs = {name: server.project.generated / name for name in ("api.d.ts", "api.js", "dataModel.d.ts")}
    assert all(stub.exists() for stub in stubs.values())
    assert "greet" in stubs["api.d.ts"].read_text()
    assert "items" in stubs["dataModel.d.ts"].read_text()
    greet = client.subscribe("greetings:greet", {"name": "x"})
    assert greet.next() == "Hello, x"
    written = {name: stub.stat().st_mtime_ns for name, stub in stubs.items()}
    for word in ("Same", "Types"):  # pushes come one after another: what the first writes is there after the second
        server.project.write_function("greetings", greeting(word))
        greet.wait_until(f"{word}, x")
    assert {name: stub.stat().st_mtime_ns for name, stub in stubs.items()} == written
    server.project.write_function("farewells", greeting("Bye").replace("greet", "say_bye"))
    assert eventually(lambda: "sayBye" in stubs["api.d.ts"].read_text(), 10)
    assert stubs["dataModel.d.ts"].stat().st_mtime_ns == written["dataModel.d.ts"]
