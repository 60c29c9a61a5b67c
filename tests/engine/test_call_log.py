"""The stored log of function calls: bounded, readable while it is written, and never in the way."""

from __future__ import annotations

import asyncio
import dataclasses
import sqlite3
from pathlib import Path

import pytest

from reactor.clock import SystemClock
from reactor.engine.call_log import FILE_NAME, LEFT_OUT, CallLog
from reactor.limits import DEFAULT_LIMITS, Limits
from reactor.storage.call_log import CallRecord
from reactor.storage.sqlite_call_log import SqliteCallLog

pytestmark = pytest.mark.asyncio


def record(path: str = "m:f", *lines: str, error: str | None = None, at: float = 1e15) -> CallRecord:
    return CallRecord(at, "query", path, "0" * 16, 0.001, list(lines), error)


async def opened(folder: Path, limits: Limits = DEFAULT_LIMITS) -> CallLog:
    log = CallLog(limits, SystemClock())
    await log.open(folder)
    return log


async def test_what_is_added_can_be_read_from_any_cursor_on(tmp_path: Path) -> None:
    log = await opened(tmp_path)
    try:
        beginning = await log.read(0, 100)
        assert beginning == ([], 1)
        for name in ("a", "b", "c"):
            log.add(record(name, f"[LOG] '{name}'"))
        stretch = await log.read(beginning.cursor, 100, wait=10)
        assert [(stored.number, stored.call.path, stored.call.lines) for stored in stretch.calls] == [
            (1, "a", ["[LOG] 'a'"]),
            (2, "b", ["[LOG] 'b'"]),
            (3, "c", ["[LOG] 'c'"]),
        ]
        assert stretch.cursor == 4
        assert [stored.call.path for stored in (await log.read(0, 2)).calls] == ["b", "c"]
        assert await log.read(3, 1) == ([stretch.calls[2]], 4)
    finally:
        await log.close()


async def test_reading_waits_for_the_next_call_and_no_longer_than_told(tmp_path: Path) -> None:
    log = await opened(tmp_path)
    try:
        assert await log.read(1, 100, wait=0.01) == ([], 1)
        reading = asyncio.ensure_future(log.read(1, 100, wait=10))
        await asyncio.sleep(0)
        log.add(record("late"))
        assert [stored.call.path for stored in (await reading).calls] == ["late"]
        reading = asyncio.ensure_future(log.read(2, 100, wait=10))
        await asyncio.sleep(0)
    finally:
        await log.close()
    assert await reading == ([], 2)  # closing ends the wait


async def test_a_later_server_goes_on_with_the_same_log(tmp_path: Path) -> None:
    for name in ("first", "second"):
        log = await opened(tmp_path)
        log.add(record(name))
        await log.close()
    log = await opened(tmp_path)
    stretch = await log.read(0, 10)
    await log.close()
    assert [(stored.number, stored.call.path) for stored in stretch.calls] == [(1, "first"), (2, "second")]


async def test_a_busy_server_keeps_what_printed_or_failed_and_says_what_it_left_out(tmp_path: Path) -> None:
    log = await opened(tmp_path, dataclasses.replace(DEFAULT_LIMITS, call_log_rate=20))  # two in a tenth of a second
    for _ in range(5):
        log.add(record("quiet"))
    for _ in range(5):
        log.add(record("loud", "[LOG] 'x'"))
        log.add(record("failed", error="Uncaught ValueError\n"))
    await log.close()
    log = await opened(tmp_path)
    calls = [stored.call for stored in (await log.read(0, 100)).calls]
    await log.close()
    paths = [call.path for call in calls]
    assert (paths.count("quiet"), paths.count("loud"), paths.count("failed")) == (2, 5, 5)
    assert "3 calls are left out" in next(call.lines[0] for call in calls if call.path == LEFT_OUT)


async def test_old_calls_are_forgotten(tmp_path: Path) -> None:
    file = SqliteCallLog(tmp_path / FILE_NAME)
    file.append([record("old", at=0), record("new")])
    file.close()
    log = await opened(tmp_path)
    stretch = await log.read(0, 10)
    await log.close()
    assert [stored.call.path for stored in stretch.calls] == ["new"]


async def test_the_file_stays_within_its_size_and_keeps_the_newest(tmp_path: Path) -> None:
    file = SqliteCallLog(tmp_path / FILE_NAME)
    for start in range(0, 1000, 100):
        file.append([record(str(start + n), "x" * 1000) for n in range(100)])
        file.trim(0, 300_000)
        assert file.size() <= 300_000
    assert [stored.call.path for stored in file.last(2)] == ["998", "999"]
    assert len(file.last(1000)) > 100
    file.close()
    assert (tmp_path / FILE_NAME).stat().st_size < 600_000


async def test_a_damaged_file_is_put_aside(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"no database at all" * 1000)
    log = await opened(tmp_path)
    log.add(record("new"))
    await log.close()
    assert (tmp_path / f"{FILE_NAME}.damaged").exists()
    with sqlite3.connect(tmp_path / FILE_NAME) as found:
        assert found.execute("SELECT path, lines FROM readable").fetchall() == [("new", "[]")]


async def test_a_log_that_cannot_be_written_is_reported_and_lost(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / FILE_NAME).mkdir()
    log = await opened(tmp_path)
    log.add(record("lost"))
    assert await log.read(0, 10) == ([], 1)
    await log.close()
    assert "the log of function calls cannot be used" in caplog.text


async def test_without_open_everything_is_dropped() -> None:
    log = CallLog(DEFAULT_LIMITS, SystemClock())
    log.add(record())
    await log.close()
    assert await log.read(0, 10) == ([], 1)
