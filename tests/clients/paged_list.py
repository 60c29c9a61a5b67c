"""A list in a page, grown by `usePaginatedQuery`: what it has shown, against what its data has been."""

from __future__ import annotations

from typing import Any

from tests.clients.clients import WAIT, Driver, WireMessage, assert_protocol_kept


class PagedList:
    """Made when it is opened. Tell `truths` each state of the data, in order, before it can be shown."""

    def __init__(
        self,
        driver: Driver,
        url: str,
        kind: str,
        size: int,
        path: str,
        *,
        name: str | None = None,
        args: dict[str, Any] | None = None,
        show: str = "text",
        token: str | None = None,
    ) -> None:
        """`show` is the field of an item that is shown; it has no spaces. `token` is whose the page is."""
        self.driver = driver
        self.name = name or driver.name("list")
        self.truths: list[list[str]] = [[]]
        self.opened = driver.place()
        self.url = url
        self._open: dict[str, Any] = {"kind": kind, "url": url, "size": size, "path": path, "args": args or {}}
        self._open |= {"show": show, "token": token}

    @property
    def data(self) -> list[str]:
        """What there is now."""
        return self.truths[-1]

    def open(self) -> None:
        self._order("open", **self._open)

    def more(self, count: int) -> None:
        self._order("more", count=count)

    def token(self, token: str | None) -> None:
        self._order("token", token=token)

    def close(self) -> None:
        self._order("close")

    @property
    def shown(self) -> list[tuple[str, list[str]]]:
        """Every status and list it has shown, one after another."""
        return [_status_and_items(event["text"]) for event in self._own("shown")]

    @property
    def wire(self) -> list[dict[str, Any]]:
        return [{"to": event["to"], **event["message"]} for event in self._own("wire")]

    def wait_until(
        self, status: str, items: str | None = None, *, since: int | None = None, timeout: float = WAIT
    ) -> None:
        """Until it shows this; without `items`, all there are. `since` the opening, if nothing else is said."""
        wanted = (status, self.data if items is None else items.split())
        self.driver.wait_for(
            lambda event: (
                event.get("event") == "shown"
                and event["client"] == self.name
                and _status_and_items(event["text"]) == wanted
            ),
            since=self.opened if since is None else since,
            timeout=timeout,
            what=f"{wanted} ({self.shown[-1:]} is last)",
        )

    def assert_each_was_the_beginning_of_the_data(self) -> None:
        """In the order of time: what was shown later is not of an earlier state."""
        at = 0
        for status, items in self.shown:
            fits = [n for n in range(at, len(self.truths)) if self.truths[n][: len(items)] == items]
            assert fits, f"{status} {items} was never the beginning; {self.truths[at:]} were"
            at = fits[0]
            if status == "Exhausted":
                assert any(self.truths[n] == items for n in fits), f"{items} is not all of {self.truths[at:]}"

    @property
    def pages(self) -> int:
        """Queries it is subscribed to now."""
        live: set[int] = set()
        for told in self.wire:
            for change in told.get("modifications", []) if told["type"] == "ModifyQuerySet" else ():
                (live.add if change["type"] == "Add" else live.discard)(change["queryId"])
        return len(live)

    def check(self) -> None:
        """After all: the protocol was kept, and nothing was thrown."""
        assert_protocol_kept([WireMessage(told["n"], told["to"], told["message"]) for told in self._own("wire")])
        uncaught = [event for event in self.driver.events[self.opened :] if event.get("level") == "uncaught"]
        assert not uncaught, f"the page threw: {uncaught}"

    def _order(self, do: str, **order: Any) -> None:
        since = self.driver.place()
        number = self.driver.order(do=do, client=self.name, **order)
        reply = self.driver.wait_for(lambda event: event.get("reply") == number, since=since, what=f"the end of {do}")
        assert "error" not in reply, reply

    def _own(self, event: str) -> list[dict[str, Any]]:
        events = self.driver.events[self.opened :]
        return [told for told in events if told.get("event") == event and told.get("client") == self.name]


def _status_and_items(text: str) -> tuple[str, list[str]]:
    status, _, items = text.partition(": ")
    return status, items.split()
