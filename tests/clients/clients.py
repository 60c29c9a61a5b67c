"""What tests hold in their hands: a `Client` in a driver process, its `Subscription`s, its `Pending` calls.

The same words for every client, so that one test can speak to all of them. Every wait has an end, and a wait that
fails tells what the driver has said until then.
"""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Literal

from tests.clients.lossless import ABSENT, from_tree, spell, to_tree

REPOSITORY = Path(__file__).resolve().parents[2]
WAIT = 10.0  # for what should take milliseconds: long enough for a busy machine, short enough to fail a test

Kind = Literal["live", "http", "base"]
Event = dict[str, Any]


class NotSeen(AssertionError):
    """What a test waited for did not come."""


class CallFailed(Exception):
    """A call or a query failed; as the client's user sees it. `data` is ABSENT unless it was a ConvexError."""

    def __init__(self, error: Mapping[str, Any]) -> None:
        super().__init__(error["message"])
        self.name: str = error["name"]
        self.message: str = error["message"]
        self.data: Any = from_tree(error["data"]) if "data" in error else ABSENT

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CallFailed) and (self.message, spell(self.data)) == (other.message, spell(other.data))

    __hash__ = None  # type: ignore[assignment]


class Driver:
    """A process with clients in it. `events` is all it has said, in its order; what it printed is a console event."""

    def __init__(self, arguments: Sequence[str]) -> None:
        self.events: list[Event] = []  # grows in the reader thread
        self.doubted = False  # it failed to say what was waited for: true for ever after, such a driver is replaced
        self._said = threading.Condition()
        self._numbers = count(1)
        self._names = count(1)
        self._writing = threading.Lock()
        self._process = subprocess.Popen(
            arguments,
            cwd=REPOSITORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        self._threads = [
            threading.Thread(target=self._read_events, daemon=True),
            threading.Thread(target=self._read_errors, daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def order(self, **order: Any) -> int:
        """Send an order; returns its number."""
        number = next(self._numbers)
        assert self._process.stdin is not None
        with self._writing:
            self._process.stdin.write(json.dumps({"id": number, **order}) + "\n")
            self._process.stdin.flush()
        return number

    def name(self, prefix: str) -> str:
        return f"{prefix}{next(self._names)}"

    def wait_for(
        self, wanted: Callable[[Event], bool], *, timeout: float = WAIT, since: int = 0, what: str = ""
    ) -> Event:
        """The first event at or after place `since` that is wanted."""
        deadline = time.monotonic() + timeout
        place = since
        with self._said:
            while True:
                while place < len(self.events):
                    event = self.events[place]
                    place += 1
                    if wanted(event):
                        return event
                left = deadline - time.monotonic()
                if left <= 0 or not self.alive:
                    self.doubted = True
                    lately = "\n".join(json.dumps(event)[:400] for event in self.events[-25:])
                    raise NotSeen(f"{what or 'an event'} did not come in {timeout} s; the driver said:\n{lately}")
                self._said.wait(min(left, 0.5))

    def place(self) -> int:
        """Where in `events` the next one will be."""
        with self._said:
            return len(self.events)

    def close(self) -> None:
        """End the process: closing its stdin does it, or a kill if it may be stuck."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.close()
            self._process.wait(0.1 if self.doubted else 5.0)
        except (OSError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait(5.0)
        for thread in self._threads:
            thread.join(5.0)

    def _read_events(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                event = json.loads(line)
                with self._said:
                    self.events.append(event)
                    self._said.notify_all()
        with self._said:
            self._said.notify_all()

    def _read_errors(self) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as lines:
            for line in lines:
                with self._said:
                    self.events.append({"event": "console", "client": None, "level": "stderr", "text": line})
                    self._said.notify_all()


class Pending:
    """A call that was begun: `result()` waits for it."""

    def __init__(self, client: Client, number: int, since: int, what: str) -> None:
        self._client = client
        self._number = number
        self._since = since  # place in the driver's events before which the reply cannot be
        self._what = what

    def reply(self, timeout: float = WAIT) -> Event:
        """All that was said when it was done, the error included."""
        return self._client.driver.wait_for(
            lambda event: event.get("reply") == self._number,
            timeout=timeout,
            since=self._since,
            what=f"the end of {self._what}",
        )

    def result(self, timeout: float = WAIT) -> Any:
        """Its value; raises CallFailed if it failed."""
        reply = self.reply(timeout)
        if "error" in reply:
            raise CallFailed(reply["error"])
        return from_tree(reply["value"])

    @property
    def done(self) -> bool:
        return any(event.get("reply") == self._number for event in self._client.driver.events[self._since :])


@dataclass(frozen=True)
class View:
    """What all subscriptions of a client show at one moment, by their labels."""

    n: int
    values: dict[str, Any]


@dataclass(frozen=True)
class WireMessage:
    """One message on a client's socket, without its values. `to` says who got it: "client" or "server"."""

    n: int
    to: str
    message: dict[str, Any]

    @property
    def type(self) -> str:
        return str(self.message["type"])


@dataclass(frozen=True)
class Fetched:
    """An answer to `Client.fetch`."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Client:
    """One client of an application. `kind` "live" is its ConvexClient, "http" its ConvexHttpClient."""

    def __init__(self, driver: Driver, url: str, kind: Kind = "live", **options: Any) -> None:
        self.driver = driver
        self.kind = kind
        self.opened = driver.place()
        self.name = driver.name("client")
        self._call("open", kind=kind, url=url, **options).result()

    # calls

    def query(self, path: str, args: Mapping[str, Any] | None = None, *, timeout: float = WAIT) -> Any:
        return self.begin_query(path, args).result(timeout)

    def mutation(self, path: str, args: Mapping[str, Any] | None = None, *, timeout: float = WAIT) -> Any:
        return self.begin_mutation(path, args).result(timeout)

    def action(self, path: str, args: Mapping[str, Any] | None = None, *, timeout: float = WAIT) -> Any:
        return self.begin_action(path, args).result(timeout)

    def begin_query(self, path: str, args: Mapping[str, Any] | None = None) -> Pending:
        return self._call("query", path=path, args=to_tree(dict(args or {})))

    def begin_mutation(
        self,
        path: str,
        args: Mapping[str, Any] | None = None,
        *,
        optimistic: Sequence[Mapping[str, Any]] = (),
        look: bool = False,
    ) -> Pending:
        """`optimistic` lists {"path", "args", "append"}; `look` asks for what the subscriptions show at the end of it."""
        steps = [{**step, "args": to_tree(step["args"]), "append": to_tree(step["append"])} for step in optimistic]
        return self._call("mutation", path=path, args=to_tree(dict(args or {})), optimistic=steps or None, look=look)

    def begin_action(self, path: str, args: Mapping[str, Any] | None = None) -> Pending:
        return self._call("action", path=path, args=to_tree(dict(args or {})))

    def call(self, kind: str, path: str, args: Mapping[str, Any] | None = None, *, timeout: float = WAIT) -> Any:
        """A query, mutation, action or (JavaScript over HTTP) function, by the name of its kind."""
        return self._call(kind, path=path, args=to_tree(dict(args or {}))).result(timeout)

    # subscriptions

    def subscribe(self, path: str, args: Mapping[str, Any] | None = None) -> Subscription:
        label = self.driver.name("sub")
        self._call("subscribe", sub=label, path=path, args=to_tree(dict(args or {}))).result()
        return Subscription(self, label, f"{path} {args or ''}")

    def paginate(self, path: str, args: Mapping[str, Any] | None = None, *, items: int) -> Subscription:
        label = self.driver.name("sub")
        self._call("paginate", sub=label, path=path, args=to_tree(dict(args or {})), items=items).result()
        return Subscription(self, label, f"pages of {path}")

    def watch(self) -> None:
        """Python: tell `views` from now on (JavaScript: open the client with views=True)."""
        self._call("watch").result()

    @property
    def views(self) -> list[View]:
        return [
            View(event["n"], {label: from_tree(value) for label, value in event["values"].items()})
            for event in self._own("view")
        ]

    # identity

    def fetch(
        self, url: str, method: str = "GET", headers: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> Fetched:
        """JavaScript's own `fetch`, without the Convex client."""
        sent = {} if body is None else {"body": body.hex()}
        told = self._call("fetch", url=url, method=method, headers=dict(headers or {}), **sent).result()
        return Fetched(told["status"], told["headers"], bytes.fromhex(told["body"]))

    def act_as(self, key: str, identity: Mapping[str, Any] | None = None) -> None:
        """Admin auth, acting as somebody if an identity is given (JavaScript only)."""
        self._call("actAs", key=key, identity=to_tree(dict(identity)) if identity else None).result()

    def sign_in(self, tokens_from: str) -> None:
        """JavaScript, live: get tokens from this address whenever the client wants one; `signed_in` tells."""
        self._call("setAuth", **{"from": tokens_from}).result()

    def use_token(self, token: str) -> None:
        """Be the user this token names, with no way to get another; JavaScript live: return once that is decided."""
        self._call("useToken", token=token).result()

    @property
    def signed_in(self) -> list[bool]:
        """What the client has told the application about its being signed in."""
        return [event["authenticated"] for event in self._own("auth")]

    def wait_until_signed_in(self, truth: bool = True, *, since: int | None = None) -> None:
        self.driver.wait_for(
            lambda event: self._is(event, "auth") and event["authenticated"] is truth,
            since=self.opened if since is None else since,
            what=f"signed in: {truth}",
        )

    def sign_out(self) -> None:
        self._call("signOut").result()

    # what happened

    @property
    def wire(self) -> list[WireMessage]:
        """JavaScript: every message on its socket so far."""
        return [WireMessage(event["n"], event["to"], event["message"]) for event in self._own("wire")]

    def wait_for_wire(self, type: str, *, to: str = "client", timeout: float = WAIT, since: int | None = None) -> None:
        self.driver.wait_for(
            lambda event: self._is(event, "wire") and event["to"] == to and event["message"]["type"] == type,
            since=self.opened if since is None else since,
            timeout=timeout,
            what=f"{type} to the {to}",
        )

    @property
    def connections(self) -> int:
        """How often its socket was opened."""
        return sum(1 for told in self.wire if told.to == "server" and told.type == "Connect")

    def close(self) -> None:
        if self.driver.alive and not self.driver.doubted:
            self._call("close").result()

    def _call(self, do: str, **order: Any) -> Pending:
        what = f"{do} {order.get('path', '')}"
        since = self.driver.place()
        return Pending(self, self.driver.order(do=do, client=self.name, **order), since, what)

    def _own(self, event: str) -> list[Event]:
        return [told for told in self.driver.events[self.opened :] if self._is(told, event)]

    def _is(self, told: Event, event: str) -> bool:
        return told.get("event") == event and told.get("client") == self.name


class Subscription:
    """A subscribed query. `results` are the values (or CallFailed) its callback was given, in order.

    A Python client may give the same value again at any transition, so its tests use `wait_until`, not `next`.
    """

    def __init__(self, client: Client, label: str, what: str) -> None:
        self.client = client
        self.label = label
        self._what = what
        self._read = client.opened  # place in the driver's events up to which next() has read; grows in next()

    @property
    def results(self) -> list[Any]:
        return [_outcome(event) for event in self.client.driver.events[self.client.opened :] if self._mine(event)]

    def next(self, timeout: float = WAIT) -> Any:
        """The first result that `next` has not given yet; raises CallFailed if it is an error."""
        driver = self.client.driver
        event = driver.wait_for(self._mine, since=self._read, timeout=timeout, what=f"a result of {self._what}")
        self._read = driver.events.index(event, self._read) + 1
        outcome = _outcome(event)
        if isinstance(outcome, CallFailed):
            raise outcome
        return outcome

    def wait_until(self, holds: Callable[[Any], bool] | Any, timeout: float = WAIT) -> Any:
        """Take results until one is equal to the value (or satisfies the predicate), and return that one."""
        wanted = holds if callable(holds) else lambda value: spell(value) == spell(holds)
        deadline = time.monotonic() + timeout
        latest: Any = ABSENT
        while True:
            try:
                latest = self.next(max(0.01, deadline - time.monotonic()))
            except CallFailed as failed:
                latest = failed
            except NotSeen as nothing:
                raise NotSeen(f"{self._what} stayed at {latest!r:.500}\n{nothing}") from None
            if not isinstance(latest, CallFailed) and wanted(latest):
                return latest

    def wait_until_failed(self, timeout: float = WAIT) -> CallFailed:
        """Take results until one is an error, and return it."""
        while True:
            try:
                self.next(timeout)
            except CallFailed as failed:
                return failed

    def more(self, items: int) -> None:
        """Load the next page (of a `paginate` subscription)."""
        self.client._call("more", sub=self.label, items=items).result()

    def unsubscribe(self) -> None:
        self.client._call("unsubscribe", sub=self.label).result()

    def _mine(self, event: Event) -> bool:
        named = event.get("client") == self.client.name and event.get("sub") == self.label
        return named and event.get("event") in ("result", "failed")


def _outcome(event: Event) -> Any:
    return from_tree(event["value"]) if event["event"] == "result" else CallFailed(event["error"])


def node_driver(node: Path, packages: Path) -> Driver:
    return Driver([str(node), str(Path(__file__).with_name("driver.mjs")), str(packages)])


def python_driver() -> Driver:
    return Driver([sys.executable, "-m", "tests.clients.driver"])


def timestamp(text: str) -> int:
    """The number in a wire timestamp: 8 bytes, little endian, base64."""
    return int.from_bytes(base64.b64decode(text), "little")


def assert_protocol_kept(wire: Sequence[WireMessage]) -> None:
    """What the reference asks of every conversation (§1.4, §1.5, §1.8), whatever it was about."""
    version: dict[str, Any] = {}
    head = 0  # the newest timestamp seen, also on earlier sockets
    floor = 0  # what the next Transition has to reach: a mutation's answer, or what the client said it has seen
    answered = False  # whether a mutation's answer waits for its Transition
    for told in wire:
        message = told.message
        if told.to == "server":
            if told.type == "Connect":
                version = {"querySet": 0, "identity": 0, "ts": "AAAAAAAAAAA="}
                floor = timestamp(message.get("maxObservedTimestamp", version["ts"]))
                answered = False
            continue
        match told.type:
            case "Transition":
                end = message["endVersion"]
                assert message["startVersion"] == version, f"starts at {message['startVersion']}, client has {version}"
                assert timestamp(end["ts"]) >= timestamp(version["ts"]), "time went back"
                assert timestamp(end["ts"]) >= floor, (
                    "the Transition is older than what the client was told before (D3)"
                )
                assert timestamp(end["ts"]) >= head, "time went back over a reconnect"
                both = {type(message.get("clientClockSkew")), type(message.get("serverTs"))}
                assert both <= {int, float} or both == {type(None)}, f"clock fields: {both}"
                for change in message["modifications"]:
                    assert change["type"] in ("QueryUpdated", "QueryFailed", "QueryRemoved"), change
                    if change["type"] != "QueryRemoved":
                        assert isinstance(change["logLines"], list), change
                        assert "journal" in change, change
                version, head, floor, answered = end, timestamp(end["ts"]), 0, False
            case "MutationResponse":
                assert isinstance(message["logLines"], list)
                assert isinstance(message["requestId"], int)
                if message["success"]:
                    floor, answered = max(floor, timestamp(message["ts"])), True
                else:
                    assert message["ts"] is None
            case "ActionResponse":
                assert isinstance(message["logLines"], list)
            case "Ping" | "AuthError" | "TransitionChunk" | "close":
                pass
            case other:
                raise AssertionError(f"{other} is no message of the protocol (or must not occur here): {message}")
    assert not answered, "a mutation was answered and no Transition followed"
