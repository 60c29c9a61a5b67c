"""What is said on a socket, as records: the closed unions ClientMessage and ServerMessage.

Datums inside (arguments, results, error data) stay the encoded JSON bytes they travel as; nothing here decodes them.
How a message is spelt on the wire is codec.py's business, what it means is session.py's.
"""

from __future__ import annotations

import msgspec

from reactor.sync.version import StateVersion

# ── client → server ───────────────────────────────────────────────────────────────────────────────────────────────────


class Connect(msgspec.Struct, frozen=True, gc=False):
    """First on every socket."""

    session: str  # UUID; the JS client keeps it across reconnects, others make a new one
    connection_count: int = 0
    last_close_reason: str | None = None
    max_observed_ts: int | None = None  # nanoseconds: the newest state this client has been shown
    client_ts: float | None = None  # the client's wall clock in ms; 0 from clients that do not say


class Add(msgspec.Struct, frozen=True, gc=False):
    """Start watching a query. `args` is the encoded JSON of one object."""

    query_id: int
    path: str  # as the client spelt it
    args: bytes
    journal: str | None = None
    component: str | None = None


class Remove(msgspec.Struct, frozen=True, gc=False):
    """Stop watching a query."""

    query_id: int


class ModifyQuerySet(msgspec.Struct, frozen=True, gc=False):
    """Change what the client watches; legal when `base_version` is the current one."""

    base_version: int
    new_version: int
    modifications: tuple[Add | Remove, ...]


class Mutation(msgspec.Struct, frozen=True, gc=False):
    """Run a mutation. `request_id` is the client's, unique within its session."""

    request_id: int
    path: str
    args: bytes
    component: str | None = None


class Action(msgspec.Struct, frozen=True, gc=False):
    """Run an action."""

    request_id: int
    path: str
    args: bytes
    component: str | None = None


class AuthenticateUser(msgspec.Struct, frozen=True, gc=False):
    """Be the user this token names."""

    base_version: int
    token: str


class AuthenticateAdmin(msgspec.Struct, frozen=True, gc=False):
    """Be the operator; with `acting_as` (encoded JSON of an object of identity attributes) in a user's place."""

    base_version: int
    key: str
    acting_as: bytes | None = None


class AuthenticateNone(msgspec.Struct, frozen=True, gc=False):
    """Be nobody."""

    base_version: int


class Event(msgspec.Struct, frozen=True, gc=False):
    """Telemetry: nothing depends on it and it is never answered."""


ClientMessage = (
    Connect | ModifyQuerySet | Mutation | Action | AuthenticateUser | AuthenticateAdmin | AuthenticateNone | Event
)

# ── server → client ───────────────────────────────────────────────────────────────────────────────────────────────────


class QueryUpdated(msgspec.Struct, frozen=True, gc=False):
    """A query's new value, as encoded JSON."""

    query_id: int
    value: bytes
    log_lines: tuple[str, ...] = ()
    journal: str | None = None


class QueryFailed(msgspec.Struct, frozen=True, gc=False):
    """A query threw. It stays watched: later data may make it succeed."""

    query_id: int
    error_message: str
    error_data: bytes | None = None  # encoded JSON of an AppError's data; None for every other error
    log_lines: tuple[str, ...] = ()
    journal: str | None = None


class QueryRemoved(msgspec.Struct, frozen=True, gc=False):
    """The answer to a Remove."""

    query_id: int


Modification = QueryUpdated | QueryFailed | QueryRemoved


class Transition(msgspec.Struct, frozen=True, gc=False):
    """A move of the client's whole state from one version to another. All values in it belong to `end.ts`."""

    start: StateVersion
    end: StateVersion
    modifications: tuple[Modification, ...] = ()


class MutationSucceeded(msgspec.Struct, frozen=True, gc=False):
    """`ts` is the commit's; a mutation that wrote nothing carries one not above the next Transition's."""

    request_id: int
    result: bytes
    ts: int
    log_lines: tuple[str, ...] = ()


class MutationFailed(msgspec.Struct, frozen=True, gc=False):
    """The mutation threw and left no trace."""

    request_id: int
    error_message: str
    error_data: bytes | None = None
    log_lines: tuple[str, ...] = ()


class ActionSucceeded(msgspec.Struct, frozen=True, gc=False):
    """An action's result, as encoded JSON."""

    request_id: int
    result: bytes
    log_lines: tuple[str, ...] = ()


class ActionFailed(msgspec.Struct, frozen=True, gc=False):
    """The action threw; what it did before stays done."""

    request_id: int
    error_message: str
    error_data: bytes | None = None
    log_lines: tuple[str, ...] = ()


class AuthError(msgspec.Struct, frozen=True, gc=False):
    """A credential does not hold (any more). The socket is closed after it.

    `base_version` is the identity version of the last Transition sent; `update_attempted` says whether this answers
    an Authenticate (else an identity in use has expired).
    """

    error: str
    base_version: int
    update_attempted: bool


class FatalError(msgspec.Struct, frozen=True, gc=False):
    """The client is programmed wrongly: JS clients stop for ever on it. Never for trouble that passes."""

    error: str


class Ping(msgspec.Struct, frozen=True, gc=False):
    """Nothing new; the line is up."""


ServerMessage = (
    Transition | MutationSucceeded | MutationFailed | ActionSucceeded | ActionFailed | AuthError | FatalError | Ping
)
