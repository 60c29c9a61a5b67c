"""Schemas that change under load: documents are checked, migrated and filled, indexes come and go, sockets stay up.

Every step is one save in `reactor dev` over 10,000 documents, with a subscribed npm client and a steady load of
mutations (reference §4.14; Pixorly acceptance 15).
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from tests.clients.clients import Client
from tests.clients.conftest import Clients
from tests.support import Project, RunningServer, eventually, serving

USERS = 10_000
PATIENCE = 60.0
SCHEMA = """
    from reactor import Index, Table


    class User(Table, name="users"):
        name: str
        age: str
        visits: int = 0
        by_name = Index("name")
"""
FUNCTIONS = """
    from reactor import MutationCtx, QueryCtx, mutation, query
    from schema import User


    @mutation
    def seed(ctx: MutationCtx, start: int, count: int) -> None:
        for number in range(start, start + count):
            ctx.db.insert("users", {"name": f"u{number:05}", "age": str(number % 90), "visits": 0})


    @mutation
    def visit(ctx: MutationCtx, name: str) -> int:
        user = ctx.db.query(User.by_name.eq(name)).unique()
        ctx.db.patch(user.id, visits=user.visits + 1)
        return user.visits + 1


    @query
    def visits(ctx: QueryCtx, name: str) -> int:
        return ctx.db.query(User.by_name.eq(name)).unique().visits


    @query
    def shown(ctx: QueryCtx) -> list[dict[str, str]]:
        return [
            {key: str(value) for key, value in user.__dict__.items() if key != "visits"}
            for user in ctx.db.query(User.by_name.gte("u00000").lt("u00003")).collect()
        ]
"""
MIGRATIONS = """
    from reactor import Document, QueryCtx, migration
    from schema import User

"""


class Load:
    """Visits one user after another, for as long as the block runs. `seconds` is how long each mutation took."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.seconds: list[float] = []
        self.failed: list[str] = []
        self.done = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.is_set():
            began = time.monotonic()
            try:
                told = self._client.mutation("users:visit", {"name": "u00001"}, timeout=PATIENCE)
            except Exception as error:  # told by the test
                self.failed.append(str(error))
                continue
            self.seconds.append(time.monotonic() - began)
            self.done += 1
            if told != self.done:
                self.failed.append(f"visit {self.done} was answered {told}")

    def report(self, what: str, since: int) -> str:
        took = sorted(self.seconds[since:])
        p99 = took[int(len(took) * 0.99)] if took else 0.0
        return f"{what}: {len(took)} mutations, median {statistics.median(took) * 1000:.1f} ms, p99 {p99 * 1000:.0f} ms"


def seeded(client: Client, count: int = USERS) -> None:
    for start in range(0, count, 2500):
        client.mutation("users:seed", {"start": start, "count": min(2500, count - start)}, timeout=PATIENCE)


@contextmanager
def users(clients: Clients, folder: Path, count: int = USERS) -> Iterator[tuple[RunningServer, Client]]:
    project = Project(folder / "project", schema=SCHEMA, functions={"users": FUNCTIONS})
    with serving(project, "dev") as server:
        client = clients.js(server)
        seeded(client, count)
        yield server, client


def save(server: RunningServer, expect: str, **files: str) -> str:
    """Save files in one go, and wait for what dev says of it."""
    mark = server.mark()
    for name, text in files.items():
        server.project.write("schema.py" if name == "schema" else f"functions/{name}.py", text)
    server.wait_for_output(expect, PATIENCE, after=mark)
    return "".join(server._output[mark:])


def documents(server: RunningServer) -> list[dict[str, Any]]:
    return [json.loads(text) for (text,) in rows(server, "SELECT document FROM users")]


def test_a_required_field_is_proposed_migrated_online_and_live_in_one_save(clients: Clients, tmp_path: Path) -> None:
    """Pixorly acceptance 15: `dev` proposes the migration, runs it online, subscriptions stay up."""
    with users(clients, tmp_path) as (server, client):
        shown = client.subscribe("users:shown")
        count = client.subscribe("users:visits", {"name": "u00001"})
        assert shown.next() == [{"name": f"u0000{n}", "age": str(n)} for n in range(3)]
        other = clients.js(server)
        with Load(other) as load:
            with_locale = SCHEMA.replace("age: str", "age: str\n        locale: str")
            told = save(server, r"✗ schema\.py.*", schema=with_locale)
            assert '10000 documents in table "users" do not match the new schema' in told
            assert "Object is missing the required field `locale`" in told
            assert "def add_locale(ctx: QueryCtx, document: Document) -> None:" in told
            assert 'document["locale"] = ...' in told
            before = load.done
            proposed = MIGRATIONS + (
                "    @migration(User)\n"
                "    def add_locale(ctx: QueryCtx, document: Document) -> None:\n"
                '        document["locale"] = "de" if document["name"] == "u00000" else "en"\n'
            )
            told = save(server, r"✓ .*migrations\.py", migrations=proposed)
            shown.wait_until(
                [{"name": f"u0000{n}", "age": str(n), "locale": "en" if n else "de"} for n in range(3)], PATIENCE
            )
        print(load.report("while 10,000 users got a locale", before))
        assert load.failed == []
        assert "migrating users.add_locale" in told
        count.wait_until(load.done, PATIENCE)
        assert client.connections == other.connections == 1
        assert {each["locale"] for each in documents(server)} == {"de", "en"}
        assert len(documents(server)) == USERS
        assert server.run("migrate", "--status").stdout == "done         add_locale users (by a push)\n"


def test_every_kind_of_change_goes_live_under_load_with_no_wrong_result(clients: Clients, tmp_path: Path) -> None:
    """A default, an index on it, a narrowing that is refused, a type that changes, a rename, a field that goes."""
    with users(clients, tmp_path) as (server, client):
        shown = client.subscribe("users:shown")
        shown.next()
        by_plan = (
            FUNCTIONS
            + """

    @query
    def of_plan(ctx: QueryCtx, plan: str) -> int:
        return len(ctx.db.query(User.by_plan.eq(plan)).collect())
"""
        )
        other = clients.js(server)
        with Load(other) as load:
            # a default, with an index on it: documents of before are found from the first moment on
            planned = SCHEMA.replace(
                "visits: int = 0", 'visits: int = 0\n        plan: str = "free"\n        by_plan = Index("plan")'
            )
            early = client.subscribe("users:of_plan", {"plan": "free"})
            early.wait_until_failed()
            since = len(load.seconds)
            told = save(server, r"✓ .*users\.py", schema=planned, users=by_plan)
            assert "backfilling users.by_plan" in told
            early.wait_until(USERS, PATIENCE)
            print(load.report("while an index over 10,000 was filled", since))
            shown.wait_until([{"name": f"u0000{n}", "age": str(n), "plan": "free"} for n in range(3)], PATIENCE)
            # a narrowing is refused, and nothing has changed
            told = save(server, r"✗ .*", schema=planned.replace("age: str", "age: int"))
            assert "10000 documents" in told
            assert "Path: .age" in told
            # a change of type, a rename and a field that goes, in one save each, migrated beside what is live
            typed = planned.replace("age: str", "age: int")
            steps = (
                MIGRATIONS
                + """    @migration(User)
    def age_as_number(ctx: QueryCtx, document: Document) -> None:
        document["age"] = int(document["age"])
"""
            )
            save(server, r"✓ .*migrations\.py", migrations=steps)
            renamed = typed.replace("age: int", "years: int")
            steps += """

    @migration(User)
    def age_is_years(ctx: QueryCtx, document: Document) -> None:
        document["years"] = document.pop("age")
"""
            save(server, r"✓ .*", migrations=steps, schema=renamed)
            shown.wait_until([{"name": f"u0000{n}", "years": str(n), "plan": "free"} for n in range(3)], PATIENCE)
            dropped = renamed.replace("        years: int\n", "").replace('        by_plan = Index("plan")\n', "")
            steps += """

    @migration(User)
    def no_years(ctx: QueryCtx, document: Document) -> Document:
        return {key: value for key, value in document.items() if key != "years"}
"""
            save(server, r"✓ .*", migrations=steps, schema=dropped, users=FUNCTIONS)
            shown.wait_until([{"name": f"u0000{n}", "plan": "free"} for n in range(3)], PATIENCE)
            assert load.failed == []
        early.wait_until_failed()
        print(load.report("in all", 0))
        assert client.connections == other.connections == 1
        assert {(*each,) for each in documents(server)} == {("_creationTime", "_id", "name", "plan", "visits")}


# ── sudden ends ───────────────────────────────────────────────────────────────────────────────────────────────────────

SLOW = """
    from reactor import Document, QueryCtx, migration
    from schema import User


    @migration(User)
    def add_locale(ctx: QueryCtx, document: Document) -> None:
        for _ in range(30_000):  # so slow that it is under way when the server is killed
            pass
        document["locale"] = "en"
"""


def rows(server: RunningServer, sql: str) -> list[Any]:
    with contextlib.closing(sqlite3.connect(f"file:{server.project.data / 'reactor.db'}?mode=ro", uri=True)) as db:
        return db.execute(sql).fetchall()


def test_a_push_cut_short_by_kill_9_leaves_nothing_behind_or_goes_on(clients: Clients, tmp_path: Path) -> None:
    with users(clients, tmp_path, 5000) as (server, _):
        # in mid-backfill: the old code comes back, and the half index is gone
        mark = server.mark()
        server.project.write(
            "schema.py", SCHEMA.replace('Index("name")', 'Index("name")\n        by_age = Index("age")')
        )
        server.wait_for_output(r"backfilling users\.by_age", PATIENCE, after=mark)
        server.kill()
        assert rows(server, "SELECT state FROM _indexes WHERE name = 'by_age'") == [("backfilling",)]
        server.project.write("schema.py", SCHEMA)
        server.start()
        assert rows(server, "SELECT * FROM _indexes WHERE name = 'by_age'") == []
        assert eventually(
            lambda: not rows(server, "SELECT * FROM sqlite_master WHERE name LIKE 'i_%_by_age'"), PATIENCE
        )
        # in mid-migration: the same code goes on where it stopped, before it serves
        mark = server.mark()
        server.project.write_function("migrations", SLOW)
        server.wait_for_output(r"✓ functions/migrations\.py", PATIENCE, after=mark)
        mark = server.mark()
        server.project.write("schema.py", SCHEMA.replace("age: str", "age: str\n        locale: str"))
        server.wait_for_output(r"migrating users\.add_locale: [1-9]", PATIENCE, after=mark)
        server.kill()
        assert rows(server, "SELECT name FROM _tables WHERE name = 'users+'") == [("users+",)]
        assert all("locale" not in each for each in documents(server)), "what is live does not change before the push"
        mark = server.mark()
        server.start()
        assert int(server.wait_for_output(r"migrating users\.add_locale: ([\d,]+)", after=mark)[1].replace(",", "")) > 0
        assert [each["locale"] for each in documents(server)] == ["en"] * 5000
        assert rows(server, "SELECT name FROM _tables WHERE name = 'users+'") == []
        assert clients.js(server).query("users:shown")[0] == {"name": "u00000", "age": "0", "locale": "en"}


def test_an_online_migration_goes_on_after_kill_9_and_runs_once_over_each_document(
    clients: Clients, tmp_path: Path
) -> None:
    counting = SLOW.replace('document["locale"] = "en"', 'document["age"] += "!"').replace("add_locale", "older")
    with users(clients, tmp_path, 3000) as (server, _):
        progress = clients.js(server)
        progress.act_as(server.admin_key)
        live = progress.subscribe("_system/migrations:list")
        assert live.next() == []
        mark = server.mark()
        server.project.write_function("migrations", counting)
        server.wait_for_output(r"✓ functions/migrations\.py", PATIENCE, after=mark)
        told = server.run("migrate", "--dry-run")
        assert told.stdout == "would change older users (3,000 of 3,000 documents, 3,000 changed)\n", told.stderr
        assert server.run("migrate", "--status").stdout == "pending      older users\n"
        command = threading.Thread(target=server.run, args=("migrate",))
        command.start()
        live.wait_until(lambda found: bool(found) and found[0]["done"] > 100, PATIENCE)
        server.kill()
        command.join()
        server.start()
        assert "not run yet: older" in server.output
        told = server.run("migrate", timeout=PATIENCE)
        assert told.stdout == "done         older users (3,000 of 3,000 documents, 3,000 changed)\n", told.stderr
        live.wait_until(lambda found: found[0]["state"] == "done", PATIENCE)
        assert {each["age"].count("!") for each in documents(server)} == {1}
        assert server.run("migrate").stderr.strip() == "no migration is pending"
        assert "There is no migration `younger`" in server.run("migrate", "younger").stderr
