"""What stands around the function calls: service routes, and answers for what is not there."""

from __future__ import annotations

from typing import Any

from starlette.routing import Route

from reactor.limits import DEFAULT_LIMITS
from reactor.server.assembly import assemble
from reactor.server.settings import ServerSettings
from tests.server.pretend import ADMIN_KEY, PretendVerbs, running

PUBLIC = {  # what anybody may ask; a new route belongs here, or asks for the admin key (reliability row 103)
    "/",
    "/api/_reactor/functions",
    "/api/action",
    "/api/function",
    "/api/mutation",
    "/api/query",
    "/api/query_at_ts",
    "/api/query_batch",
    "/api/query_ts",
    "/api/run/{path:path}",
    "/api/storage/upload",  # with a token that was made for it
    "/api/storage/{key:path}",  # a name nobody guesses
    "/echo",
    "/instance_name",
    "/instance_version",
    "/version",
}


async def test_the_service_routes_answer_in_text() -> None:
    async with running() as server, server.http() as http:
        version = await http.get("/version")
        assert version.text
        assert (await http.get("/instance_version")).text == version.text
        assert (await http.get("/instance_name")).text == "reactor"


async def test_echo_gives_back_what_it_got() -> None:
    async with running() as server, server.http() as http:
        body = bytes(range(256)) * 1000
        assert (await http.post("/echo", content=body)).content == body


async def test_what_is_not_there_is_told_in_json() -> None:
    async with running() as server, server.http() as http:
        for path in ("/api/nothing", "/nothing", "/api/query/x", "/%2e%2e/etc/passwd", "//api/query", "/api%00"):
            response = await http.get(path)
            assert (response.status_code, response.json()["code"]) == (404, "NotFound"), path


async def test_the_wrong_method_is_told_in_json() -> None:
    async with running() as server, server.http() as http:
        response = await http.delete("/api/mutation")
    assert (response.status_code, response.json()["code"]) == (405, "MethodNotAllowed")
    assert response.headers["allow"] == "POST"


SERVED = ServerSettings(dev=False)


async def test_every_other_route_wants_the_admin_key() -> None:
    app: Any = assemble(PretendVerbs(), lambda _socket, _client: None, SERVED, DEFAULT_LIMITS)  # type: ignore[arg-type, return-value]
    while not hasattr(app, "routes"):  # what is wrapped around them
        app = app._app
    routes = [route for route in app.routes if isinstance(route, Route)]
    assert {route.path for route in routes} >= PUBLIC
    async with running(settings=SERVED) as server, server.http() as http:
        for route in routes:
            if route.path in PUBLIC:
                continue
            for method in route.methods or ():
                response = await http.request(method, route.path)
                assert response.status_code == 403, f"{method} {route.path} answers anybody"
        for path in (
            "/metrics",
            "/debug",
            "/docs",
            "/redoc",
            "/openapi.json",
            "/api/_reactor/metrics",
            "/.reactor/admin_key",
        ):
            assert (await http.get(path)).status_code == 404, path


async def test_code_is_pushed_with_the_key_and_planned_when_asked() -> None:
    async with running(deploy_size=100) as server, server.http() as http:
        key = {"Authorization": f"Convex {ADMIN_KEY}"}
        url = "/api/_reactor/deploy"
        assert (await http.post(url, content=b"x" * 101, headers=key)).status_code == 413
        assert (await http.post(f"{url}?dryRun=true", content=b"a", headers=key)).json()["status"] == "planned"
        answer = (await http.post(url, content=b"b", headers=key)).json()
        nothing: dict[str, Any] = {"changes": [], "modules": [], "work": [], "warnings": [], "obstacle": None}
        assert answer == {"status": "deployed", "digest": "0" * 32, **nothing}
        assert server.verbs.pushed == [(b"a", True), (b"b", False)]
