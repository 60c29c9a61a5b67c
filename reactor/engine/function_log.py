"""What functions print and how they fail, for the people who run them: the logger `reactor.functions`.

A failure is written whatever clients are shown, under the request id they were told. An application's own errors are
answers, not failures: they are not written. A text is cut before it costs the event loop anything, and its control
characters are spelt out, so that no function can write another's line or steer a terminal.
"""

from __future__ import annotations

import hashlib
import logging

from reactor.execution.frames import Outcome

_log = logging.getLogger("reactor.functions")

_LENGTH = 4096  # characters of one text
_TAIL = 1024  # of those, the end of a failure's: where it happened
_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))} | {ord("\n"): "\\n", ord("\t"): "\t"}
_BUT_LINES = _CONTROLS | {ord("\n"): "\n"}


class FunctionLog:
    """One server's functions; `name` keeps its request ids apart from another server's."""

    def __init__(self, name: str) -> None:
        self._name = name

    def request_name(self, call: int) -> str:
        """What a call is named in errors and logs: 16 hex digits."""
        return hashlib.sha256(f"{self._name}|{call}".encode()).hexdigest()[:16]

    def write(self, path: str, outcome: Outcome) -> None:
        """One call ended."""
        for line in outcome.log_lines:
            _log.info("%s %s", path, _cut(line).translate(_CONTROLS))
        failure = outcome.failure
        if failure is not None and failure.data is None:
            text = _cut(failure.text.rstrip(), _TAIL).translate(_BUT_LINES)
            _log.error("%s [Request ID: %s] %s", path, self.request_name(outcome.call), text)


def _cut(text: str, tail: int = 0) -> str:
    if len(text) <= _LENGTH:
        return text
    return f"{text[: _LENGTH - tail]} (truncated due to length){text[len(text) - tail :]}"
