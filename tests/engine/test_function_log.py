"""What functions print and how they fail reaches the people who run the server."""

from __future__ import annotations

import logging

import pytest

from reactor.clock import SystemClock
from reactor.engine.call_log import CallLog
from reactor.engine.function_log import FunctionLog
from reactor.execution.frames import Failure, Outcome
from reactor.limits import DEFAULT_LIMITS


def function_log(name: str) -> FunctionLog:
    """Its CallLog is not open, and drops everything."""
    return FunctionLog(name, CallLog(DEFAULT_LIMITS, SystemClock()), SystemClock())


def test_a_request_has_one_name_and_no_other_has_it() -> None:
    log = function_log("a")
    assert log.request_name(1) == log.request_name(1)
    assert len(log.request_name(1)) == 16
    assert int(log.request_name(1), 16) >= 0
    assert log.request_name(1) not in (log.request_name(11), function_log("b").request_name(1))


def test_a_failure_is_written_in_full_under_the_id_the_client_was_told(caplog: pytest.LogCaptureFixture) -> None:
    log = function_log("a")
    log.write("query", "m:f", Outcome(7, None, Failure("ValueError", "Uncaught ValueError: boom\n    at f (m.py:3)")))
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    for part in ("m:f", log.request_name(7), "boom", "m.py:3"):
        assert part in record.getMessage()


def test_an_applications_own_error_is_an_answer(caplog: pytest.LogCaptureFixture) -> None:
    function_log("a").write("query", "m:f", Outcome(7, None, Failure("AppError", "Uncaught ConvexError: no", b'"no"')))
    assert caplog.records == []


def test_what_a_function_prints_is_information(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    function_log("a").write("query", "m:f", Outcome(7, b"1", log_lines=["[LOG] 'hi'"]))
    assert [r.getMessage() for r in caplog.records] == ["m:f [LOG] 'hi'"]


def test_what_a_function_says_is_cut_and_cannot_pretend_to_be_something_else(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    log = function_log("a")
    log.write("query", "m:f", Outcome(7, b"1", log_lines=["[LOG] one\nERROR two\x1b[2J", "[LOG] " + "x" * 100_000]))
    log.write("query", "m:f", Outcome(7, None, Failure("E", "Uncaught E: a\nb\x1b[2J" + "x" * 10_000_000 + "\n")))
    printed, long, failed = (record.getMessage() for record in caplog.records)
    assert printed == "m:f [LOG] one\\nERROR two\\x1b[2J"
    assert len(long) < 5000
    assert "truncated" in long
    assert "Uncaught E: a\nb\\x1b[2J" in failed
    assert len(failed) < 5000
