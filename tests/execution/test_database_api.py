"""ctx.db: what functions read and write, and what they are told when they ask for the impossible."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reactor.testing import TestBackend
from tests.execution.backends import backend, failure_text

FUNCTIONS = """
    from collections.abc import Mapping

    @mutation
    def add(ctx: MutationCtx, text: str, rank: int = 0, author: str | None = None) -> Id[Note]:
        return ctx.db.insert(Note(text=text, rank=rank, author=author and Id[User](author)))

    @mutation
    def add_user(ctx: MutationCtx, name: str) -> Id[User]:
        return ctx.db.insert(User(name=name))

    @query
    def get(ctx: QueryCtx, id: str) -> Any:
        return ctx.db.get(id)

    @query
    def text_of(ctx: QueryCtx, id: str) -> str:
        return ctx.db.get(id).text

    @mutation
    def patch(ctx: MutationCtx, id: str, fields: dict[str, Any]) -> Any:
        ctx.db.patch(id, **fields)
        return ctx.db.get(id)

    @mutation
    def patch_unset(ctx: MutationCtx, id: str) -> Any:
        ctx.db.patch(id, text=UNSET, rank=9)
        return ctx.db.get(id)

    @mutation
    def replace(ctx: MutationCtx, id: str, document: dict[str, Any]) -> None:
        ctx.db.replace(id, document)

    class Meddling(Mapping):
        # A document that writes the one it is to replace, when it is looked into
        def __init__(self, ctx: MutationCtx, id: str) -> None:
            self.ctx, self.id = ctx, id

        def __iter__(self):
            return iter(["text", "rank"])

        def __len__(self) -> int:
            return 2

        def __getitem__(self, name: str) -> Any:
            self.ctx.db.patch(self.id, rank=5)
            return {"text": "new", "rank": 7}[name]

    @mutation
    def replace_meddling(ctx: MutationCtx, id: str) -> list[int]:
        ctx.db.replace(id, Meddling(ctx, id))
        return [note.rank for note in ctx.db.query(Note.by_rank).collect()]

    @mutation
    def replace_typed(ctx: MutationCtx, id: str) -> Note:
        ctx.db.replace(id, Note(text="all new"))
        return ctx.db.get(id)

    @mutation
    def delete(ctx: MutationCtx, id: str) -> Any:
        ctx.db.delete(id)
        return ctx.db.get(id)

    @mutation
    def insert_dict(ctx: MutationCtx, table: str, document: dict[str, Any]) -> str:
        return ctx.db.insert(table, document)

    @mutation
    def insert_nonsense(ctx: MutationCtx) -> None:
        ctx.db.insert(5)

    @query
    def of_table(ctx: QueryCtx, table: str) -> list[Any]:
        return ctx.db.query(table).collect()

    @query
    def normalized(ctx: QueryCtx, table: str, text: Any) -> str | None:
        return ctx.db.normalize_id(table, text)

    @query
    def normalized_note(ctx: QueryCtx, text: str) -> str | None:
        return ctx.db.normalize_id(Note, text)

    @query
    def search(ctx: QueryCtx) -> list[Note]:
        return ctx.db.query(Note.search_text("x")).order("desc").take(3)

    @query
    def query_nonsense(ctx: QueryCtx) -> list[Note]:
        return ctx.db.query(5).take(3)

    @mutation
    def change_in_place(ctx: MutationCtx, id: str) -> None:
        ctx.db.get(id).rank = 5

    @mutation
    def read_own_writes(ctx: MutationCtx) -> list[str]:
        ids = [ctx.db.insert(Note(text=text)) for text in "abc"]
        ctx.db.delete(ids[1])
        ctx.db.patch(ids[2], text="C")
        return [note.text for note in ctx.db.query(Note)]

    @mutation
    def add_while_walking(ctx: MutationCtx) -> int:
        for note in ctx.db.query(Note):
            ctx.db.insert(Note(text=note.text))
        return len(ctx.db.query(Note).collect())
"""


@pytest.fixture
def running(tmp_path: Path) -> Iterator[TestBackend]:
    with backend(tmp_path, FUNCTIONS) as running:
        yield running


def test_a_document_comes_back_as_it_was_stored_with_id_and_time(running: TestBackend) -> None:
    stored = running.mutation("m:add", {"text": "hello"})
    document = running.query("m:get", {"id": stored})
    assert document == {"_id": stored, "_creationTime": document["_creationTime"], "text": "hello", "rank": 0}
    assert running.query("m:textOf", {"id": stored}) == "hello"


def test_an_id_that_is_none_and_one_of_nothing(running: TestBackend) -> None:
    stored = running.mutation("m:add", {"text": "x"})
    running.mutation("m:delete", {"id": stored})
    assert running.query("m:get", {"id": stored}) is None
    text = failure_text(running, "m:get", {"id": "nonsense"}, "query")
    assert text.startswith("Uncaught InvalidId: Invalid argument `id` for `db.get`: ")


def test_writing_to_a_document_that_is_gone_says_so(running: TestBackend) -> None:
    stored = running.mutation("m:add", {"text": "x"})
    running.mutation("m:delete", {"id": stored})
    for path, args, verb in (
        ("m:patch", {"fields": {"text": "y"}}, "Update"),
        ("m:replace", {"document": {}}, "Replace"),
        ("m:delete", {}, "Delete"),
    ):
        assert failure_text(running, path, {"id": stored, **args}).endswith(
            f"{verb} on nonexistent document ID {stored}"
        )


def test_a_document_that_changes_while_it_is_replaced_stands_in_its_indexes_once(running: TestBackend) -> None:
    stored = running.mutation("m:add", {"text": "old", "rank": 1})
    assert running.mutation("m:replaceMeddling", {"id": stored}) == [7]


def test_a_patch_changes_what_it_names_and_none_removes(running: TestBackend) -> None:
    author = running.mutation("m:addUser", {"name": "ada"})
    stored = running.mutation("m:add", {"text": "x", "rank": 3, "author": author})
    assert running.mutation("m:patch", {"id": stored, "fields": {"text": "y"}})["author"] == author
    assert "author" not in running.mutation("m:patch", {"id": stored, "fields": {"author": None}})
    document = running.mutation("m:patchUnset", {"id": stored})
    assert (document["text"], document["rank"]) == ("y", 9)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"txt": "y"}, "Did you mean `text`?"),
        ({"text": 5}, "ctx.db.patch: Note.text: Value does not match validator."),
        ({"rank": 1.5}, "Note.rank"),
        ({"author": "nonsense"}, "Note.author"),
    ],
)
def test_a_patch_that_does_not_fit_is_refused_at_the_call(running: TestBackend, fields: Any, words: str) -> None:
    stored = running.mutation("m:add", {"text": "x"})
    assert words in failure_text(running, "m:patch", {"id": stored, "fields": fields})
    assert running.query("m:textOf", {"id": stored}) == "x"


def test_an_id_of_another_table_does_not_fit(running: TestBackend) -> None:
    note = running.mutation("m:add", {"text": "x"})
    text = failure_text(running, "m:add", {"text": "y", "author": note})
    assert 'does not match the table name in validator `v.id("users")`' in text
    assert text.startswith('Uncaught SchemaViolation: Failed to insert or update a document in table "notes"')


def test_a_replacement_is_checked_and_may_repeat_the_systems_fields(running: TestBackend) -> None:
    stored = running.mutation("m:add", {"text": "x", "rank": 3})
    document = running.query("m:get", {"id": stored})
    running.mutation("m:replace", {"id": stored, "document": {**document, "text": "y"}})
    assert running.query("m:get", {"id": stored}) == {**document, "text": "y"}
    assert running.mutation("m:replaceTyped", {"id": stored})["text"] == "all new"
    text = failure_text(running, "m:replace", {"id": stored, "document": {**document, "_creationTime": 5}})
    assert "`_creationTime` is given by the system" in text
    assert "missing the required field `text`" in failure_text(running, "m:replace", {"id": stored, "document": {}})


def test_a_document_is_a_value(running: TestBackend) -> None:
    stored = running.mutation("m:add", {"text": "x"})
    assert "use ctx.db.patch" in failure_text(running, "m:changeInPlace", {"id": stored})


def test_tables_outside_the_schema_hold_dicts(running: TestBackend) -> None:
    assert running.query("m:ofTable", {"table": "loose"}) == []
    stored = running.mutation("m:insertDict", {"table": "loose", "document": {"a_b": [1, None]}})
    (document,) = running.query("m:ofTable", {"table": "loose"})
    assert document == {"_id": stored, "_creationTime": document["_creationTime"], "a_b": [1, None]}
    assert running.mutation("m:patch", {"id": stored, "fields": {"a_b": None, "c": 1}})["a_b"] is None
    running.mutation("m:replace", {"id": stored, "document": {"d": 1}})
    assert running.query("m:get", {"id": stored}).keys() == {"_id", "_creationTime", "d"}


def test_a_dict_for_a_declared_table_is_checked(running: TestBackend) -> None:
    text = failure_text(running, "m:insertDict", {"table": "notes", "document": {"text": 5}})
    assert 'in table "notes" because it does not match the schema' in text
    running.mutation("m:insertDict", {"table": "notes", "document": {"text": "ok"}})
    assert [note["text"] for note in running.query("m:ofTable", {"table": "notes"})] == ["ok"]


@pytest.mark.parametrize(
    ("table", "document", "words"),
    [
        ("_scheduled_functions", {}, "written by the system only"),
        ("_tables", {}, "cannot be the name of a table"),
        ("no table!", {}, "cannot be the name of a table"),
        ("loose", {"_id": "x"}, "`_id` is given by the system"),
        ("loose", {"_own": 1}, "_own"),
    ],
)
def test_what_cannot_be_inserted(running: TestBackend, table: str, document: Any, words: str) -> None:
    assert words in failure_text(running, "m:insertDict", {"table": table, "document": document})


def test_calls_that_make_no_sense_say_what_to_write(running: TestBackend) -> None:
    assert "insert(User(…))" in failure_text(running, "m:insertNonsense")
    assert "takes a Table" in failure_text(running, "m:queryNonsense", kind="query")
    assert "names of tables do not start with `_`" in failure_text(running, "m:ofTable", {"table": "_log"}, "query")
    assert "takes no `order`" in failure_text(running, "m:search", kind="query")


def test_ids_are_normalized_without_ever_raising(running: TestBackend) -> None:
    note = running.mutation("m:add", {"text": "x"})
    user = running.mutation("m:addUser", {"name": "ada"})
    assert running.query("m:normalizedNote", {"text": note}) == note
    assert running.query("m:normalizedNote", {"text": user}) is None
    assert running.query("m:normalized", {"table": "users", "text": user}) == user
    for text in ("", "nonsense", 5, None):
        assert running.query("m:normalized", {"table": "notes", "text": text}) is None


def test_a_function_reads_what_it_wrote(running: TestBackend) -> None:
    assert running.mutation("m:readOwnWrites") == ["a", "C"]


def test_a_loop_that_adds_to_what_it_walks_ends(running: TestBackend) -> None:
    for text in "abc":
        running.mutation("m:add", {"text": text})
    assert running.mutation("m:addWhileWalking") == 6
