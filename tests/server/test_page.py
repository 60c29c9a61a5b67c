"""The page at `/`: whole in itself, allowed nothing else, and silent about what is internal."""

from __future__ import annotations

import base64
import hashlib
import re

import pytest

from reactor.server.page import describe
from reactor.server.settings import ServerSettings
from tests.server.pretend import MANIFEST, running

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


async def test_programs_get_a_line_of_text() -> None:
    async with running() as server, server.http() as http:
        response = await http.get("/")
    assert response.headers["content-type"].startswith("text/plain")
    assert "reactor" in response.text


async def test_browsers_get_a_page_that_loads_nothing() -> None:
    async with running() as server, server.http() as http:
        response = await http.get("/", headers=BROWSER)
    assert response.headers["content-type"].startswith("text/html")
    assert response.headers["vary"] == "Accept"
    page = response.text
    assert not re.findall(r'(?:src|href)="(?!data:|#)', page)
    assert not re.findall(r"@import|url\(|importScripts|https?://(?!www\.w3\.org/2000/svg)", page)
    assert not re.findall(r"\son\w+=|style=|javascript:", re.sub(r"<script>.*?</script>", "", page, flags=re.DOTALL))


async def test_the_policy_lets_exactly_the_pages_own_style_and_script_run() -> None:
    async with running() as server, server.http() as http:
        response = await http.get("/", headers=BROWSER)
    policy = dict(part.split(" ", 1) for part in response.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["connect-src"] == "'self'"
    for tag, directive in (("style", "style-src"), ("script", "script-src")):
        (text,) = re.findall(rf"<{tag}>(.*?)</{tag}>", response.text, flags=re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert policy[directive] == f"'sha256-{digest}'"


async def test_the_page_can_be_framed_by_nobody() -> None:
    async with running() as server, server.http() as http:
        response = await http.get("/", headers=BROWSER)
    assert "frame-ancestors 'none'" in response.headers["content-security-policy"]


async def test_the_list_names_public_functions_only() -> None:
    async with running() as server, server.http() as http:
        answer = (await http.get("/api/_reactor/functions")).json()
    assert [function["path"] for function in answer["functions"]] == ["messages:list"]
    assert answer["functions"][0] == {
        "path": "messages:list",
        "kind": "query",
        "doc": "The newest messages <first>.",
        "args": [
            {"name": "channel", "type": 'v.id("channels")', "optional": False},
            {"name": "limit", "type": "v.float64()", "optional": True},
        ],
        "returns": "v.string()",
    }


@pytest.mark.parametrize("dev", [True, False])
def test_descriptions_are_told_in_dev_only(dev: bool) -> None:
    (function,) = describe(MANIFEST, ServerSettings(dev=dev))["functions"]
    assert bool(function["doc"]) is dev
