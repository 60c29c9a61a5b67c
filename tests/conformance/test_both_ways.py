"""One suite, two systems: what holds for TestBackend holds for a server, and the other way round.

The server is a real one with the real PyPI client; texts of errors are those of development.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reactor.limits import DEFAULT_LIMITS
from reactor.testing import LoadedProject, ManualClock, TestBackend
from reactor.values.value import Int64
from tests.clients.clients import Client, python_driver
from tests.conformance.systems import NOTHING, Failed, InProcess, OnServer, System
from tests.support import Project, serving

SCHEMA = """
    from datetime import datetime
    from reactor import Index, Table

    class Note(Table, name="notes"):
        room: str
        text: str
        rank: int = 0
        at: datetime | None = None
        by_room = Index("room", "rank")
"""
NOTES = """
    from __future__ import annotations
    import random, time
    from datetime import datetime, timedelta
    from typing import Any, Literal
    from reactor import (
        UNSET, ActionCtx, AppError, Id, MutationCtx, Page, PaginationOpts, QueryCtx, ScheduledFunction, Unset, action,
        internal_mutation, internal_query, mutation, query,
    )
    from schema import Note

    @query
    def echo(ctx: QueryCtx, value: Any) -> Any:
        return value

    @query
    def moment(ctx: QueryCtx, at: datetime) -> datetime:
        return at + timedelta(milliseconds=1)

    @query
    def typed(ctx: QueryCtx, kind: Literal["a", "b"], count: int = 3, name: str | None = None) -> str:
        return f"{kind} {count} {name}"

    @query
    def unset(ctx: QueryCtx, name: str | None | Unset = UNSET) -> str:
        return repr(name)

    @query
    def in_room(ctx: QueryCtx, room: str) -> list[Note]:
        return ctx.db.query(Note.by_room.eq(room)).collect()

    @query
    def texts(ctx: QueryCtx, room: str) -> list[str]:
        return [note.text for note in ctx.db.query(Note.by_room.eq(room))]

    @query
    def pages(ctx: QueryCtx, room: str, pagination_opts: PaginationOpts) -> Page[Note]:
        return ctx.db.query(Note.by_room.eq(room)).paginate(pagination_opts)

    @query
    def get(ctx: QueryCtx, id: Id[Note]) -> Note | None:
        return ctx.db.get(id)

    @mutation
    def add(ctx: MutationCtx, room: str, text: str, rank: int = 0) -> Id[Note]:
        return ctx.db.insert(Note(room=room, text=text, rank=rank))

    @mutation
    def add_many(ctx: MutationCtx, room: str, count: int) -> None:
        for rank in range(count):
            ctx.db.insert(Note(room=room, text=str(rank), rank=rank))

    @mutation
    def add_and_fail(ctx: MutationCtx, room: str, how: str) -> None:
        ctx.db.insert(Note(room=room, text="never"))
        if how == "app":
            raise AppError({"code": "no", "big": 2**40})
        if how == "key":
            {}["missing"]
        if how == "wrong id":
            ctx.db.patch(Id("nonsense"), text="x")
        if how == "io":
            open("/etc/hostname")
        if how == "sleep":
            time.sleep(1)
        if how == "result":
            return "not None"

    @mutation
    def half(ctx: MutationCtx, room: str) -> list[str]:
        ctx.db.insert(Note(room=room, text="outer"))
        try:
            ctx.run_mutation(add_and_fail, room=room, how="app")
        except AppError as error:
            return [note.text for note in ctx.db.query(Note.by_room.eq(room))] + [error.data["code"]]
        return []

    @query
    def me(ctx: QueryCtx) -> str | None:
        identity = ctx.auth.get_user_identity()
        return None if identity is None else f"{identity.subject} of {identity.issuer}, {identity.token_identifier}"

    @query
    def greeting(ctx: QueryCtx) -> str | None:
        return ctx.env.get("GREETING")

    @query
    def chance(ctx: QueryCtx) -> list[float]:
        return [random.random(), time.time() - time.time()]

    @internal_query
    def secret(ctx: QueryCtx) -> int:
        return 1

    @action
    async def act(ctx: ActionCtx, room: str) -> list[str]:
        await ctx.run_mutation(add, room=room, text="by action")
        try:
            await ctx.run_mutation(add_and_fail, room=room, how="app")
        except AppError as error:
            await ctx.run_mutation(add, room=room, text=error.data["code"])
        assert await ctx.run_query(secret) == 1
        return await ctx.run_query(texts, room=room)

    @mutation
    def schedule(ctx: MutationCtx, room: str) -> list[Id[ScheduledFunction]]:
        return [
            ctx.scheduler.run_after(0, add, room=room, text="now", rank=1),
            ctx.scheduler.run_after(0.05, write_later, room=room),
            ctx.scheduler.run_after(0.02, add_and_fail, room=room, how="app"),
            ctx.scheduler.run_after(3600, add, room=room, text="far", rank=3),
        ]

    @action
    async def write_later(ctx: ActionCtx, room: str) -> None:
        await ctx.run_mutation(add, room=room, text="later", rank=2)

    @mutation
    def cancel(ctx: MutationCtx, job: Id[ScheduledFunction]) -> None:
        ctx.scheduler.cancel(job)

    @query
    def states(ctx: QueryCtx, jobs: list[Id[ScheduledFunction]]) -> list[str]:
        return [job.state.kind for id in jobs if (job := ctx.db.get(id)) is not None]

    @query
    def endless(ctx: QueryCtx) -> None:
        while True:
            pass
"""
LIMITS = {"documents_read": 50, "array_length": 100, "arguments_size": 10_000, "function_cpu": 0.3}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    settings = "[tool.reactor.limits]\n" + "".join(f"{name} = {value}\n" for name, value in LIMITS.items())
    folder: Path = tmp_path_factory.mktemp("conformance")
    return Project(folder / "project", schema=SCHEMA, functions={"notes": NOTES}, settings=settings)


@pytest.fixture(scope="module", params=["in process", "on a server"])
def system(request: pytest.FixtureRequest, project: Project) -> Iterator[System]:
    """One of the two, for all tests of this module: each has a room of its own."""
    if request.param == "in process":
        limits = replace(DEFAULT_LIMITS, **LIMITS)  # type: ignore[arg-type]
        with LoadedProject(project.root) as loaded, TestBackend(loaded, clock=ManualClock(), limits=limits) as backend:
            yield InProcess(backend)
        return
    with serving(project, "dev", options=("--no-codegen",)) as server:
        driver = python_driver()
        client = Client(driver, server.url)
        yield OnServer(server, client)
        client.close()
        driver.close()


@pytest.fixture
def room(request: pytest.FixtureRequest) -> str:
    return str(request.node.name)


def failure(system: System, kind: Any, path: str, args: dict[str, Any] | None = None) -> Failed:
    with pytest.raises(Failed) as caught:
        system.call(kind, path, args)
    return caught.value


# ── values ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        0,
        -1.5,
        2.0**53 - 1,
        Int64(2**63 - 1),
        Int64(-1),
        "",
        "é😀\u2028\x00",
        b"",
        b"\x00\xff",
        [],
        [1, [2, [None]]],
        {},
        {"a": {"b": Int64(1)}, "c_d": [b"x"], "_e": "f"},
    ],
    ids=repr,
)
def test_values_come_back_as_they_were(system: System, value: Any) -> None:
    found = system.call("query", "notes:echo", {"value": value})
    assert found == value
    assert isinstance(found, Int64) == isinstance(value, Int64)
    assert isinstance(found, bool) == isinstance(value, bool)


def test_datetimes_are_milliseconds(system: System) -> None:
    assert system.call("query", "notes:moment", {"at": 1_700_000_000_000.5}) == 1_700_000_000_001.5


def test_documents_have_wire_names_and_leave_out_what_is_absent(system: System, room: str) -> None:
    note = system.call("mutation", "notes:add", {"room": room, "text": "a"})
    (found,) = system.call("query", "notes:in_room", {"room": room})
    assert sorted(found) == ["_creationTime", "_id", "rank", "room", "text"]
    assert (found["_id"], found["rank"]) == (note, 0)
    assert system.call("query", "notes:get", {"id": note}) == found


# ── arguments ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_arguments_left_out_have_their_defaults(system: System) -> None:
    assert system.call("query", "notes:typed", {"kind": "a"}) == "a 3 None"
    assert system.call("query", "notes:typed", {"kind": "b", "count": 4.0, "name": None}) == "b 4 None"
    assert system.call("query", "notes:unset") == "UNSET"
    assert system.call("query", "notes:unset", {"name": None}) == "None"


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ({}, "ArgumentValidationError: Object is missing the required field `kind`."),
        ({"kind": "c"}, "ArgumentValidationError: Value does not match validator.\nPath: .kind"),
        ({"kind": "a", "count": 1.5}, "Path: .count"),
        ({"kind": "a", "count": Int64(1)}, "Path: .count"),
        ({"kind": "a", "count": True}, "Path: .count"),
        ({"kind": "a", "cuont": 1}, "Object contains extra field `cuont` that is not in the validator."),
    ],
)
def test_arguments_that_do_not_fit_are_told_in_the_same_words(system: System, args: dict[str, Any], said: str) -> None:
    """Reference §4.3."""
    failed = failure(system, "query", "notes:typed", args)
    assert said in failed.text
    assert failed.text.startswith("ArgumentValidationError: ")
    assert failed.data is NOTHING


def test_ids_of_no_table_are_refused(system: System) -> None:
    assert "Path: .id" in failure(system, "query", "notes:get", {"id": "nonsense"}).text


# ── which functions answer ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("kind", "path", "said"),
    [
        ("query", "notes:nothing", "Could not find public function for 'notes:nothing'."),
        ("query", "notes:secret", "Could not find public function for 'notes:secret'."),
        ("mutation", "notes:texts", "Trying to execute notes.js:texts as Mutation, but it is defined as Query."),
        ("query", "notes:act", "Trying to execute notes.js:act as Query, but it is defined as Action."),
    ],
)
def test_wrong_functions_are_told_in_the_same_words(system: System, kind: Any, path: str, said: str) -> None:
    """Reference §4.1."""
    assert said in failure(system, kind, path).text


def test_functions_answer_to_both_spellings(system: System) -> None:
    for path in ("notes:inRoom", "notes:in_room", "notes.js:inRoom"):
        assert system.call("query", path, {"room": "nobody's"}) == []


# ── errors and what they undo ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("key", "Uncaught KeyError: 'missing'"),
        ("wrong id", "Uncaught InvalidId: "),
        ("io", "Uncaught ForbiddenHere: A query or mutation cannot open a file ('/etc/hostname')"),
        ("sleep", "Uncaught ForbiddenHere: A query or mutation cannot sleep"),
        ("result", "ReturnsValidationError: "),
    ],
)
def test_what_fails_is_told_in_the_same_words_and_leaves_nothing(
    system: System, room: str, how: str, said: str
) -> None:
    failed = failure(system, "mutation", "notes:addAndFail", {"room": room, "how": how})
    assert failed.text.startswith(said)
    assert system.call("query", "notes:texts", {"room": room}) == []


def test_an_app_error_carries_its_data(system: System, room: str) -> None:
    failed = failure(system, "mutation", "notes:addAndFail", {"room": room, "how": "app"})
    assert failed.data == {"code": "no", "big": 2**40}
    assert system.call("query", "notes:texts", {"room": room}) == []


def test_a_nested_mutation_that_fails_undoes_its_own_writes_only(system: System, room: str) -> None:
    assert system.call("mutation", "notes:half", {"room": room}) == ["outer", "no"]
    assert system.call("query", "notes:texts", {"room": room}) == ["outer"]


def test_an_action_sees_what_it_wrote_and_the_errors_of_what_it_calls(system: System, room: str) -> None:
    assert system.call("action", "notes:act", {"room": room}) == ["by action", "no"]


def test_queries_have_no_clock_and_chance_of_their_own(system: System) -> None:
    first, second = (system.call("query", "notes:chance") for _ in range(2))
    assert first == second
    assert first[1] == 0


# ── live, later, who, environment ─────────────────────────────────────────────────────────────────────────────────────


def test_subscriptions_follow(system: System, room: str) -> None:
    live = system.subscribe("notes:texts", {"room": room})
    live.wait_until([])
    system.call("mutation", "notes:add", {"room": room, "text": "b", "rank": 2})
    live.wait_until(["b"])
    system.call("mutation", "notes:add", {"room": f"{room}'s neighbour", "text": "x"})
    system.call("mutation", "notes:add", {"room": room, "text": "a", "rank": 1})
    live.wait_until(["a", "b"])


def test_scheduled_functions_run_when_due_unless_canceled(system: System, room: str) -> None:
    jobs = system.call("mutation", "notes:schedule", {"room": room})
    system.call("mutation", "notes:cancel", {"job": jobs[3]})
    live = system.subscribe("notes:texts", {"room": room})
    states = system.subscribe("notes:states", {"jobs": jobs})
    system.let_jobs_run()
    live.wait_until(["now", "later"])
    states.wait_until(["success", "success", "failed", "canceled"])


def test_users_are_told_apart(system: System) -> None:
    assert system.call("query", "notes:me") is None
    for subject in ("ann", "bob"):
        issuer = "https://reactor.invalid"
        assert system.call_as(subject, "query", "notes:me") == f"{subject} of {issuer}, {issuer}|{subject}"


def test_the_environment_is_live(system: System) -> None:
    live = system.subscribe("notes:greeting")
    live.wait_until(None)
    system.set_env("GREETING", "hello")
    live.wait_until("hello")
    system.set_env("GREETING", None)
    live.wait_until(None)


def test_pages_follow_each_other(system: System, room: str) -> None:
    system.call("mutation", "notes:addMany", {"room": room, "count": 7})
    found: list[int] = []
    cursor = None
    sizes = []
    while True:
        page = system.call("query", "notes:pages", {"room": room, "paginationOpts": {"numItems": 3, "cursor": cursor}})
        found += [note["rank"] for note in page["page"]]
        sizes.append(len(page["page"]))
        cursor = page["continueCursor"]
        if page["isDone"]:
            break
    assert found == list(range(7))
    assert sizes == [3, 3, 1]


# ── limits ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_limits_are_the_same_and_say_so_in_the_same_words(system: System, room: str) -> None:
    system.call("mutation", "notes:addMany", {"room": room, "count": 51})
    read = failure(system, "query", "notes:texts", {"room": room})
    assert "`documents_read`" in read.text
    assert "(limit: 50)" in read.text
    long = failure(system, "query", "notes:echo", {"value": list(range(101))})
    assert "Array length is too long (101 > maximum length 100)" in long.text
    large = failure(system, "query", "notes:echo", {"value": "x" * 10_001})
    assert "Arguments are too large" in large.text
    endless = failure(system, "query", "notes:endless")
    assert endless.text.startswith("Function execution timed out (maximum duration: 0.3s).")
