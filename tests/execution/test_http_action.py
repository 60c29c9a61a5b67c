"""Handlers of HTTP routes, in-process: what they are given, what may be sent, and how they fail (reference §2.5)."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from reactor.auth.identity import Identity
from reactor.errors import AppError, BundleBroken, DeveloperError, InvalidResponse, LimitExceeded
from reactor.limits import DEFAULT_LIMITS, Limits
from reactor.testing import FetchedResponse, ManualClock, TestBackend, signed_headers
from tests.support import Project

SCHEMA = """
    from reactor import Table

    class Note(Table, name="notes"):
        text: str
"""
NOTES = """
    from reactor import MutationCtx, QueryCtx, mutation, query
    from schema import Note

    @mutation
    def add(ctx: MutationCtx, text: str) -> None:
        ctx.db.insert(Note(text=text))

    @query
    def texts(ctx: QueryCtx) -> list[str]:
        return [note.text for note in ctx.db.query(Note).collect()]
"""
PRELUDE = """
    import asyncio, functools
    from starlette.background import BackgroundTask
    from starlette.exceptions import HTTPException
    from starlette.responses import FileResponse
    from reactor import *
    from functions import notes

    http = HttpRouter()
"""


@contextmanager
def routes(
    folder: Path, text: str, *, limits: Limits = DEFAULT_LIMITS, clock: ManualClock | None = None
) -> Iterator[TestBackend]:
    """A project whose functions/http.py has these routes."""
    http = textwrap.dedent(PRELUDE) + textwrap.dedent(text)
    project = Project(folder / "project", schema=SCHEMA, functions={"notes": NOTES, "http": http})
    with TestBackend(project.root, limits=limits, clock=clock) as backend:
        yield backend


def answered(folder: Path, body: str, *, limits: Limits = DEFAULT_LIMITS, method: str = "GET") -> FetchedResponse:
    """What a handler of this body answers."""
    text = "@http.route('/it')\nasync def it(ctx: ActionCtx, request: Request) -> Response:\n" + textwrap.indent(
        textwrap.dedent(body), "    "
    )
    with routes(folder, text, limits=limits) as backend:
        return backend.fetch(method, "/it")


# ── requests ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_handler_is_given_the_whole_request(tmp_path: Path) -> None:
    text = """
        @http.route("/u/{user_id}/x", methods=("POST",))
        async def it(ctx: ActionCtx, request: Request) -> Response:
            return JSONResponse({
                "method": request.method, "url": str(request.url), "params": request.path_params,
                "query": request.query_params.getlist("q"), "header": request.headers["X-Some"],
                "json": await request.json(), "raw": request.raw_body.decode(), "client": request.client is not None,
            }, status_code=201)
    """
    with routes(tmp_path, text) as backend:
        response = backend.fetch("POST", "/u/a%2Fb/x?q=1&q=2", json={"a": 1}, headers={"X-Some": "é"})
    assert response.status_code == 201
    assert response.json() == {
        "method": "POST",
        "url": "http://testserver/u/a%2Fb/x?q=1&q=2",
        "params": {"user_id": "a/b"},
        "query": ["1", "2"],
        "header": "é",
        "json": {"a": 1},
        "raw": '{"a":1}',
        "client": True,
    }


def test_the_body_is_bytes_as_they_were_sent_and_can_be_streamed_or_a_form(tmp_path: Path) -> None:
    text = """
        @http.route("/raw", methods=("PUT",))
        async def raw(ctx: ActionCtx, request: Request) -> Response:
            return Response(b"".join([chunk async for chunk in request.stream()]))

        @http.route("/form", methods=("POST",))
        async def form(ctx: ActionCtx, request: Request) -> Response:
            return Response((await request.form())["a"])
    """
    with routes(tmp_path, text) as backend:
        body = bytes(range(256))
        assert backend.fetch("PUT", "/raw", body=body).content == body
        sent = {"content-type": "application/x-www-form-urlencoded"}
        assert backend.fetch("POST", "/form", body="a=b%20c", headers=sent).text == "b c"


def test_a_handler_calls_functions_and_knows_who_asks(tmp_path: Path) -> None:
    text = """
        @http.route("/add", methods=("POST",))
        async def add(ctx: ActionCtx, request: Request) -> Response:
            user = ctx.auth.get_user_identity()
            await ctx.run_mutation(notes.add, text=f"{user and user.subject}: {request.raw_body.decode()}")
            print("added")
            return JSONResponse(await ctx.run_query(notes.texts))
    """
    with routes(tmp_path, text) as backend:
        assert backend.fetch("POST", "/add", body="hi").json() == ["None: hi"]
        ann = Identity.from_attributes({"subject": "ann", "issuer": "https://issuer.test"})
        assert backend.fetch("POST", "/add", body="ho", identity=ann).json() == ["None: hi", "ann: ho"]
        assert backend.log_lines == ["[LOG] 'added'"] * 2


def test_a_plain_function_answers_in_a_thread_of_its_own(tmp_path: Path) -> None:
    text = """
        import threading

        @http.route("/plain", methods=("POST",))
        def plain(ctx: SyncActionCtx, request: Request) -> Response:
            ctx.run_mutation(notes.add, text=request.raw_body.decode())
            assert threading.current_thread() is not threading.main_thread()
            return JSONResponse(ctx.run_query(notes.texts))
    """
    with routes(tmp_path, text) as backend:
        assert backend.fetch("POST", "/plain", body="x").json() == ["x"]


def test_a_handler_may_have_decorators(tmp_path: Path) -> None:
    text = """
        def checked(handler):
            @functools.wraps(handler)
            def wrapper(ctx, request):
                request.state.seen = True
                return handler(ctx, request)
            return wrapper

        @http.route("/it")
        @checked
        async def it(ctx: ActionCtx, request: Request) -> Response:
            return JSONResponse(request.state.seen)
    """
    with routes(tmp_path, text) as backend:
        assert backend.fetch("GET", "/it").json() is True


def test_where_nobody_answers_the_server_does(tmp_path: Path) -> None:
    text = """
        @http.route("/a")
        async def a(ctx: ActionCtx, request: Request) -> Response:
            return Response("a")
    """
    with routes(tmp_path, text) as backend:
        assert backend.fetch("GET", "/b").text == "No HttpAction routed for /b"
        assert backend.fetch("POST", "/a").status_code == 405
    with TestBackend(Project(tmp_path / "none", functions={"notes": ""}).root) as backend:
        assert backend.fetch("GET", "/a").text == "This deployment does not have HTTP actions enabled."


def test_a_router_under_another_name_is_a_mistake(tmp_path: Path) -> None:
    project = Project(tmp_path, functions={"http": "from reactor import HttpRouter\nrouter = HttpRouter()\n"})
    with pytest.raises(BundleBroken) as raised:
        TestBackend(project.root)
    assert "calls its HttpRouter `router`; call it `http`" in raised.value.traceback


# ── responses ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_streaming_response_comes_in_its_own_chunks(tmp_path: Path) -> None:
    response = answered(
        tmp_path,
        """
        async def count():
            for number in range(3):
                yield str(number)
        return StreamingResponse(count(), media_type="text/plain")
        """,
    )
    assert response.chunks == (b"0", b"1", b"2")
    assert response.headers["content-type"] == "text/plain; charset=utf-8"


def test_plain_generators_files_and_background_tasks_work(tmp_path: Path) -> None:
    text = """
        @http.route("/plain")
        def plain(ctx: SyncActionCtx, request: Request) -> Response:
            return StreamingResponse(iter(["a", "b"]))

        @http.route("/file")
        async def file(ctx: ActionCtx, request: Request) -> Response:
            return FileResponse(__file__)

        @http.route("/later")
        async def later(ctx: ActionCtx, request: Request) -> Response:
            return Response("soon", background=BackgroundTask(ctx.run_mutation, notes.add, text="later"))
    """
    with routes(tmp_path, text) as backend:
        assert backend.fetch("GET", "/plain").chunks == (b"a", b"b")
        assert b"HttpRouter()" in backend.fetch("GET", "/file").content
        assert backend.fetch("GET", "/later").text == "soon"
        assert backend.query("notes:texts") == ["later"]


def test_several_headers_of_one_name_stay_several(tmp_path: Path) -> None:
    response = answered(
        tmp_path,
        """
        response = Response("x")
        response.set_cookie("a", "1")
        response.set_cookie("b", "2")
        return response
        """,
    )
    assert len(response.headers.getlist("set-cookie")) == 2


def test_head_is_the_get_route_without_its_body(tmp_path: Path) -> None:
    """§2.5: HEAD is served by the GET route with the body dropped."""
    response = answered(tmp_path, 'return Response(request.method + "!")', method="HEAD")
    assert (response.status_code, response.content, response.headers["content-length"]) == (200, b"", "5")


def test_head_does_not_wait_for_a_stream_without_an_end(tmp_path: Path) -> None:
    body = """
        async def for_ever():
            while True:
                yield "x"
                await asyncio.Event().wait()
        return StreamingResponse(for_ever())
    """
    assert answered(tmp_path, body, method="HEAD").status_code == 200


@pytest.mark.parametrize("status", [204, 304])
def test_a_status_without_a_body_has_none(tmp_path: Path, status: int) -> None:
    body = f'return Response("surprise", status_code={status}, headers={{"content-length": "8"}})'
    response = answered(tmp_path, body)
    assert (response.status_code, response.content) == (status, b"")
    assert "content-length" not in response.headers


def test_headers_of_the_connection_are_the_servers(tmp_path: Path) -> None:
    response = answered(
        tmp_path,
        'return Response("x", headers={"Transfer-Encoding": "chunked", "Connection": "close", "Upgrade": "h2c"})',
    )
    assert set(response.headers) == {"content-length"}


def test_an_http_exception_is_its_answer(tmp_path: Path) -> None:
    response = answered(tmp_path, 'raise HTTPException(402, "Pay first", {"X-Price": "1"})')
    assert (response.status_code, response.text, response.headers["x-price"]) == (402, "Pay first", "1")


# ── mistakes ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("status", [99, 100, 199, 600, 1000])
def test_a_status_that_is_none_is_refused(tmp_path: Path, status: int) -> None:
    """Reliability row 96."""
    with pytest.raises(InvalidResponse, match=f"status is {status}"):
        answered(tmp_path, f'return Response("x", status_code={status})')


@pytest.mark.parametrize(
    ("headers", "text"),
    [
        ({"x-a": "b\r\nset-cookie: admin=1"}, "header x-a has a line break"),
        ({"x-a": "b\nc"}, "header x-a has a line break"),
        ({"x-a": "b\x00c"}, "header x-a has a line break or control character"),
        ({"x-a\r\nb": "c"}, "is no name of a header"),
        ({"x a": "c"}, "is no name of a header"),
        ({"": "c"}, "is no name of a header"),
        ({"content-length": "-1"}, "no single length"),
        ({"content-length": "1, 1"}, "no single length"),
        ({"content-length": "2"}, "ended after 1 of 2 bytes"),
        ({"content-length": "0"}, "longer than its content-length"),
    ],
)
def test_a_header_that_would_say_more_is_refused(tmp_path: Path, headers: dict[str, str], text: str) -> None:
    """Reliability row 96: nothing raw goes out."""
    with pytest.raises(InvalidResponse, match=text):
        answered(tmp_path, f'return Response("x", headers={headers!r})')


@pytest.mark.parametrize(
    ("result", "what"), [("None", "None"), ("{'a': 1}", "an object of type dict"), ("'x'", "type str")]
)
def test_what_is_no_response_is_said_to_be_none(tmp_path: Path, result: str, what: str) -> None:
    with pytest.raises(InvalidResponse, match=f"handler of GET /it returned .*{what}; return a Response"):
        answered(tmp_path, f"return {result}")


def test_a_response_that_sends_nothing_is_refused(tmp_path: Path) -> None:
    body = """
        class Silent(Response):
            async def __call__(self, scope, receive, send):
                pass
        return Silent()
    """
    with pytest.raises(InvalidResponse, match="of type Silent, sent nothing"):
        answered(tmp_path, body)


@pytest.mark.parametrize("form", ["Response(data)", "StreamingResponse(iter([data]))"])
def test_a_body_at_the_limit_is_sent_and_one_past_it_is_not(tmp_path: Path, form: str) -> None:
    """§2.5: `HttpResponseTooLarge` beyond 20 MiB."""
    limits = replace(DEFAULT_LIMITS, http_response=1000)
    assert len(answered(tmp_path / "1", f"data = b'x' * 1000\nreturn {form}", limits=limits).content) == 1000
    with pytest.raises(LimitExceeded, match="too large") as raised:
        answered(tmp_path / "2", f"data = b'x' * 1001\nreturn {form}", limits=limits)
    assert raised.value.code == "HttpResponseTooLarge"


def test_errors_of_the_handler_are_raised_to_its_test(tmp_path: Path) -> None:
    with pytest.raises(AppError) as raised:
        answered(tmp_path / "1", "raise AppError({'code': 'no'})")
    assert raised.value.data == {"code": "no"}
    with pytest.raises(DeveloperError, match="ZeroDivisionError"):
        answered(tmp_path / "2", "1 / 0")


# ── webhooks ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_route_verifies_its_webhooks_and_answers_401_to_others(tmp_path: Path) -> None:
    """Reliability row 95: H401."""
    now = datetime(2026, 3, 1, tzinfo=UTC)
    secret = "whsec_c2VjcmV0"
    text = f"""
        @http.route("/hook", methods=("POST",))
        async def hook(ctx: ActionCtx, request: Request) -> Response:
            webhook = verify_webhook("{secret}", request.headers, await request.body(), now=ctx.now)
            await ctx.run_mutation(notes.add, text=webhook.id)
            return Response(status_code=204)
    """
    with routes(tmp_path, text, clock=ManualClock(now)) as backend:
        body = b'{"a":  1}'
        sent = signed_headers(secret, id="msg_1", timestamp=now, body=body)
        assert backend.fetch("POST", "/hook", body=body, headers=sent).status_code == 204
        refused = backend.fetch("POST", "/hook", body=b'{"a": 1}', headers=sent)
        assert (refused.status_code, refused.json()["code"]) == (401, "WebhookError")
        assert backend.query("notes:texts") == ["msg_1"]
