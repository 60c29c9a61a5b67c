"""Fetching from an address somebody else chose: what a hostile or broken host can and cannot do (rows 82 and 104)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler

import pytest

from reactor.issuers.fetcher import FetchFailed, HttpFetcher
from reactor.issuers.reach import PUBLIC, Reach
from reactor.limits import DEFAULT_LIMITS
from tests.fake_issuer import FakeIssuer
from tests.support import free_port

FETCHER = HttpFetcher(Reach(private=True), DEFAULT_LIMITS)


@pytest.fixture(scope="module")
def issuer() -> Iterator[FakeIssuer]:
    with FakeIssuer() as running:
        yield running


async def assert_fails(url: str, said: str, *, passing: bool, fetcher: HttpFetcher = FETCHER) -> None:
    began = time.monotonic()
    with pytest.raises(FetchFailed) as failed:
        await fetcher.get(url)
    assert said in str(failed.value)
    assert failed.value.passing is passing
    assert time.monotonic() - began < 5


async def test_a_document_is_fetched_whole(issuer: FakeIssuer) -> None:
    heard: list[dict[str, str]] = []

    def answer(request: BaseHTTPRequestHandler) -> None:
        heard.append(dict(request.headers))
        request.send_response(200)
        request.end_headers()
        request.wfile.write(b"x" * 65_536)

    issuer.answers["/whole"] = answer
    assert await FETCHER.get(f"{issuer.url}/whole") == b"x" * 65_536
    assert heard == [
        {
            "Host": issuer.url.removeprefix("http://"),
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": "reactor",
        }
    ]


@pytest.mark.parametrize(
    "target", ["http://169.254.169.254/latest/meta-data", "https://elsewhere.example/", "/keys.json"]
)
async def test_redirects_are_not_followed(issuer: FakeIssuer, target: str) -> None:
    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(302)
        request.send_header("Location", target)
        request.end_headers()

    issuer.answers["/moved"] = answer
    before = len(issuer.asked)
    await assert_fails(f"{issuer.url}/moved", "HTTP 302 (redirects are not followed)", passing=False)
    assert issuer.asked[before:] == ["/moved"]


async def test_a_body_without_end_is_cut_off(issuer: FakeIssuer) -> None:
    sent = 0

    def answer(request: BaseHTTPRequestHandler) -> None:
        nonlocal sent
        request.send_response(200)
        request.end_headers()
        try:
            while sent < 1 << 30:
                sent += request.wfile.write(b" " * 65_536)
        except OSError:
            pass

    issuer.answers["/huge"] = answer
    await assert_fails(f"{issuer.url}/huge", "more than 65536 bytes", passing=False)
    assert sent < 1 << 26


async def test_a_body_that_drips_is_given_up(issuer: FakeIssuer) -> None:
    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        try:
            for _ in range(200):
                request.wfile.write(b" ")
                time.sleep(0.02)  # a slow host is what is tested
        except OSError:
            pass

    issuer.answers["/slow"] = answer
    hasty = HttpFetcher(Reach(private=True), replace(DEFAULT_LIMITS, keys_wait=0.5))
    await assert_fails(f"{issuer.url}/slow", "did not answer in 0.5 s", passing=True, fetcher=hasty)


@pytest.mark.parametrize(
    ("status", "passing"), [(404, False), (403, False), (204, False), (429, True), (500, True), (503, True)]
)
async def test_other_answers_are_failures(issuer: FakeIssuer, status: int, passing: bool) -> None:
    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        request.send_header("Content-Length", "0")
        request.end_headers()

    issuer.answers["/status"] = answer
    await assert_fails(f"{issuer.url}/status", f"HTTP {status}", passing=passing)


async def test_private_hosts_are_not_even_connected_to(issuer: FakeIssuer) -> None:
    before = len(issuer.asked)
    public = HttpFetcher(PUBLIC, DEFAULT_LIMITS)
    port = issuer.url.rpartition(":")[2]
    for host in ("127.0.0.1", "localhost", "0.0.0.0", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]"):
        await assert_fails(f"http://{host}:{port}/keys.json", "private network", passing=False, fetcher=public)
    await assert_fails("http://169.254.169.254/", "private network", passing=False, fetcher=public)
    assert issuer.asked[before:] == []


async def test_a_host_is_listed_by_name(issuer: FakeIssuer) -> None:
    listed = HttpFetcher(Reach(hosts=["localhost"]), DEFAULT_LIMITS)
    assert b"keys" in await listed.get(issuer.jwks_url.replace("127.0.0.1", "localhost"))
    await assert_fails(issuer.jwks_url, "private network", passing=False, fetcher=listed)


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://x", "data:,x", "//x", "x", "", "http://", "http://\0", "https://é\ud800"]
)
async def test_only_http_is_spoken(url: str) -> None:
    with pytest.raises(FetchFailed) as failed:
        await FETCHER.get(url)
    assert not failed.value.passing


async def test_nobody_there_is_trouble_that_passes() -> None:
    await assert_fails(f"http://127.0.0.1:{free_port()}/", "cannot be reached", passing=True)
    await assert_fails("https://issuer.invalid/", "cannot be reached", passing=True)


async def test_a_host_that_speaks_no_tls_is_no_https(issuer: FakeIssuer) -> None:
    await assert_fails(issuer.jwks_url.replace("http:", "https:"), "cannot be reached", passing=True)
