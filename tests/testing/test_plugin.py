"""The pytest plugin, as the developer of a project uses it: in a pytest of its own, by its entry point."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from reactor.testing import LoadedProject, ManualClock, TestBackend
from tests.support import Project

SCHEMA = """
    from reactor import Index, Table

    class User(Table, name="users"):
        name: str
        by_name = Index("name")
"""
USERS = """
    from datetime import timedelta
    from reactor import ActionCtx, AppError, Id, MutationCtx, QueryCtx, action, internal_mutation, internal_query, mutation, query
    from schema import User

    @query
    def names(ctx: QueryCtx) -> list[str]:
        return [user.name for user in ctx.db.query(User.by_name)]

    @query
    def me(ctx: QueryCtx) -> str | None:
        identity = ctx.auth.get_user_identity()
        return None if identity is None else f"{identity.subject} {identity.email}"

    @query
    def greeting(ctx: QueryCtx) -> str:
        return ctx.env["GREETING"]

    @mutation
    def add(ctx: MutationCtx, user_name: str) -> Id[User]:
        return ctx.db.insert(User(name=user_name))

    @internal_mutation
    def rename_all(ctx: MutationCtx, to: str) -> int:
        found = ctx.db.query(User).collect()
        for user in found:
            ctx.db.patch(user.id, name=to)
        return len(found)

    @mutation
    def later(ctx: MutationCtx, hours: float) -> None:
        ctx.scheduler.run_after(timedelta(hours=hours), again, left=2)

    @internal_mutation
    def again(ctx: MutationCtx, left: int) -> None:
        ctx.db.insert(User(name=f"{left} at {ctx.now:%d %H:%M}"))
        if left > 1:
            ctx.scheduler.run_after(timedelta(hours=1), again, left=left - 1)

    @mutation
    def for_ever(ctx: MutationCtx) -> None:
        ctx.scheduler.run_after(1, for_ever_more)

    @internal_mutation
    def for_ever_more(ctx: MutationCtx) -> None:
        ctx.scheduler.run_after(1, for_ever_more)

    @action
    async def act(ctx: ActionCtx, user_name: str) -> list[str]:
        await ctx.run_mutation(add, user_name=user_name)
        return await ctx.run_query(names)

    @query
    def broken(ctx: QueryCtx) -> int:
        return divided(0)

    def divided(number: int) -> int:
        return 1 // number  # the line that fails

    @query
    def debugged(ctx: QueryCtx) -> int:
        secret = 40 + 1
        breakpoint()
        return secret + 1
"""
HTTP = """
    from functions import users
    from reactor import ActionCtx, HttpRouter, JSONResponse, Request

    http = HttpRouter()

    @http.route("/users", methods=["GET"])
    async def listed(ctx: ActionCtx, request: Request) -> JSONResponse:
        return JSONResponse({"names": await ctx.run_query(users.names), "me": await ctx.run_query(users.me)})
"""
CONFTEST = """
    import pytest
    from functions import users
    from reactor.testing import TestBackend
    from schema import User

    @pytest.fixture
    def ann(backend: TestBackend) -> User:
        user = backend.run(lambda ctx: ctx.db.get(ctx.db.insert(User(name="ann"))))
        assert user is not None
        return user
"""
TESTS = """
    import asyncio
    from datetime import timedelta

    import pytest
    from functions import users
    from reactor import AppError
    from reactor.errors import FunctionNotFound
    from reactor.testing import NothingNew, TestBackend
    from schema import User

    def names(backend: TestBackend) -> list[str]:
        return backend.query(users.names)

    def test_functions_are_called_as_in_python_and_by_path(backend: TestBackend, ann: User) -> None:
        bob = backend.mutation(users.add, user_name="bob")
        assert backend.run(lambda ctx: ctx.db.get(bob)).name == "bob"
        assert names(backend) == backend.query("users:names") == ["ann", "bob"]
        assert backend.action(users.act, user_name="cleo") == ["ann", "bob", "cleo"]

    def test_every_test_begins_with_nothing(backend: TestBackend) -> None:
        assert names(backend) == []

    def test_internal_functions_answer_to_their_object_only(backend: TestBackend, ann: User) -> None:
        assert backend.mutation(users.rename_all, to="x") == 1
        with pytest.raises(FunctionNotFound):
            backend.mutation("users:renameAll", {"to": "y"})
        assert names(backend) == ["x"]

    def test_somebody_calls(backend: TestBackend) -> None:
        user = backend.as_user({"subject": "ann", "email": "ann@example.com"})
        assert user.query(users.me) == user.query("users:me") == "ann ann@example.com"
        assert backend.as_user("bob").query(users.me) == "bob None"
        assert backend.query(users.me) is None
        assert user.fetch("GET", "/users").json() == {"names": [], "me": "ann ann@example.com"}
        assert backend.fetch("GET", "/nowhere").status_code == 404

    def test_a_subscription_gives_each_new_result(backend: TestBackend) -> None:
        with backend.subscribe(users.names) as live:
            assert live.next() == []
            with pytest.raises(NothingNew):
                live.next()
            backend.mutation(users.add, user_name="b")
            backend.mutation(users.add, user_name="a")
            assert live.next() == ["b"]
            assert live.next() == ["a", "b"]
            backend.mutation(users.rename_all, to="same")
            backend.mutation(users.rename_all, to="same")
            assert live.next() == ["same", "same"]
            assert not live.changed
        backend.mutation(users.add, user_name="unseen")
        assert not live.changed

    def test_a_subscription_fails_and_recovers(backend: TestBackend) -> None:
        live = backend.subscribe(users.greeting)
        assert live.next() == "hello"
        backend.set_env("GREETING", None)
        with pytest.raises(Exception, match="GREETING"):
            live.next()
        backend.set_env("GREETING", "hey")
        assert live.next() == "hey"

    def test_time_passes_when_told(backend: TestBackend) -> None:
        backend.mutation(users.later, hours=2)
        assert backend.run_due() == 0
        assert backend.advance(timedelta(hours=1, minutes=59)) == 0
        assert backend.advance(timedelta(minutes=1)) == 1
        assert names(backend) == ["2 at 01 02:00"]
        assert backend.run_all() == 1
        assert names(backend) == ["1 at 01 03:00", "2 at 01 02:00"]
        assert backend.run_all() == 0

    def test_what_never_ends_is_told(backend: TestBackend) -> None:
        backend.mutation(users.for_ever)
        with pytest.raises(RuntimeError, match="schedule each other for ever"):
            backend.run_all()

    def test_nothing_is_written_when_the_tests_own_function_raises(backend: TestBackend) -> None:
        def fails(ctx) -> None:
            ctx.db.insert(User(name="x"))
            raise KeyError("mine")

        with pytest.raises(KeyError):
            backend.run(fails)
        assert names(backend) == []

    @pytest.mark.asyncio
    async def test_async_tests_await(backend: TestBackend) -> None:
        live = backend.subscribe(users.names)
        assert await anext(live) == []
        asyncio.get_running_loop().call_soon(lambda: backend.mutation(users.add, user_name="x"))
        assert await anext(live) == ["x"]
        assert await backend.run_action(users.act, user_name="y") == ["x", "y"]
        assert await anext(live) == ["x", "y"]
        assert (await backend.run_fetch("GET", "/users")).json()["names"] == ["x", "y"]
        assert backend.action(users.act, user_name="z") == ["x", "y", "z"]
        backend.mutation(users.later, hours=0)
        assert await backend.run_due_async() == 1
        assert await backend.advance_async(timedelta(days=1)) == 1
"""
SETTINGS = """
    [tool.pytest.ini_options]
    reactor_env = ["GREETING=hello"]
    asyncio_default_fixture_loop_scope = "function"
    filterwarnings = ["error"]
"""
PASSED = 10


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(tmp_path / "project", schema=SCHEMA, functions={"users": USERS, "http": HTTP}, settings=SETTINGS)
    made.write("tests/conftest.py", CONFTEST)
    return made


def run_pytest(folder: Path, *options: str, typed: str = "") -> str:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options]
    done = subprocess.run(command, cwd=folder, input=typed, capture_output=True, text=True, timeout=110, check=False)
    return done.stdout + done.stderr


def test_a_projects_tests_run_with_asyncio_strict(project: Project) -> None:
    project.write("tests/test_users.py", TESTS)
    said = run_pytest(project.root)
    assert f"{PASSED} passed" in said, said


def test_a_projects_tests_run_with_asyncio_auto_and_in_several_processes(project: Project) -> None:
    project.write("tests/test_users.py", TESTS.replace("    @pytest.mark.asyncio\n", ""))
    said = run_pytest(project.root, "-o", "asyncio_mode=auto", "-n", "2")
    assert f"{PASSED} passed" in said, said


def test_a_traceback_shows_the_users_lines_and_a_breakpoint_stops_at_them(project: Project) -> None:
    project.write(
        "tests/test_users.py",
        """
        from functions import users

        def test_broken(backend):
            backend.query(users.broken)

        def test_debugged(backend):
            assert backend.query(users.debugged) == 42
        """,
    )
    said = run_pytest(project.root, "-s", typed="p secret\ncontinue\n")
    assert "1 failed, 1 passed" in said, said
    assert ">       return 1 // number  # the line that fails" in said
    assert "E       ZeroDivisionError: integer division or modulo by zero" in said
    assert "caller.py" not in said
    assert "acting.py" not in said
    assert "-> return secret + 1" in said
    assert "(Pdb) 41" in said


def test_without_a_project_the_setting_is_named(tmp_path: Path, project: Project) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "test_it.py").write_text(
        "def test_it(backend): backend.query('users:names')\ndef test_other(): pass\n"
    )
    (elsewhere / "pytest.ini").write_text("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    said = run_pytest(elsewhere)
    assert (
        f"There is neither a schema.py nor a folder functions/ that imports reactor in {elsewhere.resolve()}." in said
    )
    assert 'reactor_project = "path/to/project"' in said
    assert "1 passed, 1 error" in said
    assert "1 passed" in run_pytest(elsewhere, "-o", f"reactor_project={project.root}", "test_it.py::test_it")
    assert "reactor_project is 'off'" in run_pytest(elsewhere, "-o", "reactor_project=off")
    assert "There is neither a schema.py" in run_pytest(elsewhere, "-o", "reactor_project=nowhere")
    (elsewhere / "functions").mkdir()
    (elsewhere / "functions" / "theirs.py").write_text("raise SystemExit('not to be imported')")
    assert "1 passed" in run_pytest(elsewhere, "test_it.py::test_other")


def test_a_project_that_does_not_load_shows_its_traceback(project: Project) -> None:
    project.write_function("users", "from schema import Usr\n")
    project.write("tests/conftest.py", "")
    project.write("tests/test_it.py", "def test_it(backend): pass\ndef test_other(): pass\n")
    said = run_pytest(project.root)
    assert "1 passed, 1 error" in said
    assert "functions/users.py" in said
    assert "ImportError: cannot import name 'Usr' from 'schema'" in said


def test_a_backend_of_a_loaded_project_is_made_in_milliseconds(project: Project) -> None:
    """What a test costs beside its own work: the best of twenty, because the machine has others to serve."""
    with LoadedProject(project.root, env={"GREETING": "x"}) as loaded:
        costs = []
        for _ in range(20):
            begun = time.perf_counter()
            with TestBackend(loaded, clock=ManualClock()) as backend:
                backend.mutation("users:add", {"userName": "x"})
                assert backend.query("users:names") == ["x"]
            costs.append(time.perf_counter() - begun)
        assert min(costs) < 0.03, costs


def test_backends_of_a_loaded_project_share_its_code_and_nothing_else(project: Project, tmp_path: Path) -> None:
    with LoadedProject(project.root) as loaded:
        with TestBackend(loaded, data=tmp_path / "kept") as one, TestBackend(loaded) as other:
            one.mutation("users:add", {"userName": "x"})
            assert other.query("users:names") == []
        with TestBackend(loaded, data=tmp_path / "kept") as again:
            assert again.query("users:names") == ["x"]
