"""One watched query: what it is asked under, what it was last seen to be, and since when that is no longer true.

Not here: which commit meets it (`subscription_set`), what happens then (`manager`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final, NamedTuple, Protocol

from reactor.footprint.read_set import ReadSet


class Anyone(Enum):
    """The identity of an entry that never looked at who asks: one result serves everybody."""

    ANY = "ANY"


ANY: Final = Anyone.ANY

Identity = bytes | None  # Identity.key; None is signed out


class QueryKey(NamedTuple):
    """What a query is asked under, but for the identity (engine D1, D2)."""

    path: str
    args: bytes
    journal: str | None
    internal: bool = False  # asked by the server itself or an operator: internal functions are found too


@dataclass(slots=True, eq=False)
class Observation:
    """What one run of a query came to, true at `ts` and until a commit meets `reads`.

    `payload` is what the run gave; this room never looks inside. Equal `digest` means equal payload.
    """

    ts: int
    reads: ReadSet
    digest: bytes
    journal: str | None
    identity_read: bool
    payload: object
    failed: bool = False  # an error is delivered, but not kept for whoever asks next
    size: int = 0  # bytes of the payload, about
    told: bytes | None = None  # the payload as the wire spells it; filled once, by whoever tells it first


class Subscriber(Protocol):
    """One client's interest in one query. Compared by identity."""

    identity: Identity
    subscription: Subscription  # set by the manager; it changes when entries split or meet

    def updated(self) -> None:
        """The subscription has a new observation, or became another. Must not call the manager back."""
        ...


class Subscription:
    """A result being watched, shared by all who ask the same.

    It is *fresh* when it has an observation that holds at the log's head, *stale* otherwise.
    """

    __slots__ = (
        "crashes",
        "dropped",
        "identity",
        "key",
        "observation",
        "running",
        "subscribers",
        "valid_until",
        "waiting",
    )

    def __init__(self, key: QueryKey, identity: Identity | Anyone) -> None:
        self.key = key  # replaced by the manager when a run returns another journal
        self.identity = identity  # ANY until a run reads the identity
        self.observation: Observation | None = None  # set by each arrival that is newer
        self.valid_until: int | None = None  # the first batch that met the observation; None: it holds
        self.subscribers: dict[Subscriber, None] = {}  # ordered; grows in subscribe, shrinks in unsubscribe
        self.running = 0  # runs handed out and not arrived yet
        self.waiting = False  # True while it stands in the run queue
        self.crashes = 0  # runs in a row that took their process along; counted by whoever runs them
        self.dropped = False  # becomes True when it is merged into another or nobody needs it; never back

    @property
    def fresh(self) -> bool:
        """Whether the observation holds at the log's head."""
        return self.observation is not None and self.valid_until is None
