"""Functions that loop for ever, exit or crash the interpreter cost their own call and nobody else's."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.clients.clients import CallFailed, Client
from tests.clients.conftest import Clients
from tests.support import RunningServer

SPIN, EXIT, CRASH = "spin", "exit", "crash"
CRIMES = {SPIN: "while True:\n        pass", EXIT: "os._exit(1)", CRASH: "ctypes.string_at(0)"}
CLEAR = {
    SPIN: re.compile(r"timed out|too long|time limit|longer than", re.IGNORECASE),
    EXIT: re.compile(r"crash|died|exited|ended", re.IGNORECASE),
    CRASH: re.compile(r"crash|died|signal|ended", re.IGNORECASE),
}
OFFENDER = {SPIN: "js-live", EXIT: "python-live", CRASH: "js-http"}
KINDS = ("query", "mutation", "action")


def crimes() -> str:
    """A module with every crime as every kind of function; the mutations write first."""
    text = [
        "import ctypes",
        "import os",
        "",
        "from reactor import ActionCtx, MutationCtx, QueryCtx, action, mutation, query",
        "from schema import Mark",
    ]
    for name, crime in CRIMES.items():
        text += [
            f"\n\n@query\ndef {name}_query(ctx: QueryCtx) -> None:\n    {crime}",
            f"\n\n@mutation\ndef {name}_mutation(ctx: MutationCtx) -> None:",
            f'    ctx.db.insert(Mark(text="half of {name}"))\n    {crime}',
            f"\n\n@action\nasync def {name}_action(ctx: ActionCtx) -> None:\n    {crime}",
        ]
    return "\n".join(text) + "\n"


PROJECT = {
    "settings": """
        [tool.reactor.limits]
        action_wall = 2.0
    """,
    "schema": """
        from reactor import Index, Table


        class Counter(Table, name="counters"):
            name: str
            value: int
            by_name = Index("name")


        class Mark(Table, name="marks"):
            text: str
    """,
    "functions": {
        "crimes": crimes(),
        "counters": """
            from reactor import MutationCtx, QueryCtx, mutation, query
            from schema import Counter, Mark


            @mutation
            def bump(ctx: MutationCtx, name: str) -> int:
                counter = ctx.db.query(Counter.by_name.eq(name)).unique()
                if counter is None:
                    ctx.db.insert(Counter(name=name, value=1))
                    return 1
                ctx.db.patch(counter.id, value=counter.value + 1)
                return counter.value + 1


            @query
            def value(ctx: QueryCtx, name: str) -> int:
                counter = ctx.db.query(Counter.by_name.eq(name)).unique()
                return 0 if counter is None else counter.value


            @query
            def marks(ctx: QueryCtx) -> list[str]:
                return [mark.text for mark in ctx.db.query(Mark).collect()]
        """,
    },
}


def bump_until_done(bystander: Client, name: str, pending: Any) -> int:
    """Write and write until the crime is over; returns how often. Each write must be answered, and by the next number."""
    count = 0
    while True:
        over = pending.done
        count += 1
        assert bystander.mutation("counters:bump", {"name": name}) == count
        if over and count >= 5:
            return count


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("crime", CRIMES)
def test_the_call_fails_clearly_and_others_never_notice(
    clients: Clients, server: RunningServer, crime: str, kind: str
) -> None:
    watcher, bystander = clients.js(server), clients.js(server)
    name = f"{crime} {kind}"
    seen, marks = watcher.subscribe("counters:value", {"name": name}), watcher.subscribe("counters:marks")
    assert (seen.next(), marks.next()) == (0, [])
    offender = clients.open(OFFENDER[crime], server)
    path = f"crimes:{crime}{kind.title()}"
    begin = {"query": offender.begin_query, "mutation": offender.begin_mutation, "action": offender.begin_action}[kind]
    pending = begin(path)
    count = bump_until_done(bystander, name, pending)
    with pytest.raises(CallFailed) as failed:
        pending.result(0.1)
    assert CLEAR[crime].search(failed.value.message), failed.value.message
    seen.wait_until(count)
    assert seen.results == sorted(set(seen.results)), "an update came twice or out of order"
    assert marks.results == [[]], "half a mutation is shown"
    assert watcher.query("counters:marks") == []
    assert (watcher.connections, bystander.connections) == (1, 1), "somebody had to reconnect"
    if offender.kind == "live" and OFFENDER[crime].startswith("js"):
        assert offender.connections == 1


@pytest.mark.parametrize("crime", [EXIT, CRASH])
def test_a_subscription_to_a_crime_fails_and_the_other_subscriptions_of_its_socket_live(
    clients: Clients, server: RunningServer, crime: str
) -> None:
    client, other = clients.js(server), clients.js(server)
    name = f"subscribed {crime}"
    seen = client.subscribe("counters:value", {"name": name})
    assert seen.next() == 0
    bad = client.subscribe(f"crimes:{crime}Query")
    assert CLEAR[crime].search(bad.wait_until_failed().message)
    for number in range(1, 6):
        assert other.mutation("counters:bump", {"name": name}) == number
    seen.wait_until(5)
    assert client.connections == 1


def test_the_next_call_after_a_crime_is_served(clients: Clients, server: RunningServer) -> None:
    client = clients.js(server)
    for kind in KINDS:
        with pytest.raises(CallFailed):
            client.call(kind, f"crimes:exit{kind.title()}")
    assert client.mutation("counters:bump", {"name": "next"}) == 1
    assert client.query("counters:value", {"name": "next"}) == 1
    assert client.connections == 1
