"""Actions in-process: what they call, what they are told, and that they live in the ordinary world."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from reactor import ActionCtx, MutationCtx, QueryCtx, SyncActionCtx
from reactor.auth.identity import Identity
from reactor.errors import DeveloperError
from reactor.execution.actions import ActionContext, SyncActionContext
from reactor.execution.context import MutationContext, QueryContext
from reactor.testing import TestBackend
from tests.execution.backends import backend, failure_text

FUNCTIONS = """
    import asyncio, socket, threading
    from pathlib import Path

    @mutation
    def add(ctx: MutationCtx, text: str) -> Id[Note]:
        return ctx.db.insert(Note(text=text))

    @internal_mutation
    def refuse(ctx: MutationCtx) -> None:
        ctx.db.insert(Note(text="lost"))
        raise AppError({"code": "no"})

    @internal_mutation
    def boom(ctx: MutationCtx) -> None:
        raise ValueError("boom")

    @query
    def newest(ctx: QueryCtx) -> Note | None:
        return ctx.db.query(Note).order("desc").first()

    @query
    def texts(ctx: QueryCtx) -> list[str]:
        return [note.text for note in ctx.db.query(Note)]

    @internal_query
    def who(ctx: QueryCtx) -> str | None:
        user = ctx.auth.get_user_identity()
        return user and user.subject

    @action
    async def work(ctx: ActionCtx, text: str) -> str:
        print("working on", text)
        id = await ctx.run_mutation(add, text=text)
        note = await ctx.run_query(newest)
        assert type(note) is Note and note.id == id
        return note.text

    @action
    def work_plainly(ctx: SyncActionCtx, text: str) -> str:
        print("working on", text)
        id = ctx.run_mutation(add, text=text)
        note = ctx.run_query("m:newest")
        assert note.id == id
        return ctx.run_action(work, text=note.text + "!")

    @action
    async def identity(ctx: ActionCtx) -> list[str | None]:
        return [ctx.auth.get_user_identity().subject, await ctx.run_query(who)]

    @action
    async def keep_what_was_done(ctx: ActionCtx) -> str:
        await ctx.run_mutation(add, text="kept")
        try:
            await ctx.run_mutation(refuse)
        except AppError as error:
            return error.data["code"]

    @action
    async def pass_it_on(ctx: ActionCtx) -> None:
        await ctx.run_mutation(boom)

    @action
    async def both_at_once(ctx: ActionCtx) -> list[str]:
        await asyncio.gather(*(ctx.run_mutation(add, text=text) for text in "ab"))
        return sorted(await ctx.run_query(texts))

    @action
    async def go_out(ctx: ActionCtx) -> bool:
        socket.socket().close()
        Path(__file__).read_text()
        await asyncio.to_thread(print, "from a thread")
        before = ctx.now
        await asyncio.sleep(0.001)
        return ctx.now > before

    @action
    async def later(ctx: ActionCtx) -> str:
        keep = await ctx.scheduler.run_after(0, add, text="kept")
        drop = await ctx.scheduler.run_at(ctx.now, add, text="dropped")
        await ctx.scheduler.cancel(drop)
        return keep

    @action
    def later_plainly(ctx: SyncActionCtx) -> str:
        return ctx.scheduler.run_after(0, add, text="kept plainly")

    @action
    async def hang(ctx: ActionCtx) -> None:
        await ctx.run_mutation(add, text="hanging")
        await asyncio.Event().wait()

    @action
    async def leave(ctx: ActionCtx) -> None:
        raise SystemExit

    @action
    async def call_a_query_as_mutation(ctx: ActionCtx) -> None:
        await ctx.run_mutation(texts)
"""
ADA = Identity.from_attributes({"issuer": "https://issuer", "subject": "ada"})

if TYPE_CHECKING:

    def _the_real_ones_are_what_users_see(
        query: QueryContext, mutation: MutationContext, action: ActionContext, plain: SyncActionContext
    ) -> tuple[QueryCtx, MutationCtx, ActionCtx, SyncActionCtx]:
        return query, mutation, action, plain


@pytest.fixture
def running(tmp_path: Path) -> Iterator[TestBackend]:
    with backend(tmp_path, FUNCTIONS) as running:
        yield running


def test_an_action_calls_queries_and_mutations_each_in_a_transaction_of_its_own(running: TestBackend) -> None:
    assert running.action("m:work", {"text": "a"}) == "a"
    assert running.log_lines == ["[LOG] 'working on' 'a'"]


def test_a_plain_action_does_the_same_blocking(running: TestBackend) -> None:
    assert running.action("m:workPlainly", {"text": "a"}) == "a!"
    assert running.query("m:texts") == ["a", "a!"]
    assert running.log_lines == ["[LOG] 'working on' 'a!'", "[LOG] 'working on' 'a'"]  # the inner one was done first


def test_who_is_asking_is_handed_on(running: TestBackend) -> None:
    assert running.action("m:identity", identity=ADA) == ["ada", "ada"]


def test_what_an_action_has_done_stays_when_the_next_call_fails(running: TestBackend) -> None:
    assert running.action("m:keepWhatWasDone") == "no"
    assert running.query("m:texts") == ["kept"]


def test_an_error_passed_on_tells_both_places(running: TestBackend) -> None:
    with pytest.raises(DeveloperError) as caught:
        running.action("m:passItOn")
    assert "Uncaught ValueError: boom" in str(caught.value)
    places = "\n".join(caught.value.__notes__)
    assert "at pass_it_on (functions/m.py:" in places
    assert "at boom (functions/m.py:" in str(caught.value) + places


def test_an_action_can_do_things_side_by_side(running: TestBackend) -> None:
    assert running.action("m:bothAtOnce") == ["a", "b"]


def test_an_action_lives_in_the_ordinary_world(running: TestBackend) -> None:
    assert running.action("m:goOut") is True
    assert running.log_lines == ["[LOG] 'from a thread'"]


def test_what_an_action_schedules_takes_effect_at_once(running: TestBackend) -> None:
    running.action("m:later")
    running.action("m:laterPlainly")
    running.run_due()
    assert running.query("m:texts") == ["kept", "kept plainly"]


def test_an_action_that_leaves_is_an_error(running: TestBackend) -> None:
    with pytest.raises(DeveloperError, match="SystemExit"):
        running.action("m:leave")
    with pytest.raises(DeveloperError, match=r"use ctx\.run_query"):
        running.action("m:callAQueryAsMutation")
    assert failure_text(running, "m:hang", kind="query").startswith("Trying to execute m.js:hang as Query")


async def test_cancelling_an_action_ends_it(running: TestBackend) -> None:
    task = asyncio.create_task(running.run_action("m:hang"))
    deadline = time.monotonic() + 10
    while running.query("m:texts") != ["hanging"]:
        assert time.monotonic() < deadline
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
