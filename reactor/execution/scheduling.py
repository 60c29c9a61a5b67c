"""Jobs: calls to make later, as documents of `_scheduled_functions` (reference §4.7), and what `ctx.scheduler` is.

A job is written in the transaction of whoever schedules it. Here is how one is written and cancelled; when it is started
is the scheduler room's business, how it is carried out the caller's. Runs of crons are jobs too, in a table of their own.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any, NamedTuple

from reactor.database.transaction import Transaction
from reactor.definitions.function import Function
from reactor.definitions.function_definition import FunctionDefinition
from reactor.definitions.id import Id
from reactor.errors import FunctionNotFound, InvalidQuery, LimitExceeded
from reactor.execution.registry import FunctionRegistry, shown_path, wire_path
from reactor.execution.scope import Scope
from reactor.limits import Limits, setting
from reactor.values.value import Value, size_of

JOBS = "_scheduled_functions"
CRON_RUNS = "_cron_runs"
JOB_TABLES = (JOBS, CRON_RUNS)
_FARTHEST = 5 * 366 * 86_400_000  # milliseconds


class JobRequest(NamedTuple):
    """What is to be called, with which argument object, and when (milliseconds since the epoch)."""

    name: str
    args: dict[str, Value]
    due: float


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a job is asked for: the functions there are, the time there, and the sizes that are allowed."""

    functions: FunctionRegistry
    now_ms: float
    limits: Limits


def request_after(
    origin: Origin, delay: Any, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> JobRequest:
    """A job due `delay` (seconds or a timedelta) after now. Raises InvalidQuery, FunctionNotFound, ArgumentValidationError."""
    if isinstance(delay, dt.timedelta):
        seconds = delay.total_seconds()
    elif isinstance(delay, int | float) and not isinstance(delay, bool):
        seconds = float(delay)
    else:
        raise InvalidQuery(f"`run_after` takes a delay in seconds or as a timedelta, not {delay!r}.")
    if not seconds >= 0:
        raise InvalidQuery(f"`run_after` takes a delay from 0, not {delay!r}.")
    return _request(origin, origin.now_ms + seconds * 1000, function, args, kwargs)


def request_at(origin: Origin, when: Any, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> JobRequest:
    """A job due at an aware datetime. Raises as request_after."""
    if not isinstance(when, dt.datetime) or when.tzinfo is None:
        raise InvalidQuery(
            f"`run_at` takes a datetime with a time zone, for example ctx.now + timedelta(hours=1), not {when!r}."
        )
    return _request(origin, when.timestamp() * 1000, function, args, kwargs)


def _request(origin: Origin, due: float, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> JobRequest:
    if not abs(due - origin.now_ms) <= _FARTHEST:
        raise InvalidQuery("A function can be scheduled at most five years from now.")
    definition = _target(origin.functions, function)
    sent = definition.encode_args(args, kwargs)
    most = origin.limits.scheduled_argument_size
    if size_of(sent) > most:
        raise LimitExceeded(
            f"Too large arguments of a scheduled function (limit: {most} bytes). "
            "The setting is `scheduled_argument_size` in [tool.reactor.limits].",
            code="ScheduledFunctionsArgumentsTooLarge",
        )
    return JobRequest(wire_path(definition), sent, due)


def _target(functions: FunctionRegistry, function: Function[..., Any] | str) -> FunctionDefinition:
    if isinstance(function, str) and functions.look_up(function) is None:
        raise FunctionNotFound(f"Attempted to schedule function at nonexistent path: {shown_path(function)}")
    definition = functions.of(function)
    if definition.kind == "query":
        raise InvalidQuery(f"{definition.path} is a query: schedule a mutation or an action.")
    return definition


def write_job(transaction: Transaction, request: JobRequest, scheduled_by: str | None, now_ms: float) -> str:
    """Write the job; its id. It is born cancelled if the job that schedules it has been (reference §4.7)."""
    fields: dict[str, Value] = {"name": request.name, "args": [request.args], "scheduledTime": request.due}
    if scheduled_by is not None and _is_canceled(transaction, scheduled_by):
        fields |= {"state": {"kind": "canceled"}, "completedTime": now_ms}
    else:
        fields["state"] = {"kind": "pending"}
    return transaction.insert(JOBS, fields).id


def _is_canceled(transaction: Transaction, id: str) -> bool:
    job = transaction.get(id)
    return job is not None and state_of(job.fields()) == "canceled"


def cancel_job(transaction: Transaction, id: str, now_ms: float) -> None:
    """Keep a pending job from running, and a running action from scheduling more. One that has ended stays as it is."""
    job = transaction.get(id)
    if job is None or job.table != JOBS:
        raise InvalidQuery(f"{id!r} is not the id of a scheduled function.")
    fields = job.fields()
    if is_under_way(fields):
        set_state(transaction, id, fields, "canceled", now_ms)


def set_state(
    transaction: Transaction, id: str, fields: dict[str, Value], kind: str, now_ms: float, error: str | None = None
) -> None:
    """Write what became of a job. `now_ms` is when it ended; it is kept for all but the states before the end."""
    state: dict[str, Value] = {"kind": kind} if error is None else {"kind": kind, "error": error}
    ended: dict[str, Value] = {} if kind in ("pending", "inProgress") else {"completedTime": now_ms}
    transaction.replace(id, {**fields, "state": state, **ended})


def is_under_way(fields: dict[str, Value]) -> bool:
    """Whether a job has not ended."""
    return state_of(fields) in ("pending", "inProgress")


def state_of(fields: dict[str, Value]) -> str:
    """The `state.kind` of a job's fields."""
    state = fields["state"]
    assert isinstance(state, dict)
    return str(state["kind"])


class TransactionalScheduler:
    """`ctx.scheduler` of a mutation."""

    __slots__ = ("_limits", "_scope")

    def __init__(self, scope: Scope, limits: Limits) -> None:
        self._scope = scope
        self._limits = limits

    def run_after(self, delay: Any, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Call `fn` after so many seconds."""
        return self._write(request_after(self._origin, delay, fn, args, kwargs))

    def run_at(self, when: Any, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Call `fn` at this time."""
        return self._write(request_at(self._origin, when, fn, args, kwargs))

    def cancel(self, id: Any, /) -> None:
        """Do not call it, if it has not begun."""
        self._scope.run.engine(cancel_job, self._scope.transaction, id, self._now_ms)

    @property
    def _now_ms(self) -> float:
        return self._scope.run.now_ns / 1e6

    @property
    def _origin(self) -> Origin:
        return Origin(self._scope.bundle.functions, self._now_ms, self._limits)

    def _write(self, request: JobRequest) -> Id[Any]:
        return Id(self._scope.run.engine(self._write_counted, request))

    def _write_counted(self, request: JobRequest) -> str:
        run, limits = self._scope.run, self._limits
        run.scheduled += 1
        run.scheduled_size += size_of(request.args)
        if run.scheduled > limits.functions_scheduled:
            raise LimitExceeded(
                f"Too many functions scheduled by this mutation (limit: {limits.functions_scheduled}). "
                f"{setting('functions_scheduled')}",
                code="TooManyFunctionsScheduled",
            )
        if run.scheduled_size > limits.scheduled_arguments_size:
            raise LimitExceeded(
                "Too large total size of the arguments of scheduled functions from this mutation "
                f"(limit: {limits.scheduled_arguments_size} bytes). "
                f"{setting('scheduled_arguments_size')}",
                code="ScheduledFunctionsArgumentsTooLarge",
            )
        return write_job(self._scope.transaction, request, run.job, self._now_ms)
