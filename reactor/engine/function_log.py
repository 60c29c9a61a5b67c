"""What functions print and how they fail, for the people who run them: the logger `reactor.functions`.

A failure is written in full whatever clients are shown, under the request id they were told. An application's own
errors are answers, not failures: they are not written.
"""

from __future__ import annotations

import hashlib
import logging

from reactor.execution.frames import Outcome

_log = logging.getLogger("reactor.functions")


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
            _log.info("%s %s", path, line)
        failure = outcome.failure
        if failure is not None and failure.data is None:
            _log.error("%s [Request ID: %s] %s", path, self.request_name(outcome.call), failure.text.rstrip())
