"""A project's HTTP routes as their callers see them: a real server, real sockets, real runner processes (reference §2.5)."""

from __future__ import annotations

import itertools
import os
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from reactor.testing import signed_headers
from tests.support import Project, RunningServer, eventually, free_port, serving

SECRET = "whsec_c2VjcmV0"
SCHEMA = """
    from reactor import Index, Table

    class Note(Table, name="notes"):
        text: str
        by_text = Index("text")
"""
NOTES = """
    from reactor import MutationCtx, QueryCtx, mutation, query
    from schema import Note

    @mutation
    def add(ctx: MutationCtx, text: str) -> None:
        if ctx.db.query(Note.by_text.eq(text)).first() is None:
            ctx.db.insert(Note(text=text))

    @query
    def texts(ctx: QueryCtx) -> list[str]:
        return [note.text for note in ctx.db.query(Note).collect()]
"""
HTTP = f"""
    import asyncio, ctypes, os, time
    from pathlib import Path
    from reactor import *
    from functions import notes

    http = HttpRouter()

    @http.route("/hello/{{name}}", methods=("GET", "POST"))
    async def hello(ctx: ActionCtx, request: Request) -> Response:
        return JSONResponse({{
            "name": request.path_params["name"], "url": str(request.url), "body": len(request.raw_body),
            "pid": os.getpid(), "user": await ctx.run_query(notes.texts) and None,
        }})

    @http.route(prefix="/plain/", methods=("PUT",))
    def plain(ctx: SyncActionCtx, request: Request) -> Response:
        ctx.run_mutation(notes.add, text=request.url.path)
        return Response(request.raw_body)

    @http.route("/gates/{{name}}/{{count}}")
    async def gates(ctx: ActionCtx, request: Request) -> Response:
        '''A chunk each time a file of its number appears.'''
        async def chunks():
            try:
                for number in range(int(request.path_params["count"])):
                    while not Path(f"{{request.path_params['name']}}{{number}}").exists():
                        await asyncio.sleep(0.01)
                    yield f"{{number}} {{os.getpid()}}\\n"
            except asyncio.CancelledError:
                Path("cancelled").touch()
                raise
        return StreamingResponse(chunks(), media_type="text/plain")

    @http.route("/large")
    async def large(ctx: ActionCtx, request: Request) -> Response:
        return Response(b"x" * (3 << 20))

    @http.route("/slowly")
    async def slowly(ctx: ActionCtx, request: Request) -> Response:
        Path("begun").touch()
        while not Path("go").exists():
            await asyncio.sleep(0.01)
        await ctx.run_mutation(notes.add, text="slowly done")
        return Response("done")

    def half_way():
        yield b"half"
        os._exit(3)

    @http.route("/bad/{{how}}")
    async def bad(ctx: ActionCtx, request: Request) -> Response:
        match request.path_params["how"]:
            case "raise":
                raise ValueError("/secret/path")
            case "app":
                raise AppError({{"code": "no"}})
            case "exit":
                os._exit(3)
            case "crash":
                ctypes.string_at(0)
            case "loop":
                while True:
                    pass
            case "half":
                return StreamingResponse(half_way())
            case "inject":
                return Response("x", headers={{"x-a": "b\\r\\nset-cookie: admin=1"}})
            case "status":
                return Response("x", status_code=1000)

    @http.route("/hook", methods=("POST",))
    async def hook(ctx: ActionCtx, request: Request) -> Response:
        webhook = verify_webhook("{SECRET}", request.headers, request.raw_body, now=ctx.now)
        await ctx.run_mutation(notes.add, text=webhook.id)
        return Response(status_code=204)
"""
SETTINGS = "[tool.reactor.limits]\naction_wall = 3.0\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    project = Project(
        tmp_path_factory.mktemp("project"), schema=SCHEMA, functions={"notes": NOTES, "http": HTTP}, settings=SETTINGS
    )
    with serving(project, "dev", options=("--site-port", str(free_port()))) as running:
        yield running


@pytest.fixture
def site(server: RunningServer) -> Iterator[httpx.Client]:
    """A caller of the site's port."""
    address = f"http://127.0.0.1:{server.options[1]}"
    with httpx.Client(base_url=address, trust_env=False, timeout=20) as http:
        yield http


@pytest.fixture
def api(server: RunningServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, trust_env=False, timeout=20) as http:
        yield http


def texts(api: httpx.Client) -> list[str]:
    answer: list[str] = api.post("/api/query", json={"path": "notes:texts", "args": {}}).json()["value"]
    return answer


def test_routes_are_on_both_ports_and_never_see_the_mount(
    server: RunningServer, site: httpx.Client, api: httpx.Client
) -> None:
    """§2.5: `request.url` has the `/http` prefix removed; its scheme comes from the proxy, its host from `Host`."""
    assert f"HTTP routes at {site.base_url}".rstrip("/") in server.output
    here = site.get("/hello/ann?x=1").json()
    there = api.get(
        "/http/hello/b%2Fc",
        headers={"Host": "app.example.com", "X-Forwarded-Proto": "https", "Authorization": "Bearer no"},
    ).json()
    assert (here["name"], here["url"]) == ("ann", f"http://127.0.0.1:{server.options[1]}/hello/ann?x=1")
    assert (there["name"], there["url"]) == ("b/c", "https://app.example.com/hello/b%2Fc")
    assert here["pid"] == there["pid"]  # a clean finish: the same process again
    assert site.get("/version").status_code == 404


def test_prefixes_and_plain_functions(site: httpx.Client, api: httpx.Client) -> None:
    assert site.put("/plain/a/b", content=b"\x00\xff").content == b"\x00\xff"
    assert "/plain/a/b" in texts(api)
    assert site.put("/plain").status_code == 404
    refused = site.post("/plain/x")
    assert (refused.status_code, refused.headers["allow"]) == (405, "PUT")


def test_a_body_of_many_frames_arrives_whole(site: httpx.Client) -> None:
    body = bytes(20 << 20)
    assert site.post("/hello/x", content=body).json()["body"] == len(body)
    assert site.post("/hello/x", content=body + b"x").status_code == 413
    assert site.get("/large").content == b"x" * (3 << 20)


def test_a_stream_is_seen_chunk_by_chunk(server: RunningServer, site: httpx.Client) -> None:
    gates = (server.project.root / f"stream{number}" for number in range(3))
    with site.stream("GET", "/gates/stream/3") as response:
        assert response.headers["content-type"].startswith("text/plain")  # the head, before there is any body
        chunks = response.iter_raw()
        for number, gate in enumerate(gates):
            gate.touch()
            assert next(chunks).startswith(f"{number} ".encode())
        assert list(chunks) == []


def test_a_client_that_leaves_ends_its_stream(server: RunningServer, site: httpx.Client) -> None:
    (server.project.root / "left0").touch()
    with site.stream("GET", "/gates/left/99") as response:
        next(response.iter_raw())
    assert eventually((server.project.root / "cancelled").exists, 10)


def test_a_handler_that_has_not_answered_finishes_without_its_client(
    server: RunningServer, site: httpx.Client, api: httpx.Client
) -> None:
    """A webhook's sender that loses patience does not leave half of it done."""
    with socket.create_connection(("127.0.0.1", int(server.options[1]))) as caller:
        caller.sendall(b"GET /slowly HTTP/1.1\r\nHost: x\r\n\r\n")
        assert eventually((server.project.root / "begun").exists, 10)
    assert site.get("/hello/x").status_code == 200  # the server has seen it leave
    (server.project.root / "go").touch()
    assert eventually(lambda: "slowly done" in texts(api), 10)


@pytest.mark.parametrize(
    ("how", "text"),
    [
        ("raise", "Uncaught ValueError: /secret/path"),
        ("app", 'Uncaught ConvexError: {"code":"no"}'),
        ("exit", "died (exit status 3)"),
        ("crash", "died"),
        ("loop", "timed out (maximum duration: 3s)"),
        ("inject", "header x-a has a line break"),
        ("status", "status is 1000"),
    ],
)
def test_a_bad_handler_costs_its_own_request_and_no_other(
    server: RunningServer, site: httpx.Client, how: str, text: str
) -> None:
    """§2.5, reliability row 96: 500 with an id for the caller, the whole story for the developer, nothing raw."""
    mark = server.mark()
    first, second = (server.project.root / f"{how}{number}" for number in range(2))
    with site.stream("GET", f"/gates/{how}/2") as bystander:
        chunks = bystander.iter_raw()
        first.touch()
        assert next(chunks).startswith(b"0 ")
        response = site.get(f"/bad/{how}")
        assert response.status_code == 500
        assert "set-cookie" not in response.headers
        assert text in response.json()["code"]
        if how == "app":  # an answer, not a failure: it is not logged
            assert response.json()["data"] == {"code": "no"}
        else:
            server.wait_for_output(response.json()["code"].removeprefix("[Request ID: ")[:16], after=mark)
        if how != "loop":  # which took the bystander's time too
            second.touch()
            assert next(chunks).startswith(b"1 ")
    assert site.get("/hello/x").status_code == 200


def test_a_process_that_dies_half_way_leaves_an_incomplete_answer(site: httpx.Client) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        site.get("/bad/half")
    assert site.get("/hello/x").status_code == 200


def test_head_gets_the_head(site: httpx.Client) -> None:
    response = site.head("/large")
    assert (response.status_code, response.content, response.headers["content-length"]) == (200, b"", str(3 << 20))


def test_webhooks_are_verified_over_the_bytes_that_came(site: httpx.Client, api: httpx.Client) -> None:
    """Reliability row 95."""
    now = datetime.now(UTC)
    body = b'{"type":  "user.created"}'
    good = signed_headers(SECRET, id="msg_1", timestamp=now, body=body)
    for _ in range(2):  # the sender may repeat itself: the mutation makes one of it
        assert site.post("/hook", content=body, headers=good).status_code == 204
    assert texts(api).count("msg_1") == 1
    forged = signed_headers("whsec_b3RoZXI=", id="msg_2", timestamp=now, body=body)
    for headers, sent in ((good, b'{"type": "user.created"}'), (forged, body), ({}, body)):
        refused = site.post("/hook", content=sent, headers=headers)
        assert (refused.status_code, refused.json()["code"]) == (401, "WebhookError")
    assert "msg_2" not in texts(api)


def test_served_to_others_an_error_is_only_an_id_and_its_data(tmp_path: Path) -> None:
    """§2.5: the redacted form drops text and trace, keeps `data`."""
    project = Project(tmp_path, schema=SCHEMA, functions={"notes": NOTES, "http": HTTP})
    with serving(project, "serve") as server, httpx.Client(base_url=server.url, trust_env=False) as http:
        plain = http.get("/http/bad/raise")
        assert set(plain.json()) == {"code"}
        assert plain.json()["code"].endswith("] Server Error")
        server.wait_for_output("/secret/path")
        assert http.get("/http/bad/app").json()["data"] == {"code": "no"}
        assert "HTTP routes at" not in server.output  # --site-port off


def test_a_push_changes_the_routes(tmp_path: Path) -> None:
    route = """
        from reactor import *
        http = HttpRouter()

        @http.route("/v{0}")
        async def version(ctx: ActionCtx, request: Request) -> Response:
            return Response("{0}")
    """
    project = Project(tmp_path, functions={"notes": ""})
    with serving(project, "dev") as server, httpx.Client(base_url=server.url, trust_env=False) as http:
        assert http.get("/http/v1").text == "This deployment does not have HTTP actions enabled."
        for version in ("1", "2"):
            project.write_function("http", route.format(version))
            server.wait_for_output(rf"\+ route GET /v{version}")
            assert eventually(lambda: http.get(f"/http/v{version}").text == version, 5)  # noqa: B023
        assert http.get("/http/v1").text == "No HttpAction routed for /v1"


def test_a_site_port_that_is_taken_is_an_error_only_if_it_was_asked_for(tmp_path: Path) -> None:
    project = Project(tmp_path, functions={"notes": ""})
    port = next(p for p in (free_port() for _ in itertools.count()) if _free(p + 1))
    with socket.create_server(("127.0.0.1", port + 1)):
        server = RunningServer(project, "serve", port=port, options=("--site-port", str(port + 1)))
        said = server.run("serve", "--port", str(port), "--site-port", str(port + 1))
        assert said.returncode == 1
        assert f"Port {port + 1} is in use" in said.stderr
        assert "--site-port off" in said.stderr
        unasked = RunningServer(project, "serve", port=port, environment={"PYTHONUNBUFFERED": "1"})
        unasked.arguments = lambda: [each for each in server.arguments() if each not in server.options]  # type: ignore[method-assign]
        with unasked:
            assert f"port {port + 1} is in use: HTTP routes are served under /http/ only" in " ".join(
                unasked.output.split()
            )


def _free(port: int) -> bool:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return os.name == "posix"
