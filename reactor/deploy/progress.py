"""Progress: how far the engine has come with documents and indexes, told to people and kept where clients can follow it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from reactor.deploy.writer_calls import WriterCalls
from reactor.execution import progress_rows
from reactor.values.value import Value

_log = logging.getLogger("reactor.deploy")

_ROWS_EVERY = 0.25  # seconds between two writes of the row
_LOG_EVERY = 2.0


@dataclass(frozen=True, slots=True)
class Work:
    """One thing under way."""

    what: str  # "checking", "migrating", "backfilling" or "filling"
    table: str
    name: str  # of an index, a migration or a field; "" for the documents as such
    done: int
    total: int  # of documents, as counted at the beginning

    def __str__(self) -> str:
        named = f"{self.table}.{self.name}" if self.name else self.table
        return f"{self.what} {named}: {self.done:,} of {max(self.total, self.done):,}"


Tell: TypeAlias = Callable[[Work | None], None]
"""Called on the loop with what is under way, often; with None when nothing is any more."""


class Progress:
    """Of one push, or of the upkeep after it. `at` as often as you like, `over` at last."""

    def __init__(self, calls: WriterCalls, tell: Tell) -> None:
        self._calls = calls
        self._tell = tell
        self._written = 0.0  # when the row was last written; 0.0 while there is none
        self._logged = time.monotonic()  # short works are not logged

    async def at(self, work: Work) -> None:
        """It has come so far."""
        self._tell(work)
        now = time.monotonic()
        if now - self._logged >= _LOG_EVERY:
            self._logged = now
            _log.info(str(work))
        if now - self._written >= _ROWS_EVERY:
            self._written = now
            row: dict[str, Value] = {
                "what": work.what,
                "table": work.table,
                "name": work.name,
                "done": work.done,
                "total": work.total,
            }
            await self._calls.call(progress_rows.REPORT, {"works": [row]})

    async def over(self) -> None:
        """Nothing is under way any more."""
        self._tell(None)
        if self._written:
            self._written = 0.0
            await self._calls.call(progress_rows.REPORT, {"works": []})
