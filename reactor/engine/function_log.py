"""What functions print and how they fail, for the people who run them: the logger `reactor.functions`, and the CallLog.

A failure is written whatever clients are shown, under the request id they were told. An application's own errors are
answers, not failures: the logger does not hear of them. A text is cut before it costs the event loop anything, and its
control characters are spelt out, so that no function can write another's line or steer a terminal.
"""

from __future__ import annotations

import hashlib
import logging
from typing import Literal

from reactor.clock import Clock
from reactor.engine.call_log import CallLog
from reactor.engine.profile import Profile
from reactor.execution.frames import Kind, Outcome
from reactor.execution.system_names import PREFIX
from reactor.storage.call_log import ERROR_LENGTH, CallRecord

_log = logging.getLogger("reactor.functions")

_LENGTH = 4096  # characters of one text
_TAIL = 1024  # of those, the end of a failure's: where it happened
_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))} | {ord("\n"): "\\n", ord("\t"): "\t"}
_BUT_LINES = _CONTROLS | {ord("\n"): "\n"}


class FunctionLog:
    """One server's functions; `name` keeps its request ids apart from another server's."""

    def __init__(self, name: str, calls: CallLog, clock: Clock) -> None:
        self._name = name
        self._calls = calls
        self._clock = clock
        self.profile = Profile()

    def request_name(self, call: int) -> str:
        """What a call is named in errors and logs: 16 hex digits."""
        return hashlib.blake2b(f"{self._name}|{call}".encode(), digest_size=8).hexdigest()

    def write(
        self, kind: Kind | Literal["httpAction"], path: str, outcome: Outcome, seconds: float | None = None
    ) -> None:
        """One call ended. `seconds` is how long it took, where that is not the processor's time."""
        if outcome.log_lines or outcome.failure is not None:
            self._tell(path, outcome)
        elif path.startswith(PREFIX) or (not self.profile.held and self._calls.leaves_out()):
            return
        if not path.startswith(PREFIX):
            if self.profile.held:
                self.profile.add(kind, path, outcome)
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
            _log.info("%s %s", path, _cut(line).translate(_CONTROLS))
        failure = outcome.failure
        if failure is not None and failure.data is None:
            text = _cut(failure.text.rstrip(), _TAIL).translate(_BUT_LINES)
            _log.error("%s [Request ID: %s] %s", path, self.request_name(outcome.call), text)


def _cut(text: str, tail: int = 0) -> str:
    if len(text) <= _LENGTH:
        return text
    return f"{text[: _LENGTH - tail]} (truncated due to length){text[len(text) - tail :]}"
