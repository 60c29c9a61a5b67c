"""A write re-runs the queries whose ranges it touches, and no others.

Executions are counted from outside: every query here returns the moment it ran at, so that each run is a new result and
therefore a push. A mutation's promise resolves when all its effects are shown, so after it the counts are final; runs
that should not have happened show at the latest in the next step's counts.
"""

from __future__ import annotations

from typing import Any

from tests.clients.clients import Client, Subscription
from tests.clients.conftest import Clients
from tests.support import RunningServer

PROJECT = {
    "schema": """
        from reactor import Index, Table


        class Item(Table, name="items"):
            group: str
            rank: float
            text: str
            by_group_rank = Index("group", "rank")


        class Other(Table, name="others"):
            text: str
    """,
    "functions": {
        "items": """
            from typing import Any

            from reactor import AppError, Id, MutationCtx, QueryCtx, mutation, query
            from schema import Item, Other


            def outcome(ctx: QueryCtx, items: Any) -> dict[str, Any]:
                return {"texts": [item.text for item in items], "ran": ctx.now.timestamp()}


            @query
            def group(ctx: QueryCtx, group: str) -> dict[str, Any]:
                return outcome(ctx, ctx.db.query(Item.by_group_rank.eq(group)).collect())


            @query
            def between(ctx: QueryCtx, group: str, low: float, high: float) -> dict[str, Any]:
                return outcome(ctx, ctx.db.query(Item.by_group_rank.eq(group).gte(low).lt(high)).collect())


            @query
            def lowest(ctx: QueryCtx, group: str, number: int) -> dict[str, Any]:
                return outcome(ctx, ctx.db.query(Item.by_group_rank.eq(group)).take(number))


            @query
            def highest(ctx: QueryCtx, group: str) -> dict[str, Any]:
                found = ctx.db.query(Item.by_group_rank.eq(group)).order("desc").first()
                return outcome(ctx, [] if found is None else [found])


            @query
            def above(ctx: QueryCtx, group: str, rank: float) -> dict[str, Any]:
                found = ctx.db.query(Item.by_group_rank.eq(group)).filter(lambda item: item.rank > rank)
                return outcome(ctx, found.collect())


            @query
            def up_to(ctx: QueryCtx, group: str, rank: float) -> dict[str, Any]:
                seen = []
                for item in ctx.db.query(Item.by_group_rank.eq(group)):
                    if item.rank >= rank:
                        break
                    seen.append(item)
                return outcome(ctx, seen)


            @query
            def one(ctx: QueryCtx, id: Id[Item]) -> dict[str, Any]:
                found = ctx.db.get(id)
                return outcome(ctx, [] if found is None else [found])


            @query
            def everything(ctx: QueryCtx) -> dict[str, Any]:
                return outcome(ctx, ctx.db.query(Item).collect())


            @query
            def others(ctx: QueryCtx) -> dict[str, Any]:
                return outcome(ctx, ctx.db.query(Other).collect())


            @query
            def nothing_read(ctx: QueryCtx) -> dict[str, Any]:
                return outcome(ctx, [])


            @mutation
            def insert(ctx: MutationCtx, group: str, rank: float) -> Id[Item]:
                return ctx.db.insert(Item(group=group, rank=rank, text=f"{group}{rank:g}"))


            @mutation
            def insert_and_fail(ctx: MutationCtx, group: str, rank: float) -> None:
                ctx.db.insert(Item(group=group, rank=rank, text="never"))
                raise AppError("no")


            @mutation
            def insert_other(ctx: MutationCtx, text: str) -> None:
                ctx.db.insert(Other(text=text))


            @mutation
            def reword(ctx: MutationCtx, id: Id[Item], text: str) -> None:
                ctx.db.patch(id, text=text)


            @mutation
            def reword_and_back(ctx: MutationCtx, id: Id[Item], text: str) -> None:
                item = ctx.db.get(id)
                assert item is not None
                ctx.db.patch(id, text=text)
                ctx.db.patch(id, text=item.text)


            @mutation
            def move(ctx: MutationCtx, id: Id[Item], rank: float) -> None:
                ctx.db.patch(id, rank=rank)


            @mutation
            def remove(ctx: MutationCtx, id: Id[Item]) -> None:
                ctx.db.delete(id)
        """
    },
}


class Counted:
    """Named subscriptions of one client, and which of them have run since one last asked."""

    def __init__(self, client: Client, queries: dict[str, tuple[str, dict[str, Any]]]) -> None:
        self.client = client
        self.subscriptions: dict[str, Subscription] = {
            name: client.subscribe(path, args) for name, (path, args) in queries.items()
        }
        for subscription in self.subscriptions.values():
            subscription.next()
        self.counts = dict.fromkeys(queries, 1)  # moves on in ran()

    def ran(self) -> set[str]:
        counts = {name: len(subscription.results) for name, subscription in self.subscriptions.items()}
        grown = {name for name, count in counts.items() if count != self.counts[name]}
        many = {name: count - self.counts[name] for name, count in counts.items() if count > self.counts[name] + 1}
        assert not many, f"ran more than once: {many}"
        self.counts = counts
        return grown


def test_a_write_reruns_exactly_the_queries_whose_ranges_it_touches(clients: Clients, server: RunningServer) -> None:
    client = clients.js(server)
    ids = {rank: client.mutation("items:insert", {"group": "a", "rank": rank}) for rank in (10, 12, 30)}
    group = {"group": "a"}
    counted = Counted(
        client,
        {
            "group": ("items:group", group),
            "10 to 20": ("items:between", {**group, "low": 10, "high": 20}),
            "none from 15 to 16": ("items:between", {**group, "low": 15, "high": 16}),
            "lowest two": ("items:lowest", {**group, "number": 2}),
            "highest": ("items:highest", group),
            "above 100": ("items:above", {**group, "rank": 100}),
            "broke off at 20": ("items:upTo", {**group, "rank": 20}),
            "the one at 30": ("items:one", {"id": ids[30]}),
            "empty group": ("items:group", {"group": "nobody"}),
            "everything": ("items:everything", {}),
            "others": ("items:others", {}),
            "nothing": ("items:nothingRead", {}),
        },
    )
    whole = {"group", "above 100", "everything"}  # whatever happens in the group touches these

    def after(path: str, **args: Any) -> set[str]:
        client.begin_mutation(f"items:{path}", args).reply()
        return counted.ran()

    assert after("insert", group="a", rank=50) == whole | {"highest"}
    assert after("insert", group="a", rank=11) == whole | {"10 to 20", "lowest two", "broke off at 20"}
    assert after("insert", group="a", rank=15.5) == whole | {"10 to 20", "none from 15 to 16", "broke off at 20"}
    assert after("insert", group="a", rank=40) == whole
    assert after("reword", id=ids[30], text="new") == whole | {"the one at 30", "broke off at 20"}
    assert after("move", id=ids[30], rank=35) == whole | {"the one at 30", "broke off at 20"}
    assert after("insert", group="b", rank=10) == {"everything"}
    assert after("insert", group="nobody", rank=1) == {"everything", "empty group"}
    assert after("insertOther", text="x") == {"others"}
    assert after("reword", id=ids[12], text="a12") == set()
    assert after("rewordAndBack", id=ids[12], text="other") == set()
    assert after("insertAndFail", group="a", rank=11) == set()
    assert after("remove", id=ids[12]) == whole | {"10 to 20", "broke off at 20"}
    assert after("remove", id=ids[10]) == whole | {"10 to 20", "lowest two", "broke off at 20"}
    assert after("insertOther", text="the end of silence") == {"others"}


def test_a_new_subscription_does_not_rerun_the_others(clients: Clients, server: RunningServer) -> None:
    client = clients.js(server)
    counted = Counted(client, {"first": ("items:group", {"group": "n"}), "second": ("items:everything", {})})
    for number in range(5):
        client.subscribe("items:lowest", {"group": "n", "number": number}).next()
    client.mutation("items:insertOther", {"text": "the end of silence"})
    assert counted.ran() == set()


def test_all_subscribers_of_one_query_share_one_run(clients: Clients, server: RunningServer) -> None:
    subscriptions = [clients.js(server).subscribe("items:group", {"group": "shared"}) for _ in range(8)]
    subscriptions.append(clients.python(server).subscribe("items:group", {"group": "shared"}))
    first = {subscription.next()["ran"] for subscription in subscriptions}
    assert len(first) == 1
    writer = clients.js_http(server)
    for rank in range(3):
        writer.mutation("items:insert", {"group": "shared", "rank": rank})
        ran = {subscription.wait_until(shows(rank + 1))["ran"] for subscription in subscriptions}
        assert len(ran) == 1


def shows(number: int) -> Any:
    return lambda result: len(result["texts"]) == number
