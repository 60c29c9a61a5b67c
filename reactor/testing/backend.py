"""TestBackend: a project's functions on a real database, called in-process. No server, no sockets, no other process.

Every mutation is a batch of its own and durable when it returns; scheduled functions run when `run_due` says so. What
the server adds, live queries for instance, is not here.
"""

from __future__ import annotations

import asyncio
import itertools
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson

from reactor.auth.identity import Identity
from reactor.clock import Clock, SystemClock
from reactor.database.database import Database
from reactor.execution.caller import FunctionCaller
from reactor.execution.frames import Call, Kind, Outcome
from reactor.execution.guard import Guard
from reactor.execution.loader import load_bundle
from reactor.execution.outcome import error_of
from reactor.execution.push import check_documents, structures_of
from reactor.limits import DEFAULT_LIMITS, Limits
from reactor.testing.fetched import Collector, FetchedResponse, request_of
from reactor.values.value import Value, decode, encode

Arguments = Mapping[str, Any]


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
    ) -> None:
        """Load the project in `root` and push it. `data` is the database's folder; a temporary one without it."""
        self.bundle = load_bundle(Path(root))
        self.clock = clock or SystemClock()
        self.log_lines: list[str] = []  # of all calls, in order; a test may clear it
        self._temporary = None if data is not None else tempfile.TemporaryDirectory(prefix="reactor-test-")
        folder = Path(data) if data is not None else Path(self._temporary.name)  # type: ignore[union-attr]
        folder.mkdir(parents=True, exist_ok=True)
        self._database = Database.open_writer(folder / "reactor.sqlite", clock=self.clock, boot="test", limits=limits)
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
        self._database.close()
        self.bundle.unload()
        if self._temporary is not None:
            self._temporary.cleanup()

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

    def run_due(self) -> int:
        """Run every scheduled function that is due, in due order, those they schedule included. How many ran."""
        ran = 0
        while (job := self._next_due()) is not None:
            self._run_job(job)
            ran += 1
        return ran

    def _next_due(self) -> dict[str, Any] | None:
        now = self.clock.now_ns() / 1e6
        jobs = self._system("query", "scheduler:due", {"now": now})
        return jobs[0] if jobs and jobs[0]["scheduledTime"] <= now else None

    def _run_job(self, job: dict[str, Any]) -> None:
        definition = self.bundle.functions.look_up(job["name"])
        if definition is None or definition.kind == "mutation":
            self.outcome("mutation", job["name"], job["args"][0], internal=True, job=job["_id"])
            return
        self._system("mutation", "scheduler:claim", {"id": job["_id"]})
        outcome = asyncio.run(self._act(self._call("action", job["name"], job["args"][0], None, internal=True)))
        failure = None if outcome.failure is None else outcome.failure.text
        self._system("mutation", "scheduler:finish", {"id": job["_id"], "error": failure})

    def _system(self, kind: Kind, name: str, args: Arguments) -> Any:
        return self._result(self.outcome(kind, f"_system/{name}", args, internal=True))

    # ── parts ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _push(self) -> None:
        batch = self._database.begin()
        check_documents(batch, self.bundle.schema, ())
        batch.apply_schema(structures_of(self.bundle.schema))
        batch.set_bundle(self.bundle.hash)
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
