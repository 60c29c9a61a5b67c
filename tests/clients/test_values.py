"""Every value of the protocol survives the way there and back, in every client, over every kind of call."""

from __future__ import annotations

import math
from typing import Any

import pytest

from tests.clients.clients import Client
from tests.clients.conftest import EVERY_CLIENT, LIVE_CLIENTS, Clients
from tests.clients.lossless import BigInt, spell
from tests.support import RunningServer

PROJECT = {
    "schema": """
        from typing import Any

        from reactor import Index, Table


        class Kept(Table, name="kept"):
            key: str
            value: Any
            by_key = Index("key")
    """,
    "functions": {
        "values": """
            from datetime import datetime, timedelta
            from typing import Any

            from reactor import ActionCtx, Int64, MutationCtx, QueryCtx, action, mutation, query
            from schema import Kept


            @query
            def echo(ctx: QueryCtx, value: Any) -> Any:
                return value


            @mutation
            def echo_in_mutation(ctx: MutationCtx, value: Any) -> Any:
                return value


            @action
            async def echo_in_action(ctx: ActionCtx, value: Any) -> Any:
                return value


            @mutation
            def keep(ctx: MutationCtx, key: str, value: Any) -> None:
                ctx.db.insert(Kept(key=key, value=value))


            @query
            def kept(ctx: QueryCtx, key: str) -> Any:
                found = ctx.db.query(Kept.by_key.eq(key)).unique()
                return None if found is None else found.value


            @mutation
            def keep_loose(ctx: MutationCtx, key: str, value: Any) -> None:
                ctx.db.insert("loose", {"key": key, "value": value})


            @query
            def kept_loose(ctx: QueryCtx, key: str) -> list[Any]:
                return [found["value"] for found in ctx.db.query("loose").collect() if found["key"] == key]


            @query
            def typed(ctx: QueryCtx, whole: int, real: float, big: Int64, blob: bytes, when: datetime) -> dict[str, Any]:
                return {
                    "names": [type(value).__name__ for value in (whole, real, big, blob)],
                    "whole": whole + 1,
                    "half": whole / 2,
                    "real": real * 2,
                    "big": Int64(big + 1),
                    "blob": blob[::-1],
                    "later": (when + timedelta(seconds=1)).timestamp(),
                }


            @query
            def tomorrow(ctx: QueryCtx, when: datetime) -> datetime:
                return when + timedelta(days=1)
        """
    },
}

LEAVES: dict[str, Any] = {
    "null": None,
    "true": True,
    "false": False,
    "zero": 0.0,
    "minus zero": -0.0,
    "one": 1.0,
    "fraction": -1.5,
    "tenth": 0.1,
    "largest safe": 2.0**53 - 1,
    "beyond safe": 2.0**60,
    "largest": 1.7976931348623157e308,
    "smallest": 5e-324,
    "NaN": math.nan,
    "infinity": math.inf,
    "minus infinity": -math.inf,
    "int64 zero": BigInt(0),
    "int64 five": BigInt(5),
    "int64 minus": BigInt(-5),
    "int64 largest": BigInt(2**63 - 1),
    "int64 smallest": BigInt(-(2**63)),
    "no text": "",
    "text": "héllo, wörld",
    "beyond the plane": "👩‍👩‍👧 \U0010ffff",
    "controls": '\u0000\t\n\r\u001f "\\/ \u2028\u2029\ufeff',
    "no bytes": b"",
    "bytes": bytes(range(256)),
    "no items": [],
    "no fields": {},
}
NESTED: dict[str, Any] = {
    "of all": [list(LEAVES.values()), {f"f{n}": value for n, value in enumerate(LEAVES.values())}],
    "awkward keys": {"a b": 1.0, "Z": BigInt(1), "_x": None, "0": -0.0, "": "empty", "a.b": {"a-b": b"\x00"}, "~": []},
    "depth": {"a": [{"b": [{"c": [{"d": [[[[["deep"]]]]]}]}]}]},
    "mixed numbers": [1.0, BigInt(1), True, "1", 1.5, -0.0, 0.0, BigInt(0)],
}
VALUES = LEAVES | NESTED


def lost(values: dict[str, Any], came_back: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """The values that are not what they were."""
    pairs = {name: (spell(value), spell(came_back[name])) for name, value in values.items()}
    return {name: (sent, got) for name, (sent, got) in pairs.items() if sent != got}


def round_trips(client: Client, kind: str, path: str) -> dict[str, Any]:
    return {name: client.call(kind, path, {"value": value}) for name, value in VALUES.items()}


@pytest.mark.parametrize("which", EVERY_CLIENT)
@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("query", "values:echo"),
        ("mutation", "values:echoInMutation"),
        ("action", "values:echoInAction"),
    ],
)
def test_every_value_comes_back_from_a_call_as_it_was_sent(
    clients: Clients, server: RunningServer, which: str, kind: str, path: str
) -> None:
    client = clients.open(which, server)
    assert lost(VALUES, round_trips(client, kind, path)) == {}


@pytest.mark.parametrize("which", EVERY_CLIENT)
def test_every_value_comes_back_from_the_database_as_it_was_stored(
    clients: Clients, server: RunningServer, which: str
) -> None:
    client = clients.open(which, server)
    for name, value in VALUES.items():
        client.mutation("values:keep", {"key": f"{which} {name}", "value": value})
    came_back = {name: client.query("values:kept", {"key": f"{which} {name}"}) for name in VALUES}
    assert lost(VALUES, came_back) == {}


def test_a_table_without_a_schema_keeps_every_value(clients: Clients, server: RunningServer) -> None:
    client = clients.js(server)
    client.mutation("values:keepLoose", {"key": "all", "value": VALUES["of all"]})
    (came_back,) = client.query("values:keptLoose", {"key": "all"})
    assert spell(came_back) == spell(VALUES["of all"])


@pytest.mark.parametrize("which", LIVE_CLIENTS)
def test_a_subscription_shows_every_value_another_client_has_stored(
    clients: Clients, server: RunningServer, which: str
) -> None:
    other = clients.open("python-http" if which == "js-live" else "js-http", server)
    client = clients.open(which, server)
    key = f"shown to {which}"
    subscription = client.subscribe("values:kept", {"key": key})
    subscription.wait_until(None)
    other.mutation("values:keep", {"key": key, "value": NESTED["of all"]})
    subscription.wait_until(NESTED["of all"])


@pytest.mark.parametrize("which", EVERY_CLIENT)
def test_annotated_parameters_arrive_as_their_types_and_results_leave_as_numbers(
    clients: Clients, server: RunningServer, which: str
) -> None:
    client = clients.open(which, server)
    came_back = client.query(
        "values:typed",
        {"whole": 3.0, "real": 3.0, "big": BigInt(2**62), "blob": b"\x01\x02", "when": 1_790_000_000_000.0},
    )
    assert came_back.pop("names") == ["int", "float", "Int64", "bytes"]
    assert spell(came_back) == spell(
        {"whole": 4, "half": 1.5, "real": 6, "big": BigInt(2**62 + 1), "blob": b"\x02\x01", "later": 1_790_000_001}
    )
    assert client.query("values:tomorrow", {"when": 0}) == 86_400_000


def test_the_python_client_sends_an_int_as_a_number(clients: Clients, server: RunningServer) -> None:
    javascript, python = clients.js(server), clients.python(server)
    python.mutation("values:keep", {"key": "int", "value": 7})
    assert spell(javascript.query("values:kept", {"key": "int"})) == "7.0"
