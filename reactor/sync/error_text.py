"""How a failed call is told to a client: the `Server Error` head, and what redaction leaves (§1.13)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

_FIRST_FRAME = "\n    at "


class Failed(Protocol):
    """The part of a failure that is told: execution's Failure has it."""

    @property
    def text(self) -> str: ...


def error_message(request: str, failure: Failed, redact: bool) -> str:
    """`[Request ID: …] Server Error`, then, unless redacted, the failure's own text on lines of its own.

    An application's error *data* is not part of it and is never redacted.
    """
    head = f"[Request ID: {request}] Server Error"
    if redact:
        return head
    return f"{head}\n{failure.text.rstrip()}\n"


def uncaught_texts(request: str, failure: Failed, redact: bool) -> tuple[str, str | None]:
    """`code` and `trace` of the answer to an HTTP route's request whose handler failed (§2.5)."""
    head = f"[Request ID: {request}] Server Error"
    if redact:
        return head, None
    return f"{head}: {failure.text.partition(_FIRST_FRAME)[0].rstrip()}", failure.text.rstrip()


def shown_log_lines(lines: Sequence[str], redact: bool) -> tuple[str, ...]:
    """The log lines a client may see."""
    return () if redact else tuple(lines)
