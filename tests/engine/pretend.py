"""A pool whose every step the test takes, and clients that check each frame against its history."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from reactor.application import Application
from reactor.execution.frames import Batch, Call, Outcome
from reactor.footprint.commit import Commit
from reactor.server.heartbeat import Heartbeat
from reactor.server.sync_worker import SyncWorker
from reactor.sync.client_info import ClientInfo
from reactor.sync.codec import decode_ts

CELLS = 4
SESSION = "5b0b2c0e-2f4b-4a1b-9a0e-0c3f6f7a1d1%x"


def cell_key(cell: int) -> bytes:
    return b"cell-%d" % cell


class PretendPool:
    """A writer and two readers whose every step is taken by the test.

    Cell 0 decides whether odd queries look at who asks. A query reads its own cell and cell 0.
    """

    writable = True

    def __init__(self) -> None:
        self.on_reader_idle: Callable[[], None] = lambda: None
        self.history: list[tuple[int, tuple[int, ...]]] = [(100, (0,) * CELLS)]
        self.waiting: list[Call] = []
        self.batches: list[tuple[Batch, list[Outcome]]] = []  # on disk, not told yet
        self.asked: list[tuple[int, list[Call], int]] = []  # handed to a reader, not run yet
        self.ran: list[tuple[int, int, list[Call], list[Outcome]]] = []  # run, not told yet
        self.runs = 0
        self.gangs: set[int] = set()  # batches to be run whole

    @property
    def readers_idle(self) -> int:
        return 2 - len(self.asked) - len(self.ran)

    def submit_mutation(self, call: Call) -> None:
        self.waiting.append(call)

    def submit_queries(self, batch_id: int, calls: Sequence[Call], min_ts: int, *, whole: bool = False) -> bool:
        assert self.readers_idle > 0
        if whole:
            self.gangs.add(batch_id)
        self.asked.append((batch_id, list(calls), min_ts))
        return True

    def commit(self) -> None:
        """One COMMIT of everything that waits."""
        calls, self.waiting = self.waiting, []
        ts, cells = self.history[-1]
        prev, records, outcomes = ts, [], []
        for call in calls:
            if call.path == "_system/head:advance":
                continue
            change = json.loads(call.args)
            if change["cell"] is None:
                outcomes.append(Outcome(call.id, b"null"))
                continue
            ts += 1
            cells = (*cells[: change["cell"]], change["value"], *cells[change["cell"] + 1 :])
            records.append(Commit(ts, ts - 1, {7: [cell_key(change["cell"])]}, call.path))
            outcomes.append(Outcome(call.id, b"null", ts=ts))
        if records:
            self.history.append((ts, cells))
        outcomes = [Outcome(o.call, o.value, ts=o.ts or ts) for o in outcomes]
        self.batches.append((Batch(ts, prev, records), outcomes))

    def run(self, at: int) -> None:
        batch, calls, min_ts = self.asked.pop(at)
        ts = self.history[-1][0]
        assert ts >= min_ts, "a reader was asked for a state that is not there"
        self.runs += len(calls)
        self.ran.append((batch, ts, calls, [self.outcome(call, ts) for call in calls]))

    def outcome(self, call: Call, ts: int) -> Outcome:
        cell = int(call.path)
        looked = self.cells(ts)[0] == 1 and cell % 2 == 1
        value = self.answer(cell, call.identity, ts)
        keys = sorted({cell_key(cell), cell_key(0)})
        reads: dict[int, list[tuple[bytes, bytes | None]]] = {7: [(key, key + b"\0") for key in keys]}
        return Outcome(call.id, value, ts=ts, digest=value, reads=reads, identity_read=looked)

    def cells(self, ts: int) -> tuple[int, ...]:
        return next(cells for end, cells in reversed(self.history) if end <= ts)

    def answer(self, cell: int, identity: bytes | None, ts: int) -> bytes:
        cells = self.cells(ts)
        looked = cells[0] == 1 and cell % 2 == 1
        return json.dumps([cells[cell], identity.decode() if looked and identity else "-"]).encode()


class Browser:
    """A client that believes what it is told and checks it against history."""

    def __init__(self, number: int, application: Application, pool: PretendPool) -> None:
        self.pool = pool
        self.clear = True
        self.closed: tuple[int, str] | None = None
        self.version = {"querySet": 0, "identity": 0, "ts": "AAAAAAAAAAA="}
        self.results: dict[int, Any] = {}
        self.queries: dict[int, int] = {}  # query id → cell, as of the newest set sent
        self.sets: dict[int, dict[int, int]] = {0: {}}  # by query set version
        self.identities: dict[int, bytes | None] = {0: None}  # by identity version
        self.said_set = 0
        self.said_identity = 0
        self.requests = 0
        self.answered: dict[int, int] = {}  # request → ts, until a transition reaches it
        self.unsettled: set[int] = set()
        self.transitions = 0
        self.expects_failures = False  # set by tests in which a query has no value
        self.worker = SyncWorker(self, application, ClientInfo(), Heartbeat(15))
        self.say({"type": "Connect", "sessionId": SESSION % number, "connectionCount": 0, "lastCloseReason": None})

    def say(self, message: dict[str, Any]) -> None:
        self.worker.receive(json.dumps(message))

    on_clear = blocked_since = None

    # what SyncWorker asks of a socket
    def abort(self) -> None:
        raise AssertionError("cut")

    def close(self, code: int, reason: str) -> None:
        self.closed = (code, reason)

    def send_frame(self, frame: bytes) -> None:
        assert self.clear, "a frame was written to a client that does not keep up"
        message = json.loads(frame[{126: 4, 127: 10}.get(frame[1], 2) :])
        match message["type"]:
            case "MutationResponse":
                self.on_mutation_response(message)
            case "Transition":
                self.on_transition(message)
            case other:
                raise AssertionError(f"{other}: {message}")

    def on_mutation_response(self, message: dict[str, Any]) -> None:
        ts = decode_ts(message["ts"])
        self.answered[message["requestId"]] = ts

    def on_transition(self, message: dict[str, Any]) -> None:
        self.transitions += 1
        assert message["startVersion"] == self.version, "transitions do not chain"
        end = message["endVersion"]
        ts = decode_ts(end["ts"])
        assert ts >= decode_ts(self.version["ts"]), "time went back"
        assert ts in (0, *(end for end, _ in self.pool.history)), "a timestamp inside a batch (engine A8)"
        assert ts >= max(self.answered.values(), default=0), "a transition older than a response before it (engine D3)"
        for item in message["modifications"]:
            if item["type"] == "QueryRemoved":
                self.results.pop(item["queryId"], None)
                continue
            if end["identity"] == self.version["identity"] and item["queryId"] in self.results:
                assert item["value"] != self.results[item["queryId"]], "an unchanged result was sent"
            self.results[item["queryId"]] = item.get("value")
        moved = any(end[part] != self.version[part] for part in ("querySet", "identity"))
        assert message["modifications"] or moved or self.answered, "a transition for nothing"
        self.version = end
        self.answered.clear()
        self.unsettled.clear()
        identity = self.identities[end["identity"]]
        expected = {
            number: json.loads(self.pool.answer(cell, identity, ts))
            for number, cell in self.sets[end["querySet"]].items()
        }
        assert self.results == expected or self.expects_failures, f"the client does not hold the state at {ts}"

    def watch(self, number: int, cell: int) -> None:
        if number in self.queries:
            del self.queries[number]
            item = {"type": "Remove", "queryId": number}
        else:
            self.queries[number] = cell
            item = {"type": "Add", "queryId": number, "udfPath": str(cell), "args": [{}]}
        base, self.said_set = self.said_set, self.said_set + 1
        self.sets[self.said_set] = dict(self.queries)
        self.say({"type": "ModifyQuerySet", "baseVersion": base, "newVersion": base + 1, "modifications": [item]})

    def become(self, user: str | None, key: str) -> None:
        base, self.said_identity = self.said_identity, self.said_identity + 1
        message: dict[str, Any] = {"type": "Authenticate", "baseVersion": base, "tokenType": "None"}
        self.identities[self.said_identity] = None
        if user is not None:
            message |= {"tokenType": "Admin", "value": key, "impersonating": {"issuer": "i", "subject": user}}
            shown = {"issuer": "i", "subject": user, "tokenIdentifier": f"i|{user}"}
            text = json.dumps(["actingAs", shown], separators=(",", ":"), sort_keys=True)
            self.identities[self.said_identity] = text.encode()
        self.say(message)

    def mutate(self, cell: int | None, value: int) -> None:
        number, self.requests = self.requests, self.requests + 1
        self.unsettled.add(number)
        args = [{"cell": cell, "value": value}]
        self.say({"type": "Mutation", "requestId": number, "udfPath": "set", "args": args})
