"""New code again and again under load: what clients saw, and what became of what they sent.

`bench/reloads.py` runs more of it. Every client watches, mutates and runs actions all the time, on one socket.
"""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import websockets

from reactor.application import Application
from reactor.errors import BundleBroken
from reactor.server.app import build_app
from reactor.server.listening import listening

SCHEMA = """
from reactor import Index, Table

class Tally(Table, name="tallies"):
    client: str
    count: int
    by_client = Index("client")
"""
HELPER = "VERSION = {}\n"
SHOWN = """
from functions import helper
from reactor import ActionCtx, MutationCtx, QueryCtx, action, mutation, query
from schema import Tally

VERSION = {}

@query
def both(ctx: QueryCtx) -> list[int]:
    return [VERSION, helper.VERSION]

@mutation
def add(ctx: MutationCtx, client: str, number: int) -> list[int]:
    tally = ctx.db.query(Tally.by_client.eq(client)).unique()
    if tally is None:
        ctx.db.insert(Tally(client=client, count=1))
    else:
        ctx.db.patch(tally.id, count=tally.count + 1)
    return [VERSION, helper.VERSION]

@action
async def act(ctx: ActionCtx, client: str, number: int) -> list[int]:
    first = [VERSION, helper.VERSION]
    await ctx.run_mutation("shown:add", client=client, number=number)
    return [*first, VERSION, helper.VERSION]
"""
OTHER = """
from functions import helper
from reactor import QueryCtx, query

@query
def version(ctx: QueryCtx) -> list[int]:
    return [helper.VERSION]
"""
STILL = """
from reactor import QueryCtx, query
from schema import Tally

@query
def mine(ctx: QueryCtx, client: str) -> int:
    tally = ctx.db.query(Tally.by_client.eq(client)).unique()
    return 0 if tally is None else tally.count

@query
def nothing(ctx: QueryCtx) -> str:
    return "never touched"
"""
QUERIES = ("shown:both", "other:version", "still:mine", "still:nothing")
BROKEN_EVERY = 5


@dataclass
class Watching:
    """One client: what it sent, what was answered, what it saw. Everything that must not happen goes to `wrong`."""

    name: str
    sent: int = 0
    answered: list[int] = field(default_factory=list)  # numbers of mutations and actions that were acknowledged
    state: dict[int, Any] = field(default_factory=dict)
    seen: list[int] = field(default_factory=list)  # versions, as they came
    wrong: list[str] = field(default_factory=list)
    moved: asyncio.Event = field(default_factory=asyncio.Event)
    stopping: bool = False

    async def run(self, url: str) -> None:
        """Until `stopping`, and everything sent is answered."""
        async with websockets.connect(url, max_size=None) as socket:
            hello = {"type": "Connect", "sessionId": str(uuid.uuid4()), "connectionCount": 0, "lastCloseReason": None}
            await socket.send(json.dumps(hello))
            added = [
                {"type": "Add", "queryId": number, "udfPath": path, "args": [self._args(path)]}
                for number, path in enumerate(QUERIES)
            ]
            told = {"type": "ModifyQuerySet", "baseVersion": 0, "newVersion": 1, "modifications": added}
            await socket.send(json.dumps(told))
            await self._send(socket)
            await self._send(socket)
            try:
                async for text in socket:
                    message = json.loads(text)
                    if message["type"] in ("MutationResponse", "ActionResponse"):
                        self._take_answer(message)
                        await self._send(socket)
                    elif message["type"] == "Transition":
                        self._take(message)
                    if self.stopping and len(self.answered) == self.sent <= self.state.get(2, 0):
                        return
            except websockets.ConnectionClosed as closed:
                self.wrong.append(f"the socket was closed: {closed}")

    def _args(self, path: str) -> dict[str, str]:
        return {"client": self.name} if path == "still:mine" else {}

    async def _send(self, socket: websockets.ClientConnection) -> None:
        if self.stopping:
            return
        number, self.sent = self.sent, self.sent + 1
        kind, path = ("Action", "shown:act") if number % 7 == 3 else ("Mutation", "shown:add")
        args = [{"client": self.name, "number": number}]
        await socket.send(json.dumps({"type": kind, "requestId": number, "udfPath": path, "args": args}))

    def _take_answer(self, message: dict[str, Any]) -> None:
        if not message["success"]:
            self.wrong.append(f"{message['type']} failed: {message['result']}")
        elif len(set(message["result"])) != 1:
            self.wrong.append(f"{message['type']} mixes versions: {message['result']}")
        self.answered.append(message["requestId"])

    def _take(self, message: dict[str, Any]) -> None:
        for change in message["modifications"]:
            if change["type"] != "QueryUpdated":
                self.wrong.append(f"a query failed: {change}")
                continue
            self.state[change["queryId"]] = change["value"]
        versions = {*self.state.get(0, ()), *self.state.get(1, ())}
        if len(versions) > 1:
            self.wrong.append(f"one view mixes versions: {self.state}")
        if versions:
            self.seen.append(max(versions))
            self.moved.set()

    async def sees(self, version: int) -> None:
        """Wait for a version."""
        while not self.seen or self.seen[-1] < version:
            self.moved.clear()
            await self.moved.wait()

    def complaints(self) -> Iterator[str]:
        """All that must not be."""
        yield from self.wrong
        if self.seen != sorted(self.seen):
            yield f"versions went back: {self.seen}"
        if sorted(self.answered) != list(range(self.sent)):
            yield "not every request was answered exactly once"
        if self.state[2] != self.sent:
            yield f"{self.sent} were sent and acknowledged, {self.state[2]:.0f} took place"


@dataclass(frozen=True)
class Told:
    """How it went."""

    clients: list[Watching]
    live: list[float]  # seconds from a save to the last client that sees it

    @property
    def complaints(self) -> list[str]:
        return [f"{client.name}: {text}" for client in self.clients for text in client.complaints()]


async def reload_under_load(folder: Path, reloads: int, clients: int) -> Told:
    """So many reloads while so many clients work. A save in between does not load, and changes nothing."""
    functions = folder / "project" / "functions"
    functions.mkdir(parents=True)
    (folder / "project" / "schema.py").write_text(SCHEMA)
    for name, text in (("helper", HELPER), ("shown", SHOWN), ("other", OTHER), ("still", STILL)):
        (functions / f"{name}.py").write_text(text.replace("{}", "0"))
    application = Application(folder / "project", folder / "data")
    await application.start()
    application.expect_edits()
    try:
        async with listening(build_app(application), "127.0.0.1", 0) as address:
            url = f"{address.url.replace('http', 'ws')}/api/1.48.0/sync"
            watching = [Watching(f"client {number}") for number in range(clients)]
            tasks = [asyncio.create_task(client.run(url)) for client in watching]
            await asyncio.gather(*(client.sees(0) for client in watching))
            live = [await _reload(application, functions, version, watching) for version in range(1, reloads + 1)]
            for client in watching:
                client.stopping = True
            async with asyncio.timeout(60):
                await asyncio.gather(*tasks)
    finally:
        await application.stop()
    return Told(watching, live)


async def _reload(application: Application, functions: Path, version: int, watching: list[Watching]) -> float:
    if version % BROKEN_EVERY == 0:
        (functions / "helper.py").write_text("VERSION = (\n")
        try:
            await application.deploy()
        except BundleBroken:
            pass
        else:
            watching[0].wrong.append("code that does not compile was deployed")
    began = time.perf_counter()
    (functions / "helper.py").write_text(HELPER.replace("{}", str(version)))
    (functions / "shown.py").write_text(SHOWN.replace("{}", str(version)))
    await application.deploy()
    async with asyncio.timeout(60):
        await asyncio.gather(*(client.sees(version) for client in watching))
    return time.perf_counter() - began
