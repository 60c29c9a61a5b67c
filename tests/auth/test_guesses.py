"""Guesses of the admin key: ten a minute from one address (reliability row 88)."""

from __future__ import annotations

from reactor.auth.guesses import WINDOW, Guesses


def guesses(address: str, *moments: float, most: int = 3) -> Guesses:
    made = Guesses(most)
    for moment in moments:
        made.failed(address, moment)
    return made


def test_an_address_waits_until_its_oldest_failure_is_a_minute_old() -> None:
    made = guesses("10.0.0.1", 0.0, 1.0)
    assert made.wait("10.0.0.1", 2.0) == 0.0
    made.failed("10.0.0.1", 20.0)
    assert made.wait("10.0.0.1", 20.0) == 40.0
    assert made.wait("10.0.0.1", WINDOW) == 0.0
    made.failed("10.0.0.1", WINDOW)
    assert made.wait("10.0.0.1", WINDOW) == 1.0


def test_addresses_are_counted_apart_and_one_customers_are_one() -> None:
    assert guesses("10.0.0.1", 0, 0, 0).wait("10.0.0.2", 0) == 0
    assert guesses("2001:db8::1", 0, 0, 0).wait("2001:db8::ffff:2", 0) > 0
    assert guesses("2001:db8::1", 0, 0, 0).wait("2001:db8:0:1::1", 0) == 0
    assert guesses("::ffff:10.0.0.1", 0, 0, 0).wait("10.0.0.1", 0) > 0
    assert guesses("testclient", 0, 0, 0).wait("testclient", 0) > 0


def test_the_memory_of_many_addresses_is_bounded() -> None:
    made = guesses("first", 0, 0, 0)
    for number in range(10_000):
        made.failed(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", 1.0)
    assert made.wait("first", 1.0) == 0
    assert len(made._failures) == 10_000
