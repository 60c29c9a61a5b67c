"""What the server's tests put in the place of the application: verbs with set answers, workers that keep notes."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import httpx
from starlette.types import ASGIApp
from websockets.asyncio.client import ClientConnection, connect

from reactor.auth.identity import Identity
from reactor.auth.jwt import Verified
from reactor.database.variable import VariableChange
from reactor.definitions.manifest import FunctionManifest, Manifest
from reactor.deploy.migrator import MigrationStatus
from reactor.deploy.plan import DeployPlan
from reactor.deploy.receiver import Delivery
from reactor.engine.call_log import Stretch
from reactor.errors import Unauthenticated
from reactor.execution.frames import Failure, HttpRequest, Outcome
from reactor.execution.http_exchange import HttpExchange
from reactor.limits import DEFAULT_LIMITS, Limits
from reactor.server.assembly import assemble
from reactor.server.listening import Address, listening
from reactor.server.settings import ServerSettings
from reactor.server.socket import Socket
from reactor.sync.client_info import ClientInfo
from reactor.sync.codec import ws_frame
from reactor.values.validator import Field, IdV, NumberV, ObjectV, StringV
from reactor.values.value import decode

ADMIN_KEY = "local|sesame"

MANIFEST = Manifest(
    (
        FunctionManifest("jobs:sweep", "jobs:sweep", "mutation", "internal", ObjectV(()), None, "Not for clients."),
        FunctionManifest(
            "messages:list",
            "messages:list",
            "query",
            "public",
            ObjectV((Field("channel", IdV("channels"), False), Field("limit", NumberV(), True))),
            StringV(),
            "The newest messages <first>.",
        ),
    )
)


@dataclass(frozen=True)
class Asked:
    """One call the server made."""

    verb: str
    path: str
    args: Any
    identity: Identity | None
    internal: bool


@dataclass
class PretendVerbs:
    """Answers every call with `outcome`, or raises it."""

    outcome: Outcome | Exception = field(default_factory=lambda: succeeded(b"null"))
    asked: list[Asked] = field(default_factory=list)
    changed: list[VariableChange] = field(default_factory=list)
    pushed: list[tuple[bytes, bool]] = field(default_factory=list)
    read: list[tuple[int, int, float]] = field(default_factory=list)
    stretch: Stretch = field(default_factory=lambda: Stretch([], 1))
    manifest: Manifest = MANIFEST
    head: int = 7
    opened: list[tuple[str, HttpExchange, Identity | None]] = field(default_factory=list)  # HTTP requests, in order
    answering: Callable[[HttpExchange], None] | None = None  # called with each of them

    def open_http(self, name: str, request: HttpRequest, identity: Identity | None) -> HttpExchange:
        exchange = HttpExchange(request)
        self.opened.append((name, exchange, identity))
        if self.answering is not None:
            self.answering(exchange)
        return exchange

    def request_name(self, call: int) -> str:
        return f"{call:016x}"

    def _answer(self, verb: str, path: str, args: bytes, identity: Identity | None, internal: bool) -> Outcome:
        self.asked.append(Asked(verb, path, json.loads(args), identity, internal))
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome

    async def call_query(self, path: str, args: bytes, identity: Identity | None, *, internal: bool = False) -> Outcome:
        return self._answer("query", path, args, identity, internal)

    async def call_query_at(
        self, path: str, args: bytes, identity: Identity | None, ts: int, *, internal: bool = False
    ) -> Outcome:
        return self._answer(f"query at {ts}", path, args, identity, internal)

    async def call_queries(
        self, calls: Sequence[tuple[str, bytes]], identity: Identity | None, *, internal: bool = False
    ) -> Sequence[Outcome]:
        return [self._answer("query of a batch", path, args, identity, internal) for path, args in calls]

    async def call_mutation(
        self, path: str, args: bytes, identity: Identity | None, *, internal: bool = False
    ) -> Outcome:
        return self._answer("mutation", path, args, identity, internal)

    async def call_action(
        self, path: str, args: bytes, identity: Identity | None, *, internal: bool = False
    ) -> Outcome:
        return self._answer("action", path, args, identity, internal)

    async def call_function(
        self, path: str, args: bytes, identity: Identity | None, *, internal: bool = False
    ) -> Outcome:
        return self._answer("function", path, args, identity, internal)

    async def change_variables(self, changes: Sequence[VariableChange]) -> None:
        self.changed += changes

    async def migrations(self) -> list[MigrationStatus]:
        return []

    async def migrate(self, names: Sequence[str], *, restart: bool, dry_run: bool) -> list[MigrationStatus]:
        raise AssertionError("no test of this room runs migrations")

    async def read_calls(self, cursor: int, limit: int, wait: float) -> Stretch:
        self.read.append((cursor, limit, wait))
        return self.stretch

    async def receive_code(self, archive: bytes, *, dry_run: bool = False) -> Delivery:
        self.pushed.append((archive, dry_run))
        return Delivery("planned" if dry_run else "deployed", "0" * 32, DeployPlan())

    def identify_admin(self, key: str, acting_as: bytes | None, address: str = "") -> Identity | None:
        if key != ADMIN_KEY:
            raise Unauthenticated("BadDeployKey", "The provided admin key was invalid for this instance")
        if acting_as is None:
            return None
        attributes = decode(acting_as)
        assert isinstance(attributes, dict)
        return Identity.from_attributes(attributes, acting_as=True)

    async def identify_user(self, token: str) -> Verified:
        raise Unauthenticated("NoAuthProvider", f"No provider for a token of {len(token)} characters")


def succeeded(value: bytes, *log_lines: str) -> Outcome:
    return Outcome(1, value, log_lines=list(log_lines))


def failed(
    code: str, text: str, data: bytes | None = None, *, retry: bool = False, log_lines: tuple[str, ...] = ()
) -> Outcome:
    return Outcome(1, None, Failure(code, text, data, retry), log_lines=list(log_lines))


class NotingWorker:
    """Writes down what it is told and answers each text with itself in brackets."""

    def __init__(self, socket: Socket, client: ClientInfo) -> None:
        self.socket = socket
        self.client = client
        self.heard: list[str | bytes] = []
        self.clears = 0
        self.ends = 0
        self.ended = asyncio.Event()
        self.answers = True

    def receive(self, text: str | bytes) -> None:
        self.heard.append(text)
        if text == "break":
            raise RuntimeError("a bug")
        if self.answers:
            self.say(f"<{text!s}>")

    def say(self, text: str) -> None:
        self.socket.send_frame(ws_frame(text.encode()))

    def cleared(self) -> None:
        self.clears += 1

    def closed(self) -> None:
        self.ends += 1
        self.ended.set()


class Desk:
    """Makes the workers and keeps them."""

    def __init__(self) -> None:
        self.workers: list[NotingWorker] = []
        self._came = asyncio.Condition()

    def __call__(self, socket: Socket, client: ClientInfo) -> NotingWorker:
        worker = NotingWorker(socket, client)
        self.workers.append(worker)
        return worker

    @property
    def worker(self) -> NotingWorker:
        """The only one."""
        (worker,) = self.workers
        return worker


@dataclass(frozen=True)
class Running:
    """A server that listens, and what stands behind it."""

    address: Address
    verbs: PretendVerbs
    desk: Desk
    limits: Limits

    @contextlib.asynccontextmanager
    async def http(self) -> AsyncIterator[httpx.AsyncClient]:
        async with httpx.AsyncClient(base_url=self.address.url, trust_env=False) as client:
            yield client

    def socket(self, path: str = "/api/1.48.0/sync", **options: Any) -> connect:
        return connect(
            self.address.url.replace("http", "ws", 1) + path,
            **{"proxy": None, "compression": None, "max_size": None} | options,
        )

    @contextlib.asynccontextmanager
    async def client(
        self, path: str = "/api/1.48.0/sync", **options: Any
    ) -> AsyncIterator[tuple[ClientConnection, NotingWorker]]:
        """A connected client and the worker that serves it."""
        async with self.socket(path, **options) as client:
            await client.send("hello")
            assert await client.recv() == "<hello>"
            yield client, self.desk.workers[-1]


@contextlib.asynccontextmanager
async def running(
    *,
    settings: ServerSettings | None = None,
    wrap: Callable[[ASGIApp], ASGIApp] = lambda app: app,
    **limits: Any,
) -> AsyncIterator[Running]:
    """A real server on a free port. `limits` changes some of the defaults."""
    verbs, desk, numbers = PretendVerbs(), Desk(), replace(DEFAULT_LIMITS, **limits)
    app = assemble(verbs, desk, settings or ServerSettings(), numbers)
    async with listening(wrap(app), limits=numbers) as address:
        yield Running(address, verbs, desk, numbers)


async def until(truth: Callable[[], bool], *, seconds: float = 10.0) -> None:
    """Let the loop run until something is so."""
    async with asyncio.timeout(seconds):
        while not truth():  # noqa: ASYNC110 it looks at what has no event
            await asyncio.sleep(0.002)
