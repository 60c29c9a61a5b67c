"""LiveQuery: a subscription of a test. It runs its query again after each commit that meets what the query read.

What a server may leave out when commits come fast, a test sees: every result that differs from the one before, in order.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from reactor.execution.frames import Outcome
from reactor.footprint.read_set import EMPTY, ReadSet

R = TypeVar("R")
Ask = Callable[[], tuple[Outcome, Callable[[], Any]]]
"""Runs the query: what it came to, and how to have its result or raise its error."""

WAIT = 5.0  # seconds `await anext(…)` waits


class NothingNew(AssertionError):
    """The result has not changed since the last one that was taken."""


class LiveQuery(Generic[R]):
    """`next()` in plain tests, `await anext(…)` in async ones. Ends with `close()` or with a `with` block."""

    def __init__(self, ask: Ask, watchers: list[LiveQuery[Any]]) -> None:
        self._ask = ask
        self._watchers = watchers  # of the backend, which calls `committed`
        self._reads: ReadSet = EMPTY  # of the last run
        self._digest = b""
        self._results: deque[Callable[[], R]] = deque()  # not taken yet
        self._waiting: asyncio.Future[None] | None = None  # set while __anext__ waits
        watchers.append(self)
        self._run()

    def next(self) -> R:
        """The first result not taken yet; the error if the query failed. Raises NothingNew if there is none."""
        if not self._results:
            raise NothingNew("The query's result has not changed: no commit met what it read, or it came to the same.")
        return self._results.popleft()()

    @property
    def changed(self) -> bool:
        """Whether `next` has one to give."""
        return bool(self._results)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> R:
        if not self._results:
            self._waiting = asyncio.get_running_loop().create_future()
            try:
                async with asyncio.timeout(WAIT):
                    await self._waiting
            except TimeoutError:
                raise NothingNew(f"The query's result did not change in {WAIT:g} seconds.") from None
            finally:
                self._waiting = None
        return self.next()

    def close(self) -> None:
        """Take no notice of commits any more."""
        if self in self._watchers:
            self._watchers.remove(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # ── the backend calls ─────────────────────────────────────────────────────────────────────────────────────────────

    def committed(self, keys: Mapping[int, Sequence[bytes]]) -> None:
        """A commit changed these keys."""
        if self._reads.meets(keys):
            self._run()

    def _run(self) -> None:
        outcome, take = self._ask()
        self._reads = ReadSet.from_wire(outcome.reads)
        if outcome.digest == self._digest:
            return
        self._digest = outcome.digest
        self._results.append(take)
        waiting = self._waiting
        if waiting is not None and not waiting.done():
            waiting.get_loop().call_soon_threadsafe(_wake, waiting)


def _wake(waiting: asyncio.Future[None]) -> None:
    if not waiting.done():
        waiting.set_result(None)
