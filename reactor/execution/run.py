"""Run: what belongs to one call while its user code is on the stack.

Everything that must know "whose call is this" asks here: the guards (frozen clock, seeded chance, nothing outside),
`print` and `logging`, the timers. One context variable, so threads and tasks that are not in a call are never touched.
Not the call's result: that is an Outcome.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar, Token
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from reactor.errors import DeveloperError, LimitExceeded, StorageError
from reactor.execution.chance import Chance
from reactor.execution.guard import Guard
from reactor.execution.logs import LogLines

if TYPE_CHECKING:  # an Environment asks whose call this is
    from reactor.execution.environment import Environment

P = ParamSpec("P")
R = TypeVar("R")


class Run:
    """One call in progress, nested calls included: they share its time, chance, logs, timers and fate."""

    # Not slotted: most calls touch none of these, which then cost nothing.
    environment: Environment | None = None  # set by the caller before user code runs
    identity_read = False  # becomes True in ctx.auth, also when that raised or was in a nested call
    scheduled = 0  # jobs written, those of rolled back nested calls included
    scheduled_size = 0  # bytes of their arguments
    file_bytes = 0  # stored and read by this mutation
    stored_blobs: tuple[str, ...] = ()  # keys of what it stored: to be taken back if it fails
    sticky: Exception | None = None  # set once: the call cannot succeed any more, whatever it catches
    fatal: BaseException | None = None  # set once: the engine failed, and with it the batch (engine A1)

    def __init__(
        self,
        *,
        now_ns: int,
        chance: Chance,
        logs: LogLines,
        guard: Guard,
        deterministic: bool,
        identity: bytes | None = None,
        job: str | None = None,
        depth: int = 0,
    ) -> None:
        self.now_ns = now_ns  # what every clock says until the call ends
        self.chance = chance
        self.logs = logs
        self.guard = guard
        self.deterministic = deterministic  # a query or mutation; False in actions, where only logs are ours
        self.identity = identity  # Identity.key
        self.job = job  # id of the job this is, or whose action called this
        self.depth = depth  # calls above this one, other processes' included; grows and shrinks in context.py

    def enter(self) -> Token[Run | None]:
        """Make this the run whose code executes from here on. Hand the token to `leave`."""
        return _CURRENT.set(self)

    @staticmethod
    def leave(token: Token[Run | None]) -> None:
        """Back to what ran before."""
        _CURRENT.reset(token)

    def engine(self, operation: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Carry out something of the engine's for user code: the soft timer waits until it is over.

        A mistake of the caller's passes through. What the engine itself raises is remembered, because an `except` in
        user code must not hide it: storage that failed, a limit passed, or a bug that may have left half a write.
        """
        if self.fatal is not None:
            raise self.fatal
        guard = self.guard
        guard.user_code = False
        try:
            result = operation(*args, **kwargs)
        except Exception as error:
            if isinstance(error, StorageError | MemoryError | AssertionError):
                self.fatal = error
                raise
            if not isinstance(error, DeveloperError) or isinstance(error, LimitExceeded):
                self.sticky = self.sticky or error
            guard.resume()
            raise
        except BaseException as error:
            self.fatal = error
            raise
        guard.user_code = True
        if guard.expired:
            raise guard.timeout()
        return result


_CURRENT: ContextVar[Run | None] = ContextVar("reactor_run", default=None)
current_run = _CURRENT.get  # () -> Run | None; a C function: the guards call it on every clock reading
