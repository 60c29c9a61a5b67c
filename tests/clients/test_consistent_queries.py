"""`ConvexHttpClient.consistentQuery` of npm: one timestamp for all of a client's consistent queries (reference §2.3)."""

from __future__ import annotations

import pytest

from tests.clients.clients import CallFailed, Client
from tests.clients.conftest import Clients
from tests.support import RunningServer

COMMAND = "serve"
PROJECT = {
    "schema": """
        from reactor import Index, Table


        class Item(Table, name="items"):
            group: str
            text: str
            by_group = Index("group")
    """,
    "functions": {
        "items": """
            from reactor import AppError, MutationCtx, QueryCtx, mutation, query
            from schema import Item


            @query
            def of(ctx: QueryCtx, group: str) -> list[str]:
                return [item.text for item in ctx.db.query(Item.by_group.eq(group)).collect()]


            @query
            def refused(ctx: QueryCtx) -> None:
                raise AppError("no")


            @mutation
            def add(ctx: MutationCtx, group: str, text: str) -> None:
                ctx.db.insert(Item(group=group, text=text))
        """
    },
}


def consistent(client: Client, path: str, **args: str) -> object:
    return client.call("consistentQuery", path, args)


def test_what_was_written_elsewhere_meanwhile_changes_nothing(clients: Clients, server: RunningServer) -> None:
    client = clients.js_http(server)
    client.mutation("items:add", {"group": "a", "text": "one"})
    assert consistent(client, "items:of", group="a") == ["one"]
    client.mutation("items:add", {"group": "elsewhere", "text": "x"})
    assert consistent(client, "items:of", group="a") == ["one"]
    assert consistent(client, "items:of", group="empty") == []


def test_a_state_that_is_gone_is_an_error_not_a_newer_state(clients: Clients, server: RunningServer) -> None:
    """ "keep old snapshots readable for a while … or fail with 503 out-of-retention" (reference §2.3)."""
    client = clients.js_http(server)
    assert consistent(client, "items:of", group="b") == []
    client.mutation("items:add", {"group": "b", "text": "new"})
    with pytest.raises(CallFailed) as caught:
        consistent(client, "items:of", group="b")
    assert "OutOfRetention" in str(caught.value)
    assert consistent(clients.js_http(server), "items:of", group="b") == ["new"]


def test_a_function_fails_as_it_does_in_any_query(clients: Clients, server: RunningServer) -> None:
    client = clients.js_http(server)
    with pytest.raises(CallFailed) as caught:
        consistent(client, "items:refused")
    assert caught.value.data == "no"
