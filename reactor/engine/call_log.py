"""CallLog: the stored log of function calls of one server. Collects on the loop, writes in a thread, tells who waits.

It is never in the way of a call: what cannot be written is lost, and what a busy server does quietly and well is kept
only up to a rate. Failures and calls that printed are kept before those.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, TypeVar

from reactor.clock import Clock
from reactor.limits import Limits
from reactor.storage.call_log import CallRecord, StoredCall
from reactor.storage.sqlite_call_log import SqliteCallLog

_log = logging.getLogger("reactor.engine")

FILE_NAME = "logs.db"
LEFT_OUT = "_system/log"  # path of a record that says how many calls were left out
_WRITE_EVERY = 0.1  # seconds
_WAITING = 20_000  # records; more are lost
_TRIM_EVERY = 10.0  # seconds
_T = TypeVar("_T")


class Stretch(NamedTuple):
    """Some records in order, and where to read on."""

    calls: list[StoredCall]
    cursor: int  # of the next record; never 0, which asks for what there is


class CallLog:
    """`open` on the loop, then `add`; `close` at the end. Without `open` everything is dropped."""

    def __init__(self, limits: Limits, clock: Clock) -> None:
        self._limits = limits
        self._clock = clock
        self._quiet_at_once = max(1, int(limits.call_log_rate * _WRITE_EVERY))
        self._thread: ThreadPoolExecutor | None = None  # the only user of the file; from open() to close()
        self._file: SqliteCallLog | None = None  # opened in the thread; None also when it cannot be used
        self._waiting: list[CallRecord] = []  # grows in add(), emptied by every write
        self._quiet = 0  # of those, successes that printed nothing
        self._left_out = 0  # since the last write
        self._write_due: asyncio.TimerHandle | None = None
        self._writing: asyncio.Task[None] | None = None
        self._trimmed = 0.0  # by the monotonic clock
        self._written: asyncio.Event | None = None  # set, and replaced, after each write

    # ── life ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def open(self, folder: Path) -> None:
        """Begin to write into the folder. Never fails: a log that cannot be written is reported and left."""
        self._thread = ThreadPoolExecutor(1, "reactor-call-log")
        self._written = asyncio.Event()

        def open_file() -> None:
            try:
                self._file = SqliteCallLog(folder / FILE_NAME)
            except (sqlite3.Error, OSError) as error:
                _unusable(error)

        await asyncio.get_running_loop().run_in_executor(self._thread, open_file)
        await self._in_thread(self._trim, None)

    async def close(self) -> None:
        """Write what is there and let the file go. Safe to repeat."""
        if self._thread is None:
            return
        if self._write_due is not None:
            self._write_due.cancel()
            self._write_due = None
        if self._writing is not None:
            await self._writing
        await self._write()

        await self._in_thread(SqliteCallLog.close, None)
        self._thread.shutdown()
        self._thread = None
        self._announce()

    # ── writing ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def leaves_out(self) -> bool:
        """Whether there is no room for a call that succeeded and printed nothing; then it has been counted."""
        if self._quiet < self._quiet_at_once and len(self._waiting) < _WAITING:
            return self._thread is None
        self._left_out += 1
        return True  # whoever filled it has set the timer

    def add(self, record: CallRecord) -> None:
        """Have a record written soon, if there is room."""
        if self._thread is None:
            return
        quiet = record.error is None and not record.lines
        if (quiet and self._quiet >= self._quiet_at_once) or len(self._waiting) >= _WAITING:
            self._left_out += 1
        else:
            self._quiet += quiet
            self._waiting.append(record)
        if self._write_due is None:
            self._write_due = asyncio.get_running_loop().call_later(_WRITE_EVERY, self._begin_to_write)

    def _begin_to_write(self) -> None:
        self._write_due = None
        if self._writing is None or self._writing.done():
            self._writing = asyncio.get_running_loop().create_task(self._write())
        else:  # the disk is slow: look again
            self._write_due = asyncio.get_running_loop().call_later(_WRITE_EVERY, self._begin_to_write)

    async def _write(self) -> None:
        records, self._waiting = self._waiting, []
        if self._left_out:
            line = f"[INFO] '{self._left_out} calls are left out (call_log_rate {self._limits.call_log_rate})'"
            records.append(CallRecord(self._now_ms, "query", LEFT_OUT, "", 0.0, [line]))
        self._quiet = self._left_out = 0
        if not records:
            return

        def write_records(file: SqliteCallLog) -> None:
            file.append(records)
            if self._clock.monotonic() - self._trimmed > _TRIM_EVERY:
                self._trim(file)

        await self._in_thread(write_records, None)
        self._announce()

    def _trim(self, file: SqliteCallLog) -> None:
        """In the thread."""
        self._trimmed = self._clock.monotonic()
        file.trim(self._now_ms - self._limits.call_log_age * 1000, self._limits.call_log_bytes)

    def _announce(self) -> None:
        if self._written is not None:
            self._written.set()
            self._written = asyncio.Event()

    @property
    def _now_ms(self) -> float:
        return self._clock.now_ns() / 1e6

    # ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────

    async def read(self, cursor: int, limit: int, wait: float = 0.0) -> Stretch:
        """Records from the cursor on, waiting so many seconds for the first. Cursor 0: the last ones there are now."""
        deadline = self._clock.monotonic() + wait
        while True:
            written = self._written
            stretch = await self._in_thread(lambda file: _read(file, cursor, limit), Stretch([], cursor or 1))
            left = deadline - self._clock.monotonic()
            if stretch.calls or cursor == 0 or left <= 0 or written is None or self._thread is None:
                return stretch
            try:
                async with asyncio.timeout(left):
                    await written.wait()
            except TimeoutError:
                return stretch

    async def _in_thread(self, work: Callable[[SqliteCallLog], _T], otherwise: _T) -> _T:
        """What `work` gives, run in the thread that has the file; `otherwise` when the file cannot be used."""
        if self._thread is None:
            return otherwise

        def guarded() -> _T:
            if self._file is None:
                return otherwise
            try:
                return work(self._file)
            except (sqlite3.Error, OSError) as error:
                _unusable(error)
                return otherwise

        return await asyncio.get_running_loop().run_in_executor(self._thread, guarded)


def _read(file: SqliteCallLog, cursor: int, limit: int) -> Stretch:
    if cursor == 0:
        return Stretch(file.last(limit), file.end() + 1)
    calls = file.since(cursor, limit)
    return Stretch(calls, calls[-1].number + 1 if calls else cursor)


def _unusable(error: Exception) -> None:
    _log.warning("the log of function calls cannot be used: %s", error)
