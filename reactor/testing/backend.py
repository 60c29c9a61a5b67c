"""TestBackend: a project's functions on a real database, called in-process. No server, no sockets, no other process.

Every mutation is a batch of its own and durable when it returns; scheduled functions and crons run when `advance` lets
time pass over them, or `run_due` says so. A subscription runs its query again after each commit that meets what it read.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import itertools
import math
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import orjson

from reactor.auth.identity import Identity
from reactor.clock import Clock
from reactor.database.batch import Batch
from reactor.database.database import Database
from reactor.database.environment import update_variables
from reactor.database.variable import VariableChange
from reactor.definitions.context import MutationCtx
from reactor.definitions.function import Function
from reactor.definitions.function_definition import FunctionDefinition
from reactor.errors import SchemaViolation
from reactor.execution.bundle import Bundle
from reactor.execution.caller import FunctionCaller
from reactor.execution.cron_rows import write_crons
from reactor.execution.environment import Noted
from reactor.execution.frames import Call, Kind, Outcome
from reactor.execution.guard import Guard
from reactor.execution.loader import load_bundle
from reactor.execution.migration_rows import STEP
from reactor.execution.outcome import error_of
from reactor.execution.seal import Seal
from reactor.limits import DEFAULT_LIMITS, Limits
from reactor.storage.cursor_key import cursor_key_at
from reactor.testing.acting import Acting, Arguments, to_end
from reactor.testing.fetched import Collector, FetchedResponse, request_of
from reactor.testing.files import TestFiles
from reactor.testing.live_query import LiveQuery
from reactor.testing.loaded import BUILT_IN, FILE, LoadedProject, memory_folder, push
from reactor.testing.manual_clock import AdvancingClock, MovableClock
from reactor.values.value import Value, decode, encode

R = TypeVar("R")
MOST_JOBS = 1000  # that run_all runs before it takes them for endless


class TestBackend(Acting):
    """A context manager, or to be closed. `with TestBackend(Path("my_project")) as backend: …`

    Functions are called by path, as clients do, or by the function itself (see Acting). An error of a function is raised:
    AppError as it was, everything else as the DeveloperError its text tells of; what user code raised is its cause.
    """

    __test__ = False  # no test itself, whatever pytest thinks of the name

    def __init__(
        self,
        project: Path | str | LoadedProject,
        *,
        data: Path | str | None = None,
        clock: Clock | None = None,
        limits: Limits = DEFAULT_LIMITS,
        env: Mapping[str, str] | None = None,
    ) -> None:
        """Load the project in this folder and push it; or take one that is loaded. `data` is the database's folder; a
        temporary one without it.

        `env` are environment variables to set first, so that the code finds them while it is loaded too. Without a
        `clock` it is the machine's own, which `advance` sets forward.
        """
        self._backend = self
        self._limits = limits
        self.clock = clock or AdvancingClock()
        self.log_lines: list[str] = []  # of all calls, in order; a test may clear it
        self.errors: list[BaseException] = []  # raised by functions, scheduled ones too, in order; a test may clear it
        self._cause: BaseException | None = None  # what the call under way was ended by; set by _notice
        self.watchers: list[LiveQuery[Any]] = []  # open subscriptions
        self._loaded = project if isinstance(project, LoadedProject) else None
        self._temporary = memory_folder("reactor-test-") if data is None else None
        folder = Path(data) if data is not None else Path(_name(self._temporary))
        folder.mkdir(parents=True, exist_ok=True)
        if self._loaded is not None and not (folder / FILE).exists():
            self._loaded.copy_to(folder)
        self._database = Database.open_writer(folder / FILE, clock=self.clock, boot="test", limits=limits)
        try:
            bundle = self._load(project, env or {})
            self.files = TestFiles(folder, limits, self._system, lambda: self._now_ms)
            self.bundle = dataclasses.replace(bundle, files=self.files.place, seal=Seal(cursor_key_at(folder)))
        except BaseException:
            self._close_database()
            raise
        guard = Guard(limits)
        guard.install()
        self._caller = FunctionCaller(self.bundle, limits, self.clock, guard=guard, notice=self._notice)
        self._numbers = itertools.count(1)
        if self._loaded is None or self._database.head.bundle != self.bundle.hash:
            push(self._database, self.bundle, self._caller, self.clock)
        self._write_crons()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the database, forget the project's modules unless others share them, delete what was temporary."""
        self.files.clear_up()
        if self._loaded is None:
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
            told = self.outcome("mutation", STEP, {"name": name, "limit": 100}, internal=True)
            row = decode(self.result(told))
        if row["state"] == "failed":
            raise SchemaViolation(row["error"])
        return row

    def _load(self, project: Path | str | LoadedProject, env: Mapping[str, str]) -> Bundle:
        if isinstance(project, LoadedProject):
            self._set_variables({**project.env, **env})
            return project.bundle
        self._set_variables(env)
        with self._database.snapshot() as snapshot:
            return load_bundle(Path(project), Noted(snapshot.variables(), BUILT_IN))

    # ── who, and with what ────────────────────────────────────────────────────────────────────────────────────────────

    def as_user(self, who: Mapping[str, Any] | str) -> Acting:
        """Calls as this user: their token's attributes, `{"subject": "ann", "email": …}`, or only the subject."""
        return _User(self, Identity.of_user(who))

    def set_env(self, name: str, value: str | None) -> None:
        """Set an environment variable, or remove it with None. Code that read it while it was loaded is not loaded again."""
        self._set_variables({name: value})

    def run(self, work: Callable[[MutationCtx], R]) -> R:
        """Call any function of the test's own with a mutation's ctx, and commit: to fill the database and look into it.

        `backend.run(lambda ctx: ctx.db.query(User).collect())`. What it raises is raised, and nothing is written.
        """
        batch = self._database.begin()
        try:
            result = self._caller.run_within(batch, self._call("mutation", "test", {}, None), work)
        except BaseException:
            batch.abandon()
            raise
        self._commit(batch)
        return result

    # ── calls, as Acting makes them ───────────────────────────────────────────────────────────────────────────────────

    def outcome(
        self, kind: Kind, path: str, args: Arguments | None = None, *, identity: Identity | None = None, **more: Any
    ) -> Outcome:
        """Everything a query or mutation came to. `more` are further fields of the Call: journal, session, job, …"""
        self._cause = None
        return self._run(self._call(kind, path, args, identity, **more))

    async def act(self, path: str, args: Arguments | None, *, identity: Identity | None, internal: bool) -> Outcome:
        """Everything an action came to."""
        self._cause = None
        return await self._act(self._call("action", path, args, identity, internal=internal))

    async def answer(
        self,
        method: str,
        path: str,
        headers: dict[str, str],
        body: bytes | str,
        json: Any,
        identity: Identity | None,
    ) -> FetchedResponse:
        """See `run_fetch`."""
        data = orjson.dumps(json) if json is not None else body.encode() if isinstance(body, str) else body
        request = request_of(method, path, headers, data, is_json=json is not None)
        call = self._call("action", f"{method} {path}", {}, identity)
        client = Collector()
        self._cause = None
        outcome = await self._caller.run_http(call, request, self._bridge, client)
        self.log_lines += outcome.log_lines
        self.result(outcome)
        return client.response

    @property
    def cause(self) -> BaseException | None:
        """What the last call was ended by, if it failed."""
        return self._cause

    def result(self, outcome: Outcome, cause: BaseException | None = None) -> bytes:
        """The encoded value; the error of a call that failed is raised. Its cause is the last call's if none is given."""
        __tracebackhide__ = True
        if outcome.failure is not None:
            raise error_of(outcome.failure) from (cause or self._cause)
        assert outcome.value is not None
        return outcome.value

    def definition_of(self, fn: Function[..., Any]) -> FunctionDefinition:
        """The definition of a function, also one that was imported before the project was loaded."""
        module = fn.__module__.removeprefix("functions.").replace(".", "/")
        known = self.bundle.functions.look_up(f"{module}:{fn.__name__}")
        if known is not None and known.fn.__code__.co_filename == fn.fn.__code__.co_filename:
            return known
        return self.bundle.functions.of(fn)

    # ── scheduled functions ───────────────────────────────────────────────────────────────────────────────────────────

    def advance(self, by: dt.timedelta) -> int:
        """Let so much time pass, and run what comes due, each at its own time. How many functions ran."""
        return to_end(self.advance_async(by))

    def run_due(self) -> int:
        """Run every scheduled function and cron that is due, in due order, those they schedule included. How many ran."""
        return to_end(self.run_due_async())

    def run_all(self) -> int:
        """Run every scheduled function, letting the time pass to the last of them, until none is left. How many ran.

        Crons have no end: they are left to `advance`. Raises RuntimeError for functions that schedule themselves for ever.
        """
        return to_end(self.run_all_async())

    async def advance_async(self, by: dt.timedelta) -> int:
        """`advance`, for async tests whose own loop serves what actions talk to."""
        clock = self._movable
        end = self._now_ms + by.total_seconds() * 1000
        ran = await self.run_due_async()
        while (due := self._next_time()) is not None and due <= end:
            self._advance_to(clock, due)
            ran += await self.run_due_async()
        self._advance_to(clock, end)
        return ran + await self.run_due_async()

    async def run_due_async(self) -> int:
        """`run_due`, for async tests."""
        self._system("mutation", "crons:start", {"now": self._now_ms})
        ran = 0
        while (job := self._next_job()) is not None and job["scheduledTime"] <= self._now_ms:
            await self._run_job(job)
            ran += 1
        return ran

    async def run_all_async(self) -> int:
        """`run_all`, for async tests."""
        for ran in range(MOST_JOBS):
            job = self._next_job()
            if job is None:
                return ran
            if job["scheduledTime"] > self._now_ms:
                self._advance_to(self._movable, job["scheduledTime"])
            await self._run_job(job)
        raise RuntimeError(
            f"{MOST_JOBS} scheduled functions ran, and there are more: do they schedule each other for ever?"
        )

    @property
    def _movable(self) -> MovableClock:
        clock = self.clock
        if not isinstance(clock, MovableClock):
            raise TypeError(f"advance() needs a clock with an `advance` of its own, and {clock!r} has none.")
        return clock

    def _advance_to(self, clock: MovableClock, time_ms: float) -> None:
        clock.advance(dt.timedelta(microseconds=max(0, math.ceil((time_ms - self._now_ms) * 1000))))

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

    async def _run_job(self, job: dict[str, Any]) -> None:
        definition = self.bundle.functions.look_up(job["name"])
        if definition is None or definition.kind == "mutation":
            outcome = self.outcome("mutation", job["name"], job["args"][0], internal=True, job=job["_id"])
            if outcome.failure is not None:  # written down already, unless it was an engine's failure
                self._end_job(job, outcome)
            return
        self._system("mutation", "scheduler:claim", {"id": job["_id"]})
        call = self._call("action", job["name"], job["args"][0], None, internal=True, job=job["_id"])
        self._end_job(job, await self._act(call))

    def _end_job(self, job: dict[str, Any], outcome: Outcome) -> None:
        failure = None if outcome.failure is None else outcome.failure.text
        self._system("mutation", "scheduler:finish", {"id": job["_id"], "error": failure})

    def _system(self, kind: Kind, name: str, args: Arguments) -> Any:
        return decode(self.result(self.outcome(kind, f"_system/{name}", args, internal=True)))

    def _notice(self, error: BaseException) -> None:
        """Its traceback begins where user code does: what called that is of no interest in a test."""
        trace = error.__traceback__
        while trace is not None and not self.bundle.project.owns(trace.tb_frame.f_code.co_filename):
            trace = trace.tb_next
        if trace is not None:
            error.__traceback__ = trace
        self.errors.append(error)
        self._cause = error

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
        self._commit(batch)

    def _commit(self, batch: Batch) -> None:
        """Make it durable, and tell the subscriptions."""
        for commit in batch.commit().commits:
            for watcher in tuple(self.watchers):
                watcher.committed(commit.keys)

    def _write_crons(self) -> None:
        batch = self._database.begin()
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
            self._commit(batch)
        self.log_lines += outcome.log_lines
        return outcome

    async def _act(self, call: Call) -> Outcome:
        outcome = await self._caller.run_action(call, self._bridge)
        self.log_lines += outcome.log_lines
        return outcome

    async def _bridge(self, call: Call) -> Outcome:
        """What an action calls, each in a transaction of its own."""
        return await self._act(call) if call.kind == "action" else self._run(call)


class _User(Acting):
    """Somebody, at a backend."""

    def __init__(self, backend: TestBackend, identity: Identity) -> None:
        self._backend = backend
        self._identity = identity


def _name(folder: tempfile.TemporaryDirectory[str] | None) -> str:
    assert folder is not None
    return folder.name
