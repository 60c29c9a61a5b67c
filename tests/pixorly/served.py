"""Pixorly served by a real process, with the world around it, and people with browsers."""

from __future__ import annotations

import contextlib
import datetime as dt
import itertools
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx

from reactor.testing import signed_headers
from tests.clients.clients import Client
from tests.clients.conftest import Clients
from tests.fake_issuer import FakeIssuer, send_json
from tests.pixorly.application import ROOT
from tests.pixorly.fakes import World
from tests.support import Project, RunningServer, serving

WEBHOOK_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
# One scheduled function at a time: who waits is seen waiting. Tokens may be short-lived.
SETTINGS = """
    [tool.reactor]
    private_hosts = ["127.0.0.1"]

    [tool.reactor.limits]
    scheduled_parallelism = 1
    token_leeway = 0.1
"""


class Site:
    """A running Pixorly. `clerk` signs people in and tells of them; `world` is everything else it talks to."""

    def __init__(self, server: RunningServer, clerk: FakeIssuer, world: World) -> None:
        self.server = server
        self.clerk = clerk
        self.world = world
        self._numbers = itertools.count(1)

    def hear_of(self, name: str, type: str = "user.created", *, svix_id: str | None = None, spoil: bytes = b"") -> int:
        """Clerk's webhook; the status of the answer."""
        data = {
            "id": name,
            "email_addresses": [{"id": "idn_1", "email_address": f"{name}@example.com"}],
            "first_name": None,
            "last_name": None,
        }
        body = json.dumps({"type": type, "data": data}).encode()
        svix_id = svix_id or f"msg_{next(self._numbers)}"
        headers = signed_headers(WEBHOOK_SECRET, id=svix_id, timestamp=dt.datetime.now(dt.UTC), body=body)
        return httpx.post(f"{self.url}/clerk-webhook", content=body + spoil, headers=headers).status_code

    def sign_up(self, name: str, plan: str = "free") -> str:
        """Somebody Clerk has told us of; returns their id."""
        assert self.hear_of(name) == 204
        (user_id,) = (row["_id"] for row in [self.user(name)] if row is not None)
        if plan != "free":
            self.call("mutation", "users:updateUserPlan", userId=user_id, plan=plan)
        return str(user_id)

    def user(self, name: str) -> dict[str, Any] | None:
        """What they see of themselves."""
        headers = {"authorization": f"Bearer {self.clerk.token(name)}"}
        body = {"path": "users:getCurrentUser", "args": {}, "format": "json"}
        found: dict[str, Any] | None = httpx.post(f"{self.server.url}/api/query", json=body, headers=headers).json()[
            "value"
        ]
        return found

    def browser(self, clients: Clients, name: str, **options: Any) -> Client:
        """A browser in which they are signed in."""
        client = clients.js(self.server, **options)
        client.sign_in(self.tokens(name, lambda: self.clerk.token(name)))
        client.wait_until_signed_in()
        return client

    def tokens(self, name: str, make: Callable[[], str | None]) -> str:
        """Where a browser of theirs gets its tokens."""
        self.clerk.answers[f"/tokens/{name}"] = lambda request: send_json(request, make())
        return f"{self.clerk.url}/tokens/{name}"

    def call(self, kind: str, path: str, **args: Any) -> Any:
        """As the operator, who reaches internal functions too."""
        headers = {"authorization": f"Convex {self.server.admin_key}"}
        body = {"path": path, "args": args, "format": "json"}
        answer = httpx.post(f"{self.server.url}/api/{kind}", json=body, headers=headers, timeout=30).json()
        assert answer["status"] == "success", answer
        return answer["value"]

    @property
    def url(self) -> str:
        """Of its own HTTP routes."""
        return f"{self.server.url}/http"


@contextlib.contextmanager
def pixorly_served(root: Path, environment: Mapping[str, str] | None = None) -> Iterator[Site]:
    """Everything up for the length of a `with` block."""
    project = Project(root, settings=SETTINGS)
    shutil.copy(ROOT / "schema.py", root)
    shutil.copytree(ROOT / "functions", root / "functions", dirs_exist_ok=True)
    with FakeIssuer() as clerk, World() as world:
        settings = {
            **world.environment,
            "CLERK_JWT_ISSUER_DOMAIN": clerk.url,
            "CLERK_WEBHOOK_SECRET": WEBHOOK_SECRET,
            **(environment or {}),
        }
        with serving(project, "serve", environment=settings) as server:
            yield Site(server, clerk, world)
