from __future__ import annotations

import types
from datetime import UTC, datetime
from typing import Any

import pytest

from reactor import Id, QueryCtx, ScheduledFunction, Table, query
from reactor.database.catalog import SYSTEM_INDEXES
from reactor.definitions.function_definition import FunctionDefinition
from reactor.definitions.manifest import Manifest, SearchManifest, TableManifest
from reactor.definitions.schema import Schema
from reactor.errors import DefinitionError
from reactor.values.value import encode
from tests.definitions import example
from tests.definitions.example import ID, Image, User


def module(**members: Any) -> types.ModuleType:
    made = types.ModuleType("schema")
    vars(made).update(members)
    return made


def test_a_module_gives_its_tables_and_neither_mixins_nor_system_tables() -> None:
    schema = Schema.from_module(
        module(User=User, Again=User, Mixin=example.Timestamped, ScheduledFunction=ScheduledFunction, x=3)
    )
    assert list(schema.tables) == ["users"]
    assert schema.tables["users"].cls is User


def test_no_module_is_a_schema_without_tables_and_with_the_systems_own() -> None:
    schema = Schema.from_module(None)
    assert schema.tables == {}
    assert schema.find("_scheduled_functions") is not None
    assert schema.find("users") is None


def test_two_tables_of_one_name_are_refused() -> None:
    class Other(Table, name="users"):
        x: int

    with pytest.raises(
        DefinitionError, match=r'Other and User are both called "users"|User and Other are both called "users"'
    ):
        Schema([User, Other])


def test_a_table_that_cannot_be_stored_is_refused_when_the_schema_is_made() -> None:
    class Bad(Table, name="bad"):
        pair: tuple[int, int]

    with pytest.raises(DefinitionError, match=r"^Bad\.pair: `tuple` has no faithful wire form"):
        Schema([Bad])


def test_names_as_written_are_left_alone() -> None:
    class Written(Table, name="written"):
        snake_case: int

    schema = Schema([Written], names=str)
    assert schema.tables["written"].to_value(Written(snake_case=1)) == {"snake_case": 1}


def test_the_manifest_of_the_tables_crosses_processes() -> None:
    manifest = Manifest(tables=Schema([User, Image]).manifest)
    assert [table.name for table in manifest.tables] == ["images", "users"]
    images = manifest.tables[0]
    assert isinstance(images, TableManifest)
    assert dict(images.indexes)["by_user_created"] == ("userId", "createdAt")
    assert images.search_indexes == (SearchManifest("search_prompt", "prompt", ("userId", "isPublic")),)
    assert Manifest.from_bytes(manifest.to_bytes()) == manifest
    assert Manifest.from_bytes(Manifest().to_bytes()) == Manifest()


def test_a_function_that_mentions_an_undeclared_table_is_refused() -> None:
    @query
    def find(ctx: QueryCtx, image_id: Id[Image]) -> list[User]:
        return []

    definition = FunctionDefinition.of(find, "mod", "find")
    Schema([User, Image]).check_function(definition)
    for tables in ([User], [Image]):
        with pytest.raises(DefinitionError, match=r'mod:find: "(images|users)" is no table of schema\.py'):
            Schema(tables).check_function(definition)


def test_a_scheduled_function_is_read_like_any_document() -> None:
    table = Schema().find("_scheduled_functions")
    assert table is not None
    fields: dict[str, Any] = {
        "name": "jobs.js:run",
        "args": [{"n": 1}],
        "scheduledTime": 1000.0,
        "state": {"kind": "failed", "error": "e"},
    }
    found = table.load(encode({**fields, "_id": ID, "_creationTime": 1}))
    assert (found.name, found.args, found.state.kind, found.state.error) == ("jobs.js:run", [{"n": 1}], "failed", "e")
    assert found.scheduled_time == datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)
    assert table.indexes == SYSTEM_INDEXES["_scheduled_functions"]


def test_a_push_can_find_documents_that_are_older_than_a_field() -> None:
    class Grown(Table, name="grown"):
        a: int
        b: int = 3

    definition = Grown.__definition__
    old, new = (encode({**fields, "_id": ID, "_creationTime": 1}) for fields in ({"a": 1}, {"a": 1, "b": 2}))
    assert (definition.is_current(old), definition.is_current(new)) == (False, True)
    assert definition.encoded(definition.load(old)) != old
    definition.assume_current()
    assert definition.encoded(definition.load(new)) == new
