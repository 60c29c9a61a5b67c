"""What is kept of a function call, for the people who run functions. Never arguments or results: they may be secret."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

ERROR_LENGTH = 4096  # characters kept of an error text


class CallRecord(NamedTuple):
    """One call that ended."""

    at: float  # when: milliseconds since the epoch
    kind: str  # query, mutation, action or httpAction
    path: str
    request: str  # what the call is named in errors
    seconds: float  # of processor time; of an action by the clock
    lines: Sequence[str]  # what it printed, as clients see it
    error: str | None = None  # of a call that failed, at most ERROR_LENGTH characters


class StoredCall(NamedTuple):
    """A record and its place in the log."""

    number: int  # from 1, in order
    call: CallRecord
