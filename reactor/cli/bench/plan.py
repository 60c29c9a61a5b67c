"""Plan: what is to be measured, as it was asked for."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any

from reactor.cli.bench.arguments import Arguments
from reactor.cli.bench.load import Extent


class Over(enum.Enum):
    """How calls travel."""

    HTTP = "http"
    SOCKET = "socket"


@dataclass(frozen=True, slots=True)
class Live:
    """Subscribers of the query, and the mutation they are shown."""

    subscribers: int
    write: str
    arguments: Arguments


@dataclass(frozen=True, slots=True)
class Plan:
    """One function, called by so many clients; or, `live`, a query that is followed while a mutation is called."""

    path: str
    arguments: Arguments
    identity: dict[str, Any] | None
    clients: int
    extent: Extent
    warm_up: float  # seconds before anything is measured
    over: Over
    fresh: bool  # no two calls share a result
    live: Live | None = None
