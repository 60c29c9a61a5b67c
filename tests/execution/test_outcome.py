"""Error texts as clients get them, and digests."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reactor.errors import (
    AppError,
    ArgumentValidationError,
    DeveloperError,
    DocumentNotFound,
    FunctionNotFound,
    FunctionTimeout,
    LimitExceeded,
)
from reactor.execution.frames import Failure
from reactor.execution.outcome import digest_of, error_of, failure_of
from reactor.execution.project import Project
from reactor.values.value import Int64, encode

HERE = Project(Path(__file__).parent)


def raised(error: BaseException) -> Failure:
    def inner() -> None:
        raise error

    try:
        inner()
    except BaseException as caught:
        return failure_of(caught, HERE)
    raise AssertionError


def test_an_error_is_told_with_the_frames_of_user_code_innermost_first() -> None:
    failure = raised(ValueError("boom"))
    head, *frames = failure.text.splitlines(keepends=True)
    assert head == "Uncaught ValueError: boom\n"
    assert [re.sub(r"\d+", "N", frame) for frame in frames] == [
        "    at raised.<locals>.inner (test_outcome.py:N)\n",
        "    at raised (test_outcome.py:N)\n",
    ]
    assert (failure.code, failure.data) == ("ValueError", None)


def test_frames_of_libraries_and_of_ours_are_left_out() -> None:
    try:
        re.compile("(")
    except re.error as error:
        text = failure_of(error, HERE).text
    assert text.count("    at ") == 1


def test_an_endless_recursion_is_told_briefly() -> None:
    def deeper() -> None:
        deeper()

    try:
        deeper()
    except RecursionError as error:
        text = failure_of(error, HERE).text
    assert text.startswith("Uncaught RecursionError: ")
    assert text.count("\n") == 51


@pytest.mark.parametrize(
    ("data", "shown"),
    [("out of credits", "out of credits"), ({"code": "full", "at": 3.0}, '{"at":3,"code":"full"}'), (None, "null")],
)
def test_an_app_error_travels_whole(data: object, shown: str) -> None:
    failure = raised(AppError(data))
    assert failure.text.startswith(f"Uncaught ConvexError: {shown}\n    at ")
    assert failure.data == encode(data)  # type: ignore[arg-type]
    error = error_of(failure)
    assert isinstance(error, AppError)
    assert error.data == data


def test_data_that_no_client_can_receive_is_an_error_of_its_own() -> None:
    failure = raised(AppError({"when": object()}))
    assert failure.data is None
    assert failure.text.startswith("Uncaught AppError: its data is no value a client can receive: ")


@pytest.mark.parametrize(
    ("error", "first_line"),
    [
        (ArgumentValidationError("Object is missing"), "ArgumentValidationError: Object is missing"),
        (FunctionNotFound("Could not find public function for 'a:b'."), "Could not find public function for 'a:b'."),
        (FunctionTimeout("Function execution timed out"), "Function execution timed out"),
        (DocumentNotFound("Update on nonexistent document ID x"), "Uncaught DocumentNotFound: Update on nonexistent document ID x"),
        (KeyError("a"), "Uncaught KeyError: 'a'"),
        (StopIteration(), "Uncaught StopIteration"),
        (SystemExit(3), "Uncaught SystemExit: 3"),
    ],
)  # fmt: skip
def test_first_lines(error: BaseException, first_line: str) -> None:
    assert raised(error).text.partition("\n")[0] == first_line


def test_an_error_whose_text_fails_is_told_all_the_same() -> None:
    class Broken(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    assert raised(Broken()).text.startswith("Uncaught Broken: (its text cannot be shown: RuntimeError)\n")
    raised(ValueError("a\ud800")).text.encode()


@pytest.mark.parametrize(
    "error",
    [
        ArgumentValidationError("Object is missing: x"),
        FunctionNotFound("Could not find function for 'a:b'."),
        FunctionTimeout("Function execution timed out"),
        DocumentNotFound("Update on nonexistent document ID x"),
    ],
)
def test_an_action_catches_the_same_kind_of_error_with_the_same_words(error: Exception) -> None:
    again = error_of(raised(error))
    assert (type(again), str(again)) == (type(error), str(error))
    assert "inner" in again.__notes__[0]


def test_an_action_catches_a_passed_limit_with_its_code() -> None:
    again = error_of(raised(LimitExceeded("too much", code="TooManyReads")))
    assert isinstance(again, LimitExceeded)
    assert (str(again), again.code) == ("too much", "TooManyReads")


def test_an_error_of_user_code_is_told_to_an_action_in_words_and_with_its_place() -> None:
    again = error_of(raised(ValueError("boom")))
    assert (type(again), str(again)) == (DeveloperError, "Uncaught ValueError: boom")
    assert raised(again).text.startswith(
        "Uncaught DeveloperError: Uncaught ValueError: boom\n    at raised.<locals>.inner"
    )


LINES = st.lists(st.text(max_size=4), max_size=3)


@given(st.binary(max_size=4), LINES, st.binary(max_size=4), LINES)
def test_digests_are_equal_only_for_the_same_value_and_lines(
    value: bytes, lines: list[str], other: bytes, other_lines: list[str]
) -> None:
    same = (value, lines) == (other, other_lines)
    assert (digest_of(value, None, lines) == digest_of(other, None, other_lines)) == same


def test_a_value_and_an_error_of_the_same_text_differ() -> None:
    assert digest_of(b"x", None, ()) != digest_of(None, Failure("X", "x"), ())
    assert digest_of(None, Failure("X", "x"), ()) != digest_of(None, Failure("X", "x", data=b"1"), ())
    assert len(digest_of(None, Failure("X", "x"), ["a"])) == 16


def test_an_int64_keeps_its_kind_in_an_app_error() -> None:
    error = error_of(raised(AppError(Int64(5))))
    assert isinstance(error, AppError)
    assert type(error.data) is Int64


def test_an_error_text_without_end_is_cut_and_its_frames_are_kept() -> None:
    failure = raised(ValueError("x" * 10_000_000))
    assert len(failure.text) < 40_000
    assert "(truncated due to length)\n    at raised.<locals>.inner" in failure.text
