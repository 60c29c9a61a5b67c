"""Two ways to run one project: in the test's process, and on a server with the PyPI client. The same words for both."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import httpx
import orjson

from reactor.errors import AppError, DeveloperError
from reactor.execution.frames import Kind
from reactor.execution.outcome import failure_of
from reactor.testing import Acting, LiveQuery, NothingNew, TestBackend
from reactor.values.value import Int64, from_json, to_json
from tests.clients.clients import CallFailed, Client, Subscription
from tests.clients.lossless import ABSENT, BigInt
from tests.support import RunningServer

NOTHING: Any = object()  # the data of an error that has none
Arguments = Mapping[str, Any]


class Failed(Exception):
    """A call failed: with this text, as functions' errors are told, and this data if it was an AppError."""

    def __init__(self, text: str, data: Any = NOTHING) -> None:
        super().__init__(text)
        self.text = text
        self.data = data


class Live(Protocol):
    """A subscription."""

    def wait_until(self, wanted: Any) -> None:
        """Take results until one is this."""
        ...


class System(Protocol):
    """A running project."""

    def call(self, kind: Kind, path: str, args: Arguments | None = None) -> Any:
        """The result; raises Failed."""
        ...

    def call_as(self, subject: str, kind: Kind, path: str, args: Arguments | None = None) -> Any:
        """The same as a user."""
        ...

    def subscribe(self, path: str, args: Arguments | None = None) -> Live: ...

    def set_env(self, name: str, value: str | None) -> None: ...

    def let_jobs_run(self) -> None:
        """Jobs due now or soon may run; what they did is waited for with a subscription."""
        ...


class InProcess:
    """A TestBackend."""

    def __init__(self, backend: TestBackend) -> None:
        self.backend = backend

    def call(self, kind: Kind, path: str, args: Arguments | None = None) -> Any:
        return self._call(self.backend, kind, path, args)

    def call_as(self, subject: str, kind: Kind, path: str, args: Arguments | None = None) -> Any:
        return self._call(self.backend.as_user(subject), kind, path, args)

    def subscribe(self, path: str, args: Arguments | None = None) -> Live:
        return _InProcessLive(self.backend.subscribe(path, args))

    def set_env(self, name: str, value: str | None) -> None:
        self.backend.set_env(name, value)

    def let_jobs_run(self) -> None:
        self.backend.run_all()

    def _call(self, acting: Acting, kind: Kind, path: str, args: Arguments | None) -> Any:
        verbs: dict[Kind, Callable[..., Any]] = {
            "query": acting.query,
            "mutation": acting.mutation,
            "action": acting.action,
        }
        try:
            return verbs[kind](path, args)
        except AppError as error:
            raise Failed("", error.data) from error
        except DeveloperError as error:  # whose class says what the text on the wire begins with
            cause = error.__cause__
            assert cause is not None
            raise Failed(_bare(failure_of(cause, self.backend.bundle.project).text)) from error


class _InProcessLive:
    def __init__(self, live: LiveQuery[Any]) -> None:
        self._live = live

    def wait_until(self, wanted: Any) -> None:
        while True:
            try:
                if self._live.next() == wanted:
                    return
            except NothingNew:
                raise AssertionError(f"{wanted!r} did not come") from None


class OnServer:
    """A server, and a live client of it."""

    def __init__(self, server: RunningServer, client: Client) -> None:
        self._server = server
        self._client = client

    def call(self, kind: Kind, path: str, args: Arguments | None = None) -> Any:
        try:
            return _ours(self._client.call(kind, path, _theirs(dict(args or {}))))
        except CallFailed as failed:
            data = NOTHING if failed.data is ABSENT else _ours(failed.data)
            raise Failed("" if data is not NOTHING else _bare(failed.message), data) from None

    def call_as(self, subject: str, kind: Kind, path: str, args: Arguments | None = None) -> Any:
        """Over HTTP, as the operator who acts as the user: the PyPI client cannot."""
        user = base64.b64encode(orjson.dumps({"issuer": "https://reactor.invalid", "subject": subject})).decode()
        answer = httpx.post(
            f"{self._server.url}/api/function",
            json={"path": path, "args": to_json(dict(args or {})), "format": "convex_encoded_json"},
            headers={"Authorization": f"Convex {self._server.admin_key}:{user}"},
        ).json()
        if answer["status"] == "success":
            return from_json(answer["value"])
        if "errorData" in answer:
            raise Failed("", from_json(answer["errorData"]))
        raise Failed(_bare(answer["errorMessage"]))

    def subscribe(self, path: str, args: Arguments | None = None) -> Live:
        return _ServerLive(self._client.subscribe(path, _theirs(dict(args or {}))))

    def set_env(self, name: str, value: str | None) -> None:
        change = {"name": name} if value is None else {"name": name, "value": value}
        httpx.post(
            f"{self._server.url}/api/update_environment_variables",
            json={"changes": [change]},
            headers={"Authorization": f"Convex {self._server.admin_key}"},
        ).raise_for_status()

    def let_jobs_run(self) -> None:
        """The server does, by itself."""


class _ServerLive:
    def __init__(self, subscription: Subscription) -> None:
        self._subscription = subscription

    def wait_until(self, wanted: Any) -> None:
        self._subscription.wait_until(lambda value: _ours(value) == wanted)


def _bare(text: str) -> str:
    """An error's text without the request's name and the lines of code."""
    text = re.sub(r"^\[Request ID: \w+\] Server Error\n", "", text)
    return text.partition("\n    at ")[0].strip()


def _ours(value: Any) -> Any:
    if isinstance(value, BigInt):
        return Int64(int(value))
    if isinstance(value, list):
        return [_ours(item) for item in value]
    return {key: _ours(item) for key, item in value.items()} if isinstance(value, dict) else value


def _theirs(value: Any) -> Any:
    if isinstance(value, Int64):
        return BigInt(int(value))
    if isinstance(value, list):
        return [_theirs(item) for item in value]
    return {key: _theirs(item) for key, item in value.items()} if isinstance(value, dict) else value
