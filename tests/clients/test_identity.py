"""Who is asking: the Admin "acting as" identity, on a socket and over HTTP."""

from __future__ import annotations

import base64
import json
from typing import Any

import httpx
import pytest

from tests.clients.clients import CallFailed
from tests.clients.conftest import EVERY_CLIENT, Clients
from tests.support import RunningServer

PROJECT = {
    "schema": """
        from reactor import Index, Table


        class Note(Table, name="notes"):
            owner: str
            text: str
            by_owner = Index("owner")


        class Door(Table, name="doors"):
            key: str
            private: bool
            by_key = Index("key")
    """,
    "functions": {
        "people": """
            from typing import Any

            from reactor import (
                ActionCtx, AppError, MutationCtx, QueryCtx, action, internal_mutation, internal_query, mutation, query
            )
            from schema import Door, Note


            @query
            def whoami(ctx: QueryCtx) -> dict[str, Any] | None:
                identity = ctx.auth.get_user_identity()
                if identity is None:
                    return None
                return {
                    "token": identity.token_identifier,
                    "issuer": identity.issuer,
                    "subject": identity.subject,
                    "name": identity.name,
                    "email": identity.email,
                    "given": identity.given_name,
                }


            @query
            def role(ctx: QueryCtx) -> Any:
                identity = ctx.auth.get_user_identity()
                return None if identity is None else identity["role"]


            @action
            async def whoami_in_action(ctx: ActionCtx) -> Any:
                identity = ctx.auth.get_user_identity()
                nested = await ctx.run_query(whoami)
                return [None if identity is None else identity.subject, None if nested is None else nested["subject"]]


            @mutation
            def write(ctx: MutationCtx, text: str) -> str:
                identity = ctx.auth.get_user_identity()
                if identity is None:
                    raise AppError("signed out")
                ctx.db.insert(Note(owner=identity.subject, text=text))
                return identity.subject


            @query
            def mine(ctx: QueryCtx) -> list[str]:
                identity = ctx.auth.get_user_identity()
                if identity is None:
                    return ["signed out"]
                return [note.text for note in ctx.db.query(Note.by_owner.eq(identity.subject)).collect()]


            @mutation
            def close(ctx: MutationCtx, key: str, private: bool) -> None:
                door = ctx.db.query(Door.by_key.eq(key)).unique()
                if door is None:
                    ctx.db.insert(Door(key=key, private=private))
                else:
                    ctx.db.patch(door.id, private=private)


            @query
            def look(ctx: QueryCtx, key: str) -> str:
                door = ctx.db.query(Door.by_key.eq(key)).unique()
                if door is not None and door.private:
                    identity = ctx.auth.get_user_identity()
                    return "nobody" if identity is None else identity.subject
                return "open"


            @internal_query
            def secret(ctx: QueryCtx) -> str:
                return "the secret"


            @internal_mutation
            def set_secret(ctx: MutationCtx, text: str) -> str:
                return text.upper()
        """
    },
}

ANN = {
    "issuer": "https://issuer.example",
    "subject": "ann",
    "tokenIdentifier": "https://issuer.example|ann",
    "name": "Ann Ähnlich",
    "email": "ann@example.org",
    "givenName": "Ann",
    "role": "admin",
}
BOB = {"issuer": "https://issuer.example", "subject": "bob", "name": "Bob"}
ANN_SEEN = {
    "token": "https://issuer.example|ann",
    "issuer": "https://issuer.example",
    "subject": "ann",
    "name": "Ann Ähnlich",
    "email": "ann@example.org",
    "given": "Ann",
}


def test_subscriptions_follow_the_identity_of_their_socket(clients: Clients, server: RunningServer) -> None:
    client = clients.js(server)
    whoami = client.subscribe("people:whoami")
    assert whoami.next() is None
    client.act_as(server.admin_key, ANN)
    assert whoami.next() == ANN_SEEN
    client.act_as(server.admin_key, BOB)
    assert whoami.next()["token"] == "https://issuer.example|bob"
    client.sign_out()
    assert whoami.next() is None
    assert client.connections == 1


def test_an_identity_given_before_the_socket_opens_is_never_preceded_by_none(
    clients: Clients, server: RunningServer
) -> None:
    client = clients.js(server)
    client.act_as(server.admin_key, ANN)
    whoami = client.subscribe("people:whoami")
    assert whoami.next() == ANN_SEEN
    client.mutation("people:write", {"text": "marks the end"})
    assert whoami.results == [ANN_SEEN]


def test_mutations_and_actions_run_as_the_identity(clients: Clients, server: RunningServer) -> None:
    client = clients.js(server)
    with pytest.raises(CallFailed) as refused:
        client.mutation("people:write", {"text": "no"})
    assert refused.value.data == "signed out"
    client.act_as(server.admin_key, BOB)
    assert client.mutation("people:write", {"text": "by bob"}) == "bob"
    assert client.action("people:whoamiInAction") == ["bob", "bob"]
    assert "by bob" in client.query("people:mine")


def test_custom_claims_are_read_by_their_names(clients: Clients, server: RunningServer) -> None:
    client = clients.js(server)
    client.act_as(server.admin_key, ANN)
    assert client.query("people:role") == "admin"


def test_the_same_query_shows_each_person_their_own(clients: Clients, server: RunningServer) -> None:
    ann, bob, nobody = clients.js(server), clients.js(server), clients.js(server)
    cat, dan = {"issuer": "https://i.example", "subject": "cat"}, {"issuer": "https://i.example", "subject": "dan"}
    ann.act_as(server.admin_key, cat)
    bob.act_as(server.admin_key, dan)
    subscriptions = [client.subscribe("people:mine") for client in (ann, bob, nobody)]
    assert [subscription.next() for subscription in subscriptions] == [[], [], ["signed out"]]
    ann.mutation("people:write", {"text": "hers"})
    bob.mutation("people:write", {"text": "his"})
    assert [subscription.results for subscription in subscriptions] == [[[], ["hers"]], [[], ["his"]], [["signed out"]]]


def test_a_shared_query_that_begins_to_read_identity_splits(clients: Clients, server: RunningServer) -> None:
    """The rerun happens under one of the identities; its result must not reach the others (engine D1)."""
    people = []
    for subject in ("eve", "fay", "gus", None):
        client = clients.js(server)
        if subject is not None:
            client.act_as(server.admin_key, {"issuer": "https://i.example", "subject": subject})
        people.append((subject or "nobody", client.subscribe("people:look", {"key": "split"})))
    for _, look in people:
        assert look.next() == "open"
    door = clients.js_http(server)
    door.mutation("people:close", {"key": "split", "private": True})
    for name, look in people:
        assert look.next() == name
    door.mutation("people:close", {"key": "split", "private": False})
    for name, look in people:
        assert look.next() == "open"
        assert look.results == ["open", name, "open"]


def test_the_identity_is_sent_again_after_a_reconnect(clients: Clients, server: RunningServer) -> None:
    client = clients.js(server)
    client.act_as(server.admin_key, ANN)
    whoami = client.subscribe("people:whoami")
    assert whoami.next() == ANN_SEEN
    server.restart()
    client.wait_for_wire("Connect", to="server", since=client.driver.place())
    assert client.mutation("people:write", {"text": "after"}) == "ann"
    assert all(seen == ANN_SEEN for seen in whoami.results)


def test_http_acts_as_the_identity_in_the_header(clients: Clients, server: RunningServer) -> None:
    client = clients.js_http(server)
    assert client.query("people:whoami") is None
    client.act_as(server.admin_key, ANN)
    assert client.query("people:whoami") == ANN_SEEN
    assert client.mutation("people:write", {"text": "over http"}) == "ann"
    assert client.action("people:whoamiInAction") == ["ann", "ann"]


@pytest.mark.parametrize("scheme", ["Convex", "convex"])
def test_the_header_is_the_key_and_the_identity_in_base64(server: RunningServer, scheme: str) -> None:
    identity = base64.b64encode(json.dumps(BOB).encode()).decode()
    answer = httpx.post(
        f"{server.url}/api/query",
        json={"path": "people:whoami", "args": {}, "format": "json"},
        headers={"Authorization": f"{scheme} {server.admin_key}:{identity}"},
    )
    assert answer.status_code == 200
    assert answer.json()["value"]["subject"] == "bob"


@pytest.mark.parametrize("which", EVERY_CLIENT)
def test_the_admin_key_opens_internal_functions(clients: Clients, server: RunningServer, which: str) -> None:
    with pytest.raises(CallFailed):
        clients.open(which, server).query("people:secret")
    client = clients.open(which, server)
    client.act_as(server.admin_key)
    assert client.query("people:secret") == "the secret"
    assert client.mutation("people:setSecret", {"text": "new"}) == "NEW"


def test_a_function_of_any_kind_is_called_by_the_function_endpoint(clients: Clients, server: RunningServer) -> None:
    client = clients.js_http(server)
    client.act_as(server.admin_key)
    assert client.call("function", "people:secret") == "the secret"
    assert client.call("function", "people:setSecret", {"text": "x"}) == "X"


def test_a_wrong_admin_key_is_refused_over_http(clients: Clients, server: RunningServer) -> None:
    client = clients.js_http(server)
    client.act_as(server.admin_key[:-1] + ("0" if server.admin_key[-1] != "0" else "1"))
    with pytest.raises(CallFailed) as refused:
        client.query("people:whoami")
    assert json.loads(refused.value.message)["code"] == "BadDeployKey"


def test_a_wrong_admin_key_on_a_socket_is_answered_with_an_auth_error(clients: Clients, server: RunningServer) -> None:
    client = clients.js(server)
    whoami = client.subscribe("people:whoami")
    assert whoami.next() is None
    client.act_as("not-the-key|0123456789", ANN)
    client.wait_for_wire("AuthError")
    assert all(result is None for result in whoami.results)


def test_two_admins_acting_as_the_same_person_are_that_person(clients: Clients, server: RunningServer) -> None:
    first, second = clients.js(server), clients.js(server)
    person: dict[str, Any] = {"issuer": "https://i.example", "subject": "two"}
    for client in (first, second):
        client.act_as(server.admin_key, person)
    seen = second.subscribe("people:mine")
    assert seen.next() == []
    first.mutation("people:write", {"text": "by the first"})
    assert seen.next() == ["by the first"]
