"""Mutations that clients number: what one came to when it ran, told again instead of running it twice (engine A13).

What such a call came to is kept with its session's requests, in the commit of its effects. That is also where it is
looked for after a writer died (A3), so a call that is kept there needs no row of the server's own call id.
"""

from __future__ import annotations

import msgspec

from reactor.execution.frames import Call, Failure, Outcome, unpack_outcome
from reactor.storage.storage import RequestRow
from reactor.values.value import digest


def request_of(call: Call) -> tuple[str, int] | None:
    """The session's key and the request's number; None for a call that no client numbered.

    Identities are told apart: another user's request of the same number is another request.
    """
    if call.session is None or call.request is None:
        return None
    if call.identity is None:
        return call.session, call.request
    return f"{call.session}:{digest(call.identity).hex()}", call.request


def binding_of(call: Call) -> bytes:
    """What a repetition must have in common with the call besides the number."""
    return digest(call.path.encode())


def is_kept(call: Call, outcome: Outcome) -> bool:
    """Whether this outcome is found by the call's request. What failed left nothing, its request included."""
    return call.request is not None and call.session is not None and outcome.failure is None


def repeated(call: Call, recorded: RequestRow) -> Outcome:
    """The answer to a mutation that has been run: what it came to then. Never a second run."""
    if recorded.binding != binding_of(call):
        text = "This request was already used for another function. Send a new request id with every mutation.\n"
        return Outcome(call=call.id, value=None, failure=Failure(code="RequestIdMismatch", text=text))
    return msgspec.structs.replace(unpack_outcome(recorded.outcome), call=call.id, ts=recorded.ts, counts=None)
