"""The contexts and the database, as functions see them. Protocols only: the real ones are in execution/."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Literal, ParamSpec, Protocol, Self, TypeAlias, TypeVar, overload

from reactor.auth.identity import UserIdentity
from reactor.definitions.file_storage import AsyncStorage, BlockingStorage, StorageReader, StorageWriter
from reactor.definitions.function import AnyAction, MutationFunction, QueryFunction
from reactor.definitions.id import Id
from reactor.definitions.index import IndexRange, Search
from reactor.definitions.page import Page, PaginationOpts
from reactor.definitions.system_tables import ScheduledFunction
from reactor.definitions.table import Table
from reactor.definitions.vector import Nearest, Scored, VectorMatch

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T", bound=Table)
Item = TypeVar("Item")

Document: TypeAlias = dict[str, Any]
"""A document of a table that schema.py does not declare."""


# ── reading ───────────────────────────────────────────────────────────────────────────────────────────────────────────


class Hits(Protocol[Item]):
    """Documents in an order of their own, as a search finds them. Nothing is read before one of the last six is used."""

    def filter(self, keep: Callable[[Item], object], /) -> Self:
        """Only documents for which `keep` is true. They are read all the same: an index is quicker."""
        ...

    def first(self) -> Item | None:
        """The first document, None when there is none."""
        ...

    def unique(self) -> Item | None:
        """The only document, None when there is none. Raises NotUnique when there are more."""
        ...

    def take(self, count: int, /) -> list[Item]:
        """The first `count` documents, or all when there are fewer."""
        ...

    def collect(self) -> list[Item]:
        """All documents."""
        ...

    def paginate(self, opts: PaginationOpts, /) -> Page[Item]:
        """The page that `opts` asks for. Once in a function."""
        ...

    def __iter__(self) -> Iterator[Item]: ...


class Query(Hits[Item], Protocol[Item]):
    """Documents in the order of an index."""

    def order(self, direction: Literal["asc", "desc"], /) -> Self:
        """Ascending is the default."""
        ...


class Neighbours(Protocol[Item]):
    """Documents nearest to a vector, the nearest first. Nothing is read before some are taken."""

    def take(self, count: int, /) -> list[Item]:
        """The nearest `count`, at most 256, or all when there are fewer."""
        ...

    def first(self) -> Item | None:
        """The nearest one, None when there is none."""
        ...

    def with_scores(self) -> Neighbours[Scored[Item]]:
        """The same documents, each with its score."""
        ...


class DatabaseReader(Protocol):
    """`ctx.db` of a query: all that is read is remembered, and a change of it runs the query again."""

    def get(self, id: Id[T], /) -> T | None:
        """The document, None when it is not there. Raises InvalidId for a text that is no id."""
        ...

    @overload
    def query(self, source: type[T] | IndexRange[T], /) -> Query[T]: ...
    @overload
    def query(self, source: Search[T], /) -> Hits[T]: ...
    @overload
    def query(self, source: Nearest[T], /) -> Neighbours[T]: ...
    @overload
    def query(self, source: str, /) -> Query[Document]: ...
    def query(self, source: Any, /) -> Any:
        """The documents of a table, of a range of an index, of a search, near a vector, or of a table by its name."""
        ...

    @overload
    def normalize_id(self, table: type[T], text: str, /) -> Id[T] | None: ...
    @overload
    def normalize_id(self, table: str, text: str, /) -> Id[Any] | None: ...
    def normalize_id(self, table: Any, text: str, /) -> Any:
        """`text` as an id of the table, None when it is none. The document need not exist."""
        ...


class DatabaseWriter(DatabaseReader, Protocol):
    """`ctx.db` of a mutation. Later reads of the same function see what was written."""

    @overload
    def insert(self, document: T, /) -> Id[T]: ...
    @overload
    def insert(self, table: str, document: Mapping[str, Any], /) -> Id[Any]: ...
    def insert(self, table: Any, document: Any = None, /) -> Any:
        """Store a new document; gives its id."""
        ...

    def patch(self, id: Id[Any], /, **changes: Any) -> None:
        """Change some fields: None removes an optional one, UNSET leaves one alone. Raises DocumentNotFound."""
        ...

    def replace(self, id: Id[T], document: T, /) -> None:
        """Change all fields. Raises DocumentNotFound."""
        ...

    def delete(self, id: Id[Any], /) -> None:
        """Raises DocumentNotFound."""
        ...


# ── other parts of a context ──────────────────────────────────────────────────────────────────────────────────────────


class Auth(Protocol):
    """Who is asking."""

    def get_user_identity(self) -> UserIdentity | None:
        """The signed-in user, None when nobody is. A query that asks is run for each user on its own."""
        ...


class Scheduler(Protocol):
    """Calls functions later. In a mutation the schedule is written with the rest, or not at all."""

    def run_after(
        self,
        delay: float | timedelta,
        fn: MutationFunction[P, Any] | AnyAction[P, Any],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Id[ScheduledFunction]:
        """Call `fn` after so many seconds."""
        ...

    def run_at(
        self, when: datetime, fn: MutationFunction[P, Any] | AnyAction[P, Any], /, *args: P.args, **kwargs: P.kwargs
    ) -> Id[ScheduledFunction]:
        """Call `fn` at this time."""
        ...

    def cancel(self, id: Id[ScheduledFunction], /) -> None:
        """Do not call it, if it has not begun."""
        ...


class AsyncScheduler(Protocol):
    """The scheduler of an `async def` action: what it schedules stays, however the action ends."""

    async def run_after(
        self,
        delay: float | timedelta,
        fn: MutationFunction[P, Any] | AnyAction[P, Any],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Id[ScheduledFunction]:
        """Call `fn` after so many seconds."""
        ...

    async def run_at(
        self, when: datetime, fn: MutationFunction[P, Any] | AnyAction[P, Any], /, *args: P.args, **kwargs: P.kwargs
    ) -> Id[ScheduledFunction]:
        """Call `fn` at this time."""
        ...

    async def cancel(self, id: Id[ScheduledFunction], /) -> None:
        """Do not call it, if it has not begun."""
        ...


# ── contexts ──────────────────────────────────────────────────────────────────────────────────────────────────────────


class _Ctx(Protocol):
    @property
    def auth(self) -> Auth:
        """Who is asking."""
        ...

    @property
    def now(self) -> datetime:
        """The time, with UTC as its zone. It stands still in a query or mutation."""
        ...

    @property
    def env(self) -> Mapping[str, str]:
        """The deployment's environment variables."""
        ...


class QueryCtx(_Ctx, Protocol):
    """What a query is given. A MutationCtx is one too, so helpers that only read take this."""

    @property
    def db(self) -> DatabaseReader:
        """The data."""
        ...

    @property
    def storage(self) -> StorageReader:
        """Files."""
        ...

    def run_query(self, fn: QueryFunction[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call a query on the same data."""
        ...


class MutationCtx(QueryCtx, Protocol):
    """What a mutation is given."""

    @property
    def db(self) -> DatabaseWriter:
        """The data."""
        ...

    @property
    def scheduler(self) -> Scheduler:
        """Calls functions later."""
        ...

    @property
    def storage(self) -> StorageWriter:
        """Files."""
        ...

    def run_mutation(self, fn: MutationFunction[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call a mutation in this transaction. If it raises, only its own writes are undone."""
        ...


class ActionCtx(_Ctx, Protocol):
    """What an `async def` action is given. It has no database: queries and mutations have."""

    @property
    def scheduler(self) -> AsyncScheduler:
        """Calls functions later."""
        ...

    @property
    def storage(self) -> AsyncStorage:
        """Files."""
        ...

    async def run_query(self, fn: QueryFunction[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call a query, which reads the newest data."""
        ...

    async def run_mutation(self, fn: MutationFunction[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call a mutation; it is durable when this returns."""
        ...

    async def run_action(self, fn: AnyAction[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call another action."""
        ...

    async def vector_search(self, search: Nearest[T], /, *, limit: int = 10) -> list[VectorMatch[T]]:
        """The nearest documents of the newest data, the nearest first: their ids and scores. At most 256."""
        ...


class SyncActionCtx(_Ctx, Protocol):
    """What a plain `def` action is given: the same, blocking."""

    @property
    def scheduler(self) -> Scheduler:
        """Calls functions later."""
        ...

    @property
    def storage(self) -> BlockingStorage:
        """Files."""
        ...

    def run_query(self, fn: QueryFunction[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call a query, which reads the newest data."""
        ...

    def run_mutation(self, fn: MutationFunction[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call a mutation; it is durable when this returns."""
        ...

    def run_action(self, fn: AnyAction[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call another action."""
        ...

    def vector_search(self, search: Nearest[T], /, *, limit: int = 10) -> list[VectorMatch[T]]:
        """The nearest documents of the newest data, the nearest first: their ids and scores. At most 256."""
        ...
