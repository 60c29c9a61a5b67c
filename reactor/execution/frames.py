"""What passes between the server and its runners: records, and their length-prefixed MessagePack form.

Pure: no sockets here. Values travel as encoded JSON bytes; the server never decodes a result. Both ends are the same
release of reactor (the runner is exec'd or forked by the server), so frames have no version.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import msgspec

from reactor.footprint.commit import Commit
from reactor.limits import DEFAULT_LIMITS, Limits

Kind = Literal["query", "mutation", "action"]
Role = Literal["writer", "reader", "action", "shared", "examiner"]


class Frame(msgspec.Struct, frozen=True, array_like=True, tag=True, gc=False):
    """Base of every record on the pipe."""


class Part(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Base of records inside frames."""


# ── calls ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


class Call(Part, frozen=True):
    """One function to run."""

    id: int  # server-made; (boot, id) names the call for ever (engine A3)
    kind: Kind
    path: str  # as the caller spelt it
    args: bytes  # encoded JSON: an object, or an array of exactly one object
    identity: bytes | None = None  # Identity.key, None when signed out
    internal: bool = False  # may call internal functions (scheduler, admin, other functions)
    journal: str | None = None
    session: str | None = None  # with `request`: the de-dup key of a socket mutation (engine A13)
    request: int | None = None
    job: str | None = None  # id of the scheduled job this call carries out (engine D8)
    caller_job: str | None = None  # id of the one whose action makes this call, at whatever depth
    depth: int = 0  # how many functions up to this one wait for another's result
    counted: bool = False  # its outcome is to say what was read and written


class Failure(Part, frozen=True):
    """Why a call failed.

    `text` is what follows "Server Error\\n" where errors are shown: "Uncaught …" or "ArgumentValidationError: …".
    `data` is the encoded JSON of an AppError's data, None for every other error.
    `code` is the error's stable tag; `retry` means the call was not run and may be sent again (overload).
    """

    code: str
    text: str
    data: bytes | None = None
    retry: bool = False


class Counts(Part, frozen=True):
    """What a call read and wrote, calls nested in it included."""

    documents_read: int
    bytes_read: int
    index_ranges: int
    documents_written: int
    bytes_written: int


class Outcome(Part, frozen=True):
    """What one call came to. Exactly one of `value` and `failure` is set."""

    call: int
    value: bytes | None  # encoded JSON
    failure: Failure | None = None
    ts: int = 0  # mutation: its own timestamp (batch end when it wrote nothing); query: the snapshot's
    digest: bytes = b""  # queries: 16 bytes over (value or error text) and log lines
    reads: dict[int, list[tuple[bytes, bytes | None] | bytes]] = {}  # queries: ReadSet.to_wire()
    identity_read: bool = False
    journal: str | None = None
    log_lines: list[str] = []
    cpu: float = 0.0  # seconds of user code
    counts: Counts | None = None  # of a `counted` query or mutation that came to its own end


class Batch(Part, frozen=True):
    """What one COMMIT made durable. `ts` is the batch end; `prev_ts` the batch end before it."""

    ts: int
    prev_ts: int
    commits: list[Commit]


# ── writer ────────────────────────────────────────────────────────────────────────────────────────────────────────────


class OpenWriter(Frame, frozen=True):
    """Server → writer, first: take the lock, open the database, settle what was outstanding (engine A3)."""

    database: str
    boot: str  # names this server process; call ids are unique within it
    head: int  # the server's log head; 0 at start-up
    outstanding: list[Call]  # without arguments: those sent to an earlier writer and not answered
    new_epoch: bool  # True once per server start (engine A9)


class WriterHello(Frame, frozen=True):
    """Writer → server, the answer: batches after the server's head, and the outcomes found for outstanding calls."""

    head: int
    epoch: int
    bundle: str  # _head.bundle; "" when nothing was ever pushed
    batches: list[Batch]
    outcomes: list[Outcome]


class WriterRefused(Frame, frozen=True):
    """Writer → server: it cannot open the database (locked, damaged, foreign). The writer then exits."""

    code: str
    text: str


class Mutations(Frame, frozen=True):
    """Server → writer: run these, in order."""

    calls: list[Call]


class BatchDone(Frame, frozen=True):
    """Writer → server, after COMMIT returned: the batch and the answers of every call in it (engine A2)."""

    batch: Batch
    outcomes: list[Outcome]


class Prepared(Part, frozen=True):
    """What a push need not do in its commit, because it was done while the old code served (engine D7)."""

    checked: dict[str, int] = {}  # table → every document that did not change after this timestamp fits
    drafts: dict[str, int] = {}  # table → its draft has every document as it was at this timestamp
    filled: list[int] = []  # numbers of indexes that hold every document


class Push(Frame, frozen=True):
    """Server → writer of a new bundle, its first call (engine D6): check documents, build indexes, take over."""

    bundle: str
    prepared: Prepared = Prepared()  # what has been done beforehand; all the rest is done in this commit


class PushDone(Frame, frozen=True):
    """Writer → server: the push is committed."""

    batch: Batch


class PushRefused(Frame, frozen=True):
    """Writer → server: existing documents break the new schema; nothing was changed."""

    text: str  # names the table and the first offending ids
    again: bool = False  # no offence: too much has changed since the documents were looked at


class Import(Frame, frozen=True):
    """Server → writer: take over what was staged, in a commit of its own."""

    staging: str  # path
    record: str  # id of the row that says what became of the import; written in the same commit


class ImportDone(Frame, frozen=True):
    """Writer → server: it is committed."""

    batch: Batch
    count: int


class ImportRefused(Frame, frozen=True):
    """Writer → server: nothing was changed."""

    text: str


class Acknowledged(Frame, frozen=True):
    """Server → writer: outcomes of these calls have arrived, their rows may go (engine A3). Calls that are kept with
    their session's requests have none."""

    calls: list[int]


class Checkpoint(Frame, frozen=True):
    """Server → writer: checkpoint the WAL now (engine C4)."""


class Checkpointed(Frame, frozen=True):
    """Writer → server."""

    wal_bytes: int


class Drain(Frame, frozen=True):
    """Server → any runner: finish what is running, then exit with status 0."""


# ── readers ───────────────────────────────────────────────────────────────────────────────────────────────────────────


class OpenReader(Frame, frozen=True):
    """Server → reader, first."""

    database: str


class Queries(Frame, frozen=True):
    """Server → reader: run these in one snapshot whose timestamp is at least `min_ts`."""

    batch: int
    min_ts: int
    calls: list[Call]
    whole: bool = False  # worth something only if all are run: a client's whole set (engine C3)


class QueriesDone(Frame, frozen=True):
    """Reader → server: outcomes in order, all true at `ts`. A missing tail was not started (reader_batch_time)."""

    batch: int
    ts: int
    outcomes: list[Outcome]


# ── examiner ──────────────────────────────────────────────────────────────────────────────────────────────────────────


class Examine(Frame, frozen=True):
    """Server → examiner: look at documents of a table, a few, in one snapshot (engine C4).

    Those behind the id `after`; with `since`, those that commits later than it changed. With `migrations` they are
    brought through these first, and come back as they are then.
    """

    table: str
    after: str | None = None
    since: int | None = None
    migrations: list[str] = []
    limit: int = 1000


class Offence(Part, frozen=True):
    """A document that does not fit, and why."""

    id: str
    text: str


class Examined(Frame, frozen=True):
    """Examiner → server."""

    ts: int  # the snapshot's; with `since`, the last commit that was looked at
    seen: int  # documents looked at
    after: str | None  # the last one's id; None at the end
    offences: list[Offence]
    rows: list[tuple[str, float, bytes]] = []  # id, creation time, fields as encoded JSON
    gone: list[str] = []  # ids of documents that are no more
    more: bool = False  # with `since`: there are later commits
    forgotten: bool = False  # with `since`: the log does not go back so far
    changed: int = 0  # of `rows`, those that are different now


class CountDocuments(Frame, frozen=True):
    """Server → examiner."""

    table: str


class Counted(Frame, frozen=True):
    """Examiner → server."""

    documents: int


class StaleBundle(Frame, frozen=True):
    """Runner → server: `_head.bundle` is not mine; nothing was run (engine D6)."""

    batch: int
    bundle: str


# ── actions ───────────────────────────────────────────────────────────────────────────────────────────────────────────


class RunAction(Frame, frozen=True):
    """Server → action runner."""

    call: Call


class Nested(Frame, frozen=True):
    """Action runner → server: the action called ctx.run_query / run_mutation / run_action / scheduler."""

    action: int  # id of the action's call: a shared runner has many
    number: int  # of this nested call, within the runner
    call: Call  # its id is 0: the server gives one


class NestedDone(Frame, frozen=True):
    """Server → action runner."""

    number: int
    outcome: Outcome


class ActionDone(Frame, frozen=True):
    """Action runner → server; the runner is free again after it, unless it says otherwise."""

    outcome: Outcome
    reusable: bool = True  # False: the action left something running, so the process ends itself


class HttpRequest(Part, frozen=True):
    """A request to one of the project's HTTP routes, whole (reference §2.5)."""

    method: str
    scheme: str
    path: bytes  # as it was sent, without the query and without what stands before the routes
    query: bytes
    headers: list[tuple[bytes, bytes]]  # names in lower case
    body: bytes = b""
    client: tuple[str, int] | None = None
    server: tuple[str, int | None] | None = None


class RunHttp(Frame, frozen=True):
    """Server → action runner: answer this request. The response comes in parts, then ActionDone."""

    call: Call  # its path is only a name, for logs
    request: HttpRequest


class ResponseHead(Frame, frozen=True):
    """Action runner → server, once, before any chunk. Checked: it can be sent as it is."""

    status: int
    headers: list[tuple[bytes, bytes]]


class ResponseChunk(Frame, frozen=True):
    """Action runner → server."""

    data: bytes


class ResponseEnd(Frame, frozen=True):
    """Action runner → server: the body is complete. What the handler left to do in the background goes on."""


class ChunksTaken(Frame, frozen=True):
    """Server → action runner: the client has taken so many bytes more of the body."""

    size: int


class ClientGone(Frame, frozen=True):
    """Server → action runner: nobody reads the response any more."""


# ── nursery ───────────────────────────────────────────────────────────────────────────────────────────────────────────


class ImportLibraries(Frame, frozen=True):
    """Server → nursery, before LoadBundle: the project is about to import these."""

    names: list[str]
    database: str  # as in LoadBundle
    built_in: dict[str, str]


class LoadBundle(Frame, frozen=True):
    """Server → nursery: import the user's code in `root`."""

    root: str
    limits: Limits = DEFAULT_LIMITS  # what this server's runners keep to
    secret: bytes = b""  # spawned runners of one bundle share it; forked ones have it from their nursery
    database: str = ""  # where a nursery reads the environment variables; "" when there is none
    built_in: dict[str, str] = {}  # environment variables the server defines
    variables: dict[str, tuple[str, int]] = {}  # spawned runners: those their bundle was loaded with
    files: str = ""  # the folder where blobs land
    upload_key: bytes = b""
    cursor_key: bytes = b""  # of the deployment: the same in every life of the server


class BundleLoaded(Frame, frozen=True):
    """Nursery → server: `manifest` is Manifest.to_bytes()."""

    bundle: str  # hash of everything imported from the project root
    manifest: bytes
    warnings: list[str]
    asked: list[str] = []  # environment variables the import read
    variables: dict[str, tuple[str, int]] = {}  # name → (value, ts): those it could read
    sources: dict[str, bytes] = {}  # path below the root → text, to load the same code again
    libraries: list[str] = []  # what it imported of others: the next nursery is told ahead
    forkable: bool = True  # False: the import left threads no fork survives, so runners are spawned (engine B3)


class BundleFailed(Frame, frozen=True):
    """Nursery → server: the traceback of what went wrong; the nursery exits."""

    traceback: str


class Fork(Frame, frozen=True):
    """Server → nursery, with one socket end as SCM_RIGHTS: fork a runner that serves on it."""

    runner: int
    role: Role
    slot: str  # path of the shared-memory slot file (engine A4)


class Forked(Frame, frozen=True):
    """Nursery → server."""

    runner: int
    pid: int


class Reaped(Frame, frozen=True):
    """Nursery → server: the process is gone and its status collected. Only this is proof of death (engine A3)."""

    runner: int
    status: int  # as os.waitstatus_to_exitcode gives it: negative is a signal


ToWriter = OpenWriter | Mutations | Push | Import | Acknowledged | Checkpoint | Drain
FromWriter = (
    WriterHello
    | WriterRefused
    | BatchDone
    | PushDone
    | PushRefused
    | ImportDone
    | ImportRefused
    | Checkpointed
    | StaleBundle
)
ToReader = OpenReader | Queries | Drain
FromReader = QueriesDone | StaleBundle
ToExaminer = OpenReader | Examine | CountDocuments | Drain
FromExaminer = Examined | Counted
ToAction = RunAction | RunHttp | NestedDone | ChunksTaken | ClientGone | Drain
FromAction = ActionDone | Nested | ResponseHead | ResponseChunk | ResponseEnd
ToNursery = ImportLibraries | LoadBundle | Fork | Drain
FromNursery = BundleLoaded | BundleFailed | Forked | Reaped
Between = ToExaminer | FromExaminer | ToNursery | FromNursery
AnyFrame = ToWriter | FromWriter | ToReader | FromReader | ToAction | FromAction | Between

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(AnyFrame).decode


def pack(*frames: AnyFrame) -> bytes:
    """The bytes of frames: for each four bytes of length (little endian), then MessagePack."""
    packed: list[bytes] = []
    for frame in frames:
        body = _encode(frame)
        packed += (len(body).to_bytes(4, "little"), body)
    return b"".join(packed)


_encode_outcome = msgspec.msgpack.Encoder().encode
_decode_outcome = msgspec.msgpack.Decoder(Outcome).decode


def pack_outcome(outcome: Outcome) -> bytes:
    """The form in which a writer stores an outcome beside the effects it belongs to (engine A3)."""
    return _encode_outcome(outcome)


def unpack_outcome(data: bytes) -> Outcome:
    """The inverse of pack_outcome."""
    return _decode_outcome(data)


class Unpacker:
    """Collects bytes from a pipe and gives whole frames."""

    __slots__ = ("_buffer",)

    def __init__(self) -> None:
        self._buffer = bytearray()  # grows in feed(), shrinks in feed() once frames are taken out

    def feed(self, data: bytes) -> Iterator[AnyFrame]:
        """Add bytes; yield the frames that are now whole. Raises msgspec.DecodeError on a frame that is none."""
        buffer = self._buffer
        buffer += data
        frames = []
        start = 0
        while len(buffer) - start >= 4:
            end = start + 4 + int.from_bytes(buffer[start : start + 4], "little")
            if len(buffer) < end:
                break
            frames.append(_decode(memoryview(buffer)[start + 4 : end]))
            start = end
        if start:
            del buffer[:start]
        return iter(frames)
