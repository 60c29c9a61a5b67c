"""The promise of one timestamp, on the real thing: processes, SQLite, sockets, under load.

Several sockets write at random and watch at random; every frame is kept. Afterwards the history is rebuilt from the
mutations' own timestamps, and at every Transition the client's whole query set must equal the queries re-run on the
history at that timestamp, by plain Python.
"""

from __future__ import annotations

import asyncio
import json
import random
import uuid
from pathlib import Path
from typing import Any

import pytest
import websockets

from reactor.application import Application
from reactor.server.app import build_app
from reactor.server.listening import listening
from reactor.sync.codec import decode_ts

SCHEMA = """
from reactor import Index, Table

class Entry(Table, name="entries"):
    number: int
    value: int
    by_number = Index("number")
    by_value = Index("value", "number")
"""

FUNCTIONS = """
from reactor import MutationCtx, QueryCtx, mutation, query
from schema import Entry

@query
def one(ctx: QueryCtx, number: int) -> list[int] | None:
    entry = ctx.db.query(Entry.by_number.eq(number)).unique()
    return None if entry is None else [entry.number, entry.value]

@query
def between(ctx: QueryCtx, low: int, high: int) -> list[list[int]]:
    found = ctx.db.query(Entry.by_number.gte(low).lt(high))
    return [[entry.number, entry.value] for entry in found]

@query
def best(ctx: QueryCtx, n: int) -> list[list[int]]:
    return [[e.number, e.value] for e in ctx.db.query(Entry.by_value).order("desc").take(n)]

@query
def first_odd(ctx: QueryCtx, low: int) -> list[int] | None:
    entry = ctx.db.query(Entry.by_number.gte(low)).filter(lambda e: e.value % 2 == 1).first()
    return None if entry is None else [entry.number, entry.value]

@mutation
def put(ctx: MutationCtx, number: int, value: int) -> bool:
    entry = ctx.db.query(Entry.by_number.eq(number)).unique()
    if entry is None:
        ctx.db.insert(Entry(number=number, value=value))
    else:
        ctx.db.patch(entry.id, value=value)
    return entry is None or entry.value != value

@mutation
def drop(ctx: MutationCtx, number: int) -> bool:
    entry = ctx.db.query(Entry.by_number.eq(number)).unique()
    if entry is not None:
        ctx.db.delete(entry.id)
    return entry is not None

@mutation
def swap(ctx: MutationCtx, a: int, b: int) -> bool:
    first = ctx.db.query(Entry.by_number.eq(a)).unique()
    second = ctx.db.query(Entry.by_number.eq(b)).unique()
    if first is None or second is None:
        return False
    ctx.db.patch(first.id, value=second.value)
    ctx.db.patch(second.id, value=first.value)
    return first.value != second.value
"""

NUMBERS = 12
State = dict[int, int]


def rerun(name: str, args: dict[str, int], state: State) -> Any:
    """The queries above, on a dict."""
    match name:
        case "m:one":
            return [args["number"], state[args["number"]]] if args["number"] in state else None
        case "m:between":
            return [[n, state[n]] for n in sorted(state) if args["low"] <= n < args["high"]]
        case "m:best":
            ranked = sorted(state, key=lambda n: (state[n], n), reverse=True)
            return [[n, state[n]] for n in ranked[: args["n"]]]
        case "m:firstOdd":
            return next(([n, state[n]] for n in sorted(state) if n >= args["low"] and state[n] % 2 == 1), None)
    raise AssertionError(name)


def apply(name: str, args: dict[str, int], state: State) -> State:
    state = dict(state)
    match name:
        case "m:put":
            state[args["number"]] = args["value"]
        case "m:drop":
            state.pop(args["number"], None)
        case "m:swap":
            a, b = args["a"], args["b"]
            if a in state and b in state:
                state[a], state[b] = state[b], state[a]
    return state


class Player:
    """A socket that writes and watches at random, and keeps what it saw."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.sets: dict[int, dict[int, tuple[str, dict[str, int]]]] = {0: {}}
        self.sent: dict[int, tuple[str, dict[str, int]]] = {}
        self.responses: dict[int, int] = {}
        self.wrote: dict[int, bool] = {}
        self.frames: list[dict[str, Any]] = []
        self.settled = asyncio.Event()

    def query(self) -> tuple[str, dict[str, int]]:
        low = self.chance.randrange(NUMBERS)
        return self.chance.choice(
            [
                ("m:one", {"number": low}),
                ("m:between", {"low": low, "high": low + 4}),
                ("m:best", {"n": self.chance.randrange(1, 4)}),
                ("m:firstOdd", {"low": low}),
            ]
        )

    def mutation(self) -> tuple[str, dict[str, int]]:
        a, b = self.chance.sample(range(NUMBERS), 2)
        put = ("m:put", {"number": a, "value": self.chance.randrange(6)})
        return self.chance.choice([put, put, ("m:drop", {"number": a}), ("m:swap", {"a": a, "b": b})])

    async def play(self, url: str, steps: int) -> None:
        async with websockets.connect(url, max_size=None) as socket:
            reader = asyncio.create_task(self.listen(socket))
            await socket.send(json.dumps({"type": "Connect", "sessionId": str(uuid.uuid4()), "connectionCount": 0}))
            held: dict[int, tuple[str, dict[str, int]]] = {}
            version = 0
            for step in range(steps):
                if self.chance.random() < 0.2 or step < 4:
                    number = self.chance.randrange(6)
                    if number in held:
                        del held[number]
                        item: dict[str, Any] = {"type": "Remove", "queryId": number}
                    else:
                        path, args = held[number] = self.query()
                        item = {"type": "Add", "queryId": number, "udfPath": path, "args": [args]}
                    version += 1
                    self.sets[version] = dict(held)
                    message: dict[str, Any] = {"type": "ModifyQuerySet", "baseVersion": version - 1}
                    message |= {"newVersion": version, "modifications": [item]}
                else:
                    path, args = self.sent[step] = self.mutation()
                    message = {"type": "Mutation", "requestId": step, "udfPath": path, "args": [args]}
                await socket.send(json.dumps(message))
                if self.chance.random() < 0.3:
                    await asyncio.sleep(self.chance.random() * 0.004)
            while len(self.responses) < len(self.sent) or not self.caught_up(version):
                self.settled.clear()
                async with asyncio.timeout(20):
                    await self.settled.wait()
            reader.cancel()

    async def listen(self, socket: Any) -> None:
        async for text in socket:
            message = json.loads(text)
            self.frames.append(message)
            if message["type"] == "MutationResponse":
                assert message["success"], message
                self.responses[message["requestId"]] = decode_ts(message["ts"])
                self.wrote[message["requestId"]] = message["result"]
            self.settled.set()

    def caught_up(self, version: int) -> bool:
        last = next((f for f in reversed(self.frames) if f["type"] == "Transition"), None)
        return (
            last is not None
            and last["endVersion"]["querySet"] == version
            and decode_ts(last["endVersion"]["ts"]) >= max(self.responses.values(), default=0)
        )

    def check(self, history: list[tuple[int, State]]) -> int:
        """Walk the frames: chained, never back, and true at every step. Returns the transitions seen."""
        version = {"querySet": 0, "identity": 0, "ts": "AAAAAAAAAAA="}
        results: dict[int, Any] = {}
        answered = 0
        seen = 0
        for frame in self.frames:
            if frame["type"] == "MutationResponse":
                answered = max(answered, decode_ts(frame["ts"]))
                continue
            if frame["type"] != "Transition":
                continue
            seen += 1
            assert frame["startVersion"] == version
            ts = decode_ts(frame["endVersion"]["ts"])
            assert ts >= max(decode_ts(version["ts"]), answered)
            for item in frame["modifications"]:
                if item["type"] == "QueryRemoved":
                    results.pop(item["queryId"], None)
                else:
                    assert item["type"] == "QueryUpdated", item
                    results[item["queryId"]] = item["value"]
            version = frame["endVersion"]
            state = next(state for end, state in reversed(history) if end <= ts)
            expected = {n: rerun(path, args, state) for n, (path, args) in self.sets[version["querySet"]].items()}
            assert results == expected, f"at {ts}"
        return seen


@pytest.mark.parametrize("seed", range(3))
async def test_at_every_transition_the_whole_query_set_is_the_state_at_its_timestamp(tmp_path: Path, seed: int) -> None:
    (tmp_path / "functions").mkdir()
    (tmp_path / "schema.py").write_text(SCHEMA)
    (tmp_path / "functions" / "m.py").write_text(FUNCTIONS)
    application = Application(tmp_path, tmp_path / "data")
    await application.start()
    try:
        async with listening(build_app(application)) as address:
            url = address.url.replace("http", "ws") + "/api/sync"
            players = [Player(seed * 100 + n) for n in range(5)]
            await asyncio.gather(*(player.play(url, 200) for player in players))
    finally:
        await application.stop()
    answers = [(ts, p.sent[n], p.wrote[n]) for p in players for n, ts in p.responses.items()]
    calls = sorted(answers, key=lambda answer: answer[0])
    state: State = {}
    history: list[tuple[int, State]] = [(0, state)]
    for ts, (path, args), wrote in calls:
        if wrote:  # what wrote nothing carries its batch's end: it has no place in the order
            after = apply(path, args, state)
            assert after != state, "a mutation saw another state than the history says"
            history.append((ts, after))
            state = after
    assert len(history) == len({ts for ts, _ in history}), "two writing calls share a timestamp"
    assert sum(player.check(history) for player in players) > 100
