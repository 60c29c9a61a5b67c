"""What stands around the function calls: service routes, and answers for what is not there."""

from __future__ import annotations

from tests.server.pretend import running


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
