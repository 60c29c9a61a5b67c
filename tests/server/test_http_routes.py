"""HTTP routes at the server's door (reference §2.5), with pretend runners behind it: what goes in, what comes out when."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import httpx
import pytest

from reactor.definitions.manifest import Manifest, RouteManifest
from reactor.execution import frames
from reactor.execution.frames import AnyFrame, ResponseChunk, ResponseEnd, ResponseHead
from reactor.execution.http_exchange import HttpExchange
from reactor.limits import DEFAULT_LIMITS
from reactor.server.http_routes import HttpRoutes
from reactor.server.listening import listening
from reactor.server.settings import ServerSettings
from tests.server.pretend import ADMIN_KEY, PretendVerbs, Running, failed, running, until
from tests.server.raw import tcp

ROUTES = Manifest(
    routes=(
        RouteManifest("GET", "/hello"),
        RouteManifest("POST", "/hello"),
        RouteManifest("GET", "/u/{id}"),
        RouteManifest("GET", "/", True),
    )
)


def complaints(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What a person would be woken for."""
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


class Runner:
    """The runner's end of an exchange."""

    def __init__(self, exchange: HttpExchange) -> None:
        self.exchange = exchange
        self.heard: list[AnyFrame] = []
        exchange.started(self.heard.append)

    def head(self, status: int = 200, *headers: tuple[bytes, bytes]) -> None:
        self.exchange.arrived(ResponseHead(status, list(headers)))

    def chunk(self, data: bytes) -> None:
        self.exchange.arrived(ResponseChunk(data))

    def end(self) -> None:
        self.exchange.arrived(ResponseEnd())


def echo(exchange: HttpExchange) -> None:
    """Answer with the body that came, and the first line as a header."""
    request, runner = exchange.request, Runner(exchange)
    shown = f"{request.method} {request.scheme} {request.path.decode()} {request.query.decode()}"
    runner.head(201, (b"x-request", shown.encode()), (b"content-length", str(len(request.body)).encode()))
    if request.body:
        runner.chunk(request.body)
    runner.end()


@contextlib.asynccontextmanager
async def served(
    answering: Callable[[HttpExchange], None] | None = echo, manifest: Manifest = ROUTES, **options: Any
) -> AsyncIterator[tuple[Running, httpx.AsyncClient]]:
    async with running(**options) as server, server.http() as http:
        server.verbs.manifest = manifest
        server.verbs.answering = answering
        yield server, http


async def opened(server: Running) -> Runner:
    """The runner of the one request that was made."""
    await until(lambda: bool(server.verbs.opened))
    return Runner(server.verbs.opened[-1][1])


# ── requests ──────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_request_is_handed_over_whole_without_the_mount() -> None:
    async with served() as (server, http):
        response = await http.post("/http/hello?a=1&b", content=b"\x00\xff", headers={"X-Some": "thing"})
        assert (response.status_code, response.content) == (201, b"\x00\xff")
        assert response.headers["x-request"] == "POST http /hello a=1&b"
        name, exchange, identity = server.verbs.opened[0]
        assert (name, identity) == ("POST /hello", None)
        assert (b"x-some", b"thing") in exchange.request.headers
        assert (b"host", f"127.0.0.1:{server.address.port}".encode()) in exchange.request.headers


async def test_the_path_is_handed_over_as_it_was_sent() -> None:
    async with served() as (_, http):
        response = await http.get("/http/u/a%2Fb%20c")
        assert response.headers["x-request"] == "GET http /u/a%2Fb%20c"
        assert (await http.get("/%68ttp/u/x")).headers["x-request"] == "GET http /u/x"


@pytest.mark.parametrize(
    ("headers", "scheme"),
    [
        ({}, "http"),
        ({"X-Forwarded-Proto": "https"}, "https"),
        ({"X-Forwarded-Proto": "HTTPS, http"}, "https"),
        ({"X-Forwarded-Proto": "javascript"}, "http"),
        ({"Forwarded": "for=1.2.3.4;proto=https;by=x"}, "https"),
        ({"Forwarded": 'for=1.2.3.4; Proto="https"'}, "https"),
        ({"X-Forwarded-Proto": "http", "Forwarded": "proto=https"}, "http"),
    ],
)
async def test_the_scheme_is_what_the_proxies_say(headers: dict[str, str], scheme: str) -> None:
    """§2.5: from `X-Forwarded-Proto`, then `Forwarded: proto=`, else `http`."""
    async with served() as (_, http):
        response = await http.get("/http/hello", headers=headers)
        assert response.headers["x-request"].split()[1] == scheme


async def test_without_a_route_no_runner_is_asked() -> None:
    async with served() as (server, http):
        missing = replace(ROUTES, routes=ROUTES.routes[:1])  # type: ignore[index]
        server.verbs.manifest = missing
        response = await http.get("/http/nothing/here?x=1")
        assert (response.status_code, response.text) == (404, "No HttpAction routed for /nothing/here")
        response = await http.put("/http/hello")
        assert (response.status_code, response.headers["allow"]) == (405, "GET, HEAD")
        server.verbs.manifest = Manifest()
        response = await http.get("/http/hello")
        assert (response.status_code, response.text) == (404, "This deployment does not have HTTP actions enabled.")
        assert server.verbs.opened == []


@pytest.mark.parametrize(
    "header", ["Bearer sk_live_of_another_service", "Bearer", "x", "Basic YTpi", "Convex wrong|key", "Convex a|b:%%%"]
)
async def test_an_authorization_that_is_not_ours_blocks_nothing(header: str) -> None:
    """§2.5: a bad or foreign `Authorization` header never blocks the action."""
    async with served() as (server, http):
        response = await http.get("/http/hello", headers={"Authorization": header})
        assert response.status_code == 201
        _, exchange, identity = server.verbs.opened[0]
        assert identity is None
        assert (b"authorization", header.encode()) in exchange.request.headers


async def test_an_operator_may_act_as_a_user() -> None:
    async with served() as (server, http):
        credential = ADMIN_KEY + ":eyJzdWJqZWN0IjogImFubiIsICJpc3N1ZXIiOiAieCJ9"
        await http.get("/http/hello", headers={"Authorization": f"Convex {credential}"})
        identity = server.verbs.opened[0][2]
        assert identity is not None
        assert identity.attributes["subject"] == "ann"


async def test_routes_have_no_cross_origin_headers_but_their_own() -> None:
    """A route's CORS is its own business: none of the API's (§2.1) are added, and OPTIONS is a method like any other."""
    async with served() as (_, http):
        asked = {"Origin": "https://elsewhere.test", "Access-Control-Request-Method": "POST"}
        response = await http.get("/http/hello", headers=asked)
        assert not [name for name in response.headers if name.startswith("access-control")]
        assert (await http.options("/http/hello", headers=asked)).status_code == 405


async def test_a_body_at_the_limit_passes_and_one_byte_more_does_not() -> None:
    """§2.5: request bodies up to 20 MiB."""
    async with served(http_request=1000) as (server, http):
        assert (await http.post("/http/hello", content=b"x" * 1000)).status_code == 201
        assert (await http.post("/http/hello", content=b"x" * 1001)).status_code == 413

        async def unannounced() -> AsyncIterator[bytes]:
            for _ in range(11):
                yield b"x" * 100

        assert (await http.post("/http/hello", content=unannounced())).status_code == 413
        assert len(server.verbs.opened) == 1


async def test_bodies_held_together_have_a_limit() -> None:
    async with served(None, http_bodies=1000) as (server, http):
        first = asyncio.ensure_future(http.post("/http/hello", content=b"x" * 900))
        runner = await opened(server)
        refused = await http.post("/http/hello", content=b"x" * 101)
        assert (refused.status_code, "retry-after" in refused.headers) == (503, True)
        runner.head()
        runner.end()
        assert (await first).status_code == 200
        server.verbs.answering = echo
        assert (await http.post("/http/hello", content=b"x" * 1000)).status_code == 201


# ── responses ─────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_each_chunk_is_passed_on_when_it_comes() -> None:
    async with served(None) as (server, http):
        pending = http.stream("GET", "/http/hello")
        entering = asyncio.ensure_future(pending.__aenter__())
        runner = await opened(server)
        runner.head(200, (b"content-type", b"text/event-stream"))
        response = await entering  # the head is here, before any of the body
        assert response.headers["content-type"] == "text/event-stream"
        chunks = response.aiter_raw()
        for text in (b"one", b"two"):
            runner.chunk(text)
            assert await anext(chunks) == text
        await until(lambda: runner.heard == [frames.ChunksTaken(3), frames.ChunksTaken(3)])
        runner.end()
        assert [chunk async for chunk in chunks] == []
        await pending.__aexit__(None, None, None)


async def test_the_client_has_its_answer_while_the_background_goes_on() -> None:
    async with served() as (server, http):
        assert (await http.get("/http/hello")).status_code == 201
        _, exchange, _ = server.verbs.opened[0]
        exchange.ended(failed("Error", "Uncaught Error: in the background"))  # nobody is there to be told


async def test_a_response_that_fails_half_way_is_seen_to_be_incomplete(caplog: pytest.LogCaptureFixture) -> None:
    async with served(None) as (server, http):
        asking = asyncio.ensure_future(http.get("/http/hello"))
        runner = await opened(server)
        runner.head()
        runner.chunk(b"half")
        runner.exchange.ended(failed("Error", "Uncaught Error: no more"))
        with pytest.raises(httpx.RemoteProtocolError):
            await asking
        server.verbs.answering = echo
        assert (await http.get("/http/hello")).status_code == 201
        assert complaints(caplog) == []  # the failure is logged where it happened, not where it is told


async def test_an_uncaught_error_is_told_as_the_reference_says() -> None:
    """§2.5: 500 JSON with code, trace and data."""

    def fail(exchange: HttpExchange) -> None:
        exchange.ended(
            failed("AppError", 'Uncaught ConvexError: {"a":1}\n    at it (functions/http.py:3)\n', b'{"a":1}')
        )

    async with served(fail) as (_, http):
        response = await http.get("/http/hello")
        assert response.status_code == 500
        assert response.json() == {
            "code": '[Request ID: 0000000000000001] Server Error: Uncaught ConvexError: {"a":1}',
            "trace": 'Uncaught ConvexError: {"a":1}\n    at it (functions/http.py:3)',
            "data": {"a": 1},
        }


async def test_redacted_it_keeps_its_data_and_nothing_else() -> None:
    """§2.5: the redacted form drops text and trace, keeps `data`."""

    def fail(exchange: HttpExchange) -> None:
        exchange.ended(failed("AppError", "Uncaught ConvexError: secret\n", b'"shown"'))

    async with served(fail, settings=ServerSettings(dev=False, redact=True)) as (_, http):
        response = await http.get("/http/hello")
        assert json.loads(response.text) == {"code": "[Request ID: 0000000000000001] Server Error", "data": "shown"}


async def test_too_many_at_once_are_told_to_come_back() -> None:
    def refuse(exchange: HttpExchange) -> None:
        exchange.ended(failed("TooManyConcurrentRequests", "Too many actions are waiting", retry=True))

    async with served(refuse) as (_, http):
        response = await http.get("/http/hello")
        assert (response.status_code, response.headers["retry-after"]) == (503, "1")


# ── clients that leave, and clients that do not read ──────────────────────────────────────────────────────────────────


async def test_a_handler_is_told_when_its_client_leaves() -> None:
    async with served(None) as (server, http):
        asking = asyncio.ensure_future(http.get("/http/hello"))
        runner = await opened(server)
        asking.cancel()
        await until(lambda: runner.heard == [frames.ClientGone()])
        runner.head()  # it answers all the same, to nobody
        runner.end()
        runner.exchange.ended(failed("Error", "Uncaught Error: "))


async def test_a_request_whose_client_leaves_in_the_queue_is_never_begun() -> None:
    async with served(None) as (server, http):
        asking = asyncio.ensure_future(http.get("/http/hello"))
        await until(lambda: bool(server.verbs.opened))
        given_up = asyncio.Event()
        server.verbs.opened[0][1].waiting(given_up.set)
        asking.cancel()
        await asyncio.wait_for(given_up.wait(), 5)


async def test_a_client_that_takes_nothing_is_cut(caplog: pytest.LogCaptureFixture) -> None:
    """Reliability rows 15 and 16, for responses."""
    async with served(None, http_stall=0.2) as (server, _):
        reader, writer = await asyncio.open_connection(server.address.host, server.address.port, limit=1024)
        writer.write(b"GET /http/hello HTTP/1.1\r\nHost: x\r\n\r\n")
        runner = await opened(server)
        runner.head()
        for _ in range(400):  # far beyond what kernel buffers take
            runner.chunk(b"x" * 65_536)
        await until(lambda: frames.ClientGone() in runner.heard)
        taken = sum(frame.size for frame in runner.heard if isinstance(frame, frames.ChunksTaken))
        assert taken < 400 * 65_536
        assert complaints(caplog) == []
        writer.close()
        del reader


async def test_a_socket_at_a_route_is_refused() -> None:
    async with served() as (server, _):
        with pytest.raises(Exception, match="403"):
            async with server.socket("/http/hello"):
                pass


# ── the site's own listener ───────────────────────────────────────────────────────────────────────────────────────────


async def test_the_site_has_the_routes_at_its_root_and_nothing_else() -> None:
    """§2.5: a second listener forwards `/<path>` to `/http/<path>`."""
    verbs = PretendVerbs(manifest=ROUTES, answering=echo)
    site = HttpRoutes(verbs, ServerSettings(), DEFAULT_LIMITS)
    async with listening(site) as address, httpx.AsyncClient(base_url=address.url, trust_env=False) as http:
        assert (await http.get("/hello?x")).headers["x-request"] == "GET http /hello x"
        assert (await http.get("/")).headers["x-request"] == "GET http /"
        asked = {"Origin": "https://elsewhere.test", "Access-Control-Request-Method": "POST"}
        preflight = await http.options("/api/query", headers=asked)  # a route like any other: not the API's
        assert preflight.status_code == 405
        assert "access-control-allow-origin" not in preflight.headers
        assert (await http.post("/http/hello")).status_code == 405


POST = b"POST /hello HTTP/1.1\r\nHost: x\r\n"


@pytest.mark.parametrize(
    "request_bytes",
    [
        POST + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n",
        POST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        POST + b"Transfer-Encoding: gzip\r\n\r\nab",
        POST + b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffffff\r\nab",
        POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nab",
        POST + b"Content-Length: -1\r\n\r\n",
        POST + b"Content-Length: 99999999999999999999999\r\n\r\n",
        POST + b"X: a\r\n b\r\nContent-Length : 1\r\n\r\na",
        POST.replace(b"\r\n", b"\n") + b"Content-Length: 1\n\na",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
    ids=range(10),
)
async def test_a_request_with_two_readings_is_refused_and_the_line_ends(request_bytes: bytes) -> None:
    """Reliability rows 18 and 19, at the site's listener."""
    verbs = PretendVerbs(manifest=ROUTES, answering=echo)
    site = HttpRoutes(verbs, ServerSettings(), DEFAULT_LIMITS)
    async with listening(site) as address, tcp(address) as client:
        await client.send(request_bytes)
        answer = await asyncio.wait_for(client.drain(), 5)
        assert answer.startswith(b"HTTP/1.1 4"), answer[:200]
        assert answer.count(b"HTTP/1.1") == 1
        assert verbs.opened == []


async def test_pipelined_requests_are_answered_in_their_order() -> None:
    """Reliability row 19."""
    verbs = PretendVerbs(manifest=ROUTES, answering=echo)
    site = HttpRoutes(verbs, ServerSettings(), DEFAULT_LIMITS)
    async with listening(site) as address, tcp(address) as client:
        heads = [b"GET /u/%d HTTP/1.1\r\nHost: x\r\n\r\n" % number for number in range(200)]
        heads.append(b"GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        await client.send(b"".join(heads))
        answer = await asyncio.wait_for(client.drain(), 10)
        numbers = re.findall(rb"x-request: GET http /u/(\d+)", answer)
        assert numbers == [b"%d" % number for number in range(200)]
