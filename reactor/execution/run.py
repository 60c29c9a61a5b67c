"""Run: what belongs to one call while its user code is on the stack.

Everything that must know "whose call is this" asks here: the guards (frozen clock, seeded chance, nothing outside),
`print` and `logging`, the timers. One context variable, so threads and tasks that are not in a call are never touched.
Not the call's result: that is an Outcome.
"""

from __future__ import annotations

from contextvars import ContextVar, Token

from reactor.execution.chance import Chance
from reactor.execution.guard import Guard
from reactor.execution.logs import LogLines


class Run:
    """One call in progress, nested calls included: they share its time, chance, logs, timers and fate."""

    __slots__ = ("chance", "deterministic", "fatal", "guard", "identity_read", "logs", "now_ns", "sticky")

    def __init__(self, *, now_ns: int, chance: Chance, logs: LogLines, guard: Guard, deterministic: bool) -> None:
        self.now_ns = now_ns  # what every clock says until the call ends
        self.chance = chance
        self.logs = logs
        self.guard = guard
        self.deterministic = deterministic  # a query or mutation; False in actions, where only logs are ours
        self.identity_read = False  # becomes True in ctx.auth, also when that raised or was in a nested call
        self.sticky: Exception | None = None  # first limit passed: the call cannot succeed any more (engine A1)
        self.fatal: BaseException | None = None  # first error of the engine itself: it ends the batch (engine A1)

    def enter(self) -> Token[Run | None]:
        """Make this the run whose code executes from here on. Hand the token to `leave`."""
        return _CURRENT.set(self)

    @staticmethod
    def leave(token: Token[Run | None]) -> None:
        """Back to what ran before."""
        _CURRENT.reset(token)


_CURRENT: ContextVar[Run | None] = ContextVar("reactor_run", default=None)
current_run = _CURRENT.get  # () -> Run | None; a C function: the guards call it on every clock reading
