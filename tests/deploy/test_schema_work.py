"""What a push has to do to the documents and indexes there are: state and Manifest in, work out."""

from __future__ import annotations

from typing import Any

import pytest

from reactor import Index, Table
from reactor.database.known_shape import KnownShape
from reactor.definitions.manifest import Manifest, MigrationManifest
from reactor.definitions.schema import Schema
from reactor.deploy.proposal import proposal
from reactor.deploy.schema_work import SchemaWork, TableWork


class Before(Table, name="users"):
    name: str
    age: str | None = None
    by_name = Index("name")


class Widened(Table, name="users"):
    name: str | None = None
    age: str | None = None
    nick: str | None = None
    by_name = Index("name")


class Planned(Table, name="users"):
    name: str
    age: str | None = None
    plan: str = "free"
    by_name = Index("name")
    by_plan = Index("plan", "name")


class Narrowed(Table, name="users"):
    name: str
    age: str
    by_age = Index("age")


class Renamed(Table, name="users"):
    full_name: str
    age: str | None = None
    by_name = Index("full_name")


def manifest(table: type[Table], *migrations: str) -> Manifest:
    return Manifest(
        tables=Schema([table]).manifest, migrations=tuple(MigrationManifest(name, "users") for name in migrations)
    )


def state(table: type[Table] | None = Before, **more: Any) -> dict[str, Any]:
    """Of a database to which `table` was pushed, and whose documents are all filled; None: by an older release."""
    definition = (table or Before).__definition__
    shape = KnownShape(definition.stored, definition.constraints, definition.defaults).filled()
    known = shape.to_bytes().decode() if table is not None else None
    users = {
        "shape": known,
        "empty": False,
        "indexes": {n: [list(f), "ordered", [], 0] for n, f in definition.indexes.items()},
    }
    return {"tables": {"users": {**users, **more}}, "done": [], "begun": []}


def only(work: SchemaWork) -> TableWork:
    (table,) = work.tables
    return table


@pytest.mark.parametrize("after", [Before, Widened])
def test_a_schema_that_is_the_same_or_wider_makes_no_work_however_many_documents(after: type[Table]) -> None:
    assert not SchemaWork.of(state(), manifest(after))


def test_a_table_without_documents_makes_none_either() -> None:
    assert not SchemaWork.of(state(empty=True), manifest(Narrowed))
    assert not SchemaWork.of({"tables": {}, "done": [], "begun": []}, manifest(Narrowed, "later"))


def test_documents_nothing_is_known_of_are_looked_at() -> None:
    assert str(only(SchemaWork.of(state(None), manifest(Before))).doubt) == "nothing is known of them yet"


def test_a_default_is_filled_and_its_index_is_right_before_it_is() -> None:
    work = only(SchemaWork.of(state(), manifest(Planned)))
    assert work.doubt is None
    assert work.missing == {"plan": "free"}
    assert work.backfill == ("by_plan",)
    assert SchemaWork.of(state(), manifest(Planned)).lines() == [
        "users.by_plan: the index is filled",
        'users.plan: documents are filled with "free"',
    ]


def test_a_default_whose_documents_are_filled_can_change_for_nothing() -> None:
    class Other(Planned, name="users"):
        plan: str = "pro"

    assert not SchemaWork.of(state(Planned), manifest(Other))


def test_a_default_that_changes_while_it_is_filled_is_filled_to_the_end_first() -> None:
    class Other(Planned, name="users"):
        plan: str = "pro"

    definition = Planned.__definition__
    filling = KnownShape(definition.stored, definition.constraints, {"plan": "free"}).to_bytes().decode()
    assert only(SchemaWork.of(state(Planned, shape=filling), manifest(Other))).finish
    assert not only(SchemaWork.of(state(Planned, shape=filling), manifest(Planned))).finish


def test_a_narrowing_is_looked_at_and_says_where() -> None:
    work = only(SchemaWork.of(state(), manifest(Narrowed)))
    assert str(work.doubt) == "`age` was optional, is required"
    assert (work.backfill, work.drop, work.is_draft) == (("by_age",), ("by_name",), False)


def test_a_migration_that_was_not_run_answers_a_narrowing_with_a_draft() -> None:
    work = only(SchemaWork.of(state(), manifest(Narrowed, "first", "second")))
    assert work.migrations == ("first", "second")
    assert work.backfill == (), "a draft has its indexes from the start"
    done = {**state(), "done": ["first", "second"]}
    assert not only(SchemaWork.of(done, manifest(Narrowed, "first", "second"))).is_draft


def test_a_migration_no_schema_asks_for_is_left_to_the_command() -> None:
    work = SchemaWork.of(state(), manifest(Widened, "tidy"))
    assert (work.tables, work.pending) == ((), ("tidy",))
    assert work.lines() == ["tidy: to be run with `reactor migrate`"]


@pytest.mark.parametrize(
    ("after", "name", "body"),
    [
        (Renamed, "add_full_name", 'document["fullName"] = ...'),
        (Narrowed, "change_age", 'document["age"] = ...  # from document["age"]; was optional, is required'),
    ],
)
def test_who_wrote_no_migration_is_shown_one_to_paste(after: type[Table], name: str, body: str) -> None:
    told = proposal(only(SchemaWork.of(state(), manifest(after))), manifest(after))
    assert f"@migration({after.__name__})" in told
    assert f"def {name}(ctx: QueryCtx, document: Document) -> None:" in told
    assert body in told
