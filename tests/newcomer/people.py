"""What a person does with the page, section by section of the tutorial: two windows, a and b."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType

from tests.newcomer.browser import Browser

Does = Callable[[Browser, Browser, str], None]  # window, window, the address told last


def writes_a_note(a: Browser, b: Browser, url: str) -> None:
    for window in (a, b):
        window.open(url)
        window.wait_for("Nothing yet")
    a.type("form input", "buy milk\n")
    b.wait_for("buy milk")


def sees_what_was_typed(a: Browser, b: Browser, _: str) -> None:
    for window in (a, b):
        window.wait_for(r"call mum[\s×]+buy milk")


def sees_the_other_order(a: Browser, b: Browser, _: str) -> None:
    for window in (a, b):
        window.wait_for(r"buy milk[\s×]+call mum")


def clears_what_is_done(a: Browser, b: Browser, _: str) -> None:
    a.click("li:first-child input")
    for window in (a, b):
        window.wait_for("Clear 1 done")
    b.click("main > button")
    for window in (a, b):
        window.wait_without("Clear|buy milk")
        window.wait_for("call mum")


def sees_a_done_note_go(a: Browser, b: Browser, _: str) -> None:
    a.click("li:first-child input")
    b.wait_for("Clear 1 done")
    b.wait_without("call mum")
    b.wait_for("Nothing yet")


def opens_the_live_page(a: Browser, b: Browser, url: str) -> None:
    writes_a_note(a, b, url)


DOES = MappingProxyType[str, Does](
    {
        "The page": writes_a_note,
        "The command line": sees_what_was_typed,
        "Change a function": sees_the_other_order,
        "An index, a query, a mutation": clears_what_is_done,
        "Later": sees_a_done_note_go,
        "Go live": opens_the_live_page,
    }
)
