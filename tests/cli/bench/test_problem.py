"""What equal failures are counted under."""

from __future__ import annotations

import pytest

from reactor.cli.bench.tally import HIDDEN, Problem


@pytest.mark.parametrize(
    ("message", "data", "code"),
    [
        ("[Request ID: 1] Server Error\nUncaught ValueError: no such room\n    at f (functions/a.py:3)\n", None, "ValueError"),
        ("[Request ID: 1] Server Error\nArgumentValidationError: Object is missing", None, "ArgumentValidationError"),
        ("[Request ID: 1] Server Error\nFunction ran for longer than 1 s", None, "Error"),
        ("[Request ID: 1] Server Error", None, HIDDEN),
        ("[Request ID: 1] Server Error", {"code": "empty"}, "AppError"),
    ],
)  # fmt: skip
def test_a_failure_is_named_by_what_was_raised(message: str, data: object, code: str) -> None:
    assert Problem.of_function(message, data).code == code
