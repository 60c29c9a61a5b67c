"""How failures are told (reference §1.13)."""

from __future__ import annotations

from dataclasses import dataclass

from reactor.sync.error_text import error_message, shown_log_lines


@dataclass(frozen=True)
class Failure:
    text: str


def test_the_text_follows_the_head_and_ends_its_line() -> None:
    told = error_message("0123456789abcdef", Failure("Uncaught ValueError: boom"), redact=False)
    assert told == "[Request ID: 0123456789abcdef] Server Error\nUncaught ValueError: boom\n"


def test_redaction_leaves_the_head_only() -> None:
    assert error_message("ab", Failure("Uncaught ValueError: secret"), redact=True) == "[Request ID: ab] Server Error"
    assert shown_log_lines(["[LOG] 'secret'"], redact=True) == ()


def test_log_lines_are_shown_otherwise() -> None:
    assert shown_log_lines(["[LOG] 'x'"], redact=False) == ("[LOG] 'x'",)
