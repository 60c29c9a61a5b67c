"""What functions print and how they fail, for the people who run them: the logger `reactor.functions`, and the CallLog.

A failure is written in full whatever clients are shown, under the request id they were told. An application's own
errors are answers, not failures: the logger does not hear of them.
"""

from __future__ import annotations

import hashlib
import logging
from typing import Literal

from reactor.clock import Clock
from reactor.engine.call_log import CallLog
from reactor.execution.frames import Kind, Outcome
from reactor.execution.system_functions import PREFIX
from reactor.storage.call_log import ERROR_LENGTH, CallRecord

_log = logging.getLogger("reactor.functions")


class FunctionLog:
    """One server's functions; `name` keeps its request ids apart from another server's."""

    def __init__(self, name: str, calls: CallLog, clock: Clock) -> None:
        self._name = name
        self._calls = calls
        self._clock = clock

    def request_name(self, call: int) -> str:
        """What a call is named in errors and logs: 16 hex digits."""
        return hashlib.sha256(f"{self._name}|{call}".encode()).hexdigest()[:16]

    def write(
        self, kind: Kind | Literal["httpAction"], path: str, outcome: Outcome, seconds: float | None = None
    ) -> None:
        """One call ended. `seconds` is how long it took, where that is not the processor's time."""
        if outcome.log_lines or outcome.failure is not None:
            self._tell(path, outcome)
        if not path.startswith(PREFIX):
            failure = outcome.failure
            self._calls.add(
                CallRecord(
                    self._clock.now_ns() / 1e6,
                    kind,
                    path.replace(".js:", ":"),
                    self.request_name(outcome.call),
                    outcome.cpu if seconds is None else seconds,
                    outcome.log_lines,
                    None if failure is None else failure.text[:ERROR_LENGTH],
                )
            )

    def _tell(self, path: str, outcome: Outcome) -> None:
        for line in outcome.log_lines:
            _log.info("%s %s", path, line)
        failure = outcome.failure
        if failure is not None and failure.data is None:
            _log.error("%s [Request ID: %s] %s", path, self.request_name(outcome.call), failure.text.rstrip())
