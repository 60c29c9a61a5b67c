"""Results above 5 MB: npm clients get their Transition in parts (reference §1.11), everybody else whole."""

from __future__ import annotations

import json
from typing import Any

import pytest
from websockets.sync.client import connect

from tests.clients.clients import Client
from tests.clients.conftest import Clients
from tests.support import RunningServer

SIZE = 13_000_000
COMMAND = "serve"
PROJECT = {
    "schema": """
        from reactor import Index, Table


        class Count(Table, name="counts"):
            room: str
            value: int
            by_room = Index("room")
    """,
    "functions": {
        "large": f"""
            from reactor import MutationCtx, QueryCtx, mutation, query
            from schema import Count


            @query
            def count(ctx: QueryCtx, room: str) -> int:
                found = ctx.db.query(Count.by_room.eq(room)).first()
                return 0 if found is None else found.value


            @query
            def text(ctx: QueryCtx, room: str, copy: int = 0) -> str:
                return chr(ord("a") + count(ctx, room=room)) * 3 + 'ä"' * {SIZE // 4}


            @mutation
            def rise(ctx: MutationCtx, room: str) -> int:
                found = ctx.db.query(Count.by_room.eq(room)).first()
                if found is None:
                    ctx.db.insert(Count(room=room, value=1))
                    return 1
                ctx.db.patch(found.id, value=found.value + 1)
                return found.value + 1
        """
    },
}
PATIENCE = 30.0


def text(count: int) -> str:
    return chr(ord("a") + count) * 3 + 'ä"' * (SIZE // 4)


def to_client(client: Client) -> list[dict[str, Any]]:
    return [told.message for told in client.wire if told.to == "client" and "parts" not in told.message]


def test_an_npm_client_gets_a_large_transition_in_parts_and_nothing_between_them(
    clients: Clients, server: RunningServer
) -> None:
    """ "`Ping` may be interleaved; any other message between chunks discards the buffer" (reference §1.11)."""
    client = clients.js(server)
    shown = client.subscribe("large:text", {"room": "parts"})
    shown.wait_until(lambda value: value == text(0), PATIENCE)
    rises = [client.begin_mutation("large:rise", {"room": "parts"}) for _ in range(3)]
    assert [rise.result(PATIENCE) for rise in rises] == [1, 2, 3]
    shown.wait_until(lambda value: value == text(3), PATIENCE)
    expected, seen = 0, 0
    for message in to_client(client):
        if message["type"] == "TransitionChunk":
            assert message["partNumber"] == expected
            expected = (expected + 1) % message["totalParts"]
            seen += 1
        else:
            assert expected == 0 or message["type"] == "Ping", f"{message['type']} between two parts"
    assert seen >= 6
    assert client.connections == 1


def test_a_python_client_gets_it_whole(clients: Clients, server: RunningServer) -> None:
    client = clients.python(server)
    shown = client.subscribe("large:text", {"room": "whole"})
    shown.wait_until(lambda value: value == text(0), PATIENCE)
    assert client.mutation("large:rise", {"room": "whole"}, timeout=PATIENCE) == 1
    shown.wait_until(lambda value: value == text(1), PATIENCE)


def test_a_python_client_gets_two_large_results_in_one_transition(clients: Clients, server: RunningServer) -> None:
    """Its library takes frames of 16 MiB and messages of 64 MiB; all results of a moment are one message."""
    client = clients.python(server)
    shown = [client.subscribe("large:text", {"room": "two", "copy": copy}) for copy in (1, 2)]
    assert client.mutation("large:rise", {"room": "two"}, timeout=PATIENCE) == 1
    for each in shown:
        each.wait_until(lambda value: value == text(1), PATIENCE)


@pytest.mark.parametrize(("version", "parts"), [("1.27.9", False), ("1.28.0", True)])
def test_npm_clients_read_parts_since_1_28(server: RunningServer, version: str, parts: bool) -> None:
    session = "5b0b2c0e-2f4b-4a1b-9a0e-0c3f6f7a1d11"
    query = {"type": "Add", "queryId": 0, "udfPath": "large:text", "args": [{"room": version}]}
    address = server.url.replace("http", "ws", 1) + f"/api/{version}/sync"
    with connect(address, max_size=None, proxy=None) as socket:
        socket.send(json.dumps({"type": "Connect", "sessionId": session, "connectionCount": 0}))
        socket.send(json.dumps({"type": "ModifyQuerySet", "baseVersion": 0, "newVersion": 1, "modifications": [query]}))
        kinds = []
        while "TransitionChunk" not in kinds:
            message = json.loads(socket.recv(PATIENCE))
            kinds.append(message["type"])
            if message.get("modifications"):
                break
    assert (kinds[-1] == "TransitionChunk") == parts
