"""What a function prints reaches the client's console in development, and only the server's log in production."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.clients.clients import CallFailed, Client
from tests.clients.conftest import Clients
from tests.support import Project, RunningServer, serving

PROJECT = {
    "functions": {
        "logs": """
            from reactor import ActionCtx, MutationCtx, QueryCtx, action, mutation, query


            @query
            def noisy_query(ctx: QueryCtx, word: str) -> str:
                print(f"query says {word}")
                return word


            @mutation
            def noisy_mutation(ctx: MutationCtx, word: str) -> str:
                print(f"mutation says {word}")
                return word


            @action
            async def noisy_action(ctx: ActionCtx, word: str) -> str:
                print(f"action says {word}")
                return word


            @mutation
            def print_several(ctx: MutationCtx) -> None:
                print("several", 1, 2.5, True, None)


            @mutation
            def quiet(ctx: MutationCtx) -> None:
                pass


            @mutation
            def noisy_failure(ctx: MutationCtx, word: str) -> str:
                print(f"failure says {word}")
                raise ValueError("as announced")
        """
    }
}
CALLS = (
    ("query", "logs:noisyQuery", "Q"),
    ("mutation", "logs:noisyMutation", "M"),
    ("action", "logs:noisyAction", "A"),
)


@pytest.fixture(scope="module")
def production(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with serving(Project(tmp_path_factory.mktemp("production"), **PROJECT), "serve") as running:  # type: ignore[arg-type]
        yield running


def console(client: Client, text: str, since: int) -> str:
    """The console line with the text."""
    said = client.driver.wait_for(
        lambda event: event.get("event") == "console" and text in event["text"],
        since=since,
        what=f"{text!r} on the console",
    )
    return str(said["text"])


@pytest.mark.parametrize("which", ["js-live", "js-http"])
@pytest.mark.parametrize(("kind", "path", "letter"), CALLS)
def test_print_reaches_the_javascript_console_under_the_name_of_the_function(
    clients: Clients, server: RunningServer, which: str, kind: str, path: str, letter: str
) -> None:
    client = clients.open(which, server)
    since = client.driver.place()
    assert client.call(kind, path, {"word": f"{which} {kind}"}) == f"{which} {kind}"
    line = console(client, f"{kind} says {which} {kind}", since)
    assert line == f"[CONVEX {letter}({path})] [LOG] '{kind} says {which} {kind}'"


def test_print_of_a_subscribed_query_reaches_the_console(clients: Clients, server: RunningServer) -> None:
    client = clients.js(server)
    since = client.driver.place()
    client.subscribe("logs:noisyQuery", {"word": "subscribed"})
    assert console(client, "query says subscribed", since).startswith("[CONVEX Q(logs:noisyQuery)] [LOG]")


def test_several_printed_values_are_one_line(clients: Clients, server: RunningServer) -> None:
    client = clients.js(server)
    since = client.driver.place()
    client.mutation("logs:printSeveral")
    assert console(client, "several", since) == "[CONVEX M(logs:printSeveral)] [LOG] 'several' 1 2.5 True None"


def test_what_was_printed_before_a_failure_is_shown_too(clients: Clients, server: RunningServer) -> None:
    client = clients.js(server)
    since = client.driver.place()
    assert "error" in client.begin_mutation("logs:noisyFailure", {"word": "hm"}).reply()
    assert console(client, "failure says hm", since).startswith("[CONVEX M(logs:noisyFailure)] [LOG]")


def test_print_reaches_the_output_of_the_python_client(clients: Clients, server: RunningServer) -> None:
    client = clients.python(server)
    since = client.driver.place()
    assert client.mutation("logs:noisyMutation", {"word": "snake"}) == "snake"
    console(client, "mutation says snake", since)


def test_production_keeps_what_functions_print_from_the_clients(clients: Clients, production: RunningServer) -> None:
    live, http = clients.js(production), clients.js_http(production)
    since = live.driver.place()
    for client in (live, http):
        for kind, path, _ in CALLS:
            client.call(kind, path, {"word": "confidential"})
    said = [event["text"] for event in live.driver.events[since:] if event.get("event") == "console"]
    assert not [text for text in said if "confidential" in text]
    lines = [told.message.get("logLines", []) for told in live.wire]
    lines += [change.get("logLines", []) for told in live.wire for change in told.message.get("modifications", [])]
    assert not any(lines)


# ── the stored log ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_stored_log_tells_of_calls_while_the_server_runs_and_afterwards(
    clients: Clients, tmp_path_factory: pytest.TempPathFactory
) -> None:
    project = Project(tmp_path_factory.mktemp("stored"), **PROJECT)  # type: ignore[arg-type]
    with serving(project, "serve") as server:
        client = clients.js_http(server)
        for kind, path, _ in CALLS:
            client.call(kind, path, {"word": "kept"})
        with pytest.raises(CallFailed):
            client.call("mutation", "logs:noisyFailure", {"word": "hm"})
        client.call("mutation", "logs:quiet")
        said = server.run("logs", "--success").stdout
        for words in (
            "Q(logs:noisyQuery) [LOG] 'query says kept'",
            "M(logs:noisyMutation) [LOG] 'mutation says kept'",
            "A(logs:noisyAction) [LOG] 'action says kept'",
            "M(logs:noisyFailure) [LOG] 'failure says hm'",
            "Uncaught ValueError: as announced\n    at noisy_failure (functions/logs.py:",
            "M(logs:quiet) done in ",
        ):
            assert words in said, said
        server.stop()
        assert server.run("logs", "--success").stdout == said
        assert "done in" not in server.run("logs").stdout


def test_the_log_is_a_long_poll_as_the_official_command_asks_for_it(clients: Clients, server: RunningServer) -> None:
    """Reference §5.2: GET /api/stream_function_logs?cursor= answers {entries, newCursor}."""

    def poll(cursor: int) -> Any:
        headers = {"Authorization": f"Convex {server.admin_key}"}
        return httpx.get(f"{server.url}/api/stream_function_logs?cursor={cursor}", headers=headers, timeout=40).json()

    client = clients.js_http(server)
    client.call("mutation", "logs:noisyMutation", {"word": "before"})
    answer = poll(0)
    client.call("mutation", "logs:noisyMutation", {"word": "after"})
    found: list[Any] = []
    while not found:  # what was called before may be told first
        answer = poll(answer["newCursor"])
        found = [entry for entry in answer["entries"] if "after" in str(entry["logLines"])]
    (entry,) = found
    assert entry["kind"] == "Completion"
    assert (entry["udfType"], entry["identifier"]) == ("Mutation", "logs:noisyMutation")
    assert entry["logLines"] == ["[LOG] 'mutation says after'"]
    assert entry["error"] is None
    assert isinstance(entry["timestamp"], float)
    assert len(entry["requestId"]) == 16
