"""Scheduled functions, crons and actions as clients see them: live, exactly once, through kills and pushes."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from collections import Counter
from typing import Any

import pytest

from tests.clients.clients import CallFailed, Client
from tests.clients.conftest import Clients
from tests.support import RunningServer, eventually

COMMAND = "dev"
CATCH_UP = 20.0
HEAD = """
    import asyncio
    import os
    import time
    from datetime import timedelta
    from typing import Any

    from reactor import (
        ActionCtx, Crons, Id, MutationCtx, QueryCtx, ScheduledFunction, SyncActionCtx,
        action, internal_action, internal_mutation, internal_query, mutation, query,
    )
    from schema import Mark
"""
JOBS = (
    HEAD
    + """
    @internal_mutation
    def mark(ctx: MutationCtx, room: str, key: str) -> None:
        ctx.db.insert(Mark(room=room, key=key))

    @internal_action
    async def act(ctx: ActionCtx, room: str, key: str) -> None:
        await ctx.run_mutation(mark, room=room, key=key)

    @internal_mutation
    def run_for_ever(ctx: MutationCtx, room: str) -> None:
        ctx.db.insert(Mark(room=room, key="lost"))
        while True:
            pass

    @internal_mutation
    def leave_at_once(ctx: MutationCtx, room: str) -> None:
        ctx.db.insert(Mark(room=room, key="lost"))
        os._exit(3)

    @internal_action
    def leave_too(ctx: SyncActionCtx, room: str) -> None:
        os._exit(3)

    @internal_action
    async def wait_then_schedule(ctx: ActionCtx, room: str) -> None:
        await ctx.run_mutation(mark, room=room, key="begun")
        while "go" not in await ctx.run_query(keys, room=room):
            await asyncio.sleep(0.01)
        await ctx.scheduler.run_after(0, mark, room=room, key="by itself")
        await ctx.run_mutation(schedule, name="mark", room=room, keys=["by its mutation"])
        await ctx.run_mutation(mark, room=room, key="ended")

    @mutation
    def put(ctx: MutationCtx, room: str, key: str) -> None:
        ctx.db.insert(Mark(room=room, key=key))

    @mutation
    def schedule(ctx: MutationCtx, name: str, room: str, keys: list[str], delay: float = 0) -> list[str]:
        return [ctx.scheduler.run_after(delay, f"jobs:{name}", room=room, key=key) for key in keys]

    @mutation
    def schedule_one(ctx: MutationCtx, name: str, room: str, delay: float = 0) -> str:
        return ctx.scheduler.run_after(delay, f"jobs:{name}", room=room)

    @mutation
    def cancel(ctx: MutationCtx, id: Id[ScheduledFunction]) -> None:
        ctx.scheduler.cancel(id)

    @query
    def keys(ctx: QueryCtx, room: str) -> list[str]:
        return [mark.key for mark in ctx.db.query(Mark.by_room.eq(room))]

    @query
    def job(ctx: QueryCtx, id: Id[ScheduledFunction]) -> ScheduledFunction | None:
        return ctx.db.get(id)

    @query
    def states(ctx: QueryCtx, room: str) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for job in ctx.db.query(ScheduledFunction):
            if job.args[0]["room"] == room:
                found.setdefault(job.state.kind, []).append(job.args[0].get("key", ""))
        return found
"""
)
ACTIONS = (
    HEAD
    + """
    from functions import jobs

    @action
    async def sleep(ctx: ActionCtx, seconds: float) -> float:
        await asyncio.sleep(seconds)
        return seconds

    @action
    async def see_own_writes(ctx: ActionCtx, room: str) -> bool:
        for number in range(30):
            await ctx.run_mutation(jobs.mark, room=room, key=str(number))
            if len(await ctx.run_query(jobs.keys, room=room)) != number + 1:
                return False
        return True

    @action
    async def length(ctx: ActionCtx, text: str) -> int:
        return len(text)

    @action
    async def repeat(ctx: ActionCtx, count: int) -> str:
        return "x" * count

    @action
    def pass_on(ctx: SyncActionCtx, text: str) -> int:
        return ctx.run_action(length, text=text)

    @action
    async def nest(ctx: ActionCtx, levels: int) -> int:
        return 0 if levels == 0 else 1 + await ctx.run_action(nest, levels=levels - 1)

    @action(concurrency="shared")
    async def wait_together(ctx: ActionCtx, room: str, count: int) -> int:
        await ctx.run_mutation(jobs.mark, room=room, key="here")
        while len(await ctx.run_query(jobs.keys, room=room)) < count:
            await asyncio.sleep(0.05)
        return os.getpid()
"""
)
PROJECT = {
    "schema": """
        from reactor import Index, Table


        class Mark(Table, name="marks"):
            room: str
            key: str
            by_room = Index("room")
    """,
    "functions": {"jobs": JOBS, "actions": ACTIONS},
    "settings": """
        [tool.reactor.limits]
        mutation_wall = 1.0
        function_cpu = 0.4
    """,
}


def state_of(client: Client, job: str) -> dict[str, Any]:
    found: dict[str, Any] = client.query("jobs:job", {"id": job})["state"]
    return found


def push(server: RunningServer, module: str, text: str) -> None:
    mark = server.mark()
    server.project.write_function(module, text)
    server.wait_for_output(rf"✓ functions/{module}\.py", CATCH_UP, after=mark)


# ── scheduled functions ───────────────────────────────────────────────────────────────────────────────────────────────


def test_a_client_watches_a_scheduled_function_live(clients: Clients, server: RunningServer) -> None:
    """Reference §4.7: the document of `_scheduled_functions`."""
    client = clients.js(server)
    (job,) = client.mutation("jobs:schedule", {"name": "mark", "room": "live", "keys": ["k"], "delay": 0.3})
    watched = client.subscribe("jobs:job", {"id": job})
    document = watched.next()
    assert document["name"] == "jobs.js:mark"
    assert document["args"] == [{"room": "live", "key": "k"}]
    assert document["state"] == {"kind": "pending"}
    assert set(document) == {"_id", "_creationTime", "name", "args", "scheduledTime", "state"}
    done = watched.wait_until(lambda job: job["state"] == {"kind": "success"})
    assert done["completedTime"] >= document["scheduledTime"]
    assert client.query("jobs:keys", {"room": "live"}) == ["k"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("run_for_ever", "Function execution timed out (maximum duration: "),
        ("leave_at_once", "The process that ran this function died (exit status 3)"),
        ("leave_too", "The process that ran this function died (exit status 3)"),
    ],
)
def test_a_job_killed_for_what_it_does_is_failed_and_others_run(
    clients: Clients, server: RunningServer, name: str, words: str
) -> None:
    client = clients.js(server)
    job = client.mutation("jobs:scheduleOne", {"name": name, "room": name})
    client.mutation("jobs:schedule", {"name": "mark", "room": name, "keys": ["after"]})
    watched = client.subscribe("jobs:job", {"id": job})
    state = watched.wait_until(lambda job: job["state"]["kind"] == "failed")["state"]
    assert words in state["error"]
    client.subscribe("jobs:keys", {"room": name}).wait_until(["after"])


def test_cancelling_a_running_action_cancels_what_it_schedules_afterwards(
    clients: Clients, server: RunningServer
) -> None:
    """Reference §4.7: "canceling a running action lets it finish but cancels what it schedules afterwards"."""
    client = clients.js(server)
    job = client.mutation("jobs:scheduleOne", {"name": "wait_then_schedule", "room": "cancel"})
    keys = client.subscribe("jobs:keys", {"room": "cancel"})
    keys.wait_until(["begun"])
    assert state_of(client, job) == {"kind": "inProgress"}
    client.mutation("jobs:cancel", {"id": job})
    client.mutation("jobs:put", {"room": "cancel", "key": "go"})
    keys.wait_until(["begun", "go", "ended"])
    states = client.query("jobs:states", {"room": "cancel"})
    assert {kind: sorted(found) for kind, found in states.items()} == {"canceled": ["", "by its mutation", "by itself"]}
    assert state_of(client, job) == {"kind": "canceled"}


def test_many_due_jobs_run_once_each_while_everything_is_killed(clients: Clients, server: RunningServer) -> None:
    """Reliability (c): scheduled mutations run exactly once each, actions once or never, whoever dies."""
    client = clients.js_http(server)
    room, kills = "killed", random.Random(7)
    mutations = [f"m{number}" for number in range(400)]
    actions = [f"a{number}" for number in range(40)]
    client.mutation("jobs:schedule", {"name": "mark", "room": room, "keys": mutations, "delay": 0.3})
    client.mutation("jobs:schedule", {"name": "act", "room": room, "keys": actions, "delay": 0.3})
    for number in range(8):
        eventually(lambda: False, 0.1)  # let it work for a moment
        if number in (3, 6):
            server.kill()
            server.start()
        else:
            with contextlib.suppress(ProcessLookupError):
                os.kill(kills.choice(server.runners()), signal.SIGKILL)

    def settled() -> bool:
        with contextlib.suppress(CallFailed):
            states = client.query("jobs:states", {"room": room})
            return not {"pending", "inProgress"} & set(states)
        return False

    assert eventually(settled, CATCH_UP), client.query("jobs:states", {"room": room})
    states = client.query("jobs:states", {"room": room})
    ran = Counter(client.query("jobs:keys", {"room": room}))
    assert {key: ran[key] for key in mutations if ran[key] != 1} == {}
    assert [key for key in states.get("failed", []) if key.startswith("m")] == []
    assert max(ran.values()) == 1
    assert {key for key in states["success"] if key.startswith("a")} <= set(ran)
    assert sorted([*states["success"], *states.get("failed", [])]) == sorted([*mutations, *actions])


def test_thousands_of_due_jobs_drain_and_hold_nobody_up(clients: Clients, server: RunningServer) -> None:
    """Engine D8: at most half of a batch are jobs, eight at once."""
    client, room = clients.js_http(server), "thousands"
    for thousand in range(2):
        keys = [f"{thousand} {number}" for number in range(1000)]
        client.mutation("jobs:schedule", {"name": "mark", "room": room, "keys": keys})
    waited = []
    while (done := len(client.query("jobs:keys", {"room": room}))) < 2000:
        began = time.monotonic()
        client.mutation("jobs:put", {"room": "meanwhile", "key": str(done)})
        waited.append(time.monotonic() - began)
    assert max(waited) < 2.0
    assert len(client.query("jobs:keys", {"room": "meanwhile"})) == len(waited)


def test_an_action_that_ran_when_the_server_died_is_failed_and_not_repeated(
    clients: Clients, server: RunningServer
) -> None:
    """Reference §4.7: "a crash yields `failed` with `Transient error while executing action`"."""
    client = clients.js(server)
    job = client.mutation("jobs:scheduleOne", {"name": "wait_then_schedule", "room": "crash"})
    client.subscribe("jobs:keys", {"room": "crash"}).wait_until(["begun"])
    server.kill()
    server.start()
    watched = client.subscribe("jobs:job", {"id": job})
    state = watched.wait_until(lambda job: job["state"]["kind"] == "failed", CATCH_UP)["state"]
    assert state["error"] == "Transient error while executing action"
    assert client.query("jobs:keys", {"room": "crash"}) == ["begun"]


def test_a_job_whose_function_is_removed_fails_with_the_official_text(clients: Clients, server: RunningServer) -> None:
    """Reference §4.2: `Could not find function for …`."""
    client = clients.js(server)
    extra = (
        HEAD
        + """
    from functions import jobs

    @internal_mutation
    def gone(ctx: MutationCtx) -> None: ...

    @mutation
    def schedule_gone(ctx: MutationCtx) -> str:
        return ctx.scheduler.run_after(4, gone)
    """
    )
    push(server, "extra", extra)
    job = client.mutation("extra:scheduleGone")
    push(server, "extra", extra.partition("@internal_mutation")[0])
    watched = client.subscribe("jobs:job", {"id": job})
    state = watched.wait_until(lambda job: job["state"]["kind"] == "failed", CATCH_UP)["state"]
    assert state["error"].startswith("Could not find function for 'extra:gone'.")


# ── crons ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_cron_runs_from_its_push_on_through_a_kill_until_it_is_removed(
    clients: Clients, server: RunningServer
) -> None:
    client = clients.js(server)
    crons = (
        HEAD
        + """
    from functions import jobs

    crons = Crons()
    crons.interval("beat", timedelta(seconds=0.2), jobs.mark, room="beat", key="x")
    crons.interval("act", timedelta(hours=1), jobs.act, "beats", "an action")
    """
    )
    beats = client.subscribe("jobs:keys", {"room": "beat"})
    push(server, "crons", crons)
    beats.wait_until(lambda keys: len(keys) >= 3)
    client.subscribe("jobs:keys", {"room": "beats"}).wait_until(["an action"])
    server.kill()
    server.start()
    before = len(client.query("jobs:keys", {"room": "beat"}))
    beats.wait_until(lambda keys: len(keys) >= before + 3, CATCH_UP)
    push(server, "crons", crons.replace('crons.interval("beat"', '# crons.interval("beat"'))
    count = -1
    while count != (count := len(client.query("jobs:keys", {"room": "beat"}))):
        eventually(lambda: False, 0.5)  # two intervals and a half
    assert client.query("jobs:keys", {"room": "beats"}) == ["an action"], "unchanged: not run again by two pushes"


# ── actions ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_actions_of_one_socket_run_together_and_end_in_any_order(clients: Clients, server: RunningServer) -> None:
    """Reference §1.8: "Actions run concurrently and may complete in any order"."""
    client = clients.js(server)
    slow = client.begin_action("actions:sleep", {"seconds": 30})
    assert client.action("actions:sleep", {"seconds": 0.01}) == 0.01
    assert not slow.done
    assert client.mutation("jobs:put", {"room": "order", "key": "k"}) is None


def test_an_action_sees_what_its_mutations_wrote(clients: Clients, server: RunningServer) -> None:
    assert clients.js(server).action("actions:seeOwnWrites", {"room": "own writes"}) is True


def test_arguments_and_results_may_be_large_and_not_larger(clients: Clients, server: RunningServer) -> None:
    """Reference §3.3: 16 MiB."""
    client = clients.js_http(server)
    most = 16 << 20
    text = "x" * (most - len('{"text":""}'))
    assert client.action("actions:passOn", {"text": text}) == len(text)
    assert len(client.action("actions:repeat", {"count": most - 2})) == most - 2
    with pytest.raises(CallFailed, match="Function return value is too large"):
        client.action("actions:repeat", {"count": most - 1})
    with pytest.raises(CallFailed, match="Arguments are too large"):
        client.action("actions:passOn", {"text": text + "x"})


def test_actions_call_each_other_eight_deep_and_not_deeper(clients: Clients, server: RunningServer) -> None:
    """Reference §4.6: nested call depth ≤ 8."""
    client = clients.js(server)
    assert client.action("actions:nest", {"levels": 8}, timeout=CATCH_UP) == 8
    with pytest.raises(CallFailed, match="more than 8 deep"):
        client.action("actions:nest", {"levels": 9}, timeout=CATCH_UP)


def test_many_shared_actions_wait_in_one_process(clients: Clients, server: RunningServer) -> None:
    client = clients.js(server)
    began = time.monotonic()
    waiting = [client.begin_action("actions:waitTogether", {"room": "together", "count": 100}) for _ in range(100)]
    pids = {pending.result(CATCH_UP) for pending in waiting}
    assert len(pids) == 1
    assert time.monotonic() - began < CATCH_UP
