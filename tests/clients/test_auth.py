"""Users who sign in by token, as the official clients do it (reference §1.12, §2.1, §4.10)."""

from __future__ import annotations

import base64
import itertools
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.clients.clients import CallFailed, Client
from tests.clients.conftest import EVERY_CLIENT, Clients
from tests.fake_issuer import FakeIssuer, SigningKey, ec_key, rsa_key
from tests.support import Project, RunningServer, eventually, serving

AUTH_CONFIG = """
    import os

    from reactor import AuthConfig, CustomJwt, Oidc

    auth = AuthConfig(
        providers=[
            Oidc(domain=os.environ["TEST_ISSUER"], application_id="convex"),
            CustomJwt(
                issuer="https://own.example", jwks=os.environ["TEST_KEYS"], algorithm="ES256", application_id="own"
            ),
        ]
    )
"""
SCHEMA = """
    from reactor import Index, Table


    class Note(Table, name="notes"):
        owner: str
        text: str
        by_owner = Index("owner")
"""
PEOPLE = """
    from typing import Any

    from reactor import ActionCtx, AppError, MutationCtx, QueryCtx, action, mutation, query
    from schema import Note


    @query
    def whoami(ctx: QueryCtx) -> str | None:
        identity = ctx.auth.get_user_identity()
        return None if identity is None else identity.subject


    @query
    def profile(ctx: QueryCtx) -> dict[str, Any] | None:
        identity = ctx.auth.get_user_identity()
        if identity is None:
            return None
        return {
            "token": identity.token_identifier,
            "email": identity.email,
            "given": identity.given_name,
            "claims": dict(identity.claims),
        }


    @action
    async def whoami_in_action(ctx: ActionCtx) -> list[str | None]:
        identity = ctx.auth.get_user_identity()
        return [None if identity is None else identity.subject, await ctx.run_query(whoami)]


    @mutation
    def write(ctx: MutationCtx, text: str) -> str:
        identity = ctx.auth.get_user_identity()
        if identity is None:
            raise AppError("signed out")
        ctx.db.insert(Note(owner=identity.subject, text=text))
        return identity.subject


    @query
    def mine(ctx: QueryCtx) -> list[str]:
        identity = ctx.auth.get_user_identity()
        if identity is None:
            return ["signed out"]
        return [note.text for note in ctx.db.query(Note.by_owner.eq(identity.subject)).collect()]
"""
SETTINGS = """
    [tool.reactor.limits]
    token_leeway = 0.1
    keys_refetch = 0.1
"""
OWN_KEYS = {"keys": [ec_key().jwk()]}
DATA_URI = "data:application/json;base64," + base64.b64encode(json.dumps(OWN_KEYS).encode()).decode()


def environment(issuer: FakeIssuer) -> dict[str, str]:
    return {"TEST_ISSUER": issuer.url, "TEST_KEYS": DATA_URI}


def project(root: Path, settings: str = SETTINGS) -> Project:
    return Project(root, schema=SCHEMA, functions={"auth_config": AUTH_CONFIG, "people": PEOPLE}, settings=settings)


@pytest.fixture(scope="module")
def issuer() -> Iterator[FakeIssuer]:
    with FakeIssuer() as running:
        yield running


@pytest.fixture(scope="module")
def server(issuer: FakeIssuer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with serving(project(tmp_path_factory.mktemp("project")), "dev", environment=environment(issuer)) as running:
        yield running


@pytest.fixture
def own_issuer() -> Iterator[FakeIssuer]:
    """One that a test may break."""
    with FakeIssuer() as running:
        yield running


def tokens(issuer: FakeIssuer, subject: str = "ann", **more: Any) -> Callable[[], str]:
    """A provider's answers: each time another token of the same user."""
    numbers = itertools.count()
    return lambda: issuer.token(subject, jti=str(next(numbers)), **more)


def fetches(client: Client) -> list[bool]:
    """Each time the client asked the application for a token: whether it must be fresh."""
    return [event["fresh"] for event in client.driver.events[client.opened :] if event.get("event") == "fetchToken"]


def confirmations(client: Client) -> list[tuple[int, int]]:
    """The steps of the identity version that the client was told."""
    steps = [
        (told.message["startVersion"]["identity"], told.message["endVersion"]["identity"])
        for told in client.wire
        if told.type == "Transition"
    ]
    return [step for step in steps if step[0] != step[1]]


def auth_errors(client: Client) -> list[dict[str, Any]]:
    return [told.message for told in client.wire if told.type == "AuthError"]


# ── over the socket ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_token_is_confirmed_by_a_transition_even_without_queries(
    clients: Clients, server: RunningServer, issuer: FakeIssuer
) -> None:
    """Reference §1.12 (2, 3): confirmed, then replaced by a fresh one, which is confirmed too."""
    client = clients.js(server)
    client.sign_in(issuer.hand_out(tokens(issuer)))
    client.wait_until_signed_in()
    client.driver.wait_for(lambda _: len(confirmations(client)) == 2, what="the second confirmation")
    assert confirmations(client) == [(0, 1), (1, 2)]
    assert fetches(client) == [False, True]
    assert set(client.signed_in) == {True}


def test_queries_are_never_answered_for_nobody_before_the_token_is_decided(
    clients: Clients, server: RunningServer, issuer: FakeIssuer
) -> None:
    """Reference §7, pitfall 8: no flash of signed-out data; nor are results sent again with the second token."""
    client = clients.js(server)
    client.sign_in(issuer.hand_out(tokens(issuer, "bea")))
    whoami = client.subscribe("people:whoami")
    assert whoami.next() == "bea"
    assert client.mutation("people:write", {"text": "x"}) == "bea"
    assert client.action("people:whoamiInAction") == ["bea", "bea"]
    assert whoami.results == ["bea"]
    assert auth_errors(client) == []


def test_functions_see_what_the_token_says(clients: Clients, server: RunningServer, issuer: FakeIssuer) -> None:
    client = clients.js(server)
    client.use_token(issuer.token("ann", email="ann@example.org", given_name="Ann", role="admin", name=7, jti="x"))
    assert client.query("people:profile") == {
        "token": f"{issuer.url}|ann",
        "email": "ann@example.org",
        "given": "Ann",
        "claims": {"role": "admin"},
    }


def test_a_custom_issuer_with_its_keys_in_the_configuration(clients: Clients, server: RunningServer) -> None:
    claims = {"iss": "https://own.example", "sub": "kit", "aud": "own", "exp": time.time() + 60, "org": {"id": "o1"}}
    client = clients.js(server)
    client.use_token(ec_key().token(claims))
    assert client.query("people:profile") == {
        "token": "https://own.example|kit",
        "email": None,
        "given": None,
        "claims": {"org.id": "o1"},
    }


@pytest.mark.parametrize("which", EVERY_CLIENT)
def test_every_client_signs_in_and_out(clients: Clients, server: RunningServer, issuer: FakeIssuer, which: str) -> None:
    client = clients.open(which, server)
    assert client.query("people:whoami") is None
    client.use_token(issuer.token("ann"))
    assert client.query("people:whoami") == "ann"
    assert client.mutation("people:write", {"text": which}) == "ann"
    assert client.action("people:whoamiInAction") == ["ann", "ann"]
    client.use_token(issuer.token("bob"))
    assert client.query("people:whoami") == "bob"
    client.sign_out()
    assert client.action("people:whoamiInAction") == [None, None]


def test_signing_out_and_in_as_another_moves_every_query(
    clients: Clients, server: RunningServer, issuer: FakeIssuer
) -> None:
    client = clients.js(server)
    client.use_token(issuer.token("cat"))
    whoami, mine = client.subscribe("people:whoami"), client.subscribe("people:mine")
    assert (whoami.next(), mine.next()) == ("cat", [])
    client.sign_out()
    assert (whoami.next(), mine.next()) == (None, ["signed out"])
    client.use_token(issuer.token("dan"))
    assert (whoami.next(), mine.next()) == ("dan", [])
    assert client.connections == 1


def forged(issuer: FakeIssuer) -> str:
    mallory = SigningKey(issuer.keys[0].kid, "RS256", rsa_key("mallory").private)
    return mallory.token(issuer.claims("admin"))


def test_a_forged_token_signs_nobody_in(clients: Clients, server: RunningServer, issuer: FakeIssuer) -> None:
    """Reference §1.12: AuthError with the base version and `authUpdateAttempted`, then the client gives up."""
    client = clients.js(server)
    client.sign_in(issuer.hand_out(lambda: forged(issuer)))
    client.wait_until_signed_in(False)
    whoami = client.subscribe("people:whoami")
    assert whoami.next() is None
    error = auth_errors(client)[0]
    assert (error["baseVersion"], error["authUpdateAttempted"]) == (0, True)
    assert "signature" in error["error"]
    closed = next(told.message for told in client.wire if told.type == "close")
    assert (closed["code"], closed["reason"]) == (1008, "AuthError")
    assert True not in client.signed_in


def test_a_stale_token_is_replaced_by_a_fresh_one(clients: Clients, server: RunningServer, issuer: FakeIssuer) -> None:
    """The provider's cache gave an expired token; the client is told and gets another, without being signed out."""
    answers = itertools.chain(
        [issuer.token("eve", lifetime=-30, iat=0 + int(time.time()) - 60)], itertools.repeat(None)
    )
    client = clients.js(server)
    client.sign_in(issuer.hand_out(lambda: next(answers) or issuer.token("eve")))
    whoami = client.subscribe("people:whoami")
    assert whoami.next() == "eve"
    assert set(client.signed_in) == {True}
    assert [error["error"] for error in auth_errors(client)] == ["Convex token identity expired. Fetch a new token."]


def test_an_idle_socket_learns_that_its_token_has_expired_and_goes_on_with_another(
    clients: Clients, server: RunningServer, issuer: FakeIssuer
) -> None:
    """Reference §1.12, row 87: AuthError with authUpdateAttempted false; a refresh drops no query and shows no one else.

    The token looks long-lived to the client, as after a laptop's sleep.
    """
    seen = threading.Event()
    answers = issuer.with_a_brief_one("fay", seen, issuer.token("fay", jti="another"))
    client = clients.js(server)
    client.sign_in(issuer.hand_out(lambda: next(answers)))
    whoami, mine = client.subscribe("people:whoami"), client.subscribe("people:mine")
    assert (whoami.next(), mine.next()) == ("fay", [])
    seen.set()
    client.wait_for_wire("AuthError")
    (error,) = auth_errors(client)
    assert error["error"].startswith("Convex token identity expired")
    assert (error["baseVersion"], error["authUpdateAttempted"]) == (2, False)
    assert client.mutation("people:write", {"text": "goes on"}) == "fay"
    mine.wait_until(["goes on"])
    assert set(whoami.results) == {"fay"}
    assert ["signed out"] not in mine.results
    assert set(client.signed_in) == {True}
    assert client.connections == 2
    closed = next(told.message for told in client.wire if told.type == "close")
    assert (closed["code"], closed["reason"]) == (1008, "TokenExpired")


def test_when_no_other_token_can_be_had_the_user_is_signed_out(
    clients: Clients, server: RunningServer, issuer: FakeIssuer
) -> None:
    seen = threading.Event()
    answers = issuer.with_a_brief_one("gus", seen, None)
    client = clients.js(server)
    client.sign_in(issuer.hand_out(lambda: next(answers)))
    whoami = client.subscribe("people:whoami")
    assert whoami.next() == "gus"
    seen.set()
    client.wait_until_signed_in(False)
    assert whoami.next() is None
    assert client.signed_in[-1] is False


def test_a_token_replaced_in_time_does_not_end_with_the_first(
    clients: Clients, server: RunningServer, issuer: FakeIssuer
) -> None:
    answers = iter([issuer.brief_token, issuer.token])  # made when the client asks
    client = clients.js(server)
    client.sign_in(issuer.hand_out(lambda: next(answers)("hal")))
    whoami = client.subscribe("people:whoami")
    client.driver.wait_for(lambda _: confirmations(client) == [(0, 1), (1, 2)], what="the second confirmation")
    assert whoami.next() == "hal"
    brief = clients.js(server)
    brief.sign_in(issuer.hand_out(lambda: issuer.brief_token("ivy")))
    brief.subscribe("people:whoami")
    brief.wait_for_wire("AuthError")  # by now the first token has expired too
    assert client.mutation("people:write", {"text": "x"}) == "hal"
    assert auth_errors(client) == []
    assert client.connections == 1


# ── the issuer ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_while_a_token_is_checked_its_socket_waits_and_no_other(
    clients: Clients, own_issuer: FakeIssuer, tmp_path: Path
) -> None:
    """Engine D5: what is sent after Authenticate counts after it, however long the issuer takes."""
    gate = threading.Event()
    answer = own_issuer._answer

    def slow(request: BaseHTTPRequestHandler) -> None:
        gate.wait(10)
        answer(request)

    own_issuer.answers["/keys.json"] = slow
    with serving(project(tmp_path / "project"), "dev", environment=environment(own_issuer)) as server:
        ann, bob = clients.js(server), clients.js(server)
        ann.sign_in(own_issuer.hand_out(tokens(own_issuer)))
        whoami, written = ann.subscribe("people:whoami"), ann.begin_mutation("people:write", {"text": "as ann"})
        ann.wait_for_wire("Mutation", to="server")
        assert bob.query("people:whoami") is None
        assert not written.done
        gate.set()
        assert written.result() == "ann"
        assert whoami.results == ["ann"]
        assert own_issuer.asked.count("/keys.json") == 1


def test_an_issuer_that_is_down_signs_nobody_out(clients: Clients, own_issuer: FakeIssuer, tmp_path: Path) -> None:
    """Trouble of the issuer is not the token's: the socket is closed like a busy server's, the client comes back."""
    own_issuer.answers["/keys.json"] = lambda request: request.send_error(503)
    with serving(project(tmp_path / "project"), "dev", environment=environment(own_issuer)) as server:
        client = clients.js(server)
        client.sign_in(own_issuer.hand_out(tokens(own_issuer)))
        whoami = client.subscribe("people:whoami")
        client.wait_for_wire("close")
        closed = next(told.message for told in client.wire if told.type == "close")
        assert (closed["code"], closed["reason"]) == (1013, "AuthProviderDiscoveryFailed")
        answer = call(server, own_issuer.token())
        assert (answer.status_code, answer.json()["code"]) == (503, "AuthProviderDiscoveryFailed")
        server.wait_for_output("cannot get the keys of auth provider")
        del own_issuer.answers["/keys.json"]
        assert whoami.next() == "ann"
        assert set(client.signed_in) == {True}
        assert auth_errors(client) == []


def test_keys_are_rotated_while_people_are_signed_in(clients: Clients, own_issuer: FakeIssuer, tmp_path: Path) -> None:
    settings = SETTINGS.replace(
        "keys_refetch = 0.1", "keys_refetch = 0.001"
    )  # the rotation follows the first fetch at once
    with serving(project(tmp_path / "project", settings), "dev", environment=environment(own_issuer)) as server:
        client = clients.js(server)
        client.use_token(own_issuer.token("ann"))
        whoami = client.subscribe("people:whoami")
        assert whoami.next() == "ann"
        own_issuer.rotate(rsa_key("next"))
        client.use_token(own_issuer.token("bob"))
        assert whoami.next() == "bob"


def test_a_provider_is_added_by_a_push(clients: Clients, own_issuer: FakeIssuer, tmp_path: Path) -> None:
    bare = Project(tmp_path / "project", schema=SCHEMA, functions={"people": PEOPLE}, settings=SETTINGS)
    with serving(bare, "dev", environment=environment(own_issuer)) as server:
        answer = call(server, own_issuer.token())
        assert answer.json()["code"] == "NoAuthProvider"
        assert "no providers configured" in answer.json()["message"]
        mark = server.mark()
        bare.write_function("auth_config", AUTH_CONFIG)
        server.wait_for_output(r"\+ auth provider OIDC", after=mark)
        assert call(server, own_issuer.token()).json()["value"] == "ann"


@pytest.mark.parametrize("listed", [False, True])
def test_in_production_an_issuer_in_a_private_network_must_be_listed(
    own_issuer: FakeIssuer, tmp_path: Path, listed: bool
) -> None:
    """Reliability row 104."""
    settings = '[tool.reactor]\nprivate_hosts = ["127.0.0.1"]\n' if listed else ""
    with serving(project(tmp_path / "project", settings), "serve", environment=environment(own_issuer)) as server:
        answer = call(server, own_issuer.token())
        if listed:
            assert answer.json()["value"] == "ann"
        else:
            assert (answer.status_code, answer.json()["code"]) == (401, "AuthProviderDiscoveryFailed")
            assert 'private_hosts = ["127.0.0.1"]' in answer.json()["message"]
            assert own_issuer.asked == []


# ── over HTTP ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def call(server: RunningServer, credential: str | None, scheme: str = "Bearer") -> httpx.Response:
    headers = {} if credential is None else {"Authorization": f"{scheme} {credential}"}
    return httpx.post(
        f"{server.url}/api/query",
        json={"path": "people:whoami", "args": {}, "format": "json"},
        headers=headers,
        trust_env=False,
    )


def assert_unauthorized(answer: httpx.Response, code: str, said: str) -> None:
    assert (answer.status_code, answer.json()["code"]) == (401, code)
    assert said in answer.json()["message"]


def test_http_takes_a_bearer_token(server: RunningServer, issuer: FakeIssuer) -> None:
    for scheme in ("Bearer", "bearer", "BEARER"):
        assert call(server, issuer.token("ann"), scheme).json() == {"status": "success", "value": "ann"}
    assert call(server, None).json()["value"] is None


def test_http_says_why_a_token_does_not_hold(server: RunningServer, issuer: FakeIssuer) -> None:
    """Reference §2.1 and §7, pitfall 26: a bad token is never taken for none."""
    assert_unauthorized(call(server, forged(issuer)), "InvalidAuthHeader", "signature")
    assert_unauthorized(call(server, "nonsense"), "InvalidAuthHeader", "three base64url-encoded parts")
    expired = issuer.token(lifetime=-100, iat=1)
    assert_unauthorized(call(server, expired), "TokenExpired", "Convex token identity expired")
    listed = f"[OIDC(domain={issuer.url}, app_id=convex), CustomJWT(issuer=https://own.example, app_id=own)]"
    assert_unauthorized(call(server, issuer.token(aud="other")), "NoAuthProvider", listed)
    assert_unauthorized(call(server, issuer.token(iss="https://evil.example")), "NoAuthProvider", listed)


@pytest.mark.parametrize("endpoint", ["query", "mutation", "action", "function", "run/people/whoami"])
def test_no_endpoint_runs_anything_under_a_bad_token(server: RunningServer, issuer: FakeIssuer, endpoint: str) -> None:
    answer = httpx.post(
        f"{server.url}/api/{endpoint}",
        json={"path": "people:whoami", "args": {}},
        headers={"Authorization": f"Bearer {forged(issuer)}"},
        trust_env=False,
    )
    assert_unauthorized(answer, "InvalidAuthHeader", "signature")


def test_clients_are_told_by_their_own_errors(clients: Clients, server: RunningServer, issuer: FakeIssuer) -> None:
    client = clients.js_http(server)
    client.use_token(forged(issuer))
    with pytest.raises(CallFailed) as refused:
        client.query("people:whoami")
    assert json.loads(refused.value.message)["code"] == "InvalidAuthHeader"


def test_a_provider_may_be_named_by_the_projects_own_environment(own_issuer: FakeIssuer, tmp_path: Path) -> None:
    """Setting a variable that functions/auth_config.py read when it was loaded loads it again."""
    elsewhere = {"TEST_ISSUER": "https://elsewhere.example", "TEST_KEYS": DATA_URI}
    made = project(tmp_path / "project")
    made.write_function("auth_config", AUTH_CONFIG.replace("TEST_ISSUER", "CHOSEN_ISSUER"))
    with serving(made, "dev", environment={**elsewhere, "CHOSEN_ISSUER": "https://elsewhere.example"}) as server:
        assert call(server, own_issuer.token()).json()["code"] == "NoAuthProvider"
        set_now = server.run("env", "set", "CHOSEN_ISSUER", own_issuer.url)
        assert set_now.returncode == 0, set_now.stderr
        assert eventually(lambda: call(server, own_issuer.token()).json().get("value") == "ann", 10.0)
