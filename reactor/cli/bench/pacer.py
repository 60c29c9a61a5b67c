"""Pacer: says that calls are due, so many a second, whatever becomes of those before.

In a thread of its own, because the event loop's clock has a grain of a millisecond, which would be counted as the
server's.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable

_LONG_SLEEP = 0.05
_LEAST_SLEEP = 0.0003  # seconds; what is due meanwhile is told at once


class Pacer:
    """From `start` to `stop`, or until `most` calls were due: call `number` is due at `began + number / rate`."""

    def __init__(self, rate: float, most: int, due: Callable[[int], None]) -> None:
        """`due` is called on the loop with the number of calls that have become due since it was last."""
        self.began = 0.0  # by perf_counter, set by start()
        self._rate = rate
        self._most = most
        self._due = due
        self._stopped = threading.Event()
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, name="pacer", daemon=True)

    def start(self) -> None:
        """The first is due now."""
        self.began = time.perf_counter()
        self._thread.start()

    def stop(self) -> None:
        """No further ones. Safe to repeat."""
        self._stopped.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        told = 0
        while not self._stopped.is_set():
            due = min(self._most, int((time.perf_counter() - self.began) * self._rate) + 1)
            if due > told:
                self._loop.call_soon_threadsafe(self._due, due - told)
                told = due
            if told >= self._most:
                return
            pause = max(_LEAST_SLEEP, self.began + told / self._rate - time.perf_counter())
            if pause > _LONG_SLEEP:
                self._stopped.wait(pause - _LONG_SLEEP)  # which ends with stop(), and is a little late
            else:
                time.sleep(pause)
