"""A watched search runs again when a document that matches appears, changes or goes, and for no other (§4.12).

Runs are counted as in test_precision.py: every result tells the moment it was made at.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.clients.clients import CallFailed, Client
from tests.clients.conftest import Clients
from tests.clients.test_precision import Counted
from tests.support import RunningServer

PROJECT = {
    "schema": """
        from reactor import SearchIndex, Table


        class Image(Table, name="images"):
            user_id: str
            prompt: str | None = None
            is_public: bool = False
            views: int = 0
            search_prompt = SearchIndex("prompt", filters=("user_id", "is_public"))
    """,
    "functions": {
        "images": """
            from typing import Any

            from reactor import Id, MutationCtx, Page, PaginationOpts, QueryCtx, mutation, query
            from schema import Image


            @query
            def search(ctx: QueryCtx, text: str, user: str) -> dict[str, Any]:
                found = ctx.db.query(Image.search_prompt(text, user_id=user)).take(20)
                return {"prompts": [image.prompt for image in found], "ran": ctx.now.timestamp()}


            @query
            def search_public(ctx: QueryCtx, text: str) -> dict[str, Any]:
                found = ctx.db.query(Image.search_prompt(text, is_public=True)).collect()
                return {"prompts": [image.prompt for image in found], "ran": ctx.now.timestamp()}


            @query
            def viewed(ctx: QueryCtx, text: str) -> dict[str, Any]:
                found = ctx.db.query(Image.search_prompt(text)).filter(lambda image: image.views > 0).first()
                return {"prompts": [found.prompt] if found else [], "ran": ctx.now.timestamp()}


            @query
            def pages(ctx: QueryCtx, text: str, pagination_opts: PaginationOpts) -> Page[Image]:
                return ctx.db.query(Image.search_prompt(text)).paginate(pagination_opts)


            @query
            def ordered(ctx: QueryCtx) -> list[Image]:
                return ctx.db.query(Image.search_prompt("x")).order("desc").collect()


            @mutation
            def insert(ctx: MutationCtx, user: str, prompt: str, public: bool = False) -> Id[Image]:
                return ctx.db.insert(Image(user_id=user, prompt=prompt, is_public=public))


            @mutation
            def insert_and_search(ctx: MutationCtx, user: str, prompt: str) -> list[str | None]:
                ctx.db.insert(Image(user_id=user, prompt=prompt))
                return [image.prompt for image in ctx.db.query(Image.search_prompt(prompt, user_id=user)).collect()]


            @mutation
            def patch(ctx: MutationCtx, id: Id[Image], prompt: str | None = None, public: bool | None = None) -> None:
                image = ctx.db.get(id)
                assert image is not None
                ctx.db.patch(id, prompt=prompt or image.prompt, is_public=image.is_public if public is None else public)


            @mutation
            def view(ctx: MutationCtx, id: Id[Image]) -> None:
                image = ctx.db.get(id)
                assert image is not None
                ctx.db.patch(id, views=image.views + 1)


            @mutation
            def forget_prompt(ctx: MutationCtx, id: Id[Image]) -> None:
                ctx.db.patch(id, prompt=None)


            @mutation
            def remove(ctx: MutationCtx, id: Id[Image]) -> None:
                ctx.db.delete(id)
        """
    },
}


def insert(client: Client, user: str, prompt: str, **args: Any) -> str:
    made: str = client.mutation("images:insert", {"user": user, "prompt": prompt, **args})
    return made


def test_a_watched_search_runs_again_exactly_when_a_matching_document_changes(
    clients: Clients, server: RunningServer
) -> None:
    client = clients.js(server)
    fox, owl = insert(client, "ann", "a red fox"), insert(client, "ann", "an owl at night")
    counted = Counted(
        client,
        {
            "ann fox": ("images:search", {"user": "ann", "text": "fox"}),
            "ann fo": ("images:search", {"user": "ann", "text": "red fo"}),
            "bob fox": ("images:search", {"user": "bob", "text": "fox"}),
            "ann 猫": ("images:search", {"user": "ann", "text": "黒い猫"}),
            "public": ("images:searchPublic", {"text": "fox owl"}),
            "nothing": ("images:search", {"user": "ann", "text": " ?! "}),
        },
    )

    def after(path: str, **args: Any) -> set[str]:
        client.begin_mutation(f"images:{path}", args).reply()
        return counted.ran()

    mine = {"ann fox", "ann fo"}
    assert after("insert", user="ann", prompt="blue whale") == set(), "no word of it is looked for"
    assert after("insert", user="carl", prompt="fox and fox") == set(), "somebody else's, not public"
    assert after("insert", user="ann", prompt="a folder") == {"ann fo"}, "a prefix of the last term"
    assert after("insert", user="bob", prompt="FOX!", public=True) == {"bob fox", "public"}
    assert after("insert", user="ann", prompt="二匹の黒い猫の写真") == {"ann 猫"}
    assert after("insert", user="ann", prompt="黒い犬と白い猫") == set()
    assert after("view", id=fox) == mine, "what a result shows has changed, though no word has"
    assert after("view", id=owl) == set()
    assert after("patch", id=owl, public=True) == {"public"}
    assert after("patch", id=owl, prompt="an owl and a fox") == {"public", *mine}
    assert after("patch", id=owl, prompt="an owl, alone") == {"public", *mine}, "it is found no more"
    assert after("patch", id=owl, public=False) == {"public"}
    assert after("forgetPrompt", id=owl) == set()
    assert after("patch", id=fox, prompt="a red fox") == set(), "as it was"
    assert after("remove", id=fox) == mine
    assert after("insert", user="carl", prompt="the end of silence") == set()


def test_a_filtered_search_runs_again_for_what_its_filter_refused(clients: Clients, server: RunningServer) -> None:
    client = clients.js(server)
    ids = [insert(client, "dan", f"heron {number}") for number in range(2)]
    counted = Counted(client, {"viewed": ("images:viewed", {"text": "heron"})})
    for image in ids:
        client.begin_mutation("images:view", {"id": image}).reply()
        assert counted.ran() == {"viewed"}
    client.begin_mutation("images:forgetPrompt", {"id": ids[1]}).reply()
    assert counted.ran() == {"viewed"}
    client.begin_mutation("images:view", {"id": ids[1]}).reply()
    assert counted.ran() == set()


def test_a_search_grows_more_exact_with_every_letter_and_shows_what_appears(
    clients: Clients, server: RunningServer
) -> None:
    client = clients.js(server)
    for prompt in ("sunset over the sea", "sunflower field", "summer", "夕焼けの海と富士山"):
        insert(client, "typing", prompt)
    typed = ["s", "su", "sun", "sunf", "sunset o", "富", "夕焼けの海"]
    seen = {
        text: client.subscribe("images:search", {"user": "typing", "text": text}).next()["prompts"] for text in typed
    }
    assert [len(seen[text]) for text in typed] == [3, 3, 2, 1, 1, 1, 1]
    watched = client.subscribe("images:search", {"user": "typing", "text": "富士山"})
    assert watched.next()["prompts"] == ["夕焼けの海と富士山"]
    insert(client, "typing", "雪の富士山")
    assert watched.wait_until(lambda result: len(result["prompts"]) == 2)["prompts"][0] == "雪の富士山"


def test_a_mutation_finds_what_it_wrote_itself(clients: Clients, server: RunningServer) -> None:
    client = clients.python(server)
    for _ in range(2):
        found = client.mutation("images:insertAndSearch", {"user": "own", "prompt": "own writes"})
    assert found == ["own writes", "own writes"]


def test_pages_of_a_search_follow_each_other(clients: Clients, server: RunningServer) -> None:
    client = clients.js_http(server)
    for number in range(7):
        insert(client, "pages", f"page {'turner ' * number}")
    found: list[str] = []
    cursor: str | None = None
    while True:
        opts = {"numItems": 3, "cursor": cursor}
        page = client.query("images:pages", {"text": "turner page", "paginationOpts": opts})
        found += [image["_id"] for image in page["page"]]
        cursor = page["continueCursor"]
        if page["isDone"]:
            break
    assert len(found) == len(set(found)) == 7


def test_a_search_takes_no_order(clients: Clients, server: RunningServer) -> None:
    """Reference §4.4: search queries have a fixed order; calling `order` on them throws."""
    with pytest.raises(CallFailed, match="takes no `order`"):
        clients.js_http(server).query("images:ordered", {})


def test_a_megabyte_of_search_harms_nobody(clients: Clients, server: RunningServer) -> None:
    client = clients.js(server)
    watched = client.subscribe("images:search", {"user": "calm", "text": "storm"})
    watched.next()
    for text in ("(a+)+$ " * 150_000, "猫" * 350_000, "\"' OR 1=1 --*" * 80_000):
        assert client.query("images:search", {"user": "calm", "text": text})["prompts"] == []
    insert(client, "calm", "a storm")
    assert watched.wait_until(lambda result: result["prompts"] == ["a storm"])
