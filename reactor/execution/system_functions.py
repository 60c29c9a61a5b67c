"""The engine's own functions, `_system/…`: called by the server through the same lanes as the user's, never by clients.

They see a Transaction or a Reading as it is and may write the system's tables. A DeveloperError of theirs is an answer;
everything else is a bug and ends the batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from heapq import merge
from itertools import islice
from operator import itemgetter
from typing import TYPE_CHECKING, Any, TypeVar

from reactor.clock import Clock
from reactor.database.catalog import SYSTEM_INDEX
from reactor.database.environment import update_variables
from reactor.database.reading import Reading
from reactor.database.transaction import Transaction
from reactor.database.variable import VariableChange, is_variable_name
from reactor.database.vector_search import VectorSearch
from reactor.errors import DeveloperError, FunctionNotFound, InvalidQuery
from reactor.execution import bundle_queries, migration_rows, progress_rows, structure_functions, transfer_rows
from reactor.execution.cron_rows import CRONS, start_crons
from reactor.execution.file_rows import (
    blobs_in,
    check_file_id,
    delete_file,
    find_file,
    forget_blob,
    key_of_file,
    set_moved,
    states_of,
    write_file,
)
from reactor.execution.frames import Call, Outcome
from reactor.execution.operator_queries import list_tables, measure_tables, table_data
from reactor.execution.outcome import digest_of, failure_of
from reactor.execution.scheduling import (
    JOB_TABLES,
    JobRequest,
    cancel_job,
    is_under_way,
    set_state,
    state_of,
    write_job,
)
from reactor.execution.system_names import UPDATE_VARIABLES, VARIABLES
from reactor.values.value import Value, decode, encode

if TYPE_CHECKING:
    from reactor.database.batch import Batch
    from reactor.execution.bundle import Bundle

_DUE_AT_ONCE = 24  # jobs told at once: more are not started before some of these are done and the query runs again
_NOT_YET_DUE = 8  # of those told: as many as can start together when their time has come
_AT_ONCE = 256  # jobs settled or forgotten in one transaction
_INTERRUPTED = "Transient error while executing action"

Arguments = dict[str, Any]
_S = TypeVar("_S", "SystemQuery", "SystemMutation")


@dataclass(frozen=True, slots=True)
class SystemQuery:
    """Reads, given the time in milliseconds."""

    run: Callable[[Reading, Arguments, float], Value]


@dataclass(frozen=True, slots=True)
class SystemMutation:
    """Writes, given the time in milliseconds."""

    run: Callable[[Transaction, Arguments, float], Value]


def _pending(reading: Reading, args: Arguments, now_ms: float) -> Value:
    """Pending jobs in due order: those that are due, and the next few. Later ones wake nobody (engine D8)."""
    now_ms = args.get("now", now_ms)
    jobs: list[Value] = []
    later = 0
    for job in _in_due_order(reading):
        jobs.append(job)
        later += job["scheduledTime"] > now_ms
        if later >= _NOT_YET_DUE or len(jobs) >= _DUE_AT_ONCE + later:
            break
    return jobs


def _in_due_order(reading: Reading) -> Iterator[dict[str, Any]]:
    """Pending jobs of all tables."""
    tables = [
        ({"_id": stored.id, **stored.fields()} for stored in reading.scan(table, "by_state_due", equal=("pending",)))
        for table in JOB_TABLES
    ]
    return merge(*tables, key=itemgetter("scheduledTime"))


def _claim(transaction: Transaction, args: Arguments, now_ms: float) -> Value:
    """An action job is about to start. False if it must not: it was cancelled, or somebody else has it."""
    job = transaction.get(args["id"])
    fields = None if job is None else job.fields()
    if fields is None or state_of(fields) != "pending":
        return False
    set_state(transaction, args["id"], fields, "inProgress", now_ms)
    return True


def _give_back(transaction: Transaction, args: Arguments, now_ms: float) -> Value:
    """A claimed action job was refused for overload before it started: it waits again. False if it was settled."""
    job = transaction.get(args["id"])
    fields = None if job is None else job.fields()
    if fields is None or state_of(fields) != "inProgress":
        return False
    set_state(transaction, args["id"], fields, "pending", now_ms)
    return True


def _finish(transaction: Transaction, args: Arguments, now_ms: float) -> Value:
    """An action job has ended, or a mutation job has killed the process that ran it. False if it was settled already."""
    job = transaction.get(args["id"])
    fields = None if job is None else job.fields()
    if fields is None or not is_under_way(fields):
        return False
    error = args.get("error")
    set_state(transaction, args["id"], fields, "success" if error is None else "failed", now_ms, error)
    return True


def _sweep(transaction: Transaction, _args: Arguments, now_ms: float) -> Value:
    """The server starts: actions it ran before are lost, and their jobs say so. How many."""
    interrupted = [
        job
        for table in JOB_TABLES
        for job in islice(transaction.scan(table, "by_state_due", equal=("inProgress",)), _AT_ONCE)
    ]
    for job in interrupted:
        set_state(transaction, job.id, job.fields(), "failed", now_ms, _INTERRUPTED)
    return len(interrupted)


def _clean(transaction: Transaction, args: Arguments, _now_ms: float) -> Value:
    """Forget jobs that ended before a time, a few at once. True when there may be more."""
    for table in JOB_TABLES:
        old = transaction.scan(table, "by_completed", lower=(None, False), upper=(args["before"], True))
        ended = list(islice(old, _AT_ONCE))
        for job in ended:
            transaction.delete(job.id)
        if len(ended) == _AT_ONCE:
            return True
    return False


def _schedule(transaction: Transaction, args: Arguments, now_ms: float) -> Value:
    """An action schedules a function."""
    request = JobRequest(args["name"], args["args"], float(args["due"]))
    return write_job(transaction, request, args.get("scheduledBy"), now_ms)


def _cancel(transaction: Transaction, args: Arguments, now_ms: float) -> Value:
    """An action cancels one."""
    cancel_job(transaction, args["id"], now_ms)
    return None


def _record_file(transaction: Transaction, args: Arguments, _now_ms: float) -> Value:
    """A blob has landed: it is a file from here on. Its id."""
    return write_file(transaction, args["key"], args["sha256"], int(args["size"]), args.get("contentType"))


def _delete_file(transaction: Transaction, args: Arguments, _now_ms: float) -> Value:
    """An action deletes a file."""
    delete_file(transaction, check_file_id(transaction, args["id"], "delete"))
    return None


def _locate_file(reading: Reading, args: Arguments, _now_ms: float) -> Value:
    """Where an action finds a file's blob; None when it is gone."""
    key = key_of_file(reading, check_file_id(reading, args["id"], args["verb"]))
    return None if key is None else {"key": key}


def _find_file(reading: Reading, args: Arguments, _now_ms: float) -> Value:
    """The file of a URL."""
    return find_file(reading, args["key"])


def _blobs(reading: Reading, args: Arguments, _now_ms: float) -> Value:
    """Some of the blobs in a state."""
    return blobs_in(reading, args["state"])


def _blob_states(reading: Reading, args: Arguments, _now_ms: float) -> Value:
    """What the rows say of blobs that were found."""
    return states_of(reading, args["keys"])


def _blob_moved(transaction: Transaction, args: Arguments, _now_ms: float) -> Value:
    """A blob is in the bucket."""
    return set_moved(transaction, args["key"])


def _forget_blob(transaction: Transaction, args: Arguments, _now_ms: float) -> Value:
    """A doomed blob is gone."""
    forget_blob(transaction, args["key"])
    return None


def _next_cron(reading: Reading, _args: Arguments, _now_ms: float) -> Value:
    """When the next cron is due; null without crons."""
    for row in reading.scan(CRONS, "by_next", limit=1):
        return row.fields()["next"]
    return None


def _start_crons(transaction: Transaction, args: Arguments, _now_ms: float) -> Value:
    """Write the runs of crons that are due at `now`. How many crons have another time now."""
    return start_crons(transaction, args["now"])


def _advance(transaction: Transaction, args: Arguments, _now_ms: float) -> Value:
    """Move the head past a timestamp somebody has seen, by a commit that changes nothing (engine A9)."""
    to = int(args["to"])
    if transaction.ts <= to:
        transaction.ts = to + 1
    transaction.write_set.touch(SYSTEM_INDEX, b"advance")
    return None


def _nearest(reading: Reading, args: Arguments, _now_ms: float) -> Value:
    """An action looks for what is near a vector: ids and scores."""
    return [[hit.id, hit.score] for hit in reading.nearest(VectorSearch.from_value(args))]


def _variables(reading: Reading, _args: Arguments, _now_ms: float) -> Value:
    """All environment variables, for an action that begins."""
    return {name: row.value for name, row in reading.variables().items()}


def _list_variables(reading: Reading, _args: Arguments, _now_ms: float) -> Value:
    """For an operator's tools (reference §5.2)."""
    return [{"name": name, "value": row.value} for name, row in reading.variables().items()]


def _get_variable(reading: Reading, args: Arguments, _now_ms: float) -> Value:
    """For an operator's tools; None when there is none."""
    name = args.get("name")
    value = reading.variable(name) if isinstance(name, str) and is_variable_name(name) else None
    return None if value is None else {"name": name, "value": value}


def _update_variables(transaction: Transaction, args: Arguments, _now_ms: float) -> Value:
    """An operator sets and removes environment variables; the names of those that are different now."""
    changes = [VariableChange(change["name"], change.get("value")) for change in args["changes"]]
    return list(update_variables(transaction, changes, transaction.usage.limits))


FUNCTIONS: dict[str, SystemQuery | SystemMutation] = {
    "_system/scheduler:pending": SystemQuery(_pending),
    "_system/scheduler:claim": SystemMutation(_claim),
    "_system/scheduler:finish": SystemMutation(_finish),
    "_system/scheduler:giveBack": SystemMutation(_give_back),
    "_system/scheduler:sweep": SystemMutation(_sweep),
    "_system/scheduler:clean": SystemMutation(_clean),
    "_system/scheduler:schedule": SystemMutation(_schedule),
    "_system/scheduler:cancel": SystemMutation(_cancel),
    "_system/storage:record": SystemMutation(_record_file),
    "_system/storage:delete": SystemMutation(_delete_file),
    "_system/storage:locate": SystemQuery(_locate_file),
    "_system/storage:find": SystemQuery(_find_file),
    "_system/storage:blobs": SystemQuery(_blobs),
    "_system/storage:states": SystemQuery(_blob_states),
    "_system/storage:moved": SystemMutation(_blob_moved),
    "_system/storage:forget": SystemMutation(_forget_blob),
    "_system/crons:next": SystemQuery(_next_cron),
    "_system/crons:start": SystemMutation(_start_crons),
    "_system/head:advance": SystemMutation(_advance),
    progress_rows.REPORT: SystemMutation(progress_rows.report),
    progress_rows.PROGRESS: SystemQuery(progress_rows.progress),
    migration_rows.LIST: SystemQuery(migration_rows.listed),
    "_system/vectors:nearest": SystemQuery(_nearest),
    transfer_rows.BEGIN: SystemMutation(transfer_rows.begin),
    transfer_rows.TELL: SystemMutation(transfer_rows.tell),
    transfer_rows.SWEEP: SystemMutation(transfer_rows.sweep),
    transfer_rows.FIND: SystemQuery(transfer_rows.find),
    "_system/cli/exports:getLatest": SystemQuery(transfer_rows.latest_export),
    "_system/cli/queryImport": SystemQuery(transfer_rows.find),
    "_system/cli/queryImport:default": SystemQuery(transfer_rows.find),
    "_system/cli/queryImport:list": SystemQuery(transfer_rows.list_imports),
    VARIABLES: SystemQuery(_variables),
    UPDATE_VARIABLES: SystemMutation(_update_variables),
    "_system/cli/queryEnvironmentVariables": SystemQuery(_list_variables),
    "_system/cli/queryEnvironmentVariables:default": SystemQuery(_list_variables),
    "_system/cli/queryEnvironmentVariables:get": SystemQuery(_get_variable),
    "_system/cli/tables": SystemQuery(list_tables),
    "_system/cli/tables:default": SystemQuery(list_tables),
    "_system/cli/tableData": SystemQuery(table_data),
    "_system/cli/tableData:default": SystemQuery(table_data),
    "_system/cli/tableStats": SystemQuery(measure_tables),
}


class SystemCaller:
    """Runs them: what FunctionCaller is for user code."""

    __slots__ = ("_bundle", "_clock", "_project")

    def __init__(self, clock: Clock, bundle: Bundle) -> None:
        self._clock = clock
        self._bundle = bundle
        self._project = bundle.project

    def run_query(self, reading: Reading, call: Call) -> Outcome:
        """Run one in a snapshot."""
        try:
            if call.path in bundle_queries.FUNCTIONS:
                told = bundle_queries.answer(self._bundle, reading, call.path)
            else:
                told = self._find(call, SystemQuery).run(reading, _arguments(call), self._now_ms)
            value, failure = encode(told), None
        except DeveloperError as error:
            value, failure = None, failure_of(error, self._project)
        return Outcome(
            call=call.id,
            value=value,
            failure=failure,
            ts=reading.ts,
            digest=digest_of(value, failure, ()),
            reads=reading.reads.to_wire(),
        )

    def run_mutation(self, batch: Batch, call: Call) -> Outcome:
        """Run one as a savepoint of the batch."""
        structural = structure_functions.FUNCTIONS.get(call.path)
        if structural is not None:
            return Outcome(call=call.id, value=encode(structural(batch, _arguments(call))))
        transaction = batch.transaction(call.path)
        try:
            function = self._find(call, SystemMutation)
            value = encode(function.run(transaction, _arguments(call), self._now_ms))
        except DeveloperError as error:
            transaction.rollback()
            return Outcome(call=call.id, value=None, failure=failure_of(error, self._project))
        commit = transaction.release()
        return Outcome(call=call.id, value=value, ts=0 if commit is None else commit.ts)

    @property
    def _now_ms(self) -> float:
        return self._clock.now_ns() / 1e6

    def _find(self, call: Call, kind: type[_S]) -> _S:
        function = FUNCTIONS.get(call.path)
        if not isinstance(function, kind):
            raise FunctionNotFound(f"Could not find function for '{call.path}'.")
        return function


def _arguments(call: Call) -> Arguments:
    """Written by the engine; this catches what an administrator sends by hand."""
    value = decode(call.args)
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if not isinstance(value, dict):
        raise InvalidQuery("A system function takes an object.")
    return value
