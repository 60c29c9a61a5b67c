"""Lists that grow by pages: `usePaginatedQuery` of npm `convex` and the hooks of `convex-helpers` (reference §4.5).

Whatever happens, a list shows the beginning of the data as it was at one moment: no gap, no double, not even for the
blink of an eye while pages are split, fetched again or lost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.clients.clients import Driver
from tests.clients.node import react_driver
from tests.clients.paged_list import PagedList
from tests.clients.test_auth import AUTH_CONFIG, environment
from tests.fake_issuer import FakeIssuer
from tests.support import Project, RunningServer, serving

SCHEMA = """
    from reactor import Index, Table


    class Note(Table, name="notes"):
        list: str
        text: str
        by_text = Index("list", "text")
"""
NOTES = """
    import os
    from dataclasses import replace
    from pathlib import Path

    from reactor import MutationCtx, Page, PaginationOpts, QueryCtx, SyncActionCtx, action, mutation, query
    from schema import Note


    @query
    def page(ctx: QueryCtx, pagination_opts: PaginationOpts, list: str) -> Page[Note]:
        return ctx.db.query(Note.by_text.eq(list)).paginate(pagination_opts)


    @query
    def frugal_page(ctx: QueryCtx, pagination_opts: PaginationOpts, list: str, rows: int) -> Page[Note]:
        return ctx.db.query(Note.by_text.eq(list)).paginate(replace(pagination_opts, maximum_rows_read=rows))


    @query
    def page_for_me(ctx: QueryCtx, pagination_opts: PaginationOpts, list: str) -> Page[dict[str, str]]:
        who = ctx.auth.get_user_identity()
        found = ctx.db.query(Note.by_text.eq(list)).paginate(pagination_opts)
        return found.map(lambda note: {"text": f"{who.subject if who else 'nobody'}-{note.text}"})


    @action
    def surroundings(ctx: SyncActionCtx) -> str:
        around = [dict(ctx.env), dict(os.environ), dict(os.environb), Path("/proc/self/environ").read_bytes()]
        return str([*around, Path("/proc/self/cmdline").read_bytes()])


    @mutation
    def change(ctx: MutationCtx, list: str, add: list[str], remove: list[str]) -> None:
        for text in add:
            ctx.db.insert(Note(list=list, text=text))
        for text in remove:
            for note in ctx.db.query(Note.by_text.eq(list, text)):
                ctx.db.delete(note.id)
"""
RECONNECT = 40.0  # seconds: clients wait longer and longer while a server takes its time to start
HOOKS = ("convex", "helpers", "cached", "pinned")


@pytest.fixture(scope="module")
def issuer() -> Iterator[FakeIssuer]:
    with FakeIssuer() as running:
        yield running


@pytest.fixture(scope="module")
def server(issuer: FakeIssuer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    functions = {"auth_config": AUTH_CONFIG, "notes": NOTES}
    settings = '[tool.reactor]\nprivate_hosts = ["127.0.0.1"]\n'
    project = Project(tmp_path_factory.mktemp("project"), schema=SCHEMA, functions=functions, settings=settings)
    with serving(project, environment=environment(issuer)) as running:
        yield running


@pytest.fixture(scope="module")
def react(pytestconfig: pytest.Config) -> Iterator[Driver]:
    driver = react_driver(Path(pytestconfig.cache.mkdir("node-react")), "pages.mjs")
    yield driver
    driver.close()


class Notes(PagedList):
    """A list of the module's notes."""

    def change(self, add: str = "", remove: str = "") -> None:
        """Add and remove texts, in one mutation."""
        self.truths.append(sorted(set(self.data + add.split()) - set(remove.split())))
        args = {"list": self.name, "add": add.split(), "remove": remove.split()}
        answer = httpx.post(f"{self.url}/api/mutation", json={"path": "notes:change", "args": args, "format": "json"})
        assert answer.json()["status"] == "success", answer.text


Open = Callable[..., Notes]


@pytest.fixture
def open_list(react: Driver, server: RunningServer) -> Iterator[Open]:
    lists: list[Notes] = []

    def opened(kind: str, texts: str, *, size: int = 3, path: str = "notes:page", **args: Any) -> Notes:
        name = react.name("list")
        notes = Notes(react, server.url, kind, size, path, name=name, args={"list": name, **args})
        lists.append(notes)
        notes.change(texts)
        notes.open()
        return notes

    yield opened
    for notes in lists:
        notes.close()
    for notes in lists:
        notes.check()


@pytest.mark.parametrize("kind", HOOKS)
def test_three_pages_stay_whole_while_documents_come_and_go(open_list: Open, kind: str) -> None:
    """Pitfalls 20 and 21: at the edges, in the middle, and the edges themselves removed; pages split when they grow."""
    notes = open_list(kind, "b d f h j l n p")
    notes.wait_until("CanLoadMore", "b d f")
    notes.more(3)
    notes.wait_until("CanLoadMore", "b d f h j l")
    notes.more(3)
    notes.wait_until("Exhausted")
    pages = notes.pages
    for add, remove in (
        ("a e g", ""),  # before, within, and just after the first page
        ("", "f l"),  # the edges
        ("fa lb", "b"),
        ("c ca cb cc cd ce cf", ""),  # more than two pages' worth into one
        ("", "c ca cb cc cd ce"),
        ("o q r s t u v w", "p n"),  # at the end, which was reached: it grows
    ):
        since = notes.driver.place()
        notes.change(add, remove)
        notes.wait_until("Exhausted" if kind != "pinned" else notes.shown[-1][0], since=since)
    assert notes.pages > pages, "no page was split"
    notes.assert_each_was_the_beginning_of_the_data()


def test_a_page_that_read_too_much_is_hidden_until_it_is_split(open_list: Open) -> None:
    """`SplitRequired`: six documents were wanted, four rows were allowed."""
    notes = open_list("convex", "a b c d e f g h i", size=6, path="notes:frugalPage", rows=4)
    notes.wait_until("CanLoadMore", "a b c d")
    assert ("CanLoadMore", ["a", "b", "c", "d"]) in notes.shown
    assert all(items in ([], ["a", "b", "c", "d"]) for _status, items in notes.shown), notes.shown
    assert any(status == "LoadingMore" for status, _items in notes.shown), notes.shown
    notes.change("aa ab ac")
    notes.wait_until("CanLoadMore", "a aa ab ac b c d")
    notes.assert_each_was_the_beginning_of_the_data()


def test_pages_are_kept_over_a_reconnect_and_a_restart(open_list: Open, server: RunningServer) -> None:
    """Pitfall 21: the journals come back with the client, and cursors outlive the server that made them."""
    lists = [open_list(kind, "b d f h j l") for kind in ("convex", "pinned")]
    for notes in lists:
        notes.wait_until("CanLoadMore", "b d f")
        notes.more(3)
        notes.wait_until("CanLoadMore", "b d f h j l")
        since = notes.driver.place()
        notes.change("c e g")  # fetched anew, the first page would now end at d
        notes.wait_until("CanLoadMore", since=since)
    server.restart()
    for notes in lists:
        since = notes.driver.place()
        notes.change("da k")
        notes.wait_until("CanLoadMore", since=since, timeout=RECONNECT)
        assert sum(told["type"] == "Connect" for told in notes.wire) >= 2
        notes.assert_each_was_the_beginning_of_the_data()


def test_cursors_that_do_not_hold_any_more_bring_the_list_back_to_page_one(
    open_list: Open, server: RunningServer
) -> None:
    """Row 56: `InvalidCursor`, on which the hooks begin again. Here the deployment's key was lost."""
    lists = [open_list(kind, "a b c d e f g") for kind in ("convex", "helpers")]
    for notes in lists:
        notes.wait_until("CanLoadMore", "a b c")
        notes.more(2)
        notes.wait_until("CanLoadMore", "a b c d e")
    since = lists[0].driver.place()
    server.kill()
    (server.project.data / "cursor_key").unlink()
    server.start()
    for notes in lists:
        notes.wait_until("CanLoadMore", "a b c", since=since, timeout=RECONNECT)
        notes.more(9)
        notes.wait_until("Exhausted", since=since)
        notes.assert_each_was_the_beginning_of_the_data()


def test_another_user_begins_at_page_one(open_list: Open, issuer: FakeIssuer) -> None:
    """Row 56: the pages are one user's, because the function looked at who asks."""
    notes = open_list("convex", "a b c d e", size=2, path="notes:pageForMe")
    notes.wait_until("CanLoadMore", "nobody-a nobody-b")
    notes.more(2)
    notes.wait_until("CanLoadMore", "nobody-a nobody-b nobody-c nobody-d")
    since = notes.driver.place()
    notes.token(issuer.token("ann"))
    notes.wait_until("CanLoadMore", "ann-a ann-b", since=since)
    notes.more(9)
    notes.wait_until("Exhausted", "ann-a ann-b ann-c ann-d ann-e", since=since)
    notes.token(issuer.token("ann", name="Ann B."))  # the same user, with something new in the token
    since = notes.driver.place()
    notes.change("f")
    notes.wait_until("Exhausted", "ann-a ann-b ann-c ann-d ann-e ann-f", since=since)
    assert all(len({item.partition("-")[0] for item in items}) <= 1 for _status, items in notes.shown), notes.shown


def test_no_function_finds_the_key_of_the_cursors_around_it(server: RunningServer) -> None:
    """Row 56. It reaches the runners over a socket, and neither by their environment nor by their command line."""
    key = (server.project.data / "cursor_key").read_text().strip()
    answer = httpx.post(f"{server.url}/api/action", json={"path": "notes:surroundings", "args": {}, "format": "json"})
    assert "PATH" in answer.json()["value"]
    assert key not in answer.text
    assert key not in server.output
