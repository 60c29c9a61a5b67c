"""Guard: the two timers that end user code which runs too long (engine B1).

Soft: at the limit a Python handler raises FunctionTimeout, but only while user code is on the stack, so that it never
strikes between a document and its index row. Hard: a little later the kernel kills the process, which also reaches code
stuck inside C. The third line, the wall clock, is the server's. Both timers count CPU time; neither sees a sleep.

Setting timers costs as much as reading a document, so in a `series` of calls that follow each other closely the timers
of one serve the next ones as well, while they are fresh. A call that began later than they were set gets what it lacks
when they go off.

Timers belong to a process and handlers to its main thread, so outside of that thread a guard does nothing. The hard
timer is for runner processes (`Guard.of_process`); in-process tests use a guard without it.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic  # taken before it is replaced: timers know nothing of a call's time
from types import FrameType

from reactor.errors import FunctionTimeout
from reactor.limits import Limits, setting

_set_timer, _left_of = signal.setitimer, signal.getitimer
_VIRTUAL, _PROF = signal.ITIMER_VIRTUAL, signal.ITIMER_PROF
_thread = threading.get_ident
_NEVER = float("-inf")
_FRESH = 0.02  # seconds: how much older than its call a timer may be


class Guard:
    """One per caller. `start`, then `user_code` turned on and off by the engine at every border, then `stop`."""

    __slots__ = ("_fresh", "_hard", "_in_series", "_late", "_main", "_set_at", "_soft", "expired", "user_code")

    def __init__(self, limits: Limits, *, hard: bool = False) -> None:
        self._soft = limits.function_cpu
        self._fresh = min(_FRESH, limits.function_cpu / 4)
        # of its own call or of one up to _fresh before it, which it must not strike early either
        self._hard = limits.function_cpu + limits.function_cpu_grace + self._fresh if hard else 0.0
        self._in_series = False  # True inside series()
        self._set_at = _NEVER  # when the timers that run were set; by start(), back in stop()
        self._late = 0.0  # how long after that the call began; 0 again once the soft timer has made up for it
        self._main = 0  # thread whose timers we use; 0 until install()
        self.user_code = False  # True exactly while the handler may raise
        self.expired = False  # set by the handler, cleared by start(): a call cannot outlive its time by catching

    @classmethod
    def of_process(cls, limits: Limits) -> Guard:
        """The guard of a runner process, in place: both timers."""
        guard = cls(limits, hard=True)
        guard.install()
        return guard

    def install(self) -> None:
        """Take over the signals of this process. Does nothing outside the main thread. Call it after a fork."""
        if threading.current_thread() is not threading.main_thread():
            return
        self._main = _thread()
        signal.signal(signal.SIGVTALRM, _on_soft_timer)
        if self._hard:
            signal.signal(signal.SIGPROF, signal.SIG_DFL)

    def start(self) -> None:
        """Begin to count; user code follows."""
        global _started
        if self._main == _thread():
            now = monotonic()
            late = now - self._set_at
            if late > self._fresh or _started is not self:
                _set_timer(_VIRTUAL, self._soft)
                if self._hard:
                    _set_timer(_PROF, self._hard)
                self._set_at, late = now, 0.0
            self._late = late
        _started = self
        self.expired = False
        self.user_code = True

    def stop(self) -> None:
        """No timer strikes after this returns. Engine bookkeeping follows. May be called twice.

        In a series, timers that still have nearly all their time stay set.
        """
        self.user_code = False
        if self._set_at != _NEVER and not (self._in_series and monotonic() - self._set_at <= self._fresh):
            self._clear()

    @contextmanager
    def series(self) -> Iterator[None]:
        """Inside, one call follows the other with nothing in between that takes long. Afterwards no timer is set."""
        self._in_series = True
        try:
            yield
        finally:
            self._in_series = False
            self._clear()

    def rest(self) -> None:
        """What follows is no user code and may take long: no timer strikes before the next `start`."""
        if self._set_at != _NEVER:
            self._clear()

    def _clear(self) -> None:
        if self._main == _thread():
            _set_timer(_VIRTUAL, 0)
            if self._hard:
                _set_timer(_PROF, 0)
            self._set_at = _NEVER

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Let time stand still for the call, while something is done for it that later calls find done."""
        if self._main != _thread():
            yield
            return
        left = {timer: _left_of(timer)[0] for timer in (_VIRTUAL, _PROF)}
        for timer in left:
            _set_timer(timer, 0)
        try:
            yield
        finally:
            for timer, seconds in left.items():
                _set_timer(timer, seconds)

    def resume(self) -> None:
        """Back from the engine into user code: the place where an expiry noted meanwhile is raised."""
        self.user_code = True
        if self.expired:
            raise self.timeout()

    def timeout(self) -> FunctionTimeout:
        """The error of a call that ran out of time."""
        return timed_out(self._soft, "function_cpu")

    def strike(self) -> None:
        """The soft timer went off."""
        if self._late > 0.0:
            late, self._late = self._late, 0.0
            _set_timer(_VIRTUAL, late)
            return
        self.expired = True
        if self.user_code:
            raise self.timeout()


def timed_out(seconds: float, limit: str) -> FunctionTimeout:
    """The error of a call that ran longer than this limit allows."""
    return FunctionTimeout(f"Function execution timed out (maximum duration: {seconds:g}s). {setting(limit)}")


_started: Guard | None = None  # whose timers run or ran last in this process; set by start()


def _on_soft_timer(_signal: int, _frame: FrameType | None) -> None:
    if _started is not None:
        _started.strike()
