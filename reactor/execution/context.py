"""The real ctx of queries and mutations; definitions/context.py says what users see of it.

A nested query or mutation is an ordinary function call with its arguments and result checked, in the same Run; a nested
mutation is a savepoint inside its caller's, so that a caller that catches its error keeps everything else.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from reactor.auth.identity import Identity, UserIdentity
from reactor.definitions.function_definition import FunctionDefinition
from reactor.errors import LimitExceeded, WrongFunctionKind
from reactor.execution.database_api import DatabaseReader, DatabaseWriter
from reactor.execution.environment import Environment
from reactor.execution.run import Run
from reactor.execution.scheduling import TransactionalScheduler
from reactor.execution.scope import Scope
from reactor.execution.stored_files import FileReader, FileWriter
from reactor.limits import Limits, setting


class Auth:
    """`ctx.auth`: asking who is signed in makes the result that user's own (engine D1)."""

    __slots__ = ("_run",)

    def __init__(self, run: Run) -> None:
        self._run = run

    def get_user_identity(self) -> UserIdentity | None:
        """The signed-in user, None when nobody is."""
        self._run.identity_read = True
        key = self._run.identity
        return None if key is None else UserIdentity.of(Identity.from_key(key))


class QueryContext:
    """The ctx of a query."""

    __slots__ = ("_scope", "db")

    db: DatabaseReader

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self.db = DatabaseReader(scope)

    @property
    def auth(self) -> Auth:
        """Who is asking."""
        return Auth(self._scope.run)

    @property
    def now(self) -> dt.datetime:
        """When the call began."""
        return moment(self._scope.run.now_ns)

    @property
    def env(self) -> Mapping[str, str]:
        """The environment variables. A query that read one is run again when it changes."""
        return environment_of(self._scope.run)

    @property
    def storage(self) -> FileReader:
        """Files."""
        return FileReader(self._scope)

    def run_query(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Call a query on the same data."""
        scope = self._scope
        definition = _definition(scope, fn, "query")
        inner = Scope(scope.bundle, scope.run, scope.reading, scope.pages)
        return _call(definition, QueryContext(inner), inner, args, kwargs)


class MutationContext(QueryContext):
    """The ctx of a mutation."""

    __slots__ = ()

    db: DatabaseWriter

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self.db = DatabaseWriter(scope)

    @property
    def scheduler(self) -> TransactionalScheduler:
        """Calls functions later."""
        return TransactionalScheduler(self._scope, self._scope.reading.usage.limits)

    @property
    def storage(self) -> FileWriter:
        """Files."""
        return FileWriter(self._scope)

    def run_mutation(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Call a mutation in this transaction. If it raises, only its own writes are undone."""
        scope = self._scope
        definition = _definition(scope, fn, "mutation")
        transaction = scope.run.engine(scope.transaction.begin_nested)
        inner = Scope(scope.bundle, scope.run, transaction, scope.pages)
        try:
            result = _call(definition, MutationContext(inner), inner, args, kwargs)
            scope.run.engine(transaction.release)
        except BaseException:
            if transaction.open and scope.run.fatal is None:  # else there is nothing left to roll back
                scope.run.engine(transaction.rollback)
            raise
        return result


def environment_of(run: Run) -> Environment:
    """What a call sees of the environment."""
    assert run.environment is not None, "set before user code runs"
    return run.environment


def moment(now_ns: int) -> dt.datetime:
    """The aware datetime of nanoseconds since the epoch."""
    seconds, rest = divmod(now_ns, 1_000_000_000)
    return dt.datetime.fromtimestamp(seconds, dt.UTC).replace(microsecond=rest // 1000)


def check_depth(depth: int, limits: Limits) -> None:
    """Whether a function with so many callers may call another. Raises LimitExceeded."""
    if depth >= limits.nested_calls:
        raise LimitExceeded(
            f"Functions call each other more than {limits.nested_calls} deep. {setting('nested_calls')}",
            code="TooDeeplyNested",
        )


def _definition(scope: Scope, fn: Any, kind: str) -> FunctionDefinition:
    definition = scope.function(fn)
    if definition.kind != kind:
        advice = (
            "Schedule it instead." if definition.kind == "action" else f"Use ctx.run_{definition.kind} in a mutation."
        )
        raise WrongFunctionKind(f"{definition.path} is defined as {definition.kind}, not as {kind}. {advice}")
    return definition


def _call(
    definition: FunctionDefinition, context: QueryContext, scope: Scope, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    run = scope.run
    check_depth(run.depth, scope.reading.usage.limits)
    sent = definition.encode_args(args, kwargs, scope.table_of_id)
    bound = definition.bind(sent)  # a copy: what the caller holds stays its own
    run.depth += 1
    try:
        result = definition.fn(context, **bound)
    finally:
        run.depth -= 1
    definition.encode_result(result)
    return result
