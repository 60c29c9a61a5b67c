"""Log lines as clients get them, and how print and logging become such lines."""

from __future__ import annotations

import dataclasses
import io
import logging
from collections.abc import Iterator

import pytest

from reactor.execution import capture
from reactor.execution.chance import Chance
from reactor.execution.guard import Guard
from reactor.execution.logs import LogLines
from reactor.execution.run import Run
from reactor.limits import DEFAULT_LIMITS


@pytest.fixture
def lines() -> Iterator[list[str]]:
    capture.install()
    logs = LogLines(DEFAULT_LIMITS)
    chance, guard = Chance.unpredictable(), Guard(DEFAULT_LIMITS)
    run = Run(now_ns=0, chance=chance, logs=logs, guard=guard, deterministic=True)
    token = run.enter()
    yield logs.lines
    run.leave(token)


def test_strings_are_quoted_and_the_rest_is_shown_as_print_does(lines: list[str]) -> None:
    print("hello", 1, 2.5, None, {"a": [1]}, ValueError("boom"))
    print()
    print("it's", "a\\b", "two\nlines")
    assert lines == ["[LOG] 'hello' 1 2.5 None {'a': [1]} boom", "[LOG] ", "[LOG] 'it\\'s' 'a\\\\b' 'two\\nlines'"]


def test_a_separator_of_ones_own_makes_one_string(lines: list[str]) -> None:
    print("a", 1, sep="-", end="")
    assert lines == ["[LOG] 'a-1'"]


def test_print_into_a_file_is_left_alone(lines: list[str]) -> None:
    file = io.StringIO()
    print("there", file=file)
    assert (lines, file.getvalue()) == ([], "there\n")


def test_levels_of_logging_become_levels_of_lines(lines: list[str]) -> None:
    log = logging.getLogger("functions.notes")
    log.setLevel(logging.DEBUG)
    log.debug("a %s", 1)
    log.info("b")
    log.warning("c")
    log.error("d")
    log.critical("e")
    assert lines == ["[DEBUG] 'a 1'", "[INFO] 'b'", "[WARN] 'c'", "[ERROR] 'd'", "[ERROR] 'e'"]


def test_an_exception_is_logged_with_its_traceback(lines: list[str]) -> None:
    try:
        raise ValueError("boom")
    except ValueError:
        logging.getLogger("functions.notes").exception("failed")
    assert lines[0].startswith("[ERROR] 'failed\\nTraceback")
    assert lines[0].endswith("ValueError: boom'")


def test_what_the_engine_logs_is_not_the_functions(lines: list[str]) -> None:
    logging.getLogger("reactor.execution").warning("ours")
    assert lines == []


def test_print_outside_of_a_call_prints(capsys: pytest.CaptureFixture[str]) -> None:
    capture.install()
    print("as always", 1)
    assert capsys.readouterr().out == "as always 1\n"


def test_a_long_line_is_cut_and_says_so() -> None:
    logs = LogLines(dataclasses.replace(DEFAULT_LIMITS, log_line_length=10))
    logs.add("LOG", "x" * 50)
    assert logs.lines == ["[LOG] '" + "x" * 9 + " (truncated due to length)"]


def test_lines_beyond_the_limit_are_dropped_and_the_last_says_so() -> None:
    logs = LogLines(dataclasses.replace(DEFAULT_LIMITS, log_lines=3))
    for number in range(10):
        logs.add("INFO", number)
    assert logs.lines[:2] == ["[INFO] 0", "[INFO] 1"]
    assert logs.lines[2:] == ["[ERROR] 'Log overflow (maximum 3). Remaining log lines omitted.'"]


def test_lone_surrogates_never_leave() -> None:
    logs = LogLines(DEFAULT_LIMITS)
    logs.add("LOG", "a\ud800", ["\udc00"])
    logs.lines[0].encode()
