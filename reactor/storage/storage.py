"""Storage: the port. What the database room asks of an engine, and the records that pass between them.

Theory of operation. One process writes: it takes a batch (`begin_batch` … `commit` or `abandon`), and inside it a
savepoint per call. Readers take a snapshot (`begin_read` … `end_read`) and see whole batches only. An engine error is
sticky (engine A1): after it, every method raises BatchFailed, whatever anyone has caught, and the process must end;
what was committed is settled by reading (A3). A `place` is the engine's own name of a table or index; callers keep it
and hand it back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple, Protocol

from reactor.errors import StorageError
from reactor.footprint.key_range import KeyRange
from reactor.footprint.vector_predicate import Either

IndexState = Literal["backfilling", "ready", "dropped"]
IndexKind = Literal["ordered", "search", "vector"]


class BatchFailed(StorageError):
    """The engine failed inside a batch: nothing of it may be answered, and the process has to end (engine A1, A14)."""

    tag: ClassVar[str] = "BatchFailed"


@dataclass(frozen=True, slots=True)
class Head:
    """The one row that says what is true: read when a batch or a snapshot begins, written with each commit."""

    ts: int  # end of the newest batch
    epoch: int  # which writer owns the database; rises with every writer
    boot: str  # the server process of that writer: call ids are unique within it
    bundle: str  # the user's code; "" before the first push
    created: int  # the newest `_creationTime`, in steps of 2^-10 ms
    catalog: int  # rises whenever a table or an index comes, goes or changes state


class TableRow(NamedTuple):
    """A table of documents."""

    number: int
    name: str
    place: str


class IndexRow(NamedTuple):
    """An index. The one named `by_id` is the table itself: its place is the table's."""

    number: int
    table: int
    name: str
    fields: tuple[str, ...]
    state: IndexState
    place: str
    kind: IndexKind = "ordered"
    filters: tuple[str, ...] = ()  # of what is searched: fields a search may ask to be equal to something
    dimensions: int = 0  # of a vector index


class DocumentRow(NamedTuple):
    """A document found by id."""

    creation_time: float
    data: bytes


class ScanRow(NamedTuple):
    """A document found in an index, with the key it stands under."""

    key: bytes
    id: str
    creation_time: float
    data: bytes


class LogRow(NamedTuple):
    """One writing call, as the durable log keeps it."""

    ts: int
    prev_ts: int
    batch_ts: int
    source: str
    keys: Mapping[int, Sequence[bytes]]
    documents: Mapping[str, bytes | None]  # id → new document, None when it was deleted


class RequestRow(NamedTuple):
    """What a client's mutation came to (engine A13). It answers a repetition only if the binding (who, which function)
    is the same."""

    ts: int
    binding: bytes
    outcome: bytes


class Documents(Protocol):
    """Documents and their index rows. Every write is whole: document and rows, or BatchFailed."""

    def count(self, index: str) -> int:
        """How many rows an index has, or a table."""
        ...

    def get(self, table: str, id: str) -> DocumentRow | None:
        """The document with that id in the table at that place."""
        ...

    def scan(self, table: str, index: str, within: KeyRange, limit: int, *, descending: bool) -> list[ScanRow]:
        """At most `limit` documents in key order. `index` is the table's own place for `by_id`."""
        ...

    def collect(
        self, table: str, index: str, within: KeyRange, limit: int, *, descending: bool
    ) -> list[tuple[bytes, bytes]]:
        """What `scan` gives, of each document only the key and the data: a third of the time goes into the rest."""
        ...

    def measure(self, table: str) -> tuple[int, int]:
        """How many documents the table holds, and their bytes. It looks at every one."""
        ...

    def insert(self, table: str, id: str, creation_time: float, data: bytes, keys: Iterable[tuple[str, bytes]]) -> None:
        """Add a document whose id is not there, and a row in each index (place, key)."""
        ...

    def replace(
        self,
        table: str,
        id: str,
        data: bytes,
        gone: Iterable[tuple[str, bytes]],
        come: Iterable[tuple[str, bytes]],
    ) -> None:
        """Give a document new bytes, take index rows away and add others."""
        ...

    def delete(self, table: str, id: str, keys: Iterable[tuple[str, bytes]]) -> None:
        """Remove a document and its index rows."""
        ...

    def fill(self, index: str, rows: Iterable[tuple[bytes, str]]) -> None:
        """Add rows (key, id) to an index being filled; those already there are left alone."""
        ...

    def clear(self, place: str) -> None:
        """Take all rows out of a table, or out of an ordered index: the caller sees to the others that go with it."""
        ...

    def load(self, table: str, rows: Iterable[tuple[str, float, str]]) -> None:
        """Add documents (id, creation time, encoded JSON) without index rows, which the caller adds."""
        ...


class FactRow(NamedTuple):
    """What an index that is searched is to hold of a document."""

    id: str
    creation_time: float
    fact: bytes


class FactIndexes(Protocol):
    """Indexes of facts (footprint/fact.py), one kind of them. They take part in savepoints like everything else."""

    def change(self, place: str, id: str, creation_time: float, old: bytes | None, new: bytes | None) -> None:
        """The fact of a document came (`old` is None), changed, or went (`new` is None).

        In an index being filled `old` may not be there yet, which is no error.
        """
        ...

    def fill(self, place: str, rows: Iterable[FactRow]) -> None:
        """Add facts to an index being filled; documents already there are left alone."""
        ...


class TextRow(NamedTuple):
    """What a text index holds of a document: its words, each between spaces."""

    number: int
    id: str
    creation_time: float
    words: bytes


class Texts(FactIndexes, Protocol):
    """Text indexes. What they hold is words_of a text, what is looked for is terms_of one (values/words.py)."""

    def matches(
        self, place: str, filters: Sequence[tuple[int, bytes]], terms: Sequence[bytes], limit: int
    ) -> list[int]:
        """Numbers of documents with these filter values and *all* of the terms: at most `limit`, the newest first."""
        ...

    def rows(self, place: str, numbers: Iterable[int]) -> list[TextRow]:
        """Those documents, in any order."""
        ...


class VectorHit(NamedTuple):
    """A document that was found. The score is the cosine."""

    id: str
    score: float


class Vectors(FactIndexes, Protocol):
    """Vector indexes. What they hold, and what is looked for, are unit vectors (values/vector.py)."""

    def prepare(self, place: str, dimensions: int) -> None:
        """Do now what a search would have to do first, and what later ones find done."""
        ...

    def nearest(self, place: str, dimensions: int, vector: bytes, either: Either, count: int) -> list[VectorHit]:
        """The `count` nearest documents that pass, or all; by score, of equal ones the greatest id first."""
        ...


class Structure(Protocol):
    """Tables and indexes: which there are, and changing that, inside a batch."""

    def tables(self) -> list[TableRow]: ...

    def indexes(self) -> list[IndexRow]:
        """Dropped ones included: their numbers are used up, though their names are free."""
        ...

    def create_table(self, number: int, name: str) -> TableRow:
        """A new, empty table, seen in tools under its name where that is free."""
        ...

    def describe_table(self, table: TableRow, fields: Sequence[str]) -> None:
        """Say which fields its documents have, for tools that look into the file."""
        ...

    def create_index(self, row: IndexRow, table: TableRow) -> IndexRow:
        """A new index; `row.place` is ignored, the answer has the real one."""
        ...

    def set_ready(self, index: IndexRow) -> None:
        """The index holds every document and may be read."""
        ...

    def rename_index(self, index: IndexRow, name: str) -> None: ...

    def describe_index(self, index: IndexRow) -> None:
        """Say otherwise what the index is over; its keys are right as they are."""
        ...

    def drop_index(self, index: IndexRow) -> None: ...

    def renumber(self, numbers: Mapping[int, int]) -> None:
        """Give tables other numbers: old → new, all at once. Their places stay what they are."""
        ...

    def retire_index(self, index: IndexRow) -> None:
        """Drop it, but leave what it holds to `sweep`: to let go of a large one takes a while."""
        ...

    def create_draft(self, number: int, name: str) -> TableRow:
        """A new, empty table that tools do not see."""
        ...

    def adopt_draft(self, table: TableRow, draft: TableRow, fields: Sequence[str]) -> TableRow:
        """Put a draft, and its indexes, in the place of a table, whose own indexes are retired."""
        ...

    def drop_draft(self, draft: TableRow) -> None:
        """Take away a draft whose indexes are retired."""
        ...

    def sweep(self, limit: int) -> bool:
        """Let go of up to `limit` rows of what is retired. False when nothing is left."""
        ...

    def shapes(self) -> dict[int, bytes]:
        """By table number, what is known of all its documents."""
        ...

    def set_shape(self, table: int, shape: bytes | None) -> None: ...


class Log(Protocol):
    """The durable log of commits."""

    def append(self, rows: Sequence[LogRow]) -> None: ...

    def after(self, ts: int, limit: int = -1) -> list[LogRow]:
        """Rows later than `ts`, in order, at most `limit` of them. A gap shows in the first row's `prev_ts`."""
        ...

    def oldest(self) -> int | None:
        """Timestamp of the first row."""
        ...

    def trim(self, before: int, limit: int) -> None:
        """Forget at most `limit` rows older than `before`."""
        ...


class Requests(Protocol):
    """Mutations of clients that must not run twice."""

    def find(self, session: str, request: int) -> RequestRow | None: ...

    def add(self, session: str, request: int, row: RequestRow) -> None:
        """Remember it; the oldest ones of a session past the number kept are forgotten now and then."""
        ...

    def expire(self, before: int, limit: int) -> None:
        """Forget at most `limit` sessions whose last mutation is older than `before`."""
        ...


class Calls(Protocol):
    """Outcomes of the server's own call ids, kept until the server has them (engine A3). All are of one boot."""

    def add(self, outcomes: Iterable[tuple[int, bytes]]) -> None: ...

    def find(self, ids: Iterable[int]) -> dict[int, bytes]: ...

    def forget(self, ids: Iterable[int]) -> None: ...

    def clear(self) -> None: ...


class VariableRow(NamedTuple):
    """An environment variable's value, and the timestamp of the commit that gave it."""

    value: str
    ts: int

    def __repr__(self) -> str:
        """Without the value: it may be a secret."""
        return f"VariableRow(ts={self.ts})"


class Variables(Protocol):
    """The deployment's environment variables, by name."""

    def get(self, name: str) -> VariableRow | None: ...

    def all(self) -> dict[str, VariableRow]:
        """All of them, in the order of their names."""
        ...

    def names(self) -> list[str]: ...

    def set(self, name: str, row: VariableRow) -> None: ...

    def remove(self, name: str) -> None: ...


class Code(Protocol):
    """Of each part of the code in force: the hash that changes with what it does (engine D6)."""

    def parts(self) -> dict[str, str]: ...

    def set(self, part: str, hash: str) -> None: ...

    def remove(self, part: str) -> None: ...


class Storage(Protocol):
    """An open database."""

    @property
    def documents(self) -> Documents: ...

    @property
    def texts(self) -> Texts: ...

    @property
    def vectors(self) -> Vectors: ...

    @property
    def fact_indexes(self) -> Mapping[IndexKind, FactIndexes]:
        """By the kind of index; `ordered` ones are no indexes of facts."""
        ...

    @property
    def structure(self) -> Structure: ...

    @property
    def log(self) -> Log: ...

    @property
    def requests(self) -> Requests: ...

    @property
    def calls(self) -> Calls: ...

    @property
    def variables(self) -> Variables: ...

    @property
    def code(self) -> Code: ...

    @property
    def failure(self) -> BaseException | None:
        """The engine error that ended this connection's usefulness, once there was one."""
        ...

    def fail(self, error: BaseException) -> BatchFailed:
        """Make `error` sticky; the result is what to raise."""
        ...

    def read_head(self) -> Head:
        """The head as of the open batch or snapshot, or of now."""
        ...

    def begin_read(self) -> Head:
        """Open a snapshot."""
        ...

    def end_read(self) -> None: ...

    def begin_batch(self, epoch: int) -> Head:
        """Open a batch. Raises StaleWriter or ForeignCommit when somebody else has written."""
        ...

    def savepoint(self, depth: int) -> None:
        """Begin a call (depth 0) or a nested one. Must be ended by `release` or `rollback` of the same depth."""
        ...

    def release(self, depth: int) -> None: ...

    def rollback(self, depth: int) -> None: ...

    def commit(self, head: Head) -> None:
        """Write the head and make everything durable. If it raises, the outcome is unknown (engine A14)."""
        ...

    def abandon(self) -> None:
        """Undo the batch. Never raises."""
        ...

    def checkpoint(self) -> int:
        """Move the write-ahead log into the database; bytes that could not be moved. Call it outside a batch."""
        ...

    def wal_bytes(self) -> int:
        """Size of the write-ahead log on disk."""
        ...

    def close(self) -> None: ...
