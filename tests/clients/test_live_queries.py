"""Subscriptions: what is pushed, when, together with what, and what is not pushed."""

from __future__ import annotations

from typing import Any

import pytest

from tests.clients.clients import Client, Subscription
from tests.clients.conftest import LIVE_CLIENTS, Clients
from tests.support import RunningServer

PROJECT = {
    "schema": """
        from reactor import Index, Table


        class Message(Table, name="messages"):
            room: str
            text: str
            by_room = Index("room")


        class Blob(Table, name="blobs"):
            room: str
            text: str
            by_room = Index("room")
    """,
    "functions": {
        "messages": """
            from reactor import ActionCtx, AppError, MutationCtx, PaginationOpts, Page, QueryCtx, action, mutation, query
            from schema import Blob, Message


            @query
            def texts(ctx: QueryCtx, room: str) -> list[str]:
                return [message.text for message in ctx.db.query(Message.by_room.eq(room)).collect()]


            @query
            def number(ctx: QueryCtx, room: str) -> int:
                return len(ctx.db.query(Message.by_room.eq(room)).collect())


            @query
            def pages(ctx: QueryCtx, pagination_opts: PaginationOpts, room: str) -> Page[str]:
                page = ctx.db.query(Message.by_room.eq(room)).order("desc").paginate(pagination_opts)
                return page.map(lambda message: message.text)


            @mutation
            def send(ctx: MutationCtx, room: str, text: str) -> str:
                ctx.db.insert(Message(room=room, text=text))
                return text.upper()


            @mutation
            def send_to_all(ctx: MutationCtx, rooms: list[str], text: str) -> None:
                for room in rooms:
                    ctx.db.insert(Message(room=room, text=text))


            @mutation
            def reword(ctx: MutationCtx, room: str, text: str) -> None:
                for message in ctx.db.query(Message.by_room.eq(room)).collect():
                    ctx.db.patch(message.id, text=text)


            @mutation
            def remove(ctx: MutationCtx, room: str, text: str) -> int:
                found = [message for message in ctx.db.query(Message.by_room.eq(room)).collect() if message.text == text]
                for message in found:
                    ctx.db.delete(message.id)
                return len(found)


            @mutation
            def only_look(ctx: MutationCtx, room: str) -> int:
                return len(ctx.db.query(Message.by_room.eq(room)).collect())


            @mutation
            def send_and_fail(ctx: MutationCtx, room: str, text: str) -> None:
                ctx.db.insert(Message(room=room, text=text))
                raise AppError({"code": "changed my mind"})


            @action
            async def send_twice(ctx: ActionCtx, room: str, text: str) -> list[str]:
                await ctx.run_mutation(send, room=room, text=text)
                await ctx.run_mutation(send, room=room, text=text + "!")
                return await ctx.run_query(texts, room=room)


            @mutation
            def grow(ctx: MutationCtx, room: str, pieces: int, letters: int) -> None:
                for piece in range(pieces):
                    ctx.db.insert(Blob(room=room, text=chr(97 + piece) * letters))


            @query
            def blobs(ctx: QueryCtx, room: str) -> list[str]:
                return [blob.text for blob in ctx.db.query(Blob.by_room.eq(room)).collect()]


            @mutation
            def measure(ctx: MutationCtx, text: str) -> int:
                return len(text)
        """
    },
}

SENDING = " (sending)"


def send_optimistically(client: Client, room: str, text: str, path: str = "messages:send") -> Any:
    guess = {"path": "messages:texts", "args": {"room": room}, "append": text + SENDING}
    return client.begin_mutation(path, {"room": room, "text": text}, optimistic=[guess], look=True)


def pushes(client: Client, since: int = 0) -> list[list[str]]:
    """The modification types of each Transition on the socket that had any."""
    transitions = [told for told in client.wire if told.type == "Transition" and told.n >= since]
    changes = [[change["type"] for change in told.message["modifications"]] for told in transitions]
    return [change for change in changes if change]


# ── pushes ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_change_reaches_every_subscriber_in_every_client(clients: Clients, server: RunningServer) -> None:
    subscriptions = [
        clients.open(which, server).subscribe("messages:texts", {"room": "all"}) for which in LIVE_CLIENTS * 2
    ]
    for subscription in subscriptions:
        subscription.wait_until([])
    assert clients.js_http(server).mutation("messages:send", {"room": "all", "text": "one"}) == "ONE"
    for subscription in subscriptions:
        subscription.wait_until(["one"])
    assert clients.python(server).mutation("messages:send", {"room": "all", "text": "two"}) == "TWO"
    for subscription in subscriptions:
        subscription.wait_until(["one", "two"])


def test_the_wrapped_socket_of_npm_ws_works_like_the_one_of_the_platform(
    clients: Clients, server: RunningServer
) -> None:
    client = clients.js(server, socket="ws")
    subscription = client.subscribe("messages:texts", {"room": "ws"})
    assert subscription.next() == []
    client.mutation("messages:send", {"room": "ws", "text": "hi"})
    assert subscription.next() == ["hi"]


def test_both_spellings_of_a_function_name_subscribe_to_it(clients: Clients, server: RunningServer) -> None:
    client = clients.js(server)
    client.mutation("messages:sendToAll", {"rooms": ["spelling"], "text": "camel"})
    client.mutation("messages:send_to_all", {"rooms": ["spelling"], "text": "snake"})
    assert client.query("messages:texts", {"room": "spelling"}) == ["camel", "snake"]


def test_two_queries_changed_by_one_mutation_arrive_in_one_transition(clients: Clients, server: RunningServer) -> None:
    client = clients.js(server)
    texts = client.subscribe("messages:texts", {"room": "pair"})
    number = client.subscribe("messages:number", {"room": "pair"})
    assert (texts.next(), number.next()) == ([], 0)
    since = client.driver.events[-1]["n"]
    for n in range(10):
        client.mutation("messages:send", {"room": "pair", "text": str(n)})
    assert pushes(client, since) == [["QueryUpdated", "QueryUpdated"]] * 10


def _send_in_waves(sender: Client, room: str, client: Client, number: Subscription) -> None:
    """Five times ten messages, each ten when the client has had a view of all before."""
    for wave in range(1, 6):
        sent = [sender.begin_mutation("messages:send", {"room": room, "text": "x"}) for _ in range(10)]
        for one in sent:
            one.result()
        client.driver.wait_for(
            lambda event: event.get("event") == "view" and event["values"].get(number.label) == 10 * wave,  # noqa: B023
            since=client.opened,
            what=f"a view of {10 * wave} messages",
        )


def test_no_view_of_a_javascript_client_mixes_two_moments(clients: Clients, server: RunningServer) -> None:
    client, other = clients.js(server, views=True), clients.js(server)
    texts = client.subscribe("messages:texts", {"room": "views"})
    number = client.subscribe("messages:number", {"room": "views"})
    assert (texts.next(), number.next()) == ([], 0)
    _send_in_waves(other, "views", client, number)  # one after another: what is sent at once may come in one transition
    shown = [view.values for view in client.views if len(view.values) == 2]
    whole = [(values[texts.label], values[number.label]) for values in shown if isinstance(values[texts.label], list)]
    mixed = [(len(some), count) for some, count in whole if isinstance(count, float) and len(some) != count]
    assert mixed == []
    assert len(whole) > 5


def test_no_view_of_a_python_client_mixes_two_moments(clients: Clients, server: RunningServer) -> None:
    client, other = clients.python(server), clients.js(server)
    texts = client.subscribe("messages:texts", {"room": "python views"})
    number = client.subscribe("messages:number", {"room": "python views"})
    texts.wait_until([])
    number.wait_until(0)
    client.watch()
    _send_in_waves(other, "python views", client, number)  # one after another: it may skip views when they come quickly
    whole = [view.values for view in client.views if len(view.values) == 2]
    mixed = [values for values in whole if len(values[texts.label]) != values[number.label]]
    assert mixed == []
    assert len(whole) >= 5


def test_a_mutation_elsewhere_pushes_nothing(clients: Clients, server: RunningServer) -> None:
    client, other = clients.js(server), clients.js(server)
    subscription = client.subscribe("messages:texts", {"room": "quiet"})
    assert subscription.next() == []
    for n in range(5):
        other.mutation("messages:send", {"room": "noisy", "text": str(n)})
    other.mutation("messages:send", {"room": "quiet", "text": "the end of silence"})
    assert subscription.next() == ["the end of silence"]
    assert len(pushes(client)) == 2


def test_a_result_that_did_not_change_is_not_pushed(clients: Clients, server: RunningServer) -> None:
    client, other = clients.js(server), clients.js(server)
    other.mutation("messages:send", {"room": "same", "text": "a"})
    number = client.subscribe("messages:number", {"room": "same"})
    assert number.next() == 1
    for text in ("b", "b", "c"):
        other.mutation("messages:reword", {"room": "same", "text": text})
    other.mutation("messages:send", {"room": "same", "text": "d"})
    assert number.next() == 2
    assert number.results == [1, 2]
    assert len(pushes(client)) == 2


def test_two_hundred_queries_live_on_one_socket(clients: Clients, server: RunningServer) -> None:
    client, other = clients.js(server), clients.js_http(server)
    rooms = [f"room {n}" for n in range(200)]
    subscriptions = [client.subscribe("messages:texts", {"room": room}) for room in rooms]
    assert [subscription.next() for subscription in subscriptions] == [[]] * 200
    other.mutation("messages:send", {"room": rooms[137], "text": "you"})
    assert subscriptions[137].next() == ["you"]
    other.mutation("messages:sendToAll", {"rooms": rooms, "text": "all"})
    for n, subscription in enumerate(subscriptions):
        assert subscription.next() == (["you", "all"] if n == 137 else ["all"])
    assert pushes(client)[-2:] == [["QueryUpdated"], ["QueryUpdated"] * 200]
    assert client.connections == 1


def test_two_hundred_queries_live_in_one_python_client(clients: Clients, server: RunningServer) -> None:
    client = clients.python(server)
    rooms = [f"python room {n}" for n in range(200)]
    subscriptions = [client.subscribe("messages:texts", {"room": room}) for room in rooms]
    for subscription in subscriptions:
        subscription.wait_until([])
    client.mutation("messages:sendToAll", {"rooms": rooms, "text": "all"})
    for subscription in subscriptions:
        subscription.wait_until(["all"])


# ── adding and removing ───────────────────────────────────────────────────────────────────────────────────────────────


def modifications(client: Client) -> list[str]:
    """What its socket asked for and what was removed, in order."""
    said: list[str] = []
    for told in client.wire:
        if told.type == "ModifyQuerySet":
            said += [change["type"] for change in told.message["modifications"]]
        elif told.type == "Transition":
            said += [change["type"] for change in told.message["modifications"] if change["type"] == "QueryRemoved"]
    return said


def test_a_removed_query_is_silent_and_an_added_one_is_fresh(clients: Clients, server: RunningServer) -> None:
    client, other = clients.js(server), clients.js(server)
    first = client.subscribe("messages:texts", {"room": "readd"})
    assert first.next() == []
    first.unsubscribe()
    other.mutation("messages:send", {"room": "readd", "text": "unseen"})
    second = client.subscribe("messages:texts", {"room": "readd"})
    assert second.next() == ["unseen"]
    client.mutation("messages:send", {"room": "readd", "text": "seen"})
    assert second.results == [["unseen"], ["unseen", "seen"]]
    assert first.results == [[]]
    assert modifications(client) == ["Add", "Remove", "QueryRemoved", "Add"] or modifications(client) == [
        "Add",
        "Remove",
        "Add",
        "QueryRemoved",
    ]


def test_adding_and_removing_in_a_hurry_ends_in_what_was_asked_for_last(
    clients: Clients, server: RunningServer
) -> None:
    client = clients.js(server)
    kept = client.subscribe("messages:texts", {"room": "hurry"})
    for _ in range(30):
        client.subscribe("messages:texts", {"room": "hurry elsewhere"}).unsubscribe()
        kept.unsubscribe()
        kept = client.subscribe("messages:texts", {"room": "hurry"})
    assert kept.next() == []
    client.mutation("messages:send", {"room": "hurry", "text": "hi"})
    assert kept.results[-1] == ["hi"]
    asked = modifications(client)
    assert asked.count("Add") - asked.count("Remove") == 1
    assert asked.count("QueryRemoved") <= asked.count("Remove")
    assert client.connections == 1


def test_two_listeners_of_one_query_share_it_and_the_last_one_ends_it(clients: Clients, server: RunningServer) -> None:
    client = clients.js(server)
    first = client.subscribe("messages:texts", {"room": "shared"})
    assert first.next() == []
    second = client.subscribe("messages:texts", {"room": "shared"})
    assert second.next() == []
    first.unsubscribe()
    client.mutation("messages:send", {"room": "shared", "text": "hi"})
    assert (first.results, second.results) == ([[]], [[], ["hi"]])
    assert modifications(client) == ["Add"]


def test_a_python_subscription_can_be_dropped_and_taken_again(clients: Clients, server: RunningServer) -> None:
    client = clients.python(server)
    first = client.subscribe("messages:texts", {"room": "python readd"})
    assert first.next() == []
    first.unsubscribe()
    client.mutation("messages:send", {"room": "python readd", "text": "unseen"})
    second = client.subscribe("messages:texts", {"room": "python readd"})
    second.wait_until(["unseen"])
    client.mutation("messages:send", {"room": "python readd", "text": "seen"})
    second.wait_until(["unseen", "seen"])
    assert {str(result) for result in first.results} == {"[]"}


# ── mutations ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_mutation_resolves_after_its_effect_is_visible(clients: Clients, server: RunningServer) -> None:
    client = clients.js(server)
    texts = client.subscribe("messages:texts", {"room": "visible"})
    texts.next()
    for n in range(20):
        reply = client.begin_mutation("messages:send", {"room": "visible", "text": str(n)}, look=True).reply()
        assert reply["value"] == str(n)
        assert reply["shown"][texts.label] == [str(m) for m in range(n + 1)]


def test_a_python_mutation_returns_after_its_effect_is_visible(clients: Clients, server: RunningServer) -> None:
    client = clients.python(server)
    client.subscribe("messages:texts", {"room": "python visible"}).next()
    for n in range(20):
        client.mutation("messages:send", {"room": "python visible", "text": str(n)})
        # The query is subscribed: the client answers from what it holds, without asking the server.
        assert client.query("messages:texts", {"room": "python visible"}) == [str(m) for m in range(n + 1)]


def test_mutations_of_one_client_run_in_the_order_they_were_called(clients: Clients, server: RunningServer) -> None:
    client = clients.js(server)
    sent = [client.begin_mutation("messages:send", {"room": "order", "text": f"t{n}"}) for n in range(100)]
    replies = [one.reply() for one in sent]
    assert [reply["value"] for reply in replies] == [f"T{n}" for n in range(100)]
    assert [reply["n"] for reply in replies] == sorted(reply["n"] for reply in replies)
    assert client.query("messages:texts", {"room": "order"}) == [f"t{n}" for n in range(100)]


@pytest.mark.parametrize("which", LIVE_CLIENTS)
def test_a_mutation_that_writes_nothing_resolves(clients: Clients, server: RunningServer, which: str) -> None:
    client = clients.open(which, server)
    assert client.mutation("messages:onlyLook", {"room": "nothing"}) == 0
    subscription = client.subscribe("messages:texts", {"room": "nothing"})
    subscription.wait_until([])
    assert client.mutation("messages:onlyLook", {"room": "nothing"}) == 0
    assert {str(result) for result in subscription.results} == {"[]"}


def test_an_action_runs_mutations_whose_effects_are_pushed(clients: Clients, server: RunningServer) -> None:
    for which in LIVE_CLIENTS:
        client = clients.open(which, server)
        texts = client.subscribe("messages:texts", {"room": f"action {which}"})
        texts.wait_until([])
        said = client.action("messages:sendTwice", {"room": f"action {which}", "text": "hi"})
        assert said == ["hi", "hi!"]
        texts.wait_until(["hi", "hi!"])


def test_a_failed_mutation_leaves_no_trace(clients: Clients, server: RunningServer) -> None:
    client = clients.js(server)
    texts = client.subscribe("messages:texts", {"room": "rolled back"})
    assert texts.next() == []
    assert "error" in client.begin_mutation("messages:sendAndFail", {"room": "rolled back", "text": "no"}).reply()
    client.mutation("messages:send", {"room": "rolled back", "text": "yes"})
    assert texts.results == [[], ["yes"]]


# ── optimistic updates ────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_optimistic_update_gives_way_to_the_truth_without_a_flicker(clients: Clients, server: RunningServer) -> None:
    client = clients.js(server)
    texts = client.subscribe("messages:texts", {"room": "guess"})
    assert texts.next() == []
    expected: list[list[str]] = [[]]
    for n in range(10):
        reply = send_optimistically(client, "guess", str(n)).reply()
        before = expected[-1]
        expected += [[*before, f"{n}{SENDING}"], [*before, str(n)]]
        assert reply["shown"][texts.label] == expected[-1]
    assert texts.results == expected


def test_optimistic_updates_in_a_burst_never_take_anything_back(clients: Clients, server: RunningServer) -> None:
    client, other = clients.js(server), clients.js(server)
    texts = client.subscribe("messages:texts", {"room": "burst"})
    assert texts.next() == []
    mine = [send_optimistically(client, "burst", f"mine {n}") for n in range(30)]
    theirs = [other.begin_mutation("messages:send", {"room": "burst", "text": f"theirs {n}"}) for n in range(30)]
    for one in mine + theirs:
        one.result()
    final = texts.wait_until(lambda shown: len(shown) == 60 and not any(SENDING in text for text in shown))
    assert sorted(final) == sorted([f"mine {n}" for n in range(30)] + [f"theirs {n}" for n in range(30)])
    for before, after in zip(texts.results, texts.results[1:], strict=False):
        now = {text.removesuffix(SENDING) for text in after}
        assert {text.removesuffix(SENDING) for text in before} <= now, f"{before} → {after}"
        assert len(now) == len(after), f"a message is shown twice: {after}"


def test_an_optimistic_update_is_dropped_when_the_mutation_fails(clients: Clients, server: RunningServer) -> None:
    client = clients.js(server)
    texts = client.subscribe("messages:texts", {"room": "wrong guess"})
    assert texts.next() == []
    reply = send_optimistically(client, "wrong guess", "no", "messages:sendAndFail").reply()
    assert reply["error"]["data"] == {"code": "changed my mind"}
    assert texts.results == [[], [f"no{SENDING}"], []]


# ── size ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("which", ["js-live", "js-http", "python-live", "python-http"])
def test_a_result_of_more_than_five_megabytes_arrives_whole(
    clients: Clients, server: RunningServer, which: str
) -> None:
    client = clients.open(which, server)
    room = f"large {which}"
    client.mutation("messages:grow", {"room": room, "pieces": 7, "letters": 900_000})
    expected = [chr(97 + piece) * 900_000 for piece in range(7)]
    assert client.query("messages:blobs", {"room": room}, timeout=30) == expected


@pytest.mark.parametrize("which", LIVE_CLIENTS)
def test_a_large_result_is_pushed_again_when_it_changes(clients: Clients, server: RunningServer, which: str) -> None:
    client, other = clients.open(which, server), clients.js_http(server)
    room = f"growing {which}"
    blobs = client.subscribe("messages:blobs", {"room": room})
    blobs.wait_until([])
    other.mutation("messages:grow", {"room": room, "pieces": 6, "letters": 900_000})
    blobs.wait_until(lambda texts: [len(text) for text in texts] == [900_000] * 6, 30)
    other.mutation("messages:grow", {"room": room, "pieces": 1, "letters": 10})
    blobs.wait_until(lambda texts: [len(text) for text in texts] == [900_000] * 6 + [10], 30)


@pytest.mark.parametrize("which", ["js-live", "js-http", "python-live", "python-http"])
def test_an_argument_of_several_megabytes_is_taken(clients: Clients, server: RunningServer, which: str) -> None:
    client = clients.open(which, server)
    assert client.mutation("messages:measure", {"text": "x" * 6_000_000}, timeout=30) == 6_000_000


# ── pages ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_pages_stay_seamless_while_documents_come_and_go(clients: Clients, server: RunningServer) -> None:
    client, other = clients.js(server), clients.js(server)
    for n in range(10):
        other.mutation("messages:send", {"room": "pages", "text": str(n)})
    pages = client.paginate("messages:pages", {"room": "pages"}, items=4)

    def shows(*texts: str) -> None:
        pages.wait_until(lambda page: page["results"] == list(texts))

    shows("9", "8", "7", "6")
    pages.more(3)
    shows("9", "8", "7", "6", "5", "4", "3")
    other.mutation("messages:send", {"room": "pages", "text": "new"})
    shows("new", "9", "8", "7", "6", "5", "4", "3")
    other.mutation("messages:remove", {"room": "pages", "text": "6"})
    shows("new", "9", "8", "7", "5", "4", "3")
    pages.more(10)
    shows("new", "9", "8", "7", "5", "4", "3", "2", "1", "0")
