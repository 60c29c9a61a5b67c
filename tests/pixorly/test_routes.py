"""Pixorly's own HTTP interface: Clerk's webhook (acceptance 1) and the REST API for programs (acceptance 11)."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest

from reactor.testing import signed_headers
from tests.pixorly.application import Browser, Pixorly
from tests.pixorly.fakes import World
from tests.pixorly.test_clerk import person

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


# ── acceptance 1 ──────────────────────────────────────────────────────────────────────────────────────────────────────


class Clerk:
    """Sends what Clerk sends, signed or not."""

    def __init__(self, pixorly: Pixorly) -> None:
        self.pixorly = pixorly

    def send(
        self,
        type: str,
        data: dict[str, Any],
        *,
        id: str = "msg_1",
        secret: str = SECRET,
        age: float = 0,
        spoil: bytes = b"",
    ) -> int:
        """The status of the answer. `spoil` is added to the body when it has been signed."""
        body = json.dumps(
            {"type": type, "data": data, "object": "event"}, indent=1
        ).encode()  # not as we would write it
        at = self.pixorly.clock_now - dt.timedelta(seconds=age)
        headers = signed_headers(secret, id=id, timestamp=at, body=body)
        answer = self.pixorly.backend.fetch("POST", "/clerk-webhook", headers=headers, body=body + spoil)
        return int(answer.status_code)

    @property
    def users(self) -> int:
        return self.pixorly.count("users")


@pytest.fixture
def clerk(pixorly: Pixorly, monkeypatch: pytest.MonkeyPatch) -> Clerk:
    monkeypatch.setenv("CLERK_WEBHOOK_SECRET", SECRET)
    return Clerk(pixorly)


def test_a_signed_creation_makes_the_user_once(pixorly: Pixorly, clerk: Clerk) -> None:
    assert clerk.send("user.created", person(first_name=None, last_name=None, username=None)) == 204
    before = pixorly.browser("user_ada").user
    assert (before["email"], before["credits"], "firstName" in before) == ("ada@example.com", 10, False)
    assert clerk.send("user.created", person(email="other@example.com")) == 204, "the same svix-id again"
    assert clerk.send("user.updated", person(email="other@example.com")) == 204
    assert (pixorly.browser("user_ada").user, clerk.users) == (before, 1)
    assert clerk.send("user.updated", person(email="other@example.com", last_name="L"), id="msg_2") == 204
    after = pixorly.browser("user_ada").user
    assert (after["email"], after["lastName"]) == ("other@example.com", "L")
    assert clerk.send("user.deleted", {"id": "user_ada", "deleted": True}, id="msg_3") == 204
    assert clerk.users == 0


def test_a_wrong_signature_is_400_and_does_nothing(clerk: Clerk) -> None:
    other = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
    assert clerk.send("user.created", person(), secret=other) == 400
    assert clerk.send("user.created", person(), spoil=b" ") == 400, "the same JSON in other bytes is another message"
    assert clerk.pixorly.backend.fetch("POST", "/clerk-webhook", body=b"{}").status_code == 400
    assert clerk.users == 0


@pytest.mark.parametrize("age", [301, -301, 86400])
def test_a_stale_timestamp_is_400(clerk: Clerk, age: float) -> None:
    assert clerk.send("user.created", person(), age=age) == 400
    assert clerk.users == 0
    assert clerk.send("user.created", person(), age=299) == 204


def test_other_messages_are_taken_and_nothing_is_done(clerk: Clerk) -> None:
    assert clerk.send("session.created", {"id": "sess_1"}) == 204
    assert clerk.pixorly.count("clerkEvents") == clerk.users == 0


def test_without_a_secret_nobody_is_believed(clerk: Clerk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLERK_WEBHOOK_SECRET", "")
    assert clerk.send("user.created", person()) == 500
    assert clerk.users == 0


# ── acceptance 11 ─────────────────────────────────────────────────────────────────────────────────────────────────────


class Program:
    """A user's program, with an API key."""

    def __init__(self, owner: Browser, *scopes: str, **args: Any) -> None:
        self.owner = owner
        self.pixorly = owner.pixorly
        made = owner.mutation("apiKeys:createApiKey", name="program", scopes=list(scopes), **args)
        self.key_id, self.key = made["keyId"], made["key"]

    def call(self, method: str, path: str, **request: Any) -> Any:
        headers = {"authorization": f"Bearer {self.key}"}
        return self.pixorly.backend.fetch(method, f"/api/v1/{path}", headers=headers, **request)

    def generate(self, **order: Any) -> Any:
        return self.call("POST", "generate", json={"prompt": "a fox", "model": "stable-diffusion", **order})


@pytest.fixture
def ada(pixorly: Pixorly, world: World) -> Browser:
    ada = pixorly.sign_up("ada")
    pixorly.mutation("users:updateUserPlan", userId=ada.user_id, plan="pro")
    return ada


def error_of(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def test_a_program_orders_waits_looks_and_deletes(pixorly: Pixorly, world: World, ada: Browser) -> None:
    program = Program(ada, "generate", "read", "delete")
    answer = program.generate(numImages=2, negativePrompt="dogs", seed=3)
    assert answer.status_code == 202
    started = answer.json()
    assert (started["status"], started["creditsUsed"], started["creditsRemaining"]) == ("pending", 2, 498)
    assert started["statusUrl"] == f"/api/v1/status/{started['jobId']}"

    def status() -> dict[str, Any]:
        return dict(program.call("GET", f"status/{started['jobId']}").json())

    assert (status()["status"], status()["imageIds"]) == ("pending", [])
    pixorly.backend.run_due()
    assert (status()["status"], len(status()["imageIds"])) == ("completed", 2)
    first, second = program.call("GET", "images").json()["images"]
    assert {first["id"], second["id"]} == set(status()["imageIds"])
    assert program.call("GET", f"images/{first['id']}").json() == first
    page = program.call("GET", "images?limit=1").json()
    assert page["images"] == [first]
    rest = program.call("GET", f"images?limit=1&cursor={page['nextCursor']}").json()
    assert rest["images"] == [second]
    assert program.call("DELETE", f"images/{first['id']}").status_code == 204
    assert error_of(program.call("DELETE", f"images/{first['id']}")) == (404, "not_found")
    assert error_of(program.call("GET", f"images/{first['id']}")) == (404, "not_found")
    assert len(program.call("GET", "images").json()["images"]) == 1
    assert {"id": "seedream", "credits": 25} in program.call("GET", "models").json()["models"]


def test_without_a_key_that_works_it_is_401(pixorly: Pixorly, ada: Browser) -> None:
    program = Program(ada, "generate", "read")
    fetch = pixorly.backend.fetch
    for headers in (
        {},
        {"authorization": "Bearer"},
        {"authorization": f"Basic {program.key}"},
        {"authorization": "Bearer px_"},
    ):
        answer = fetch("GET", "/api/v1/models", headers=headers)
        assert error_of(answer) == (401, "unauthorized")
        assert answer.headers["www-authenticate"] == "Bearer"
    assert program.call("GET", "models").status_code == 200
    ada.mutation("apiKeys:revokeApiKey", keyId=program.key_id)
    assert error_of(program.call("GET", "models")) == (401, "unauthorized")
    assert error_of(program.generate()) == (401, "unauthorized")


def test_a_scope_the_key_has_not_is_403(ada: Browser) -> None:
    reader, writer = Program(ada, "read"), Program(ada, "generate")
    assert error_of(reader.generate()) == (403, "forbidden")
    assert error_of(reader.call("DELETE", "images/x")) == (403, "forbidden")
    assert error_of(writer.call("GET", "models")) == (403, "forbidden")


def test_over_the_limit_it_is_429_with_retry_after(pixorly: Pixorly, ada: Browser) -> None:
    program = Program(ada, "generate", "read", rateLimit=2)
    assert [program.call("GET", "models").status_code for _ in range(2)] == [200, 200]
    pixorly.clock.advance(dt.timedelta(seconds=20))
    answer = program.generate()
    assert error_of(answer) == (429, "rate_limited")
    assert answer.headers["retry-after"] == "40"
    pixorly.clock.advance(dt.timedelta(seconds=40))
    assert program.generate().status_code == 202


def test_a_methods_that_is_not_offered_is_405(ada: Browser) -> None:
    program = Program(ada, "generate", "read")
    answer = program.call("GET", "generate")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert program.call("POST", "images").status_code == 405


@pytest.mark.parametrize(
    ("order", "status", "code"),
    [
        ({"prompt": ""}, 400, "invalid_request"),
        ({"numImages": 9}, 400, "invalid_request"),
        ({"width": "wide"}, 400, "invalid_request"),
        ({"prompt": None}, 400, "invalid_request"),
        ({"model": "flux-max", "numImages": 4, "width": 2048, "height": 2048}, 402, "insufficient_credits"),
    ],
)
def test_an_order_that_cannot_be_says_why(ada: Browser, order: dict[str, Any], status: int, code: str) -> None:
    program = Program(ada, "generate")
    assert error_of(program.generate(**order)) == (status, code)
    assert error_of(program.call("POST", "generate", body=b"{")) == (400, "invalid_request")
    assert ada.user["credits"] == 500


def test_a_refused_order_counts_as_a_failed_request(pixorly: Pixorly, ada: Browser) -> None:
    program = Program(ada, "generate")
    program.generate(prompt="")
    program.generate()
    usage = pixorly.usage_today(ada.user_id)
    assert (usage["apiRequestsCount"], usage["apiRequestsSuccess"], usage["apiRequestsFailed"]) == (2, 1, 1)


def test_programs_see_their_owners_things_only(pixorly: Pixorly, world: World, ada: Browser) -> None:
    bea = pixorly.sign_up("bea")
    image, job = bea.make_image(), bea.order()
    program = Program(ada, "read", "delete")
    assert error_of(program.call("GET", f"images/{image}")) == (404, "not_found")
    assert error_of(program.call("DELETE", f"images/{image}")) == (404, "not_found")
    assert error_of(program.call("GET", f"status/{job}")) == (404, "not_found")
    assert error_of(program.call("GET", "status/nonsense")) == (404, "not_found")
    assert program.call("GET", "images").json() == {"images": [], "nextCursor": None}
    key = pixorly.query("images:pageOfUser", userId=bea.user_id, paginationOpts={"numItems": 1, "cursor": None})
    for cursor in (key["continueCursor"], "nonsense"):
        assert error_of(program.call("GET", f"images?cursor={cursor}")) == (400, "invalid_request")
