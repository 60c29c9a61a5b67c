"""The table of statuses and close codes knows every code the server uses."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

from reactor.errors import BadRequest, Unauthenticated
from reactor.server.errors import close_code, error_response

LOUD = {1008, 1013, 1003, 1001}


def codes_in(package: str, module: str, pattern: str) -> set[str]:
    return set(re.findall(pattern, (files(package) / module).read_text("utf-8")))


def test_every_reason_a_session_closes_for_is_in_the_table() -> None:
    found = codes_in("reactor.sync", "session.py", r'(?:_fatal\(\s*|Close\()"(\w+)"')
    assert {"BaseVersionMismatch", "AuthError"} <= found
    assert {code for code in found if close_code(code) not in LOUD} == set()


def test_every_reason_the_server_closes_for_is_in_the_table() -> None:
    found = codes_in("reactor.server", "websocket.py", r'_refuse(?:, |\()"(\w+)"')
    found |= codes_in("reactor.server", "websocket_protocol.py", r'refuse\("(\w+)"')
    assert {"NoConnect", "BinaryFrame", "SlowReader"} <= found
    assert {code for code in found if close_code(code) not in LOUD} == set()


def test_what_clients_should_try_again_later_is_1013() -> None:
    for code in ("TooManyConcurrentMutations", "ExpiredInQueue", "TooManyConcurrentRequests"):
        assert close_code(code) == 1013


def test_what_nobody_listed_counts_as_our_bug() -> None:
    assert close_code("NeverHeardOf") == 1011


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (BadRequest("RequestTooLarge", "x"), 413),
        (Unauthenticated("BadDeployKey", "x"), 403),
        (Unauthenticated("NoAuthProvider", "x"), 401),
    ],
)
def test_a_code_may_say_more_than_its_class(error: Exception, status: int) -> None:
    assert error_response(error).status_code == status


def test_a_message_of_any_text_is_json() -> None:
    assert b"\\ud800" in error_response(BadRequest("X", "\ud800")).body
