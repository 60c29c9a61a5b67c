"""Guard: the two timers that end user code which runs too long (engine B1).

Soft: at the limit a Python handler raises FunctionTimeout, but only while user code is on the stack, so that it never
strikes between a document and its index row. Hard: a little later the kernel kills the process, which also reaches code
stuck inside C. The third line, the wall clock, is the server's. Both timers count CPU time; neither sees a sleep.

Timers belong to a process and handlers to its main thread, so outside of that thread a guard does nothing. The hard
timer is for runner processes (`Guard.of_process`); in-process tests use a guard without it.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from reactor.errors import FunctionTimeout
from reactor.limits import Limits, setting

_set_timer, _left_of = signal.setitimer, signal.getitimer
_VIRTUAL, _PROF = signal.ITIMER_VIRTUAL, signal.ITIMER_PROF
_thread = threading.get_ident


class Guard:
    """One per caller. `start`, then `user_code` turned on and off by the engine at every border, then `stop`."""

    __slots__ = ("_hard", "_main", "_soft", "expired", "user_code")

    def __init__(self, limits: Limits, *, hard: bool = False) -> None:
        self._soft = limits.function_cpu
        self._hard = limits.function_cpu + limits.function_cpu_grace if hard else 0.0
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
        self.expired = False
        _started = self
        if self._main == _thread():
            _set_timer(_VIRTUAL, self._soft)
            if self._hard:
                _set_timer(_PROF, self._hard)
        self.user_code = True

    def stop(self) -> None:
        """No timer strikes after this returns. Engine bookkeeping follows. May be called twice."""
        self.user_code = False
        if self._main == _thread():
            _set_timer(_VIRTUAL, 0)
            if self._hard:
                _set_timer(_PROF, 0)

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


def timed_out(seconds: float, limit: str) -> FunctionTimeout:
    """The error of a call that ran longer than this limit allows."""
    return FunctionTimeout(f"Function execution timed out (maximum duration: {seconds:g}s). {setting(limit)}")


_started: Guard | None = None  # whose timers run or ran last in this process; set by start()


def _on_soft_timer(_signal: int, _frame: FrameType | None) -> None:
    guard = _started
    if guard is not None:
        guard.expired = True
        if guard.user_code:
            raise guard.timeout()
