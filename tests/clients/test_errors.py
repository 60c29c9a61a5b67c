"""What clients learn when something fails: the data of an AppError whole, other errors as far as the server shows them.

`server` is a development server, which shows errors; `production` is `reactor serve`, which redacts them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.clients.clients import CallFailed, Client, Subscription
from tests.clients.conftest import EVERY_CLIENT, LIVE_CLIENTS, Clients
from tests.clients.lossless import ABSENT, BigInt, spell
from tests.support import Project, RunningServer, serving

PROJECT = {
    "schema": """
        from reactor import Index, Table


        class Row(Table, name="rows"):
            key: str
            by_key = Index("key")
    """,
    "functions": {
        "errors": """
            from typing import Any

            from reactor import ActionCtx, AppError, Int64, MutationCtx, QueryCtx, action, mutation, query
            from schema import Row

            DATA = {
                "text": "no credits left",
                "code": {"code": "full", "left": 0, "retry": [1.5, None, True]},
                "special": {"big": Int64(2**60), "blob": b"\\x00\\xff", "nested": {"minus": -0.0}},
                "null": None,
                "number": 42,
            }


            @query
            def refuse_query(ctx: QueryCtx, which: str) -> None:
                raise AppError(DATA[which])


            @mutation
            def refuse_mutation(ctx: MutationCtx, which: str) -> None:
                raise AppError(DATA[which])


            @action
            async def refuse_action(ctx: ActionCtx, which: str) -> None:
                raise AppError(DATA[which])


            @query
            def stop(ctx: QueryCtx) -> None:
                breakpoint()


            @query
            def break_query(ctx: QueryCtx) -> None:
                raise ValueError("boom in a query")


            @mutation
            def break_mutation(ctx: MutationCtx) -> None:
                raise ValueError("boom in a mutation")


            @action
            async def break_action(ctx: ActionCtx) -> None:
                raise ValueError("boom in an action")


            @query
            def limited(ctx: QueryCtx, limit: int, order: str = "asc") -> int:
                return limit


            @query
            def first_key(ctx: QueryCtx, key: str) -> str:
                found = ctx.db.query(Row.by_key.eq(key)).first()
                if found is None:
                    raise AppError({"missing": key})
                return found.key


            @mutation
            def insert(ctx: MutationCtx, key: str) -> None:
                ctx.db.insert(Row(key=key))


            @action
            async def catch(ctx: ActionCtx, which: str) -> Any:
                try:
                    await ctx.run_mutation(refuse_mutation, which=which)
                except AppError as refused:
                    return refused.data
        """,
        "hidden": """
            from reactor import ActionCtx, MutationCtx, QueryCtx, internal_action, internal_mutation, internal_query


            @internal_query
            def secret_query(ctx: QueryCtx) -> str:
                return "secret"


            @internal_mutation
            def secret_mutation(ctx: MutationCtx) -> str:
                return "secret"


            @internal_action
            async def secret_action(ctx: ActionCtx) -> str:
                return "secret"
        """,
    },
}

DATA: dict[str, Any] = {
    "text": "no credits left",
    "code": {"code": "full", "left": 0, "retry": [1.5, None, True]},
    "special": {"big": BigInt(2**60), "blob": b"\x00\xff", "nested": {"minus": -0.0}},
    "null": None,
    "number": 42,
}
KINDS = ("query", "mutation", "action")
REQUEST_ID = re.compile(r"\[Request ID: ([0-9a-f]{16})\] Server Error")


@pytest.fixture(scope="module")
def production(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with serving(Project(tmp_path_factory.mktemp("production"), **PROJECT), "serve") as running:  # type: ignore[arg-type]
        yield running


@pytest.fixture(params=["dev", "serve"])
def either(request: pytest.FixtureRequest) -> RunningServer:
    name = "server" if request.param == "dev" else "production"
    running = request.getfixturevalue(name)
    assert isinstance(running, RunningServer)
    return running


def failure(client: Client, kind: str, path: str, args: dict[str, Any] | None = None) -> CallFailed:
    with pytest.raises(CallFailed) as failed:
        client.call(kind, path, args)
    return failed.value


def without_request_id(text: str) -> str:
    return REQUEST_ID.sub("[Request ID] Server Error", text)


# ── the application's own errors ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("which", EVERY_CLIENT)
@pytest.mark.parametrize("kind", KINDS)
def test_the_data_of_an_app_error_reaches_the_caller_whole(
    clients: Clients, either: RunningServer, which: str, kind: str
) -> None:
    client = clients.open(which, either)
    for name, data in DATA.items():
        if which == "python-http" and name == "special":
            continue  # this client leaves the data of errors as it came over the wire
        failed = failure(client, kind, f"errors:refuse{kind.title()}", {"which": name})
        assert failed.name == "ConvexError"
        assert spell(failed.data) == spell(data)


@pytest.mark.parametrize("which", LIVE_CLIENTS)
def test_the_data_of_an_app_error_reaches_a_subscriber_whole(
    clients: Clients, either: RunningServer, which: str
) -> None:
    client = clients.open(which, either)
    for name, data in DATA.items():
        failed = client.subscribe("errors:refuseQuery", {"which": name}).wait_until_failed()
        assert spell(failed.data) == spell(data)


def test_an_action_can_catch_the_app_error_of_a_mutation_it_called(clients: Clients, server: RunningServer) -> None:
    client = clients.js(server)
    for name, data in DATA.items():
        assert spell(client.action("errors:catch", {"which": name})) == spell(data)


@pytest.mark.parametrize("which", LIVE_CLIENTS)
def test_a_failed_query_stays_subscribed_and_may_succeed_later(
    clients: Clients, server: RunningServer, which: str
) -> None:
    client, other = clients.open(which, server), clients.js_http(server)
    key = f"later {which}"
    subscription = client.subscribe("errors:firstKey", {"key": key})
    assert subscription.wait_until_failed().data == {"missing": key}
    other.mutation("errors:insert", {"key": key})
    subscription.wait_until(key)


@pytest.mark.parametrize("path", ["errors:refuseMutation", "errors:breakMutation"])
def test_a_failed_mutation_does_not_hang_a_python_client_that_does_nothing_else(
    clients: Clients, either: RunningServer, path: str
) -> None:
    client = clients.python(either)
    args = {"which": "code"} if path == "errors:refuseMutation" else {}
    for _ in range(3):
        failure(client, "mutation", path, args)


# ── other errors ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("which", EVERY_CLIENT)
@pytest.mark.parametrize("kind", KINDS)
def test_development_shows_the_text_of_an_error(clients: Clients, server: RunningServer, which: str, kind: str) -> None:
    failed = failure(clients.open(which, server), kind, f"errors:break{kind.title()}")
    assert REQUEST_ID.search(failed.message)
    assert re.search(rf"ValueError: boom in an? {kind}", failed.message)
    assert failed.data is ABSENT


@pytest.mark.parametrize("which", EVERY_CLIENT)
@pytest.mark.parametrize("kind", KINDS)
def test_production_shows_a_request_id_instead_of_the_error(
    clients: Clients, production: RunningServer, which: str, kind: str
) -> None:
    failed = failure(clients.open(which, production), kind, f"errors:break{kind.title()}")
    assert REQUEST_ID.search(failed.message)
    assert "boom" not in failed.message
    assert "ValueError" not in failed.message
    assert failed.data is ABSENT


@pytest.mark.parametrize("which", ["js-live", "js-http"])
@pytest.mark.parametrize("kind", KINDS)
def test_production_logs_the_error_in_full_under_its_request_id(
    clients: Clients, production: RunningServer, which: str, kind: str
) -> None:
    since = production.mark()
    failed = failure(clients.open(which, production), kind, f"errors:break{kind.title()}")
    found = REQUEST_ID.search(failed.message)
    assert found, failed.message
    production.wait_for_output(rf"(?s)(?=.*{found[1]})(?=.*errors\.py).*boom in an? {kind}", 3.0, after=since)


def test_javascript_names_the_function_and_itself_around_the_error(clients: Clients, server: RunningServer) -> None:
    client = clients.js(server)
    for kind, letter in (("mutation", "M"), ("action", "A")):
        message = failure(client, kind, f"errors:break{kind.title()}").message
        assert message.startswith(f"[CONVEX {letter}(errors:break{kind.title()})] [Request ID: ")
        assert message.rstrip().endswith("Called by client")


# ── the caller's mistakes ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("which", EVERY_CLIENT)
@pytest.mark.parametrize(
    ("args", "text"),
    [
        ({"limit": "ten"}, 'Value does not match validator.\nPath: .limit\nValue: "ten"\nValidator: v.float64()'),
        ({"limit": True}, "Value does not match validator.\nPath: .limit\nValue: true\nValidator: v.float64()"),
        ({"limit": BigInt(3)}, "Value does not match validator.\nPath: .limit\nValue: 3\nValidator: v.float64()"),
        (
            {},
            "Object is missing the required field `limit`. Consider wrapping the field validator in `v.optional(...)`",
        ),
        ({"limit": 1, "colour": "red"}, "Object contains extra field `colour` that is not in the validator."),
    ],
)
def test_arguments_that_do_not_fit_are_explained(
    clients: Clients, server: RunningServer, which: str, args: dict[str, Any], text: str
) -> None:
    failed = failure(clients.open(which, server), "query", "errors:limited", args)
    assert f"ArgumentValidationError: {text}" in failed.message
    assert failed.data is ABSENT


def test_an_int_parameter_takes_no_fraction(clients: Clients, server: RunningServer) -> None:
    client = clients.js(server)
    assert client.query("errors:limited", {"limit": 3.0}) == 3
    assert "ArgumentValidationError" in failure(client, "query", "errors:limited", {"limit": 3.5}).message


@pytest.mark.parametrize("which", EVERY_CLIENT)
@pytest.mark.parametrize("kind", KINDS)
def test_an_internal_function_cannot_be_told_from_a_missing_one(
    clients: Clients, either: RunningServer, which: str, kind: str
) -> None:
    client = clients.open(which, either)
    internal = failure(client, kind, f"hidden:secret{kind.title()}")
    missing = failure(client, kind, f"hidden:absent{kind.title()}")
    texts = [without_request_id(failed.message).replace("absent", "secret") for failed in (internal, missing)]
    assert texts[0] == texts[1]
    assert (internal.name, internal.data) == (missing.name, missing.data)
    if either.command == "dev":
        assert f"Could not find public function for 'hidden:secret{kind.title()}'" in texts[0]


@pytest.mark.parametrize("kind", KINDS)
def test_a_missing_module_is_a_failed_call_and_nothing_worse(
    clients: Clients, server: RunningServer, kind: str
) -> None:
    client = clients.js(server)
    subscription = client.subscribe("errors:limited", {"limit": 1})
    assert subscription.next() == 1
    assert "Could not find public function for 'nowhere:at_all'" in failure(client, kind, "nowhere:at_all").message
    assert client.query("errors:limited", {"limit": 2}) == 2
    assert client.connections == 1


@pytest.mark.parametrize("which", EVERY_CLIENT)
def test_a_function_called_as_another_kind_is_refused(clients: Clients, server: RunningServer, which: str) -> None:
    client = clients.open(which, server)
    refused = failure(client, "query", "errors:insert", {"key": "x"}).message
    assert re.search(r"Trying to execute errors(\.js)?:insert as Query, but it is defined as Mutation", refused)
    refused = failure(client, "mutation", "errors:limited", {"limit": 1}).message
    assert re.search(r"Trying to execute errors(\.js)?:limited as Mutation, but it is defined as Query", refused)


def test_errors_leave_the_other_subscriptions_of_the_socket_alone(clients: Clients, server: RunningServer) -> None:
    client = clients.js(server)
    good = client.subscribe("errors:limited", {"limit": 7})
    bad: list[Subscription] = [
        client.subscribe("errors:breakQuery"),
        client.subscribe("hidden:secretQuery"),
        client.subscribe("errors:limited", {"limit": "seven"}),
    ]
    assert good.next() == 7
    for one in bad:
        one.wait_until_failed()
    client.mutation("errors:insert", {"key": "anything"})
    assert good.results == [7]
    assert client.connections == 1


def test_a_breakpoint_says_where_it_works(server: RunningServer, clients: Clients) -> None:
    """A runner has no terminal: a debugger would wait there for ever, or end at once without a word."""
    client = clients.python(server)
    with pytest.raises(CallFailed, match=r"Uncaught ForbiddenHere: breakpoint\(\) needs a terminal"):
        client.query("errors:stop")
