"""One client's conversation: what it watches, who it is, what it was told. Sans-I/O: messages in, effects out.

Theory of operation
-------------------
A socket carries one ordered stream of client messages. `receive` applies each to the session at once and answers with
*effects*, things for the worker to do; nothing else changes the session but the worker's reports:

    state        message / report                    becomes       effects
    ───────────  ──────────────────────────────────  ────────────  ─────────────────────────────────────────
    OPENED       Connect                             CONNECTED     CheckObserved, when the client has seen a state
    CONNECTED    ModifyQuerySet (base = current)     CONNECTED     Unwatch…, Watch…
    CONNECTED    Mutation / Action                   CONNECTED     RunMutation / RunAction
    CONNECTED    Authenticate (base = current)       VERIFYING     Verify
    CONNECTED    expired()                           CLOSED        Tell(AuthError), Close
    VERIFYING    any message                         VERIFYING     none: it waits its turn
    VERIFYING    identified(identity)                CONNECTED     Rewatch, ExpiresAt, then those of messages that waited
    VERIFYING    expired()                           VERIFYING     none: the credential being decided replaces what expired
    VERIFYING    refused(text)                       CLOSED        Tell(AuthError), Close
    any          illegal message                     CLOSED        Tell(FatalError), Close
    CLOSED       any                                 CLOSED        none

The order of a client's messages is the order in which they count: a mutation sent after Authenticate runs as the new
identity, a query added before it is not evaluated until the token is decided (reference §7, pitfall 8).

What goes out. Only `advance` makes Transitions, so they chain: each starts where the last one sent has ended. One is
owed (`owes`) after every ModifyQuerySet, Authenticate and response, even when it is empty (reference §1.6, §1.8);
`floor` is the least timestamp it may have: a response's own (engine D3). Queries say by digest what the client holds;
what is unchanged is left out.
"""

from __future__ import annotations

from collections import deque
from enum import Enum
from typing import assert_never

import msgspec

from reactor.auth.identity import Identity
from reactor.auth.jwt import EXPIRED
from reactor.limits import DEFAULT_LIMITS, setting
from reactor.sync.messages import (
    Action,
    Add,
    AuthenticateAdmin,
    AuthenticateNone,
    AuthenticateUser,
    AuthError,
    ClientMessage,
    Connect,
    Event,
    FatalError,
    ModifyQuerySet,
    Mutation,
    Remove,
)
from reactor.sync.version import StateVersion


class State(Enum):
    """Where the conversation stands."""

    OPENED = "opened"
    CONNECTED = "connected"
    VERIFYING = "verifying"
    CLOSED = "closed"


class SyncedQuery:
    """One query of the client's set."""

    __slots__ = ("args", "journal", "path", "query_id", "sent")

    def __init__(self, add: Add) -> None:
        self.query_id = add.query_id
        self.path = add.path
        self.args = add.args
        self.journal = add.journal  # starts as the client's, replaced by each result told
        self.sent: bytes | None = None  # digest of what the client holds; None before the first result


# ── effects ───────────────────────────────────────────────────────────────────────────────────────────────────────────


class CheckObserved(msgspec.Struct, frozen=True):
    """The client has been shown the state at `ts`: the log must be there before it is answered (engine A9)."""

    ts: int


class Watch(msgspec.Struct, frozen=True):
    """Start following the query, as the session's identity."""

    query: SyncedQuery


class Unwatch(msgspec.Struct, frozen=True):
    """Stop following it."""

    query: SyncedQuery


class Verify(msgspec.Struct, frozen=True):
    """Decide the credential, then call `identified` or `refused`."""

    credential: AuthenticateUser | AuthenticateAdmin


class RunMutation(msgspec.Struct, frozen=True):
    """Run it after every earlier mutation of this session; then call `responded`."""

    mutation: Mutation
    identity: Identity | None
    admin: bool


class RunAction(msgspec.Struct, frozen=True):
    """Run it whenever; then call `responded`."""

    action: Action
    identity: Identity | None
    admin: bool


class ExpiresAt(msgspec.Struct, frozen=True):
    """The identity holds until then, in seconds since the epoch (None: for good). Report `expired` once that is past."""

    at: float | None


class Tell(msgspec.Struct, frozen=True):
    """Send the message now."""

    message: AuthError | FatalError


class Close(msgspec.Struct, frozen=True):
    """Close the socket, after what was told. `code` names the reason; the shell picks the number."""

    code: str


Effect = CheckObserved | Watch | Unwatch | Verify | RunMutation | RunAction | Tell | Close | ExpiresAt


class SyncSession:
    """See the module's docstring for the rules."""

    __slots__ = (
        "_inbox",
        "_most_queries",
        "admin",
        "connection_count",
        "expires",
        "floor",
        "identity",
        "identity_version",
        "name",
        "owes",
        "queries",
        "query_set",
        "removed",
        "sent",
        "state",
    )

    def __init__(self, most_queries: int = DEFAULT_LIMITS.socket_queries) -> None:
        self._most_queries = most_queries
        self.state = State.OPENED
        self.name = ""  # the client's session id, set by Connect
        self.connection_count = 0  # set by Connect
        self.queries: dict[int, SyncedQuery] = {}  # changed by ModifyQuerySet
        self.query_set = 0  # set by ModifyQuerySet
        self.identity: Identity | None = None  # set by identified and AuthenticateNone
        self.admin = False  # set with identity: an operator's socket reaches internal functions
        self.expires: float | None = None  # set with identity: when it ends, seconds since the epoch
        self.identity_version = 0  # +1 by each Authenticate that holds
        self.sent = StateVersion.START  # end of the last Transition, set by advance
        self.removed: list[int] = []  # query ids whose removal the next Transition tells; emptied by advance
        self.owes = False  # set by whatever must be answered by a Transition, cleared by advance
        self.floor = 0  # raised by responded and CheckObserved
        self._inbox: deque[ClientMessage] = deque()  # messages behind a credential that is being decided

    # ── what the client says ─────────────────────────────────────────────────────────────────────────────────────────

    def receive(self, message: ClientMessage) -> list[Effect]:
        """Apply one message. An illegal one closes the session and changes nothing else."""
        if self.state is State.CLOSED:
            return []
        if self.state is State.VERIFYING:
            self._inbox.append(message)
            return []
        match message:
            case Connect():
                return self._connect(message)
            case _ if self.state is State.OPENED:
                return self._fatal("UnexpectedMessage", f"{type(message).__name__} before Connect")
            case ModifyQuerySet():
                return self._modify(message)
            case Mutation():
                if message.component is not None:
                    return self._fatal("Unauthorized", "componentPath is for operators; this server has no components")
                return [RunMutation(message, self.identity, self.admin)]
            case Action():
                if message.component is not None:
                    return self._fatal("Unauthorized", "componentPath is for operators; this server has no components")
                return [RunAction(message, self.identity, self.admin)]
            case AuthenticateUser() | AuthenticateAdmin() | AuthenticateNone():
                return self._authenticate(message)
            case Event():
                return []
            case never:
                assert_never(never)

    def bad_message(self, code: str, text: str) -> list[Effect]:
        """What came was no message at all."""
        return [] if self.state is State.CLOSED else self._fatal(code, text)

    # ── what the worker reports ──────────────────────────────────────────────────────────────────────────────────────

    def identified(
        self, identity: Identity | None, *, admin: bool = False, expires: float | None = None
    ) -> list[Effect]:
        """The credential holds, an operator's if `admin`: every query runs again as this identity, then the messages
        that waited count. It ends at `expires` (seconds since the epoch).
        """
        if self.state is State.CLOSED:
            return []
        assert self.state is State.VERIFYING
        self.state = State.CONNECTED
        effects = self._become(identity, admin, expires)
        while self._inbox and self.state is State.CONNECTED:
            effects += self.receive(self._inbox.popleft())
        return effects

    def refused(self, text: str) -> list[Effect]:
        """The credential does not hold."""
        if self.state is State.CLOSED:
            return []
        self.state = State.CLOSED
        return [Tell(AuthError(text, self.sent.identity, update_attempted=True)), Close("AuthError")]

    def expired(self) -> list[Effect]:
        """The identity in use has ended. While the next one is being decided it hardly matters: nothing goes out then."""
        if self.state is not State.CONNECTED:
            return []
        self.state = State.CLOSED
        return [Tell(AuthError(EXPIRED, self.sent.identity, update_attempted=False)), Close("TokenExpired")]

    def responded(self, ts: int) -> None:
        """A mutation's or action's response was written: the next Transition is owed and is not before `ts`."""
        self.owes = True
        self.floor = max(self.floor, ts)

    def observed(self, ts: int) -> None:
        """The client has seen the state at `ts` before: it is never shown an older one."""
        self.floor = max(self.floor, ts)

    def closed(self) -> None:
        """The socket is gone."""
        self.state = State.CLOSED
        self._inbox.clear()

    # ── what the client is told ──────────────────────────────────────────────────────────────────────────────────────

    @property
    def ready(self) -> bool:
        """Whether a Transition may be made now."""
        return self.state is State.CONNECTED

    def end_version(self, ts: int) -> StateVersion:
        """Where a Transition at `ts` would lead."""
        return StateVersion(self.query_set, self.identity_version, ts)

    def advance(self, end: StateVersion) -> tuple[StateVersion, list[int]]:
        """Record that a Transition to `end` is being sent; gives its start and the query ids it reports removed.

        `end` is `end_version(ts)` of a ts not below `floor`, at which every query of the set was looked at.
        """
        start, self.sent = self.sent, end
        removed = self.removed
        if removed:
            self.removed = []
        self.owes = False
        return start, removed

    # ── steps ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _connect(self, message: Connect) -> list[Effect]:
        if self.state is not State.OPENED:
            return self._fatal("UnexpectedMessage", "Connect may be sent only once on a socket")
        self.state = State.CONNECTED
        self.name = message.session
        self.connection_count = message.connection_count
        return [CheckObserved(message.max_observed_ts)] if message.max_observed_ts else []

    def _modify(self, message: ModifyQuerySet) -> list[Effect]:
        if message.base_version != self.query_set or message.new_version < message.base_version:
            return self._fatal(
                "BaseVersionMismatch",
                f"Base version {message.base_version} passed up doesn't match the current version {self.query_set}",
            )
        problem = self._illegal(message)
        if problem is not None:
            return self._fatal("InvalidQuerySet", problem)
        effects: list[Effect] = []
        for item in message.modifications:
            if isinstance(item, Remove):
                self.removed.append(item.query_id)
                effects.append(Unwatch(self.queries.pop(item.query_id)))
            else:
                query = self.queries[item.query_id] = SyncedQuery(item)
                effects.append(Watch(query))
        self.query_set = message.new_version
        self.owes = True
        return effects

    def _illegal(self, message: ModifyQuerySet) -> str | None:
        added: set[int] = set()
        gone: set[int] = set()
        count = len(self.queries)
        for item in message.modifications:
            number = item.query_id
            held = number in added or (number in self.queries and number not in gone)
            if isinstance(item, Remove):
                if not held:
                    return f"Query {number} cannot be removed: it is not watched"
                added.discard(number)
                gone.add(number)
                count -= 1
            elif held:
                return f"Query {number} cannot be added: it is watched already"
            elif item.component is not None:
                return "componentPath is for operators; this server has no components"
            else:
                added.add(number)
                count += 1
        if count > self._most_queries:
            return f"A client can watch {self._most_queries} queries at once. {setting('socket_queries')}"
        return None

    def _authenticate(self, message: AuthenticateUser | AuthenticateAdmin | AuthenticateNone) -> list[Effect]:
        if message.base_version != self.identity_version:
            return self._fatal(
                "BaseVersionMismatch",
                f"Base identity version {message.base_version} doesn't match the current one {self.identity_version}",
            )
        if isinstance(message, AuthenticateNone):
            return self._become(None, admin=False, expires=None)
        self.state = State.VERIFYING
        return [Verify(message)]

    def _become(self, identity: Identity | None, admin: bool, expires: float | None) -> list[Effect]:
        self.identity = identity
        self.admin = admin
        self.identity_version += 1
        self.owes = True
        effects: list[Effect] = []
        for query in self.queries.values():
            effects += (Unwatch(query), Watch(query))
        if expires != self.expires:
            self.expires = expires
            effects.append(ExpiresAt(expires))
        return effects

    def _fatal(self, code: str, text: str) -> list[Effect]:
        self.state = State.CLOSED
        return [Tell(FatalError(text)), Close(code)]

    # ── invariants ───────────────────────────────────────────────────────────────────────────────────────────────────

    def check(self) -> None:
        """Raise AssertionError unless the invariants hold; tests call it after every step."""
        assert self.sent.query_set <= self.query_set
        assert self.sent.identity <= self.identity_version
        assert not self._inbox or self.state is State.VERIFYING
        assert self.owes or (self.sent.query_set, self.sent.identity) == (self.query_set, self.identity_version)
        assert all(query.query_id == number for number, query in self.queries.items())
