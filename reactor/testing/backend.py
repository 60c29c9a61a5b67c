"""TestBackend: a project's functions on a real database, called in-process. No server, no sockets, no other process.

Every mutation is a batch of its own and durable when it returns; scheduled functions and crons run when `advance` lets
time pass over them, or `run_due` says so. What the server adds, live queries for instance, is not here.
"""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
import itertools
import math
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson

from reactor.auth.identity import Identity
from reactor.clock import Clock
from reactor.database.database import Database
from reactor.database.environment import VariableChange, update_variables
from reactor.errors import SchemaViolation
from reactor.execution.caller import FunctionCaller
from reactor.execution.cron_rows import write_crons
from reactor.execution.environment import Noted
from reactor.execution.frames import Call, Kind, Outcome, Prepared
from reactor.execution.guard import Guard
from reactor.execution.loader import load_bundle
from reactor.execution.migration_step import STEP
from reactor.execution.outcome import error_of
from reactor.execution.push import SchemaPush
from reactor.limits import DEFAULT_LIMITS, Limits
from reactor.testing.fetched import Collector, FetchedResponse, request_of
from reactor.testing.files import TestFiles
from reactor.testing.manual_clock import AdvancingClock, MovableClock
from reactor.values.value import Value, decode, encode

Arguments = Mapping[str, Any]
_BUILT_IN = {"CONVEX_CLOUD_URL": "http://127.0.0.1:3210", "CONVEX_SITE_URL": "http://127.0.0.1:3211"}


class TestBackend:
    """A context manager, or to be closed. `with TestBackend(Path("my_project")) as backend: …`

    Results are what a client receives: plain Values, documents as dicts with `_id` and wire names. An error of a
    function is raised: AppError as it was, everything else as the DeveloperError its text tells of.
    """

    __test__ = False  # no test itself, whatever pytest thinks of the name

    def __init__(
        self,
        root: Path | str,
        *,
        data: Path | str | None = None,
        clock: Clock | None = None,
        limits: Limits = DEFAULT_LIMITS,
        env: Mapping[str, str] | None = None,
    ) -> None:
        """Load the project in `root` and push it. `data` is the database's folder; a temporary one without it.

        `env` are environment variables to set first, so that the code finds them while it is loaded too. Without a
        `clock` it is the machine's own, which `advance` sets forward.
        """
        self._limits = limits
        self.clock = clock or AdvancingClock()
        self.log_lines: list[str] = []  # of all calls, in order; a test may clear it
        self._temporary = None if data is not None else tempfile.TemporaryDirectory(prefix="reactor-test-")
        folder = Path(data) if data is not None else Path(self._temporary.name)  # type: ignore[union-attr]
        folder.mkdir(parents=True, exist_ok=True)
        self._database = Database.open_writer(folder / "reactor.sqlite", clock=self.clock, boot="test", limits=limits)
        try:
            self._set_variables(env or {})
            with self._database.snapshot() as snapshot:
                bundle = load_bundle(Path(root), Noted(snapshot.variables(), _BUILT_IN))
            self.files = TestFiles(folder, limits, self._system, lambda: self._now_ms)
            self.bundle = dataclasses.replace(bundle, files=self.files.place)
        except BaseException:
            self._close_database()
            raise
        guard = Guard(limits)
        guard.install()
        self._caller = FunctionCaller(self.bundle, limits, self.clock, guard=guard)
        self._numbers = itertools.count(1)
        self._push()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the database, forget the project's modules, delete what was temporary."""
        self.files.clear_up()
        self.bundle.unload()
        self._close_database()

    def _close_database(self) -> None:
        self._database.close()
        if self._temporary is not None:
            self._temporary.cleanup()

    def migrate(self, name: str) -> Any:
        """Run a migration over all documents of its table; the row that tells what it came to. Raises as a function does."""
        row: Any = {"state": "running"}
        while row["state"] == "running":
            row = self._result(
                self._run(self._call("mutation", STEP, {"name": name, "limit": 100}, None, internal=True))
            )
        if row["state"] == "failed":
            raise SchemaViolation(row["error"])
        return row

    def set_env(self, name: str, value: str | None) -> None:
        """Set an environment variable, or remove it with None. Code that read it while it was loaded is not loaded again."""
        self._set_variables({name: value})

    # ── calling functions ─────────────────────────────────────────────────────────────────────────────────────────────

    def query(self, path: str, args: Arguments | None = None, *, identity: Identity | None = None) -> Any:
        """The result of a query at the newest data."""
        return self._result(self.outcome("query", path, args, identity=identity))

    def mutation(self, path: str, args: Arguments | None = None, *, identity: Identity | None = None) -> Any:
        """The result of a mutation; it is committed."""
        return self._result(self.outcome("mutation", path, args, identity=identity))

    def action(self, path: str, args: Arguments | None = None, *, identity: Identity | None = None) -> Any:
        """The result of an action, run to its end on an event loop of its own. Inside a loop, await `run_action`."""
        return asyncio.run(self.run_action(path, args, identity=identity))

    async def run_action(self, path: str, args: Arguments | None = None, *, identity: Identity | None = None) -> Any:
        """The result of an action."""
        return self._result(await self._act(self._call("action", path, args, identity)))

    def fetch(self, method: str, path: str, **request: Any) -> FetchedResponse:
        """`run_fetch`, run to its end on an event loop of its own."""
        return asyncio.run(self.run_fetch(method, path, **request))

    async def run_fetch(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | str = b"",
        json: Any = None,
        identity: Identity | None = None,
    ) -> FetchedResponse:
        """What the project's HTTP routes answer to a request; `path` may have a query, `json` is sent as the body.

        An error of the handler is raised. Where no route answers, the response is the server's 404 or 405.
        """
        data = orjson.dumps(json) if json is not None else body.encode() if isinstance(body, str) else body
        request = request_of(method, path, dict(headers or {}), data, is_json=json is not None)
        call = self._call("action", f"{method} {path}", {}, identity)
        client = Collector()
        outcome = await self._caller.run_http(call, request, self._bridge, client)
        self.log_lines += outcome.log_lines
        self._result(outcome)
        return client.response

    def outcome(
        self, kind: Kind, path: str, args: Arguments | None = None, *, identity: Identity | None = None, **more: Any
    ) -> Outcome:
        """Everything a query or mutation came to. `more` are further fields of the Call: journal, session, job, …"""
        return self._run(self._call(kind, path, args, identity, **more))

    # ── scheduled functions ───────────────────────────────────────────────────────────────────────────────────────────

    def advance(self, by: dt.timedelta) -> int:
        """Let so much time pass, and run what comes due, each at its own time. How many functions ran."""
        clock = self.clock
        if not isinstance(clock, MovableClock):
            raise TypeError(f"advance() needs a clock with an `advance` of its own, and {clock!r} has none.")
        end = self._now_ms + by.total_seconds() * 1000
        ran = self.run_due()
        while (due := self._next_time()) is not None and due <= end:
            self._advance_to(clock, due)
            ran += self.run_due()
        self._advance_to(clock, end)
        return ran + self.run_due()

    def _advance_to(self, clock: MovableClock, time_ms: float) -> None:
        clock.advance(dt.timedelta(microseconds=max(0, math.ceil((time_ms - self._now_ms) * 1000))))

    def run_due(self) -> int:
        """Run every scheduled function and cron that is due, in due order, those they schedule included. How many ran."""
        self._system("mutation", "crons:start", {"now": self._now_ms})
        ran = 0
        while (job := self._next_job()) is not None and job["scheduledTime"] <= self._now_ms:
            self._run_job(job)
            ran += 1
        return ran

    @property
    def _now_ms(self) -> float:
        return self.clock.now_ns() / 1e6

    def _next_job(self) -> dict[str, Any] | None:
        jobs = self._system("query", "scheduler:pending", {"now": self._now_ms})
        return jobs[0] if jobs else None

    def _next_time(self) -> float | None:
        job, cron = self._next_job(), self._system("query", "crons:next", {})
        times: list[float] = [job["scheduledTime"]] if job else []
        return min(times + ([] if cron is None else [cron]), default=None)

    def _run_job(self, job: dict[str, Any]) -> None:
        definition = self.bundle.functions.look_up(job["name"])
        if definition is None or definition.kind == "mutation":
            outcome = self.outcome("mutation", job["name"], job["args"][0], internal=True, job=job["_id"])
            if outcome.failure is not None:  # written down already, unless it was an engine's failure
                self._end_job(job, outcome)
            return
        self._system("mutation", "scheduler:claim", {"id": job["_id"]})
        call = self._call("action", job["name"], job["args"][0], None, internal=True, job=job["_id"])
        self._end_job(job, asyncio.run(self._act(call)))

    def _end_job(self, job: dict[str, Any], outcome: Outcome) -> None:
        failure = None if outcome.failure is None else outcome.failure.text
        self._system("mutation", "scheduler:finish", {"id": job["_id"], "error": failure})

    def _system(self, kind: Kind, name: str, args: Arguments) -> Any:
        return self._result(self.outcome(kind, f"_system/{name}", args, internal=True))

    # ── parts ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _set_variables(self, variables: Mapping[str, str | None]) -> None:
        batch = self._database.begin()
        try:
            transaction = batch.transaction("env")
            update_variables(transaction, [VariableChange(*each) for each in variables.items()], self._limits)
            transaction.release()
        except BaseException:
            batch.abandon()
            raise
        batch.commit()

    def _push(self) -> None:
        batch = self._database.begin()
        SchemaPush(batch, self.bundle, self._caller, Prepared()).carry_out(self.clock.now_ns() / 1e6)
        batch.set_bundle(self.bundle.hash, self.bundle.parts)
        crons = batch.transaction("crons")
        write_crons(crons, self.bundle.crons, self._now_ms)
        crons.release()
        batch.commit()

    def _call(self, kind: Kind, path: str, args: Arguments | None, identity: Identity | None, **more: Any) -> Call:
        sent: Value = dict(args or {})
        key = None if identity is None else identity.key
        return Call(id=next(self._numbers), kind=kind, path=path, args=encode(sent), identity=key, **more)

    def _run(self, call: Call) -> Outcome:
        if call.kind == "query":
            with self._database.snapshot() as snapshot:
                outcome = self._caller.run_query(snapshot, call)
        else:
            batch = self._database.begin()
            try:
                outcome = self._caller.run_mutation(batch, call)
            except BaseException:
                batch.abandon()
                raise
            batch.commit()
        self.log_lines += outcome.log_lines
        return outcome

    async def _act(self, call: Call) -> Outcome:
        outcome = await self._caller.run_action(call, self._bridge)
        self.log_lines += outcome.log_lines
        return outcome

    async def _bridge(self, call: Call) -> Outcome:
        """What an action calls, each in a transaction of its own."""
        return await self._act(call) if call.kind == "action" else self._run(call)

    @staticmethod
    def _result(outcome: Outcome) -> Any:
        if outcome.failure is not None:
            raise error_of(outcome.failure)
        assert outcome.value is not None
        return decode(outcome.value)
