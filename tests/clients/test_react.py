"""A signed-in React application in a page: `useQuery`, `useMutation` and `useConvexAuth` under the providers of npm.

`ConvexProviderWithClerk` with a Clerk that the tests turn, `ConvexProviderWithAuth` with a hook like any other
provider's; the issuer of the tokens is real (reference §1.12, §4.10).
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.clients.clients import Driver, WireMessage, assert_protocol_kept
from tests.clients.node import react_driver
from tests.clients.test_auth import environment, forged, project
from tests.fake_issuer import FakeIssuer
from tests.support import RunningServer, serving

PROVIDERS = ("clerk", "auth")


@pytest.fixture(scope="module")
def issuer() -> Iterator[FakeIssuer]:
    with FakeIssuer() as running:
        yield running


@pytest.fixture(scope="module")
def server(issuer: FakeIssuer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with serving(project(tmp_path_factory.mktemp("project")), "dev", environment=environment(issuer)) as running:
        yield running


@pytest.fixture(scope="module")
def react(pytestconfig: pytest.Config) -> Iterator[Driver]:
    driver = react_driver(Path(pytestconfig.cache.mkdir("node-react")), "react.mjs")
    yield driver
    driver.close()


class Page:
    """One page with the application in it."""

    def __init__(self, driver: Driver, kind: str, url: str, tokens_from: str) -> None:
        self.driver = driver
        self.opened = driver.place()
        self.name = driver.name("page")
        self._order("open", kind=kind, url=url, **{"from": tokens_from})

    @property
    def shown(self) -> list[str]:
        """Every text the page has shown, one after another."""
        return [event["text"] for event in self._own("shown")]

    @property
    def asked(self) -> list[dict[str, Any]]:
        """Each time the provider was asked for a token."""
        return self._own("getToken")

    @property
    def wire(self) -> list[dict[str, Any]]:
        return [{"to": event["to"], **event["message"]} for event in self._own("wire")]

    def told(self, type: str) -> list[dict[str, Any]]:
        """The messages of a type on its socket."""
        return [message for message in self.wire if message["type"] == type]

    def wait_until(self, text: str, *, since: int | None = None) -> None:
        """Until the page shows this and nothing else."""
        self.driver.wait_for(
            lambda event: event.get("event") == "shown" and event["client"] == self.name and event["text"] == text,
            since=self.opened if since is None else since,
            what=f"the page showing {text!r}",
        )

    def wait_for_told(self, type: str) -> None:
        self.driver.wait_for(
            lambda event: (
                event.get("event") == "wire" and event["client"] == self.name and event["message"]["type"] == type
            ),
            since=self.opened,
            what=type,
        )

    def signed_in(self, session: str) -> None:
        """The provider has loaded, and there is a user."""
        self._order("provider", state={"isLoaded": True, "isSignedIn": True, "sessionId": session})

    def signed_out(self) -> None:
        self._order("provider", state={"isLoaded": True, "isSignedIn": False, "sessionId": None})

    def write(self, text: str) -> None:
        """Type a text and press the button."""
        self._order("write", text=text)

    def close(self) -> None:
        self._order("close")

    def _order(self, do: str, **order: Any) -> None:
        since = self.driver.place()
        number = self.driver.order(do=do, client=self.name, **order)
        reply = self.driver.wait_for(lambda event: event.get("reply") == number, since=since, what=f"the end of {do}")
        assert "error" not in reply, reply

    def _own(self, event: str) -> list[dict[str, Any]]:
        events = self.driver.events[self.opened :]
        return [told for told in events if told.get("event") == event and told.get("client") == self.name]


Open = Callable[..., Page]


@pytest.fixture
def open_page(react: Driver, server: RunningServer, issuer: FakeIssuer) -> Iterator[Open]:
    pages: list[Page] = []

    def opened(kind: str, tokens: Callable[[], str | None]) -> Page:
        page = Page(react, kind, server.url, issuer.hand_out(tokens))
        pages.append(page)
        return page

    yield opened
    for page in pages:
        page.close()
    for page in pages:
        assert_protocol_kept([WireMessage(told["n"], told["to"], told["message"]) for told in page._own("wire")])
        uncaught = [event for event in react.events[page.opened :] if event.get("level") == "uncaught"]
        assert not uncaught, f"the page threw: {uncaught}"


def tokens(issuer: FakeIssuer, *, subject: str, **more: Any) -> Callable[[], str]:
    """Always another one of the user."""
    numbers = itertools.count()
    return lambda: issuer.token(subject, jti=str(next(numbers)), **more)


def assert_no_flash(page: Page, name: str) -> None:
    """Once the page had the user it kept them, and it never showed anybody else.

    While the provider is still loading, "nobody" is who asks: on a busy machine that is answered, and shown.
    """
    kept = f"signed in. I am {name}. "
    first = next(place for place, text in enumerate(page.shown) if text.startswith(kept))
    assert all(text.startswith(kept) for text in page.shown[first:]), page.shown
    before = [text for text in page.shown[:first] if not text.startswith("loading. ")]
    assert not any("nobody" in text or "signed out" in text for text in before), page.shown


@pytest.mark.parametrize("kind", PROVIDERS)
def test_a_user_signs_in_reads_and_writes(open_page: Open, issuer: FakeIssuer, kind: str) -> None:
    page = open_page(kind, tokens(issuer, subject=f"ann-{kind}"))
    page.signed_in("s1")
    page.wait_until(f"signed in. I am ann-{kind}. write: .")
    page.write("milk")
    page.wait_until(f"signed in. I am ann-{kind}. write: milk.")
    page.write("honey")
    page.wait_until(f"signed in. I am ann-{kind}. write: milk, honey.")
    assert {(asked["template"], asked["fresh"]) for asked in page.asked} == {
        ("convex" if kind == "clerk" else None, False),
        ("convex" if kind == "clerk" else None, True),
    }
    assert page.told("AuthError") == []


@pytest.mark.parametrize("kind", PROVIDERS)
def test_a_token_is_replaced_before_it_expires(open_page: Open, issuer: FakeIssuer, kind: str) -> None:
    """Reference §1.12 (4): ten seconds before; Clerk's live a minute, these eleven seconds."""
    page = open_page(kind, tokens(issuer, subject=f"bea-{kind}", lifetime=11))
    page.signed_in("s1")
    page.wait_until(f"signed in. I am bea-{kind}. write: .")
    page.driver.wait_for(lambda _: len(page.told("Authenticate")) >= 4, what="a third token")
    page.write("still here")
    page.wait_until(f"signed in. I am bea-{kind}. write: still here.")
    assert_no_flash(page, f"bea-{kind}")
    assert len(page.told("Connect")) == 1
    assert page.told("AuthError") == []


@pytest.mark.parametrize("kind", PROVIDERS)
def test_a_token_that_expires_under_an_open_page_is_replaced_unseen(
    open_page: Open, issuer: FakeIssuer, kind: str
) -> None:
    """Row 87, as after a laptop's sleep: the client believes the token to be good for long."""
    seen = threading.Event()
    answers = issuer.with_a_brief_one(f"cat-{kind}", seen, issuer.token(f"cat-{kind}", jti="another"))
    page = open_page(kind, lambda: next(answers))
    page.signed_in("s1")
    page.wait_until(f"signed in. I am cat-{kind}. write: .")
    seen.set()
    page.wait_for_told("AuthError")
    page.write("goes on")
    page.wait_until(f"signed in. I am cat-{kind}. write: goes on.")
    assert_no_flash(page, f"cat-{kind}")
    (error,) = page.told("AuthError")
    assert (error["error"], error["authUpdateAttempted"]) == ("Convex token identity expired", False)
    assert len(page.told("Connect")) == 2


@pytest.mark.parametrize("kind", PROVIDERS)
def test_signing_out_and_in_as_another(open_page: Open, issuer: FakeIssuer, kind: str) -> None:
    who = f"dan-{kind}"
    page = open_page(kind, lambda: issuer.token(who))
    page.signed_in("s1")
    page.wait_until(f"signed in. I am dan-{kind}. write: .")
    page.signed_out()
    page.wait_until("signed out. I am nobody. ")
    who, left = f"eve-{kind}", page.driver.place()
    page.signed_in("s2")
    page.wait_until(f"signed in. I am eve-{kind}. write: .", since=left)
    after = page.shown[page.shown.index("signed out. I am nobody. ") :]
    assert not any("dan" in text for text in after), after


@pytest.mark.parametrize("kind", PROVIDERS)
def test_a_token_the_server_does_not_take_signs_nobody_in(open_page: Open, issuer: FakeIssuer, kind: str) -> None:
    page = open_page(kind, lambda: forged(issuer))
    page.signed_in("s1")
    page.wait_until("signed out. I am nobody. ")
    assert not any("admin" in text or "signed in" in text for text in page.shown)


@pytest.mark.parametrize("kind", PROVIDERS)
def test_a_server_that_was_killed_comes_back_with_the_user(
    open_page: Open, issuer: FakeIssuer, server: RunningServer, kind: str
) -> None:
    page = open_page(kind, tokens(issuer, subject=f"fay-{kind}"))
    page.signed_in("s1")
    page.wait_until(f"signed in. I am fay-{kind}. write: .")
    server.restart()
    page.write("after")
    page.wait_until(f"signed in. I am fay-{kind}. write: after.")
    assert_no_flash(page, f"fay-{kind}")
