"""Vectors as clients see them: live queries that hear of near vectors and not of far ones, and searches in actions."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from tests.clients.clients import CallFailed
from tests.clients.conftest import Clients
from tests.clients.test_precision import Counted
from tests.support import Project, RunningServer, serving

SCHEMA = """
    from reactor import Table, VectorIndex


    class Image(Table, name="images"):
        name: str
        owner: str
        public: bool = False
        embedding: list[float] | None = None
        by_embedding = VectorIndex("embedding", dimensions=3, filters=("owner", "public"))
"""
FUNCTIONS = """
    import sys
    from typing import Any

    from reactor import (
        ActionCtx, AppError, Id, MutationCtx, QueryCtx, SyncActionCtx, VectorMatch, action, any_of, mutation, query,
    )
    from schema import Image


    @query
    def near(ctx: QueryCtx, vector: list[float], count: int, owner: str | None = None) -> dict[str, Any]:
        search = Image.by_embedding.nearest(vector, owner=owner) if owner else Image.by_embedding.nearest(vector)
        found = ctx.db.query(search).with_scores().take(count)
        return {"names": [each.document.name for each in found], "scores": [each.score for each in found],
                "ran": ctx.now.timestamp()}


    @query
    def visible(ctx: QueryCtx, vector: list[float], me: str) -> dict[str, Any]:
        found = ctx.db.query(Image.by_embedding.nearest(vector, owner=me).or_(public=True)).take(10)
        return {"names": [image.name for image in found], "ran": ctx.now.timestamp()}


    @query
    def is_loaded(ctx: QueryCtx) -> bool:
        return "numpy" in sys.modules


    @mutation
    def add(
        ctx: MutationCtx, name: str, embedding: list[float] | None = None, owner: str = "ann", public: bool = False
    ) -> Id[Image]:
        return ctx.db.insert(Image(name=name, owner=owner, public=public, embedding=embedding))


    @mutation
    def add_and_fail(ctx: MutationCtx, name: str, embedding: list[float]) -> None:
        ctx.db.insert(Image(name=name, owner="ann", embedding=embedding))
        found = ctx.db.query(Image.by_embedding.nearest(embedding)).first()
        assert found is not None and found.name == name
        raise AppError("no")


    @mutation
    def change(
        ctx: MutationCtx, id: Id[Image], name: str | None = None, embedding: list[float] | None = None
    ) -> None:
        if name is not None:
            ctx.db.patch(id, name=name)
        if embedding is not None:
            ctx.db.patch(id, embedding=embedding)


    @mutation
    def remove(ctx: MutationCtx, id: Id[Image]) -> None:
        ctx.db.delete(id)


    @mutation
    def nearest_of_mine(ctx: MutationCtx, embedding: list[float]) -> str | None:
        ctx.db.insert(Image(name="just now", owner="ann", embedding=embedding))
        found = ctx.db.query(Image.by_embedding.nearest(embedding)).first()
        return None if found is None else found.name


    @action
    async def search(ctx: ActionCtx, vector: list[float], limit: int = 10) -> list[VectorMatch[Image]]:
        return await ctx.vector_search(Image.by_embedding.nearest(vector), limit=limit)


    @action
    def search_owners(ctx: SyncActionCtx, vector: list[float], owners: list[str]) -> list[VectorMatch[Image]]:
        return ctx.vector_search(Image.by_embedding.nearest(vector, owner=any_of(*owners)))
"""
PROJECT = {"schema": SCHEMA, "functions": {"images": FUNCTIONS}}
X, Y = [1, 0, 0], [0, 1, 0]


def test_a_vector_query_runs_again_for_what_comes_as_near_and_for_nothing_else(
    clients: Clients, server: RunningServer
) -> None:
    """Convex's vector search is not reactive (reference §4.13); here it is a read like any other."""
    client = clients.js(server)

    def add(name: str, *embedding: float, **more: Any) -> str:
        added: str = client.mutation("images:add", {"name": name, "embedding": list(embedding), **more})
        return added

    ids = {"x": add("x", 1, 0, 0), "near x": add("near x", 9, 1, 0), "y": add("y", 0, 1, 0), "bob's": add("b", 0, 0, 1)}
    client.mutation("images:change", {"id": ids["bob's"], "name": "bob's"})
    counted = Counted(
        client,
        {
            "two near x": ("images:near", {"vector": X, "count": 2}),
            "one near y": ("images:near", {"vector": Y, "count": 1}),
            "ann's": ("images:near", {"vector": X, "count": 1, "owner": "ann"}),
            "bob's, which are few": ("images:near", {"vector": X, "count": 5, "owner": "bob"}),
        },
    )

    def after(path: str, **args: Any) -> set[str]:
        client.begin_mutation(f"images:{path}", args).reply()
        return counted.ran()

    def shown(name: str) -> list[str]:
        found: list[str] = counted.subscriptions[name].results[-1]["names"]
        return found

    assert shown("two near x") == ["x", "near x"]
    assert shown("bob's, which are few") == []
    assert after("add", name="far", embedding=[1, 1, 5]) == set()
    assert after("add", name="nearer", embedding=[20, 1, 0]) == {"two near x"}
    assert shown("two near x") == ["x", "nearer"]
    assert after("change", id=ids["near x"], name="third") == set(), "it is not among the two any more"
    assert after("change", id=ids["x"], name="X") == {"two near x", "ann's"}
    assert after("add", name="bob far", embedding=[-1, 0, 0], owner="bob") == {"bob's, which are few"}
    assert after("change", id=ids["y"], embedding=[1, 1, 0]) == {"one near y"}
    assert after("add", name="no vector") == set()
    assert after("add", name="too short", embedding=[1, 0]) == set()
    assert after("add", name="nan", embedding=[math.nan, 0, 0]) == set()
    assert after("addAndFail", name="never", embedding=[1, 0, 0]) == set()
    assert after("add", name="x again", embedding=[3, 0, 0]) == {"two near x", "ann's"}, "as near as the last"
    assert shown("ann's") == ["x again"], "of equally near ones the newest"
    assert after("remove", id=ids["x"]) == {"two near x", "ann's"}, "as near as the last, so it is asked"
    assert shown("two near x") == ["x again", "nearer"]
    assert after("add", name="the end of silence", embedding=[0, 0, -1]) == set()


def test_alternatives_are_live_too(clients: Clients, server: RunningServer) -> None:
    client, writer = clients.js(server), clients.js_http(server)
    seen = client.subscribe("images:visible", {"vector": X, "me": "carl"})
    assert seen.next()["names"] == []
    added = {}
    for name, owner, public in (("mine", "carl", False), ("theirs", "dora", False), ("shown", "dora", True)):
        args = {"name": name, "embedding": [1, len(added), 0], "owner": owner, "public": public}
        added[name] = writer.mutation("images:add", args)
    assert seen.wait_until(lambda result: len(result["names"]) == 2)["names"] == ["mine", "shown"]
    writer.mutation("images:remove", {"id": added["mine"]})
    assert seen.wait_until(lambda result: len(result["names"]) == 1)["names"] == ["shown"]


def test_a_mutation_finds_what_it_has_just_written(clients: Clients, server: RunningServer) -> None:
    assert clients.js_http(server).mutation("images:nearestOfMine", {"embedding": [0.5, -2, 0.25]}) == "just now"


def test_actions_search_the_newest_data_and_answer_as_convex_does(clients: Clients, server: RunningServer) -> None:
    """`[{_id, _score}]` best first, ten unless it says otherwise (reference §4.13)."""
    client = clients.js_http(server)
    ids = [
        client.mutation("images:add", {"name": f"s{n}", "owner": f"s{n % 2}", "embedding": [-5, -5, -5 - n]})
        for n in range(12)
    ]
    found = client.action("images:search", {"vector": [-1, -1, -1]})
    assert [each["_id"] for each in found] == ids[:10]
    assert found[0].keys() == {"_id", "_score"}
    assert found[0]["_score"] == pytest.approx(1)
    assert [each["_score"] for each in found] == sorted((each["_score"] for each in found), reverse=True)
    assert len(client.action("images:search", {"vector": [-1, -1, -1], "limit": 3})) == 3
    theirs = client.action("images:searchOwners", {"vector": [-1, -1, -1], "owners": ["s1", "nobody"]})
    assert [each["_id"] for each in theirs] == ids[1::2]
    assert client.action("images:searchOwners", {"vector": [-1, -1, -1], "owners": []}) == []


@pytest.mark.parametrize(
    ("args", "text"),
    [
        ({"vector": [1, 2]}, "Expected a vector with dimensions 3, received 2."),
        ({"vector": [1, 2, 3, 4]}, "Expected a vector with dimensions 3, received 4."),
        ({"vector": X, "limit": 257}, "Vector queries can fetch at most 256 results, requested 257."),
        ({"vector": X, "limit": 0}, "a number from 1, not 0"),
        ({"vector": X, "limit": 2.5}, "ArgumentValidationError"),
        ({"vector": [1, math.nan, 0]}, "number 1 of the vector is nan"),
        ({"vector": [math.inf, 0, 0]}, "number 0 of the vector is inf"),
        ({"vector": ["1", "2", "3"]}, "ArgumentValidationError"),
        ({"vector": []}, "Expected a vector with dimensions 3, received 0."),
    ],
)
def test_a_search_that_cannot_be_says_why(
    clients: Clients, server: RunningServer, args: dict[str, Any], text: str
) -> None:
    """Convex's words for lengths and limits (reference §4.13)."""
    with pytest.raises(CallFailed) as failed:
        clients.js_http(server).action("images:search", args)
    assert text in str(failed.value)


def test_an_index_comes_to_documents_that_are_there_and_outlives_a_killed_server(
    clients: Clients, tmp_path: Path
) -> None:
    without = SCHEMA.replace("by_embedding", "# by_embedding")
    unloaded = """
        import sys

        from reactor import Id, MutationCtx, QueryCtx, mutation, query
        from schema import Image


        @query
        def is_loaded(ctx: QueryCtx) -> bool:
            return "numpy" in sys.modules


        @mutation
        def add(ctx: MutationCtx, name: str, embedding: list[float]) -> Id[Image]:
            return ctx.db.insert(Image(name=name, owner="ann", embedding=embedding))
    """
    project = Project(tmp_path / "project", schema=without, functions={"images": unloaded})
    with serving(project, "dev") as server:
        client = clients.js_http(server)
        for name, embedding in (("x", [1, 0, 0]), ("y", [0, 1, 0]), ("short", [1, 0])):
            client.mutation("images:add", {"name": name, "embedding": embedding})
        assert client.query("images:isLoaded") is False, "numpy is for projects with vectors"
        live = clients.js(server)
        loaded = live.subscribe("images:isLoaded")
        assert loaded.next() is False
        project.write_function("images", FUNCTIONS)
        project.write("schema.py", SCHEMA)
        loaded.wait_until(True)
        query = {"vector": X, "count": 5}
        assert client.query("images:near", query)["names"] == ["x", "y"]
        client.mutation("images:add", {"name": "z", "embedding": [1, 1, 0]})
        server.kill()
        server.restart()
        assert client.query("images:near", query)["names"] == ["x", "z", "y"]
        assert 'vectorField: "embedding"' in (project.generated / "dataModel.d.ts").read_text()
