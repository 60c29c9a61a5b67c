"""FunctionCaller: runs one call of a function, in this process, and says what it came to.

Runner processes and tests use the same one. Which calls run, in which batch or snapshot, and what becomes of the
outcome is decided by whoever calls it. Errors of user code and of our own checks are outcomes; whatever the engine
itself raises passes through, and the process has to end (engine A1).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, TypeVar, cast

import msgspec

from reactor.clock import Clock
from reactor.definitions.function_definition import FunctionDefinition
from reactor.errors import ArgumentValidationError, FunctionTimeout, InvalidValue, LimitExceeded, ReturnsValidationError
from reactor.execution.actions import Bridge, Errand, perform
from reactor.execution.chance import Chance, seed_of
from reactor.execution.context import MutationContext, QueryContext
from reactor.execution.environment import Environment, Fixed, Tracked
from reactor.execution.frames import Call, Counts, Failure, HttpRequest, Outcome, pack_outcome
from reactor.execution.guard import Guard
from reactor.execution.http_action import Client, answer
from reactor.execution.job_run import JobRun
from reactor.execution.logs import LogLines
from reactor.execution.migration_rows import STEP
from reactor.execution.migration_step import MigrationStep
from reactor.execution.near_limits import NearLimits
from reactor.execution.outcome import digest_of, error_of, failure_of, is_interruption
from reactor.execution.pagination import Pages
from reactor.execution.repetition import binding_of, repeated, request_of
from reactor.execution.run import Run
from reactor.execution.scope import Scope
from reactor.execution.stored_files import discard_blobs
from reactor.execution.system_functions import SystemCaller
from reactor.execution.system_names import PREFIX, VARIABLES
from reactor.limits import Limits, setting
from reactor.values.value import Value, check_value, decode, decode_plain, encode

if TYPE_CHECKING:
    from reactor.database.batch import Batch
    from reactor.database.reading import Reading
    from reactor.database.snapshot import Snapshot
    from reactor.database.transaction import Transaction
    from reactor.database.usage import Usage
    from reactor.execution.bundle import Bundle

R = TypeVar("R")
_cpu = time.thread_time


class StaleCode(Exception):
    """A query was about to run on data that a newer bundle owns; who gives out the calls has to look first."""


class Ended(NamedTuple):
    """How a function ended. Exactly one of the two is set."""

    value: bytes | None
    failure: Failure | None


class FunctionCaller:
    """Calls functions of one bundle, one at a time (actions: any number)."""

    __slots__ = ("_bundle", "_clock", "_guard", "_limits", "_near", "_notice", "_small", "_system")

    def __init__(
        self,
        bundle: Bundle,
        limits: Limits,
        clock: Clock,
        *,
        guard: Guard | None = None,
        notice: Callable[[BaseException], None] | None = None,
    ) -> None:
        """`guard` limits how long queries and mutations run; one that is not installed limits nothing. `notice` is told
        the exceptions that calls end with, before they become a Failure.
        """
        self._bundle = bundle
        self._limits = limits
        self._near = NearLimits(limits)
        self._small = min(limits.array_length, limits.object_fields, limits.field_name_length)
        self._clock = clock
        self._guard = guard or Guard(limits)
        self._notice = notice
        self._system = SystemCaller(clock, bundle)

    # ── queries ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def run_query(self, snapshot: Snapshot, call: Call) -> Outcome:
        """Run a query in a snapshot that other calls may share."""
        reading = snapshot.for_call()
        if call.path.startswith(PREFIX) and call.internal:
            self._guard.rest()
            return self._system.run_query(reading, call)
        if reading.bundle != self._bundle.hash:  # what it came to would be recorded as the new code's (engine D6)
            raise StaleCode(f"the database belongs to bundle {reading.bundle}, this process runs {self._bundle.hash}")
        chance = Chance(lambda: seed_of(self._bundle.secret, call.path.encode(), call.args, call.identity or b""))
        run = self._run(call, self._clock.now_ns(), chance)
        pages = Pages(self._bundle.seal, run, call.path, call.args, call.journal)
        began = _cpu()
        ended = self._attempt(run, reading, lambda: self._invoke_query(call, run, reading, pages))
        cpu = _cpu() - began
        self._near.warn(run, reading.usage, len(call.args), len(ended.value or b""), cpu)
        return Outcome(
            call=call.id,
            value=ended.value,
            failure=ended.failure,
            ts=reading.ts,
            digest=digest_of(ended.value, ended.failure, run.logs.lines),
            reads=reading.reads.to_wire(),
            identity_read=run.identity_read,
            journal=call.journal if ended.value is None else pages.journal,  # a page that failed keeps its end
            log_lines=run.logs.lines,
            cpu=cpu,
            counts=_counts(reading.usage) if call.counted else None,
        )

    def _invoke_query(self, call: Call, run: Run, reading: Reading, pages: Pages) -> bytes:
        scope = Scope(self._bundle, run, reading, pages)
        definition = scope.find(call.path, "query", internal=call.internal)
        return self._invoke(definition, QueryContext(scope), scope, call)

    # ── mutations ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def run_mutation(self, batch: Batch, call: Call) -> Outcome:
        """Run a mutation as one savepoint of the batch, or answer what it came to when it ran before.

        The outcome's `ts` is 0 when the call wrote nothing: whoever commits the batch fills in its end. Nothing may be
        told to anybody before that commit (engine A2).
        """
        if call.path == STEP and call.internal:
            self._guard.rest()
            return self._take_step(batch, call)
        if call.path.startswith(PREFIX) and call.internal:
            self._guard.rest()
            return self._system.run_mutation(batch, call)
        request = request_of(call)
        if request is not None:
            recorded = batch.recorded_request(*request)
            if recorded is not None:
                return repeated(call, recorded)
        transaction = batch.transaction(call.path)
        if call.job is not None:
            job = JobRun(batch, transaction, call.job, self._clock.now_ns() / 1e6)
            return job.carry_out(call, lambda inner: self._run_in(inner, call))
        outcome = self._run_in(transaction, call)
        if outcome.failure is not None:
            transaction.rollback()
            return outcome
        if request is not None:
            transaction.record_request(*request, pack_outcome(outcome), binding_of(call))
        commit = transaction.release()
        return outcome if commit is None else msgspec.structs.replace(outcome, ts=commit.ts)

    def _run_in(self, transaction: Transaction, call: Call) -> Outcome:
        """Run the function in a transaction, which is left open."""
        run = self._run(call, transaction.ts, Chance.unpredictable())
        began = _cpu()
        ended = self._attempt(run, transaction, lambda: self._invoke_mutation(call, run, transaction))
        if ended.failure is not None:
            discard_blobs(self._bundle, run)
        cpu = _cpu() - began
        self._near.warn(run, transaction.usage, len(call.args), len(ended.value or b""), cpu)
        return Outcome(
            call=call.id,
            value=ended.value,
            failure=ended.failure,
            identity_read=run.identity_read,
            log_lines=run.logs.lines,
            cpu=cpu,
            counts=_counts(transaction.usage) if call.counted else None,
        )

    def run_within(self, batch: Batch, call: Call, work: Callable[[MutationContext], R]) -> R:
        """Call `work` as if it were a mutation, and give what it gives. For tests: what it raises is raised as it is."""
        transaction = batch.transaction(call.path)
        run = self._run(call, transaction.ts, Chance.unpredictable())
        run.environment = Environment(Tracked(run, transaction, self._bundle.built_in))
        token = run.enter()
        pages = Pages(self._bundle.seal, run, call.path, call.args)
        try:
            result = work(MutationContext(Scope(self._bundle, run, transaction, pages)))
        finally:
            run.leave(token)
        if run.fatal is not None:
            raise run.fatal
        transaction.release()
        return result

    def _invoke_mutation(self, call: Call, run: Run, transaction: Transaction) -> bytes:
        definition = self._bundle.functions.find(call.path, "mutation", internal=call.internal)
        transaction.source = definition.path
        scope = Scope(self._bundle, run, transaction, Pages(self._bundle.seal, run, call.path, call.args))
        return self._invoke(definition, MutationContext(scope), scope, call)

    # ── migrations ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _take_step(self, batch: Batch, call: Call) -> Outcome:
        """A few documents of a migration that runs online."""
        args = self._arguments(call.args)
        name = str(args.get("name"))
        if name not in self._bundle.migrations:
            text = f"There is no migration `{name}` in functions/.\n"
            return Outcome(call=call.id, value=None, failure=Failure("MigrationNotFound", text))
        step = MigrationStep(batch, self._bundle, self, name)
        return Outcome(call=call.id, value=encode(step.take(args, self._clock.now_ns() / 1e6)))

    def carry_out(self, name: str, reading: Reading, work: Callable[[QueryContext], bytes]) -> Ended:
        """Let other code of the user's run as a query's does: under its guards, with a context that reads."""
        call = Call(id=0, kind="query", path=name, args=b"{}", internal=True)
        run = self._run(call, self._clock.now_ns(), Chance.unpredictable())
        pages = Pages(self._bundle.seal, run, name, call.args)
        return self._attempt(run, reading, lambda: work(QueryContext(Scope(self._bundle, run, reading, pages))))

    # ── actions ───────────────────────────────────────────────────────────────────────────────────────────────────────

    async def run_action(self, call: Call, bridge: Bridge) -> Outcome:
        """Run an action on this event loop. What it calls goes over `bridge`. Cancelling it cancels the action."""
        run = self._run(call, self._clock.now_ns(), Chance.unpredictable(), deterministic=False)
        token = run.enter()
        ended: Ended
        try:
            run.environment = await self._environment(bridge)
            definition = self._bundle.functions.find(call.path, "action", internal=call.internal)
            errand = Errand(self._bundle, self._clock, self._limits, run, bridge)
            value = await perform(definition, errand, self._arguments(call.args))
            ended = Ended(self._checked_size(value), None)
        except BaseException as error:  # noqa: BLE001  # user code's, whatever it is
            ended = Ended(None, self._failure(error))
        finally:
            run.leave(token)
        return Outcome(call=call.id, value=ended.value, failure=ended.failure, log_lines=run.logs.lines)

    async def run_http(self, call: Call, request: HttpRequest, bridge: Bridge, client: Client) -> Outcome:
        """Answer an HTTP request on this event loop, part by part, to `client`. A handler that succeeds comes to null."""
        run = self._run(call, self._clock.now_ns(), Chance.unpredictable(), deterministic=False)
        token = run.enter()
        failure: Failure | None = None
        try:
            run.environment = await self._environment(bridge)
            errand = Errand(self._bundle, self._clock, self._limits, run, bridge)
            await answer(self._bundle.routes, errand, request, client, self._limits)
        except BaseException as error:  # noqa: BLE001  # user code's, whatever it is
            failure = self._failure(error)
        finally:
            run.leave(token)
        value = b"null" if failure is None else None
        return Outcome(call=call.id, value=value, failure=failure, log_lines=run.logs.lines)

    async def _environment(self, bridge: Bridge) -> Environment:
        """The environment of now, for an action: it has no transaction to read it in."""
        outcome = await bridge(Call(id=0, kind="query", path=VARIABLES, args=b"{}", internal=True))
        if outcome.failure is not None:
            raise error_of(outcome.failure)
        assert outcome.value is not None
        return Environment(Fixed(cast("dict[str, str]", decode(outcome.value)), self._bundle.built_in))

    # ── what all have in common ───────────────────────────────────────────────────────────────────────────────────────

    def _run(self, call: Call, now_ns: int, chance: Chance, *, deterministic: bool = True) -> Run:
        return Run(
            now_ns=now_ns,
            chance=chance,
            logs=LogLines(self._limits),
            guard=self._guard,
            deterministic=deterministic,
            identity=call.identity,
            job=call.job or call.caller_job,
            depth=call.depth,
        )

    def _attempt(self, run: Run, reading: Reading, work: Callable[[], bytes]) -> Ended:
        """Let user code run, under its guards. Afterwards nothing of it is on the stack and no timer is set.

        A call that used up its time or passed a limit has failed, even if it caught the error; one in which the engine
        failed has no outcome, so that error is raised whatever user code made of it.
        """
        guard = self._guard
        run.environment = Environment(Tracked(run, reading, self._bundle.built_in))
        token = run.enter()
        value: bytes | None = None
        caught: BaseException | None = None
        try:
            try:
                guard.start()
                value = work()
                guard.user_code = False
            except BaseException as error:  # noqa: BLE001  # user code's, whatever it is
                guard.user_code = False
                caught = error
        except FunctionTimeout as error:  # struck while another error was being caught; it strikes once
            caught = error
        finally:
            guard.stop()
            run.leave(token)
        if run.fatal is not None:
            raise run.fatal
        if isinstance(caught, MemoryError):
            raise caught  # nobody knows what else failed for want of it (engine B3)
        if guard.expired:
            caught = caught if isinstance(caught, FunctionTimeout) else guard.timeout()
        else:
            caught = run.sticky or reading.usage.exceeded or caught
        return Ended(value, None) if caught is None else Ended(None, self._failure(caught))

    def _failure(self, error: BaseException) -> Failure:
        """What to answer for an error of user code. Raises it again if it is not the code's own."""
        if is_interruption(error):
            raise error
        if self._notice is not None:
            self._notice(error)
        failure = failure_of(error, self._bundle.project)
        if failure.data is not None and len(failure.data) > self._limits.result_size:
            large = LimitExceeded(
                f"The data of an AppError is too large ({len(failure.data)} bytes > maximum size "
                f"{self._limits.result_size} bytes). Say less. {setting('result_size')}",
                code="ErrorDataTooLarge",
            )
            return failure_of(large.with_traceback(error.__traceback__), self._bundle.project)
        return failure

    def _invoke(self, definition: FunctionDefinition, context: QueryContext, scope: Scope, call: Call) -> bytes:
        keywords = definition.bind(self._arguments(call.args), scope.table_of_id)
        result = definition.fn(context, **keywords)
        if type(result) is list and len(result) > self._limits.array_length:
            raise ReturnsValidationError(
                f"Array length is too long ({len(result)} > maximum length {self._limits.array_length}). "
                f"Return less, or paginate. {setting('array_length')}"
            )
        return self._checked_size(definition.encode_result(result))

    def _arguments(self, data: bytes) -> dict[str, Value]:
        """The one argument object: sent as itself or as a list of one."""
        if len(data) > self._limits.arguments_size:
            raise ArgumentValidationError(
                f"Arguments are too large ({len(data)} bytes > maximum size {self._limits.arguments_size} bytes). "
                f"{setting('arguments_size')}"
            )
        value: Value
        if len(data) <= self._small:  # too short to be too long, too many or too large
            value = decode_plain(data, max_nesting=self._limits.value_nesting)
            if type(value) is list and len(value) == 1:
                value = value[0]
            if type(value) is dict:
                return value
        try:
            value = decode(data, max_nesting=self._limits.value_nesting + 1)  # the list of one is not counted
            if isinstance(value, list):
                if len(value) != 1:
                    raise ArgumentValidationError(f"Expected one argument object, got {len(value)}.")
                value = value[0]
            check_value(value, self._limits)
        except InvalidValue as error:
            raise ArgumentValidationError(str(error)) from None
        if not isinstance(value, dict):
            raise ArgumentValidationError("Arguments are one object, with the names of the function's parameters.")
        return value

    def _checked_size(self, value: bytes) -> bytes:
        if len(value) > self._limits.result_size:
            raise ReturnsValidationError(
                f"Function return value is too large ({len(value)} bytes > maximum size {self._limits.result_size} "
                f"bytes). Return less, or paginate. {setting('result_size')}"
            )
        return value


def _counts(usage: Usage) -> Counts:
    return Counts(
        usage.documents_read,
        usage.bytes_read,
        usage.index_ranges,
        usage.documents_written,
        usage.bytes_written,
    )
