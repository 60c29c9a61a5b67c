"""What an operator's tools ask about tables: pages, filters, indexes, and what makes them live."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reactor.footprint.read_set import ReadSet
from reactor.testing import TestBackend
from reactor.values.value import decode
from tests.support import Project

SCHEMA = """
    from reactor import Index, Table

    class Item(Table, name="items"):
        kind: str
        size: float
        by_kind = Index("kind", "size")
"""
ITEMS = """
    from reactor import MutationCtx, mutation
    from schema import Item

    @mutation
    def add(ctx: MutationCtx, kind: str, size: float) -> None:
        ctx.db.insert(Item(kind=kind, size=size))
"""


@pytest.fixture
def backend(tmp_path: Path) -> Iterator[TestBackend]:
    project = Project(tmp_path / "p", schema=SCHEMA, functions={"items": ITEMS})
    with TestBackend(project.root) as running:
        for number in range(6):
            running.mutation("items:add", {"kind": "ab"[number % 2], "size": number})
        yield running


def ask(backend: TestBackend, **args: Any) -> dict[str, Any]:
    outcome = backend.outcome("query", "_system/cli/tableData", {"table": "items", **args}, internal=True)
    assert outcome.failure is None, outcome.failure
    assert outcome.value is not None
    value = decode(outcome.value)
    assert isinstance(value, dict)
    return value


def sizes(page: dict[str, Any]) -> list[float]:
    return [each["size"] for each in page["page"]]


def test_pages_go_on_where_the_last_one_ended(backend: TestBackend) -> None:
    first = ask(backend, order="asc", paginationOpts={"numItems": 4, "cursor": None})
    assert (sizes(first), first["isDone"]) == ([0, 1, 2, 3], False)
    rest = ask(backend, order="asc", paginationOpts={"numItems": 4, "cursor": first["continueCursor"]})
    assert (sizes(rest), rest["isDone"]) == ([4, 5], True)
    after = ask(backend, order="asc", paginationOpts={"numItems": 4, "cursor": rest["continueCursor"]})
    assert (sizes(after), after["isDone"]) == ([], True)
    other = ask(backend, order="desc", paginationOpts={"numItems": 4, "cursor": first["continueCursor"]})
    assert "cursor is another question's" in other["problem"]


def test_a_filter_takes_the_index_that_helps_and_numbers_do_not_choose(backend: TestBackend) -> None:
    found = ask(backend, filters={"kind": "a"})
    assert (sizes(found), found["index"]) == ([4, 2, 0], "by_kind")
    assert ask(backend, filters={"size": 3})["index"] == "by_creation_time"
    assert sizes(ask(backend, filters={"size": 3})) == [3]
    assert sizes(ask(backend, filters={"kind": "b", "size": 3})) == [3]
    assert sizes(ask(backend, index="by_kind", order="asc")) == [0, 2, 4, 1, 3, 5]
    assert sizes(ask(backend, index="by_creation_time", filters={"kind": "b"}, order="asc")) == [1, 3, 5]


def test_what_cannot_be_asked_is_a_problem_told(backend: TestBackend) -> None:
    assert "There is no index `items.by_x`" in ask(backend, index="by_x")["problem"]
    assert "There is no table `nothing`" in ask(backend, table="nothing")["problem"]
    assert "must be an object" in ask(backend, filters=[1])["problem"]
    for wrong in ([], {"numItems": "x"}, {"numItems": 0}, {"numItems": float("nan")}, {"cursor": 1}, 7):
        assert wrong == [] or "paginationOpts" in ask(backend, paginationOpts=wrong)["problem"], wrong
    for wrong in ([1], {}, 3):
        assert "There is no index" in ask(backend, index=wrong)["problem"]


def test_only_what_lies_in_its_range_makes_it_run_again(backend: TestBackend) -> None:
    def reads(path: str, **args: Any) -> ReadSet:
        outcome = backend.outcome("query", path, args, internal=True)
        return ReadSet.from_wire(outcome.reads)

    narrow = reads("_system/cli/tableData", table="items", filters={"kind": "a"})
    tables = reads("_system/cli/tableStats")
    with backend._database.snapshot() as snapshot:
        items = snapshot.catalog.table("items")
        assert items is not None
    document = {"kind": "b", "size": 1.0}
    touched = {number: [key] for number, key in items.keys_of(document, 1e15, "j" * 32).items()}
    assert not narrow.meets(touched)
    assert tables.meets(touched)
    touched = {n: [key] for n, key in items.keys_of({"kind": "a", "size": 1.0}, 1e15, "j" * 32).items()}
    assert narrow.meets(touched)
