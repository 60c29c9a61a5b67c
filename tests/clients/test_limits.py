"""Every limit of a function call, as a client meets it: what is at the limit passes, one more is refused by name.

Reference §3.3 (values) and §4.6 (transactions). The limits are the project's own, so that this also says that
`[tool.reactor.limits]` reaches the processes that run functions. What the defaults are: tests/test_docs.py.
"""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.clients.clients import CallFailed
from tests.clients.conftest import Clients
from tests.support import Project, RunningServer, serving

LIMITS = {
    "documents_read": 10,
    "bytes_read": 30_000,
    "index_ranges": 5,
    "documents_written": 6,
    "bytes_written": 12_000,
    "functions_scheduled": 3,
    "scheduled_arguments_size": 1500,
    "value_nesting": 6,
    "document_nesting": 4,
    "array_length": 20,
    "object_fields": 8,
    "document_size": 5000,
    "arguments_size": 9000,
    "result_size": 8000,
    "nested_calls": 3,
    "function_cpu": 0.3,
}
FUNCTIONS = """
    from typing import Any
    from reactor import ActionCtx, AppError, MutationCtx, QueryCtx, action, mutation, query
    from schema import Item

    @mutation
    def fill(ctx: MutationCtx, count: int, size: int) -> None:
        for _ in range(count):
            ctx.db.insert(Item(text="x" * size))

    @mutation
    def clear(ctx: MutationCtx) -> int:
        found = ctx.db.query(Item).take(5)
        for item in found:
            ctx.db.delete(item.id)
        return len(found)

    @query
    def readDocuments(ctx: QueryCtx, n: int) -> int:
        return len(ctx.db.query(Item).take(n))

    @query
    def readBytes(ctx: QueryCtx, n: int) -> int:
        return len(ctx.db.query(Item).take(n))

    @query
    def readRanges(ctx: QueryCtx, n: int) -> int:
        return len([ctx.db.query(Item.by_text.eq(f"range {i}")).first() for i in range(n)])

    @mutation
    def writeDocuments(ctx: MutationCtx, n: int) -> None:
        for _ in range(n):
            ctx.db.insert("scraps", {})

    @mutation
    def writeBytes(ctx: MutationCtx, n: int) -> None:
        for _ in range(3):
            ctx.db.insert("scraps", {"text": "x" * n})

    @mutation
    def document(ctx: MutationCtx, n: int) -> None:
        ctx.db.insert("scraps", {"text": "x" * n})

    @mutation
    def nestedDocument(ctx: MutationCtx, n: int) -> None:
        value: Any = 1
        for _ in range(n - 1):
            value = [value]
        ctx.db.insert("scraps", {"value": value})

    @mutation
    def schedule(ctx: MutationCtx, n: int) -> None:
        for _ in range(n):
            ctx.scheduler.run_after(3600, document, n=1)

    @mutation
    def scheduleLarge(ctx: MutationCtx, n: int) -> None:
        ctx.scheduler.run_after(3600, take, value="x" * n)

    @mutation
    def take(ctx: MutationCtx, value: Any) -> None:
        pass

    @action
    async def takeInAction(ctx: ActionCtx, value: Any) -> None:
        pass

    @query
    def give(ctx: QueryCtx, n: int) -> str:
        return "x" * n

    @query
    def giveArray(ctx: QueryCtx, n: int) -> list[int]:
        return [0] * n

    @query
    def callDeep(ctx: QueryCtx, n: int) -> int:
        return 0 if n == 0 else 1 + ctx.run_query(callDeep, n=n - 1)

    @query
    def spin(ctx: QueryCtx) -> None:
        while True:
            pass

    @mutation
    def spinInMutation(ctx: MutationCtx) -> None:
        while True:
            pass
"""
PROJECT = {
    "schema": """
        from reactor import Index, Table

        class Item(Table, name="items"):
            text: str
            by_text = Index("text")
    """,
    "functions": {"m": FUNCTIONS},
    "settings": "[tool.reactor.limits]\n" + "".join(f"{name} = {value}\n" for name, value in LIMITS.items()),
}


def nested(levels: int) -> Any:
    """A value in which so many arrays lie inside each other."""
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


# (kind, function, argument at the limit, one past it, the limit, the beginning of the text)
COUNTED = [
    ("query", "m:readDocuments", 10, 11, "documents_read", "Too many documents read in a single function execution"),
    ("query", "m:readRanges", 5, 6, "index_ranges", "Too many reads in a single function execution"),
    ("mutation", "m:writeDocuments", 6, 7, "documents_written", "Too many writes in a single function execution"),
    ("mutation", "m:writeBytes", 3991, 3992, "bytes_written", "Too many bytes written in a single function execution"),
    ("mutation", "m:document", 5000 - 9, 5000 - 8, "document_size", "Value is too large"),
    ("mutation", "m:nestedDocument", 4, 5, "document_nesting", "Value is too nested"),
    ("mutation", "m:schedule", 3, 4, "functions_scheduled", "Too many functions scheduled by this mutation"),
    ("mutation", "m:scheduleLarge", 1490, 1491, "scheduled_arguments_size", "Too large total size of the arguments"),
    ("query", "m:give", 8000 - 2, 8000 - 1, "result_size", "Function return value is too large"),
    ("query", "m:giveArray", 20, 21, "array_length", "Array length is too long"),
    ("query", "m:callDeep", 3, 4, "nested_calls", "Functions call each other more than 3 deep"),
]
GIVEN = [
    ("m:take", "x" * (9000 - 12), "x" * (9000 - 11), "arguments_size", "Arguments are too large"),
    ("m:take", [0] * 20, [0] * 21, "array_length", "Array length is too long (21 > maximum length 20)"),
    (
        "m:take",
        {f"f{n}": n for n in range(8)},
        {f"f{n}": n for n in range(9)},
        "object_fields",
        "Object has too many fields (9 > maximum number 8)",
    ),
    ("m:take", nested(5), nested(6), "value_nesting", "Value is too nested (7 > maximum nesting 6)"),
]


def refused(call: Any, limit: str, text: str) -> None:
    with pytest.raises(CallFailed) as caught:
        call()
    message = str(caught.value)
    assert text in message, message
    assert f"The setting is `{limit}` in [tool.reactor.limits]." in message, message
    if limit in LIMITS:
        assert re.search(rf"\b{LIMITS[limit]}s?\b", message), message


@pytest.fixture(scope="module", autouse=True)
def filled(server: RunningServer) -> None:
    """Twelve items: two more than one function may read."""
    for _ in range(3):
        assert server.run("run", "m:fill", '{"count": 4, "size": 10}').returncode == 0


@pytest.mark.parametrize("which", ["js-live", "js-http"])
@pytest.mark.parametrize(("kind", "path", "at", "past", "limit", "text"), COUNTED, ids=[case[4] for case in COUNTED])
def test_what_a_function_does_is_limited(
    clients: Clients, server: RunningServer, which: str, kind: Any, path: str, at: int, past: int, limit: str, text: str
) -> None:
    client = clients.open(which, server)
    client.call(kind, path, {"n": at})
    refused(lambda: client.call(kind, path, {"n": past}), limit, text)


@pytest.mark.parametrize("kind", ["mutation", "action"])
@pytest.mark.parametrize(("path", "at", "past", "limit", "text"), GIVEN, ids=[case[3] for case in GIVEN])
def test_what_a_function_is_given_is_limited(
    clients: Clients, server: RunningServer, kind: Any, path: str, at: Any, past: Any, limit: str, text: str
) -> None:
    client = clients.js(server)
    path = path if kind == "mutation" else "m:takeInAction"
    client.call(kind, path, {"value": at})
    refused(lambda: client.call(kind, path, {"value": past}), limit, text)


@pytest.mark.parametrize(("kind", "path"), [("query", "m:spin"), ("mutation", "m:spinInMutation")])
def test_a_function_has_only_so_much_time(clients: Clients, server: RunningServer, kind: Any, path: str) -> None:
    """Reference §4.6: `Function execution timed out (maximum duration: 1s)`."""
    refused(
        lambda: clients.js(server).call(kind, path),
        "function_cpu",
        "Function execution timed out (maximum duration: 0.3s)",
    )


def test_the_bytes_a_function_reads_are_limited(clients: Clients, tmp_path_factory: pytest.TempPathFactory) -> None:
    project = Project(tmp_path_factory.mktemp("bytes"), **PROJECT)  # type: ignore[arg-type]
    with serving(project, "dev") as server:
        client = clients.js(server)
        for _ in range(5):
            client.call("mutation", "m:fill", {"count": 2, "size": 4900})
        assert client.call("query", "m:readBytes", {"n": 6}) == 6
        refused(
            lambda: client.call("query", "m:readBytes", {"n": 7}),
            "bytes_read",
            "Too many bytes read in a single function execution (limit: 30000 bytes)",
        )


def test_a_warning_comes_before_the_refusal(clients: Clients, server: RunningServer) -> None:
    """Reference §4.6: warnings are logged at 80 %."""
    mark = server.mark()
    server.run("run", "m:readDocuments", '{"n": 8}')
    said = server.run("run", "m:readDocuments", '{"n": 9}').stderr
    assert "[WARN] 'Many documents read in a single function execution (actual: 9, limit: 10)." in said
    assert "`documents_read` in [tool.reactor.limits]" in said
    assert "actual: 8" not in "".join(server.output.splitlines()[mark:])
    client = clients.js(server)
    client.call("query", "m:readDocuments", {"n": 9})


def test_names_on_the_wire_are_as_the_project_says(clients: Clients, tmp_path_factory: pytest.TempPathFactory) -> None:
    """`wire_names` reaches the processes that run functions, too."""
    functions = """
        from reactor import QueryCtx, query

        @query
        def say_it(ctx: QueryCtx, the_word: str) -> dict[str, str]:
            return {"the_word": the_word}
    """
    settings = '[tool.reactor]\nwire_names = "as_written"\n'
    project = Project(tmp_path_factory.mktemp("names"), functions={"m": functions}, settings=settings)
    with serving(project, "dev") as server:
        assert clients.js(server).call("query", "m:say_it", {"the_word": "a"}) == {"the_word": "a"}
