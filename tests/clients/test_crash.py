"""kill -9 of the server or its runners: nobody loses what was answered, nothing happens twice, clients come back."""

from __future__ import annotations

import contextlib
import os
import signal
from collections import Counter

import pytest

from tests.clients.clients import CallFailed, Client
from tests.clients.conftest import LIVE_CLIENTS, Clients
from tests.support import RunningServer

COMMAND = "serve"
PROJECT = {
    "schema": """
        from reactor import Index, Table


        class Half(Table, name="halves"):
            room: str
            key: str
            side: str
            by_room = Index("room")
    """,
    "functions": {
        "halves": """
            import asyncio

            from reactor import ActionCtx, MutationCtx, Page, PaginationOpts, QueryCtx, action, mutation, query
            from schema import Half


            @mutation
            def record(ctx: MutationCtx, room: str, key: str) -> str:
                ctx.db.insert(Half(room=room, key=key, side="left"))
                ctx.db.insert(Half(room=room, key=key, side="right"))
                return key


            @query
            def keys(ctx: QueryCtx, room: str) -> list[str]:
                return [half.key + " " + half.side for half in ctx.db.query(Half.by_room.eq(room)).collect()]


            @query
            def number(ctx: QueryCtx, room: str) -> int:
                return len(ctx.db.query(Half.by_room.eq(room)).collect())


            @query
            def pages(ctx: QueryCtx, pagination_opts: PaginationOpts, room: str) -> Page[str]:
                page = ctx.db.query(Half.by_room.eq(room)).order("desc").paginate(pagination_opts)
                return page.map(lambda half: half.key + " " + half.side)


            @action
            async def wait(ctx: ActionCtx, room: str) -> None:
                await ctx.run_mutation(record, room=room, key="the action has begun")
                await asyncio.sleep(600)
        """
    },
}
CATCH_UP = 20.0  # a client waits up to 1.5 s before it connects again, 3 s if that was too early, and so on


def answers(clients: list[Client], since: int) -> int:
    """How many mutations of these clients were answered on the wire since a place in the driver's events."""
    names = {client.name for client in clients}
    driver = clients[0].driver
    return sum(
        1
        for event in driver.events[since:]
        if event.get("event") == "wire"
        and event["client"] in names
        and event["to"] == "client"
        and event["message"]["type"] == "MutationResponse"
    )


def both_halves_once(keys: list[str]) -> Counter[str]:
    return Counter(f"{key} {side}" for key in keys for side in ("left", "right"))


@pytest.mark.parametrize("which", LIVE_CLIENTS)
def test_a_subscription_catches_up_by_itself_after_a_kill(clients: Clients, server: RunningServer, which: str) -> None:
    client, other = clients.open(which, server), clients.js_http(server)
    room = f"catch up {which}"
    number = client.subscribe("halves:number", {"room": room})
    number.wait_until(0)
    server.kill()
    server.start()
    # Written while the client is away (it waits half a second at least): it must hear of it when it is back.
    other.mutation("halves:record", {"room": room, "key": "while away"})
    number.wait_until(2, CATCH_UP)
    other.mutation("halves:record", {"room": room, "key": "afterwards"})
    number.wait_until(4)
    assert set(number.results) == {0, 2, 4}, "a reconnect shows no loading and no stale state"


def test_mutations_in_flight_at_a_kill_are_applied_exactly_once(clients: Clients, server: RunningServer) -> None:
    writers = [clients.js(server) for _ in range(6)]
    room = "in flight"
    subscriptions = [writer.subscribe("halves:number", {"room": room}) for writer in writers]
    for subscription in subscriptions:
        assert subscription.next() == 0
    keys: list[str] = []
    for round_number, answered in enumerate((0, 1, 100)):
        since = writers[0].driver.place()
        sent = {}
        for number in range(50):
            for name, writer in enumerate(writers):
                key = f"{round_number}/{name}/{number}"
                sent[key] = writer.begin_mutation("halves:record", {"room": room, "key": key})
        if answered:
            writers[0].driver.wait_for(lambda _: answers(writers, since) >= answered, what=f"{answered} answers")  # noqa: B023
        server.kill()
        server.start()
        assert {key: pending.result(CATCH_UP) for key, pending in sent.items()} == {key: key for key in sent}
        keys += sent
    for subscription in subscriptions:
        subscription.wait_until(2 * len(keys), CATCH_UP)
    assert Counter(clients.js_http(server).query("halves:keys", {"room": room})) == both_halves_once(keys)
    calls = sum(1 for writer in writers for told in writer.wire if told.to == "server" and told.type == "Mutation")
    assert calls > len(keys), "no mutation had to be sent again: the kills came too late to prove anything"


def test_a_mutation_called_while_the_server_is_away_happens_when_it_is_back(
    clients: Clients, server: RunningServer
) -> None:
    client = clients.js(server)
    number = client.subscribe("halves:number", {"room": "away"})
    assert number.next() == 0
    server.kill()
    pending = [client.begin_mutation("halves:record", {"room": "away", "key": str(n)}) for n in range(3)]
    server.start()
    assert [one.result(CATCH_UP) for one in pending] == ["0", "1", "2"]
    number.wait_until(6)
    assert client.query("halves:keys", {"room": "away"}) == [
        f"{n} {side}" for n in range(3) for side in ("left", "right")
    ]


def test_an_optimistic_update_lasts_through_a_kill_until_the_mutation_is_confirmed(
    clients: Clients, server: RunningServer
) -> None:
    client = clients.js(server)
    keys = client.subscribe("halves:keys", {"room": "guess"})
    assert keys.next() == []
    server.kill()
    guess = {"path": "halves:keys", "args": {"room": "guess"}, "append": "k left"}
    pending = client.begin_mutation("halves:record", {"room": "guess", "key": "k"}, optimistic=[guess])
    server.start()
    assert pending.result(CATCH_UP) == "k"
    shown = [result for index, result in enumerate(keys.results) if index == 0 or result != keys.results[index - 1]]
    assert shown == [[], ["k left"], ["k left", "k right"]]


def test_pages_are_seamless_over_a_kill(clients: Clients, server: RunningServer) -> None:
    """The client hands the journal of each page back; without it the pages would be cut elsewhere."""
    client, other = clients.js(server), clients.js_http(server)
    for key in "abcd":
        other.mutation("halves:record", {"room": "pages", "key": key})
    pages = client.paginate("halves:pages", {"room": "pages"}, items=3)
    expected = [f"{key} {side}" for key in "dcba" for side in ("right", "left")]
    pages.wait_until(lambda page: page["results"] == expected[:3])
    pages.more(3)
    pages.wait_until(lambda page: page["results"] == expected[:6])
    server.kill()
    server.start()
    other.mutation("halves:record", {"room": "pages", "key": "e"})
    pages.wait_until(lambda page: page["results"] == ["e right", "e left", *expected[:6]], CATCH_UP)
    pages.more(10)
    pages.wait_until(lambda page: page["results"] == ["e right", "e left", *expected])


def test_what_was_answered_over_http_is_there_after_a_kill(clients: Clients, server: RunningServer) -> None:
    writer = clients.js_http(server)
    since = writer.driver.place()
    sent = {
        str(number): writer.begin_mutation("halves:record", {"room": "http", "key": str(number)})
        for number in range(200)
    }
    writer.driver.wait_for(
        lambda _: sum(1 for event in writer.driver.events[since:] if "reply" in event) >= 30, what="30 answers"
    )
    server.kill()
    replies = {key: pending.reply() for key, pending in sent.items()}
    answered = [key for key, reply in replies.items() if "error" not in reply]
    assert 30 <= len(answered) < 200, "the kill came too late to prove anything"
    server.start()
    there = Counter(clients.js_http(server).query("halves:keys", {"room": "http"}))
    assert both_halves_once(answered) <= there
    assert set(there.values()) == {1}
    assert there == both_halves_once([key for key in sent if there[f"{key} left"]]), "half a mutation is there"


def test_a_python_client_sends_its_unanswered_mutation_again(clients: Clients, server: RunningServer) -> None:
    """It opens a new session for each connection, so the protocol cannot promise "once" here, only "at least"."""
    client = clients.python(server)
    client.subscribe("halves:number", {"room": "python"}).wait_until(0)
    pending = client.begin_mutation("halves:record", {"room": "python", "key": "k"})
    server.kill()
    server.start()
    assert pending.result(CATCH_UP) == "k"
    there = Counter(clients.js_http(server).query("halves:keys", {"room": "python"}))
    assert set(there) == {"k left", "k right"}
    assert there["k left"] == there["k right"]


def test_an_action_in_flight_at_a_kill_is_given_up_and_not_repeated(clients: Clients, server: RunningServer) -> None:
    client = clients.js(server)
    number = client.subscribe("halves:number", {"room": "action"})
    assert number.next() == 0
    action = client.begin_action("halves:wait", {"room": "action"})
    number.wait_until(2)
    server.kill()
    server.start()
    with pytest.raises(CallFailed, match="Connection lost while action was in flight"):
        action.result(CATCH_UP)
    client.mutation("halves:record", {"room": "action", "key": "after"}, timeout=CATCH_UP)
    assert set(number.results) == {0, 2, 4}


def test_the_runners_of_a_killed_server_end_by_themselves(clients: Clients, server: RunningServer) -> None:
    client = clients.js_http(server)
    client.mutation("halves:record", {"room": "orphans", "key": "k"})
    runners = server.runners()
    server.kill()
    assert server.runners_end(within=5.0), f"of {runners} these still run: {server.runners()}"
    server.start()
    assert client.query("halves:number", {"room": "orphans"}) == 2


def test_runners_killed_under_load_cost_at_most_the_call_they_were_running(
    clients: Clients, server: RunningServer
) -> None:
    """The nursery, the writer and the readers in turn, whichever is which; the sockets must not notice (engine A3, A4)."""
    room = "runners"
    watcher = clients.js(server)
    number = watcher.subscribe("halves:number", {"room": room})
    assert number.next() == 0
    writers = [clients.js(server) for _ in range(4)]
    sent = {}
    killed = server.runners()
    for round_number, pid in enumerate(killed):
        since = writers[0].driver.place()
        for step in range(40):
            for name, writer in enumerate(writers):
                key = f"{round_number}/{name}/{step}"
                sent[key] = writer.begin_mutation("halves:record", {"room": room, "key": key})
        writers[0].driver.wait_for(lambda _: answers(writers, since) >= 10, what="10 answers")  # noqa: B023
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    replies = {key: pending.reply() for key, pending in sent.items()}
    done = [key for key, reply in replies.items() if "error" not in reply]
    number.wait_until(2 * len(done))
    assert Counter(watcher.query("halves:keys", {"room": room})) == both_halves_once(done)
    assert len(sent) - len(done) <= len(killed), "more calls failed than runners died"
    assert [client.connections for client in (watcher, *writers)] == [1] * 5


def test_a_server_told_to_stop_stops_at_once_and_clients_come_back(clients: Clients, server: RunningServer) -> None:
    client = clients.js(server)
    number = client.subscribe("halves:number", {"room": "stop"})
    assert number.next() == 0
    client.begin_action("halves:wait", {"room": "stop"})
    number.wait_until(2)
    server.stop()
    assert not server.orphans
    server.start()
    client.mutation("halves:record", {"room": "stop", "key": "after"}, timeout=CATCH_UP)
    number.wait_until(4)
