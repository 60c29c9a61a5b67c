"""What is no Exception and is raised by user code all the same: an error of that call, and of nothing else."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from reactor.errors import AppError, DeveloperError, LimitExceeded
from reactor.limits import DEFAULT_LIMITS
from reactor.testing import TestBackend
from tests.execution.pools import Pool, running_pool, value_of
from tests.support import Project

RAISING = """
    import asyncio, signal
    from reactor import ActionCtx, AppError, MutationCtx, QueryCtx, action, mutation, query
    from schema import Note

    class Stop(BaseException):
        pass

    KINDS = {each.__name__: each for each in (KeyboardInterrupt, SystemExit, GeneratorExit, asyncio.CancelledError, Stop)}

    @query
    def ask(ctx: QueryCtx, kind: str) -> None:
        raise KINDS[kind]("as asked")

    @query
    def choose(ctx: QueryCtx, kind: str) -> int:
        def choosing(note: Note) -> bool:
            raise KINDS[kind]("as asked")
        return len(ctx.db.query(Note).filter(choosing).collect())

    @mutation
    def write(ctx: MutationCtx, kind: str) -> None:
        ctx.db.insert(Note(text="lost"))
        raise KINDS[kind]("as asked")

    @action
    async def act(ctx: ActionCtx, kind: str) -> None:
        await asyncio.sleep(0)
        raise KINDS[kind]("as asked")

    @query
    def interrupted(ctx: QueryCtx) -> None:
        signal.raise_signal(signal.SIGINT)

    @query
    def fail(ctx: QueryCtx, size: int) -> None:
        raise AppError({"text": "x" * size})
"""
SCHEMA = """
    from reactor import Table

    class Note(Table, name="notes"):
        text: str
"""
KINDS = ["KeyboardInterrupt", "SystemExit", "GeneratorExit", "CancelledError", "Stop"]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestBackend]:
    project = Project(tmp_path_factory.mktemp("raising"), schema=SCHEMA, functions={"raising": RAISING})
    with TestBackend(project.root, limits=replace(DEFAULT_LIMITS, result_size=1000)) as backend:
        yield backend


@pytest.mark.parametrize("kind", KINDS)
def test_in_process_it_is_an_error_of_the_call(running: TestBackend, kind: str) -> None:
    for call, path in ((running.query, "ask"), (running.mutation, "write"), (running.action, "act")):
        with pytest.raises(DeveloperError, match=f"{kind}: as asked"):
            call(f"raising:{path}", {"kind": kind})


def test_what_interrupts_the_process_is_no_error_of_the_call(running: TestBackend) -> None:
    before = signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # it is ignored in what a shell runs beside itself
    try:
        with pytest.raises(KeyboardInterrupt):
            running.query("raising:interrupted")
    finally:
        signal.signal(signal.SIGINT, before)


async def test_in_runners_it_costs_the_call_and_no_process(tmp_path: Path) -> None:
    def prepare(pool: Pool) -> None:
        pool.write("functions/raising.py", RAISING)

    async with running_pool(tmp_path, prepare=prepare) as pool:
        await pool.mutate("notes:add", text="kept")
        writer = pool.writer_pid
        for kind in KINDS:
            answers = [
                *await asyncio.gather(
                    pool.ask("raising:ask", kind=kind),
                    pool.ask("raising:choose", kind=kind),
                    pool.mutate("raising:write", kind=kind),
                ),
                await pool.act("raising:act", kind=kind),
            ]
            for outcome in answers:
                assert outcome.failure is not None
                assert outcome.failure.code == kind
                assert outcome.failure.text.startswith(f"Uncaught {kind}: as asked\n    at ")
        assert pool.writer_pid == writer
        assert await pool.texts() == ["kept"]
        assert value_of(await pool.act("notes:process")) == value_of(await pool.act("notes:process"))


def test_the_data_of_an_error_may_be_as_large_as_a_result(running: TestBackend) -> None:
    with pytest.raises(AppError):
        running.query("raising:fail", {"size": 980})
    with pytest.raises(
        LimitExceeded, match=r"data of an AppError is too large \(\d+ bytes > maximum size 1000 bytes\)"
    ):
        running.query("raising:fail", {"size": 1000})
