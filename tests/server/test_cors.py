"""Browsers of any origin may use the API, and only the API (reference §2.1)."""

from __future__ import annotations

import pytest

from tests.server.pretend import running

ORIGIN = "http://localhost:5173"


@pytest.mark.parametrize("path", ["/api/query", "/api/mutation", "/api/run/a/b", "/api/not/there"])
async def test_a_preflight_is_granted_what_it_asks_for(path: str) -> None:
    asked = "authorization,content-type,convex-client,digest"
    headers = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": asked}
    async with running() as server, server.http() as http:
        response = await http.options(path, headers=headers)
        assert server.verbs.asked == []
    assert response.status_code == 200
    granted = response.headers
    assert granted["access-control-allow-origin"] == ORIGIN
    assert granted["access-control-allow-headers"] == asked
    assert granted["access-control-allow-credentials"] == "true"
    assert granted["access-control-max-age"] == "86400"
    assert {m.strip() for m in granted["access-control-allow-methods"].split(",")} == {
        "GET", "POST", "OPTIONS", "PATCH", "DELETE", "PUT",
    }  # fmt: skip
    assert "Origin" in granted["vary"]


@pytest.mark.parametrize("path", ["/api/query", "/api/nothing"])
async def test_answers_name_the_origin_and_never_a_star(path: str) -> None:
    async with running() as server, server.http() as http:
        response = await http.post(path, json={"path": "f"}, headers={"Origin": ORIGIN})
    assert response.headers["access-control-allow-origin"] == ORIGIN
    assert response.headers["access-control-allow-credentials"] == "true"
    assert "Origin" in response.headers["vary"]


async def test_callers_that_are_no_page_get_no_such_headers() -> None:
    async with running() as server, server.http() as http:
        response = await http.post("/api/query", json={"path": "f"})
    assert not [name for name in response.headers if name.startswith("access-control")]


@pytest.mark.parametrize("path", ["/", "/version", "/http/hook"])
async def test_other_paths_are_left_alone(path: str) -> None:
    async with running() as server, server.http() as http:
        response = await http.get(path, headers={"Origin": ORIGIN})
    assert not [name for name in response.headers if name.startswith("access-control")]
