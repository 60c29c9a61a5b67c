"""Pushes of a real application in this process: what is prepared, what is refused, and that nothing is left of it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import sqlite3
import textwrap
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from reactor.application import DATABASE, Application
from reactor.deploy.progress import Work
from reactor.engine.follower import Follower
from reactor.errors import BundleBroken, SchemaViolation
from reactor.execution.frames import Prepared
from reactor.execution.nursery import Nursery
from reactor.limits import DEFAULT_LIMITS, Limits

SCHEMA = """
from reactor import Index, Table


class Note(Table, name="notes"):
    text: str
    number: int
    by_text = Index("text")
"""
NOTES = """
from reactor import Id, MutationCtx, QueryCtx, mutation, query
from schema import Note


@mutation
def add(ctx: MutationCtx, start: int, count: int) -> None:
    for number in range(start, start + count):
        ctx.db.insert("notes", {"text": f"n{number:05}", "number": number})


@mutation
def touch(ctx: MutationCtx, text: str) -> None:
    found = ctx.db.query(Note.by_text.eq(text)).unique()
    ctx.db.patch(found.id, number=found.number + 1)


@mutation
def remove(ctx: MutationCtx, text: str) -> None:
    ctx.db.delete(ctx.db.query(Note.by_text.eq(text)).unique().id)


@query
def count(ctx: QueryCtx) -> int:
    return len(ctx.db.query(Note).collect())
"""
MIGRATION = """
from reactor import Document, QueryCtx, migration
from schema import Note


@migration(Note)
def as_text(ctx: QueryCtx, document: Document) -> None:
    {body}
"""
TEXT = SCHEMA.replace("number: int", "number: str")
LIMITS = replace(DEFAULT_LIMITS, readers=1)
DOCUMENTS = 1500


class Deployment:
    """An application, and the project it serves."""

    def __init__(self, root: Path, limits: Limits = LIMITS) -> None:
        self.root = root
        self.application = Application(root, root / ".data", limits=limits)
        self.worked: list[Work] = []
        self.application.on_progress = lambda work: self.worked.append(work) if work is not None else None

    def write(self, **files: str) -> None:
        for name, text in files.items():
            path = self.root / ("schema.py" if name == "schema" else f"functions/{name}.py")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text))

    async def push(self, **files: str) -> None:
        self.write(**files)
        await self.application.deploy()

    async def mutate(self, path: str, **args: Any) -> Any:
        outcome = await self.application.call_mutation(path, json.dumps(args).encode(), None)
        assert outcome.failure is None, outcome.failure
        return outcome.value

    async def query(self, path: str) -> Any:
        outcome = await self.application.call_query(path, b"{}", None, internal=path.startswith("_"))
        assert outcome.failure is None, outcome.failure
        return json.loads(outcome.value or b"")

    def rows(self, sql: str) -> list[Any]:
        where = f"file:{self.root / '.data' / DATABASE}?mode=ro"
        with contextlib.closing(sqlite3.connect(where, uri=True)) as db:
            return db.execute(sql).fetchall()

    def documents(self) -> list[dict[str, Any]]:
        return [json.loads(text) for (text,) in self.rows("SELECT document FROM notes ORDER BY _creationTime")]

    def structure(self) -> list[Any]:
        """Everything a push could leave behind."""
        return [
            self.rows("SELECT name, fields, state FROM _indexes WHERE state != 'dropped' AND table_number > 10000"),
            self.rows("SELECT * FROM _tables WHERE number > 10000"),
            self.rows("SELECT * FROM _shapes"),
        ]


@asynccontextmanager
async def deployed(folder: Path, limits: Limits = LIMITS, documents: int = DOCUMENTS) -> AsyncIterator[Deployment]:
    deployment = Deployment(folder, limits)
    deployment.write(schema=SCHEMA, notes=NOTES)
    await deployment.application.start()
    try:
        if documents:
            await deployment.mutate("notes:add", start=0, count=documents)
        yield deployment
    finally:
        await deployment.application.stop()


@contextlib.asynccontextmanager
async def under_load(work: Callable[[int], Awaitable[Any]]) -> AsyncIterator[list[int]]:
    """Do `work` again and again during the block."""
    done: list[int] = []

    over = asyncio.Event()

    async def run() -> None:
        while not over.is_set():  # what was begun is ended, and counted
            await work(len(done))
            done.append(len(done))

    task = asyncio.create_task(run())
    try:
        yield done
    finally:
        over.set()
        await task


def test_a_plan_tells_what_a_push_would_cost_and_changes_nothing(tmp_path: Path) -> None:
    async def play() -> None:
        async with deployed(tmp_path) as deployment:
            before = deployment.structure()
            deployment.write(
                schema=TEXT.replace(
                    'Index("text")', 'Index("text")\n    by_number = Index("number")\n    is_new: bool = True'
                )
            )
            plan = await deployment.application.plan_push()
            assert plan.lines() == [
                "+ field notes.isNew: v.boolean()",
                "~ field notes.number: v.float64() → v.string()",
                "+ index notes.by_number: number",
                "notes: documents are checked (`number` was v.float64(), is v.string())",
                "notes.by_number: the index is filled",
                "notes.isNew: documents are filled with true",
            ]
            assert deployment.structure() == before
            assert await deployment.query("notes:count") == DOCUMENTS

    asyncio.run(play())


def test_a_refused_push_names_ids_path_count_and_what_to_do_and_leaves_nothing(tmp_path: Path) -> None:
    """Reference §4.14: `Document with ID "…" in table "t" does not match the schema: …`."""

    async def play() -> None:
        async with deployed(tmp_path) as deployment:
            before = deployment.structure()
            with pytest.raises(SchemaViolation) as refused:
                await deployment.push(
                    schema=TEXT.replace('Index("text")', 'Index("text")\n    by_number = Index("number")')
                )
            told = str(refused.value)
            assert re.match(
                r'Document with ID "\w+" in table "notes" does not match the schema: Value does not match validator\. '
                r"\(Path: \.number\)\n1500 documents in table \"notes\" do not match the new schema, among them:\n",
                told,
            ), told
            assert len(re.findall(r"^  \w{30,}: ", told, re.MULTILINE)) == 3
            assert "def change_number(ctx: QueryCtx, document: Document) -> None:" in told
            assert deployment.structure() == before
            assert {(work.what, work.table, work.total) for work in deployment.worked} == {("checking", "notes", 1500)}
            assert 0 < deployment.worked[-1].done < 1500
            # and what was not pushed is not asked of anybody
            await deployment.mutate("notes:add", start=DOCUMENTS, count=1)

    asyncio.run(play())


def test_documents_written_while_others_are_checked_are_checked_too(tmp_path: Path) -> None:
    async def play() -> None:
        # a log that forgets at once: the push has it kept
        async with deployed(tmp_path, replace(LIMITS, log_retention=1e-6)) as deployment:
            wider = SCHEMA.replace("text: str", "text: str | float").replace("number: int", "number: int | None = None")
            await deployment.push(schema=wider)
            async with under_load(lambda n: deployment.mutate("notes:touch", text=f"n{n % DOCUMENTS:05}")) as done:
                await deployment.push(schema=SCHEMA)
            assert done
            assert [work.what for work in deployment.worked] == ["checking", "checking"]
            await deployment.push(schema=wider, notes=NOTES.replace('f"n{number:05}"', "5"))
            await deployment.mutate("notes:add", start=0, count=1)
            with pytest.raises(SchemaViolation, match="1 document in table"):
                await deployment.push(schema=SCHEMA, notes=NOTES)

    asyncio.run(play())


def test_a_migration_under_load_keeps_every_write_insert_and_delete_of_the_old_code(tmp_path: Path) -> None:
    async def play() -> None:
        async with deployed(tmp_path) as deployment:
            code = NOTES.replace("number=found.number + 1", "number=str(int(found.number) + 1)")
            code = code.replace('"number": number', '"number": str(number)')
            body = 'document["number"] = str(document["number"])'

            async def write(n: int) -> None:
                if n % 10 == 8:
                    await deployment.mutate("notes:remove", text=f"n{n:05}")
                elif n % 10 == 9:
                    await deployment.mutate("notes:add", start=10_000 + n, count=1)
                else:
                    await deployment.mutate("notes:touch", text=f"n{n // 10 * 10:05}")

            async with under_load(write) as done:
                await deployment.push(schema=TEXT, notes=code, migrations=MIGRATION.format(body=body))
            assert len(done) > 10
            found = {each["text"]: each["number"] for each in deployment.documents()}
            touched = {f"n{n // 10 * 10:05}": 0 for n in done if n % 10 < 8}
            for n in done:
                if n % 10 < 8:
                    touched[f"n{n // 10 * 10:05}"] += 1
            removed = {f"n{n:05}" for n in done if n % 10 == 8}
            added = {f"n{10_000 + n:05}": str(10_000 + n) for n in done if n % 10 == 9}
            expected = {f"n{n:05}": str(n + touched.get(f"n{n:05}", 0)) for n in range(DOCUMENTS)} | added
            assert {k: v for k, v in found.items() if k in removed or v != expected.get(k)} == {}
            assert set(found) == set(expected) - removed

    asyncio.run(play())


def test_a_document_that_is_deleted_after_it_was_migrated_does_not_come_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def play() -> None:
        async with deployed(tmp_path) as deployment:
            removed: list[asyncio.Future[Any]] = []  # nothing else is written: the draft hears of a deletion alone

            def remove_one(work: Work | None) -> None:
                if work is not None and work.what == "migrating" and work.done and not removed:
                    removed.append(asyncio.ensure_future(deployment.mutate("notes:remove", text="n00000")))

            pool = deployment.application.pool
            switch = pool.switch

            async def remove_another(nursery: Nursery, prepared: Prepared) -> None:
                """After the last look: it is the push's own commit that hears of it."""
                await deployment.mutate("notes:remove", text="n00002")
                await switch(nursery, prepared)

            monkeypatch.setattr(pool, "switch", remove_another)
            deployment.application.on_progress = remove_one
            await deployment.push(
                schema=TEXT, migrations=MIGRATION.format(body='document["number"] = str(document["number"])')
            )
            await removed[0]
            assert [each["text"] for each in deployment.documents()][:2] == ["n00001", "n00003"]

    asyncio.run(play())


@pytest.mark.parametrize(
    ("body", "error", "says"),
    [
        (
            'document["number"] = str(1 / (document["number"] - 700))',
            SchemaViolation,
            "Uncaught ZeroDivisionError: division by zero at as_text (functions/migrations.py:8)",
        ),
        ('document["number"] = 5', SchemaViolation, "after as_text: Value does not match validator"),
        ('document["_id"] = "x"', SchemaViolation, "`_id` is given by the system"),
        ('return "x"', SchemaViolation, "returns a dict; this one returned 'x'"),
        ('__import__("os")._exit(3)', BundleBroken, "exit status 3"),
        ("while True: pass", SchemaViolation, "function_cpu"),
    ],
)
def test_a_migration_that_fails_refuses_the_push_and_leaves_nothing(
    tmp_path: Path, body: str, error: type[Exception], says: str
) -> None:
    async def play() -> None:
        async with deployed(
            tmp_path, replace(LIMITS, function_cpu=0.1), documents=800 if "700" in body else 3
        ) as deployment:
            before = deployment.structure()
            with pytest.raises(error) as refused:
                await deployment.push(schema=TEXT, migrations=MIGRATION.format(body=body))
            assert says in str(refused.value), refused.value
            assert deployment.structure() == before
            assert deployment.rows("SELECT count(*) FROM t_9020__migrations") == [(0,)]
            await deployment.push(migrations=MIGRATION.format(body='document["number"] = "1"'))
            assert {each["number"] for each in deployment.documents()} == {"1"}

    asyncio.run(play())


def test_a_default_that_changes_in_the_middle_of_its_filling_is_what_it_was_for_documents_of_before(
    tmp_path: Path,
) -> None:
    async def play() -> None:
        async with deployed(tmp_path) as deployment:
            planned = SCHEMA.replace("number: int", 'number: int\n    plan: str = "free"')
            await deployment.push(schema=planned)
            await deployment.push(schema=planned.replace("free", "pro"))
            await deployment.mutate("notes:add", start=DOCUMENTS, count=1)
            await deployment.application.upkeep_finished()
            plans = [each["plan"] for each in deployment.documents()]
            assert plans == ["free"] * DOCUMENTS + ["pro"]

    asyncio.run(play())


def test_a_refused_push_does_not_end_the_filling_of_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def play() -> None:
        async with deployed(tmp_path) as deployment:
            pool = deployment.application.pool
            planned = SCHEMA.replace("number: int", 'number: int\n    plan: str = "free"')
            deployment.write(schema=planned.replace("text: str", "text: int"))
            loaded = await pool.load(tmp_path)  # beforehand: loading takes as long as filling
            await deployment.push(schema=planned)

            async def load(_root: Path) -> Nursery:
                return loaded

            monkeypatch.setattr(pool, "load", load)
            with pytest.raises(SchemaViolation):
                await deployment.application.deploy()
            assert not all("plan" in each for each in deployment.documents()), "they are still being filled"
            await deployment.application.upkeep_finished()
            assert {each.get("plan") for each in deployment.documents()} == {"free"}

    asyncio.run(play())


def test_a_start_brings_an_older_database_up_to_the_code_before_it_serves(tmp_path: Path) -> None:
    async def play() -> None:
        async with deployed(tmp_path):
            pass
        with contextlib.closing(
            sqlite3.connect(tmp_path / ".data" / DATABASE)
        ) as db:  # of a release that knew no shapes
            db.execute("DELETE FROM _shapes")
            db.commit()
        again = Deployment(tmp_path)
        again.write(
            schema=TEXT.replace('Index("text")', 'Index("text")\n    by_number = Index("number")'),
            migrations=MIGRATION.format(body='document["number"] = f"#{document[\'number\']}"'),
            notes=NOTES
            + '\n\n@query\ndef of(ctx: QueryCtx) -> int:\n    return len(ctx.db.query(Note.by_number.eq("#7")).collect())\n',
        )
        await again.application.start()
        try:
            assert await again.query("notes:of") == 1
            assert [row["state"] for row in await again.query("_system/migrations:list")] == ["done"]
            (status,) = await again.application.migrations()
            assert (status.name, status.state) == ("as_text", "done")
        finally:
            await again.application.stop()

    asyncio.run(play())


def test_a_start_that_is_refused_leaves_nothing_and_can_be_tried_again(tmp_path: Path) -> None:
    async def play() -> None:
        async with deployed(tmp_path) as deployment:
            before = deployment.structure()
        again = Deployment(tmp_path)
        again.write(schema=TEXT)
        with pytest.raises(SchemaViolation, match="1500 documents"):
            await again.application.start()
        assert again.structure() == before
        again.write(schema=SCHEMA)
        await again.application.start()
        assert await again.query("notes:count") == DOCUMENTS
        await again.application.stop()

    asyncio.run(play())


def test_what_is_under_way_can_be_followed_live(tmp_path: Path) -> None:
    async def play() -> None:
        async with deployed(tmp_path) as deployment:
            seen: list[list[Any]] = []
            quiet = asyncio.Event()

            def changed() -> None:
                if (outcome := follower.outcome) is not None and outcome.value is not None:
                    told = json.loads(outcome.value)
                    if seen and not told:
                        quiet.set()
                    seen.append([(row["what"], row["table"], row["name"], row["total"]) for row in told])

            engine: Any = deployment.application._engine
            follower = Follower(engine, "_system/push:progress", b"{}", changed)
            with follower:
                await deployment.push(
                    schema=SCHEMA.replace('Index("text")', 'Index("text")\n    by_number = Index("number")')
                )
                await asyncio.wait_for(quiet.wait(), 30)
            assert [("backfilling", "notes", "by_number", DOCUMENTS)] in seen

    asyncio.run(play())


def test_a_migration_that_was_begun_online_has_to_end_before_a_schema_that_needs_it(tmp_path: Path) -> None:
    async def play() -> None:
        async with deployed(tmp_path) as deployment:
            breaks = 'document["text"] += "!" if document["number"] != 1200 else 5'
            await deployment.push(migrations=MIGRATION.format(body=breaks))
            (status,) = await deployment.application.migrate([], restart=False, dry_run=False)
            assert status.state == "failed"
            assert status.done > 0
            assert "TypeError" in (status.error or "")
            deployment.write(schema=TEXT, migrations=MIGRATION.format(body='document["number"] = "1"'))
            assert "`reactor migrate as_text` was begun" in ((await deployment.application.plan_push()).obstacle or "")
            with pytest.raises(SchemaViolation, match="`reactor migrate as_text` was begun"):
                await deployment.push()
            await deployment.push(schema=SCHEMA, migrations=MIGRATION.format(body='document["text"] += "!"'))
            (status,) = await deployment.application.migrate(["as_text"], restart=False, dry_run=False)
            assert status.state == "done"
            assert {each["text"].count("!") for each in deployment.documents()} == {1}
            (status,) = await deployment.application.migrate(["as_text"], restart=True, dry_run=False)
            assert {each["text"].count("!") for each in deployment.documents()} == {2}

    asyncio.run(play())


def test_an_online_migration_that_takes_its_writer_with_it_tells_how_far_it_came(tmp_path: Path) -> None:
    async def play() -> None:
        async with deployed(tmp_path) as deployment:
            deadly = (
                'if document["number"] == 1200:\n        import os\n        os._exit(1)\n    document["text"] += "!"'
            )
            await deployment.push(migrations=MIGRATION.format(body=deadly))
            (told,) = await deployment.application.migrate([], restart=False, dry_run=False)
            assert (told.state, told.total) == ("failed", DOCUMENTS)
            done = sum(each["text"].endswith("!") for each in deployment.documents())
            assert (told.done, told.changed) == (done, done)
            assert done > 0

    asyncio.run(play())


@pytest.mark.parametrize("broken", ["transfers", "code"])
def test_a_start_that_fails_late_lets_go_of_the_data_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    async def play() -> None:
        async with deployed(tmp_path, documents=1):
            pass
        deployment = Deployment(tmp_path)
        with monkeypatch.context() as patched:
            fails = OSError("no space left on device")
            where = "transfer.transfers.Transfers.start" if broken == "transfers" else "deploy.upkeep.Upkeep.start"
            patched.setattr(f"reactor.{where}", Mock(side_effect=fails))
            with pytest.raises(OSError, match="no space"):
                await deployment.application.start()
        async with deployed(tmp_path, documents=0) as other:
            assert await other.query("notes:count") == 1
        await deployment.application.start()
        assert await deployment.query("notes:count") == 1
        await deployment.application.stop()

    asyncio.run(play())


def test_a_migrated_table_is_searched_as_before(tmp_path: Path) -> None:
    async def play() -> None:
        async with deployed(tmp_path) as deployment:
            searched = TEXT.replace(
                'Index("text")', 'Index("text")\n    search_text = SearchIndex("text", filters=("number",))'
            )
            code = (
                NOTES
                + """

@query
def found(ctx: QueryCtx) -> list[str]:
    return [note.text for note in ctx.db.query(Note.search_text("n00007", number="7")).take(5)]


@query
def old_number(ctx: QueryCtx) -> list[str]:
    return [note.number for note in ctx.db.query(Note.search_text("n00000", number="0")).take(5)]
"""
            )
            touched: list[asyncio.Future[Any]] = []

            def touch_one(work: Work | None) -> None:
                if work is not None and work.what == "migrating" and work.done and not touched:
                    touched.append(asyncio.ensure_future(deployment.mutate("notes:touch", text="n00000")))

            deployment.application.on_progress = touch_one
            await deployment.push(
                schema=searched.replace("import Index,", "import Index, SearchIndex,"),
                notes=code,
                migrations=MIGRATION.format(body='document["number"] = str(document["number"])'),
            )
            assert await deployment.query("notes:found") == ["n00007"]
            await touched[0]
            assert await deployment.query("notes:old_number") == []
            plain = searched.replace("import Index,", "import Index, SearchIndex,").replace(
                '    search_text = SearchIndex("text", filters=("number",))\n', ""
            )
            await deployment.push(schema=plain, notes=NOTES)
            await deployment.push(schema=searched.replace("import Index,", "import Index, SearchIndex,"), notes=code)
            assert await deployment.query("notes:found") == ["n00007"]

    asyncio.run(play())


def test_a_search_over_defaults_that_are_being_filled_finds_documents_of_before(tmp_path: Path) -> None:
    async def play() -> None:
        async with deployed(tmp_path) as deployment:
            searched = """
from reactor import Index, SearchIndex, Table, VectorIndex


class Note(Table, name="notes"):
    text: str
    number: int
    plan: str = "free"
    title: str = "untitled so far"
    place: list[float] = [0.0, 1.0]
    by_text = Index("text")
    found = SearchIndex("text", filters=("plan",))
    titled = SearchIndex("title", filters=("number",))
    near = VectorIndex("place", dimensions=2, filters=("plan",))
"""
            code = (
                NOTES
                + """

@query
def found(ctx: QueryCtx) -> list[str]:
    return [note.text for note in ctx.db.query(Note.found("n00007", plan="free")).take(5)]


@query
def near(ctx: QueryCtx) -> int:
    return len(ctx.db.query(Note.near.nearest([0.0, 1.0], plan="free")).take(5))


@query
def titled(ctx: QueryCtx) -> list[str]:
    return [note.text for note in ctx.db.query(Note.titled("untitled", number=7)).take(5)]


@query
def pro(ctx: QueryCtx) -> int:
    return len(ctx.db.query(Note.found("n00007", plan="pro")).take(5))
"""
            )
            await deployment.push(schema=searched, notes=code)
            assert not all("plan" in each for each in deployment.documents()), "they are still being filled"
            assert await deployment.query("notes:found") == ["n00007"]
            assert await deployment.query("notes:pro") == 0
            assert await deployment.query("notes:titled") == ["n00007"]
            assert await deployment.query("notes:near") == 5
            await deployment.application.upkeep_finished()
            assert await deployment.query("notes:found") == ["n00007"]
            assert await deployment.query("notes:titled") == ["n00007"]
            assert await deployment.query("notes:near") == 5

    asyncio.run(play())
