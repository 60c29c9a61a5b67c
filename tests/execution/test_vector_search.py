"""Vector searches as functions write them, in a TestBackend: the ways of a live query and of an action."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from reactor.errors import InvalidQuery
from reactor.limits import DEFAULT_LIMITS
from tests.execution.backends import backend, failure_text

SCHEMA = """
    from reactor import Id, Table, VectorIndex

    class Place(Table, name="places"):
        label: str
        position: list[float] | None = None
        by_position = VectorIndex("position", dimensions=2, filters=("label",))

    class Unrelated(Table, name="unrelated"):
        text: str
"""
FUNCTIONS = """
    from reactor import Scored, VectorMatch, any_of

    @mutation
    def add(ctx: MutationCtx, label: str, position: list[float] | None = None) -> Id[Place]:
        return ctx.db.insert(Place(label=label, position=position))

    @query
    def near(ctx: QueryCtx, position: list[float], count: int = 3) -> list[str]:
        return [place.label for place in ctx.db.query(Place.by_position.nearest(position)).take(count)]

    @query
    def scored(ctx: QueryCtx, position: list[float]) -> list[Scored[Place]]:
        return ctx.db.query(Place.by_position.nearest(position)).with_scores().take(1)

    @query
    def first(ctx: QueryCtx, position: list[float], label: str) -> Place | None:
        return ctx.db.query(Place.by_position.nearest(position, label=label)).first()

    @internal_mutation
    def add_and_fail(ctx: MutationCtx) -> None:
        ctx.db.insert(Place(label="inner", position=[1, 0]))
        assert labels(ctx)[0] == "inner"
        raise AppError("undone")

    @mutation
    def undo_in_between(ctx: MutationCtx) -> list[list[str]]:
        first = ctx.db.insert(Place(label="kept", position=[1, 0.1]))
        seen = [labels(ctx)]
        try:
            ctx.run_mutation(add_and_fail)
        except AppError:
            seen.append(labels(ctx))
        ctx.db.patch(first, position=[-1, 0])
        seen.append(labels(ctx))
        ctx.db.delete(first)
        return [*seen, labels(ctx)]

    def labels(ctx: QueryCtx) -> list[str]:
        return [place.label for place in ctx.db.query(Place.by_position.nearest([1, 0])).take(2)]

    @action
    async def search(ctx: ActionCtx, position: list[float]) -> list[VectorMatch[Place]]:
        return await ctx.vector_search(Place.by_position.nearest(position, label=any_of("a", "b")), limit=2)

    @action
    def wrong_search(ctx: SyncActionCtx) -> None:
        ctx.vector_search(Place.by_position)

    @query
    def wrong_query(ctx: QueryCtx) -> None:
        ctx.db.query(Place.by_position)
"""


def test_queries_mutations_and_actions_find_the_nearest(tmp_path: Path) -> None:
    with backend(tmp_path, FUNCTIONS, schema=SCHEMA) as running:
        for label, position in (("a", [1, 0]), ("b", [0, 1]), ("c", [-1, 0]), ("d", None)):
            running.mutation("m:add", {"label": label} | ({} if position is None else {"position": position}))
        assert running.query("m:near", {"position": [1, 0.1]}) == ["a", "b", "c"]
        (best,) = running.query("m:scored", {"position": [0, 2]})
        assert (best["document"]["label"], best["score"]) == ("b", 1)
        assert running.query("m:first", {"position": [1, 0], "label": "c"})["label"] == "c"
        assert running.query("m:first", {"position": [1, 0], "label": "none"}) is None
        found = running.action("m:search", {"position": [-1, 0.1]})
        assert [each["_score"] for each in found] == pytest.approx([0.0995037, -0.9950372])


def test_a_nested_mutation_that_fails_takes_its_vectors_with_it(tmp_path: Path) -> None:
    with backend(tmp_path, FUNCTIONS, schema=SCHEMA) as running:
        running.mutation("m:add", {"label": "old", "position": [0, 1]})
        assert running.mutation("m:undoInBetween") == [["kept", "old"], ["kept", "old"], ["old", "kept"], ["old"]]
        assert running.query("m:near", {"position": [1, 0]}) == ["old"]


def test_an_index_is_asked_for_what_is_nearest_to_something(tmp_path: Path) -> None:
    with backend(tmp_path, FUNCTIONS, schema=SCHEMA) as running:
        assert "takes a Table, one of its indexes" in failure_text(running, "m:wrongQuery", kind="query")
        with pytest.raises(InvalidQuery, match=r"`ctx\.vector_search` takes what to look for"):
            running.action("m:wrongSearch")


def test_the_most_results_can_be_set_and_the_error_says_how(tmp_path: Path) -> None:
    limits = replace(DEFAULT_LIMITS, vector_results=2)
    with backend(tmp_path, FUNCTIONS, schema=SCHEMA, limits=limits) as running:
        text = failure_text(running, "m:near", {"position": [1, 0], "count": 3}, kind="query")
    assert "Vector queries can fetch at most 2 results, requested 3. The setting is `vector_results`" in text


def test_a_query_depends_on_its_results_and_on_what_would_displace_them(tmp_path: Path) -> None:
    with backend(tmp_path, FUNCTIONS, schema=SCHEMA) as running:
        running.mutation("m:add", {"label": "a", "position": [1, 0]})
        one = running.outcome("query", "m:near", {"position": [1, 0], "count": 1}).reads
        assert sum(isinstance(read, bytes) for reads in one.values() for read in reads) == 1
        assert sum(isinstance(read, tuple) for reads in one.values() for read in reads) == 2  # bundle, document


def test_reading_what_is_new_to_a_process_is_not_the_calls_time(tmp_path: Path) -> None:
    limits = replace(DEFAULT_LIMITS, function_cpu=0.2)
    functions = """
        @mutation
        def fill(ctx: MutationCtx, start: int) -> None:
            for n in range(start, start + 10):
                ctx.db.insert(Place(label="x", position=[float(n + 1), *[1.0] * 1023]))

        @query
        def near(ctx: QueryCtx) -> int:
            return len(ctx.db.query(Place.by_position.nearest([1.0] * 1024)).take(2))
    """
    with backend(tmp_path, functions, schema=SCHEMA.replace("dimensions=2", "dimensions=1024"), limits=limits) as it:
        it.mutation("m:fill", {"start": 0})
        database = it._database
        plain = database._storage.vectors._put  # type: ignore[attr-defined]

        def put(*args: object) -> None:
            sum(range(20_000_000))  # no clock: inside a query it stands still
            plain(*args)

        database._storage.vectors._put = put  # type: ignore[attr-defined]
        assert it.query("m:near") == 2


def test_without_numpy_the_schema_says_what_to_install() -> None:
    """It is an extra: most projects have no vectors."""
    script = """
import sys
sys.modules["numpy"] = None
from reactor import Table, VectorIndex
from reactor.definitions.schema import Schema
from reactor.execution.vector_library import prepare_vectors

class Image(Table, name="images"):
    embedding: list[float]
    by_embedding = VectorIndex("embedding", dimensions=3)

try:
    prepare_vectors(Schema([Image]))
except Exception as error:
    print(type(error).__name__, error)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("DefinitionError Image.by_embedding: a vector index needs numpy.")
    assert "pip install 'reactor-backend[vectors]'" in done.stdout


def test_no_process_takes_numpy_along_that_has_no_vectors() -> None:
    script = (
        "import sys, reactor.application, reactor.server.app, reactor.cli.main, reactor.execution.nursery_main\n"
        "from reactor.definitions.schema import Schema\n"
        "from reactor.execution.vector_library import prepare_vectors\n"
        "prepare_vectors(Schema())\n"
        "print('numpy' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
