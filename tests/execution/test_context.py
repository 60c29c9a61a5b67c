"""Functions that call functions inside one transaction."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest

from reactor.limits import DEFAULT_LIMITS
from reactor.testing import TestBackend
from tests.execution.backends import backend, failure_text

FUNCTIONS = """
    @mutation
    def add(ctx: MutationCtx, text: str) -> Id[Note]:
        return ctx.db.insert(Note(text=text))

    @mutation
    def add_and_fail(ctx: MutationCtx, text: str) -> None:
        print("adding", text)
        ctx.db.insert(Note(text=text))
        ctx.db.insert("new_table", {"text": text})
        ctx.scheduler.run_after(0, add, text="later")
        raise AppError("no")

    @query
    def texts(ctx: QueryCtx) -> list[str]:
        return [note.text for note in ctx.db.query(Note)]

    @query
    def newest(ctx: QueryCtx) -> Note | None:
        return ctx.db.query(Note).order("desc").first()

    @mutation
    def keep_what_is_ours(ctx: MutationCtx) -> list[str]:
        ctx.run_mutation(add, text="before")
        try:
            ctx.run_mutation(add_and_fail, text="lost")
        except AppError as error:
            ctx.run_mutation(add, error.data)
        return ctx.run_query(texts)

    @mutation
    def fail_after_success(ctx: MutationCtx) -> None:
        ctx.run_mutation(add, text="lost")
        raise ValueError("all of it")

    @mutation
    def by_path(ctx: MutationCtx) -> list[str]:
        ctx.run_mutation("m:add", text="by path")
        return ctx.run_query("m:texts")

    @mutation
    def typed(ctx: MutationCtx) -> str:
        id = ctx.run_mutation(add, text="typed")
        note = ctx.run_query(newest)
        assert type(note) is Note and note.id == id
        return note.text

    @query
    def deep(ctx: QueryCtx, levels: int) -> int:
        return 0 if levels == 0 else 1 + ctx.run_query(deep, levels - 1)

    @query
    def wrong(ctx: QueryCtx) -> int:
        return "seven"

    @query
    def call_wrong(ctx: QueryCtx) -> int:
        return ctx.run_query(wrong)

    @query
    def call_badly(ctx: QueryCtx) -> list[str]:
        return ctx.run_query(texts, limit=3)

    @mutation
    def call_with_a_wrong_argument(ctx: MutationCtx) -> None:
        ctx.run_mutation(add, text=5)

    @mutation
    def query_as_mutation(ctx: MutationCtx) -> None:
        ctx.run_mutation(texts)

    @action
    async def act(ctx: ActionCtx) -> None: ...

    @mutation
    def call_an_action(ctx: MutationCtx) -> None:
        ctx.run_mutation(act)

    @query
    def change_the_argument(ctx: QueryCtx, items: list[int]) -> int:
        items.append(9)
        return len(items)

    @query
    def keep_the_argument(ctx: QueryCtx) -> list[int]:
        mine = [1]
        ctx.run_query(change_the_argument, items=mine)
        return mine

    @mutation
    def swallow_a_nested_limit(ctx: MutationCtx) -> str:
        try:
            ctx.run_mutation(too_much)
        except Exception:
            pass
        return "fine"

    @mutation
    def too_much(ctx: MutationCtx) -> None:
        for _ in range(99):
            ctx.db.insert(Note(text="x"))

    @query
    def plain_call(ctx: QueryCtx) -> list[str]:
        return texts(ctx)

    @query
    def has_no_writer(ctx: QueryCtx) -> list[str]:
        return [name for name in ("insert", "patch", "replace", "delete") if hasattr(ctx.db, name)]

    @query
    def page_inside(ctx: QueryCtx, pagination_opts: PaginationOpts) -> Page[Note]:
        ctx.run_query(one_page, pagination_opts)
        return ctx.db.query(Note).paginate(pagination_opts)

    @query
    def one_page(ctx: QueryCtx, pagination_opts: PaginationOpts) -> Page[Note]:
        return ctx.db.query(Note).paginate(pagination_opts)
"""


@pytest.fixture
def running(tmp_path: Path) -> Iterator[TestBackend]:
    with backend(tmp_path, FUNCTIONS, limits=dataclasses.replace(DEFAULT_LIMITS, documents_written=20)) as running:
        yield running


def test_a_caught_failure_undoes_only_its_own(running: TestBackend) -> None:
    assert running.mutation("m:keepWhatIsOurs") == ["before", "no"]
    assert running.query("m:texts") == ["before", "no"]
    assert running.run_due() == 0  # the job it scheduled went with it
    assert running._database.catalog.table("new_table") is None
    assert running.log_lines == ["[LOG] 'adding' 'lost'"]


def test_a_failure_of_the_caller_undoes_what_it_called(running: TestBackend) -> None:
    assert failure_text(running, "m:failAfterSuccess") == "Uncaught ValueError: all of it"
    assert running.query("m:texts") == []


def test_functions_are_named_by_object_or_by_path(running: TestBackend) -> None:
    assert running.mutation("m:byPath") == ["by path"]
    assert running.mutation("m:typed") == "typed"
    assert running.query("m:plainCall") == ["by path", "typed"]


def test_arguments_and_results_of_nested_calls_are_checked(running: TestBackend) -> None:
    assert failure_text(running, "m:callWrong", kind="query").startswith("ReturnsValidationError: ")
    assert "unexpected keyword argument 'limit'" in failure_text(running, "m:callBadly", kind="query")
    assert failure_text(running, "m:callWithAWrongArgument").startswith("ArgumentValidationError: ")


def test_the_wrong_kind_is_refused_with_what_to_use(running: TestBackend) -> None:
    assert "ctx.run_query" in failure_text(running, "m:queryAsMutation")
    assert "Schedule it" in failure_text(running, "m:callAnAction")


def test_calls_nest_only_so_deep(running: TestBackend) -> None:
    assert running.query("m:deep", {"levels": 8}) == 8
    assert "more than 8 deep" in failure_text(running, "m:deep", {"levels": 9}, "query")
    assert running.query("m:deep", {"levels": 8}) == 8


def test_what_the_caller_holds_stays_its_own(running: TestBackend) -> None:
    assert running.query("m:keepTheArgument") == [1]


def test_a_limit_passed_inside_fails_the_whole_call(running: TestBackend) -> None:
    assert "Too many writes" in failure_text(running, "m:swallowANestedLimit")
    assert running.query("m:texts") == []


def test_a_query_cannot_write(running: TestBackend) -> None:
    assert running.query("m:hasNoWriter") == []


def test_a_nested_function_has_pages_of_its_own(running: TestBackend) -> None:
    running.mutation("m:add", {"text": "a"})
    outcome = running.outcome("query", "m:pageInside", {"paginationOpts": {"numItems": 1, "cursor": None}})
    assert outcome.failure is None
    assert outcome.journal is not None
