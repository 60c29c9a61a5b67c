"""Function calls over real HTTP, as curl, the JS client and the Python client make them (reference §2)."""

from __future__ import annotations

import base64
import json
from typing import Any

import httpx
import orjson
import pytest

from reactor.errors import BadRequest, Forbidden, NotFound, OutOfRetention, Overloaded
from reactor.server.settings import ServerSettings
from reactor.values.int64 import Int64
from reactor.values.timestamp import encode_ts
from reactor.values.value import Value, encode, to_clean_json
from tests.server.pretend import ADMIN_KEY, Asked, Running, failed, running, succeeded

ENCODED = {"format": "convex_encoded_json"}


async def post(server: Running, path: str, body: object, **headers: str) -> httpx.Response:
    async with server.http() as http:
        return await http.post(path, json=body, headers={k.replace("_", "-"): v for k, v in headers.items()})


def error_of(response: httpx.Response) -> tuple[int, str]:
    answer = response.json()
    assert answer.keys() == {"code", "message"}
    return response.status_code, answer["code"]


# ── calls ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("verb", ["query", "mutation", "action", "function"])
async def test_each_endpoint_calls_its_verb(verb: str) -> None:
    async with running() as server:
        server.verbs.outcome = succeeded(b'{"n":{"$integer":"KgAAAAAAAAA="}}')
        response = await post(server, f"/api/{verb}", {"path": "notes:list", "args": {"limit": 2}, **ENCODED})
        assert server.verbs.asked == [Asked(verb, "notes:list", {"limit": 2}, None, False)]
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert response.json() == {"status": "success", "value": {"n": {"$integer": "KgAAAAAAAAA="}}}


@pytest.mark.parametrize("args", [[{"a": 1}], {"a": 1}])
async def test_arguments_are_an_object_or_an_array_of_one(args: object) -> None:
    async with running() as server:
        await post(server, "/api/query", {"path": "f", "args": args})
        assert server.verbs.asked[0].args == {"a": 1}


async def test_a_function_without_arguments_needs_none() -> None:
    async with running() as server:
        await post(server, "/api/query", {"path": "f"})
        assert server.verbs.asked[0].args == {}


@pytest.mark.parametrize("args", ["x", 1, None, [], [1], [{}, {}], [[{}]]])
async def test_other_arguments_are_refused(args: object) -> None:
    async with running() as server:
        assert error_of(await post(server, "/api/query", {"path": "f", "args": args})) == (400, "BadJsonBody")
        assert server.verbs.asked == []


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"null", b"[]", b'{"args":{}}', b'{"path":3}', b'{"path":"f","args":{"a":NaN}}', b"\xff",
        b'{"path":"f","args":{},"x":"\xff"}', b'{"path":"f","args":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
    ids=range(10),
)  # fmt: skip
async def test_a_body_that_is_no_call_is_refused(body: bytes) -> None:
    async with running() as server:
        async with server.http() as http:
            response = await http.post("/api/mutation", content=body)
        assert error_of(response) == (400, "BadJsonBody")
        assert server.verbs.asked == []


async def test_a_query_can_be_asked_by_its_address() -> None:
    async with running() as server:
        server.verbs.outcome = succeeded(b'"x"')
        async with server.http() as http:
            response = await http.get("/api/query", params={"path": "f:g", "args": '{"a":[1]}', "format": "json"})
            assert response.json() == {"status": "success", "value": "x"}
            assert server.verbs.asked == [Asked("query", "f:g", {"a": [1]}, None, False)]
            for args in ("{", "7", "{},{}", '{"a":NaN}'):
                assert error_of(await http.get("/api/query", params={"path": "f", "args": args})) == (
                    400,
                    "BadJsonBody",
                )
            assert error_of(await http.get("/api/query")) == (400, "BadQueryArgs")
            assert (await http.get("/api/mutation", params={"path": "f"})).status_code == 405
        assert len(server.verbs.asked) == 1


async def test_run_names_the_function_in_the_address() -> None:
    async with running() as server:
        server.verbs.outcome = succeeded(b'{"$integer":"KgAAAAAAAAA="}')
        response = await post(server, "/api/run/dir/deep/module/fn", {"args": {"a": 1}}, convex_client="npm-1.0.0")
        assert response.json() == {"status": "success", "value": "42"}
        assert server.verbs.asked == [Asked("function", "dir/deep/module:fn", {"a": 1}, None, False)]
        for address in ("/api/run/fn", "/api/run/a//fn", "/api/run/a/"):
            assert error_of(await post(server, address, {})) == (400, "MissingIdentifier")


async def test_unknown_fields_are_ignored_and_components_refused() -> None:
    async with running() as server:
        assert (await post(server, "/api/query", {"path": "f", "ts": "x"})).status_code == 200
        assert (await post(server, "/api/function", {"path": "f", "componentPath": ""})).status_code == 200
        assert error_of(await post(server, "/api/function", {"path": "f", "componentPath": "c"})) == (
            404,
            "ComponentNotFound",
        )


# ── formats ───────────────────────────────────────────────────────────────────────────────────────────────────────────

VALUE = b'{"big":{"$integer":"KgAAAAAAAAA="},"nan":{"$float":"AAAAAAAA+H8="},"raw":{"$bytes":"AQI="}}'
CLEAN = {"big": "42", "nan": "NaN", "raw": "AQI="}


@pytest.mark.parametrize(
    ("chosen", "client", "value"),
    [
        ("convex_encoded_json", None, json.loads(VALUE)),
        ("convex_json", "npm-1.48.0", json.loads(VALUE)),
        ("json", "npm-1.0.0", CLEAN),
        ("convex_clean_json", None, CLEAN),
        (None, None, CLEAN),
        (None, "npm-1.48.0", CLEAN),
        (None, "npm-1.4.0", json.loads(VALUE)),
        (None, "python-0.4.9", json.loads(VALUE)),
        (None, "python-0.8.1", CLEAN),
    ],
)
async def test_the_value_has_the_format_asked_for_or_the_clients_own(
    chosen: str | None, client: str | None, value: object
) -> None:
    body = {"path": "f", "args": {}} | ({} if chosen is None else {"format": chosen})
    async with running() as server:
        server.verbs.outcome = succeeded(VALUE)
        response = await post(server, "/api/query", body, **({} if client is None else {"convex_client": client}))
    assert response.json()["value"] == value


async def test_an_unknown_format_is_refused_before_anything_runs() -> None:
    async with running() as server:
        assert error_of(await post(server, "/api/mutation", {"path": "f", "format": "xml"})) == (400, "BadFormat")
        assert server.verbs.asked == []


# ── failures ──────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_failing_function_is_an_answer_with_status_200() -> None:
    async with running() as server:
        server.verbs.outcome = failed("FunctionError", "Uncaught ValueError: boom", log_lines=("[WARN] 'x'",))
        response = await post(server, "/api/query", {"path": "f"}, convex_request_id="0123456789abcdef")
    assert response.status_code == 200
    assert response.json() == {
        "status": "error",
        "errorMessage": "[Request ID: 0123456789abcdef] Server Error\nUncaught ValueError: boom\n",
        "logLines": ["[WARN] 'x'"],
    }


@pytest.mark.parametrize(
    ("chosen", "data"), [("json", {"code": "42"}), ("convex_encoded_json", {"code": {"$integer": "KgAAAAAAAAA="}})]
)
async def test_the_applications_own_error_brings_its_data_in_the_answers_format(chosen: str, data: object) -> None:
    async with running() as server:
        server.verbs.outcome = failed("AppError", "Uncaught ConvexError: x", b'{"code":{"$integer":"KgAAAAAAAAA="}}')
        response = await post(server, "/api/query", {"path": "f", "format": chosen})
    assert response.json()["errorData"] == data


async def test_error_data_that_is_null_is_still_there() -> None:
    async with running() as server:
        server.verbs.outcome = failed("AppError", "Uncaught ConvexError: null", b"null")
        assert (await post(server, "/api/query", {"path": "f"})).json()["errorData"] is None


async def test_redaction_keeps_texts_and_logs_but_not_the_applications_data() -> None:
    async with running(settings=ServerSettings(dev=False, redact=True)) as server:
        server.verbs.outcome = failed("AppError", "Uncaught secret", b'"told"', log_lines=("[LOG] 'secret'",))
        response = await post(server, "/api/query", {"path": "f"}, convex_request_id="ab")
        assert response.json() == {
            "status": "error",
            "errorMessage": "[Request ID: ab] Server Error",
            "errorData": "told",
        }
        server.verbs.outcome = succeeded(b"1", "[LOG] 'secret'")
        assert (await post(server, "/api/query", {"path": "f"})).json() == {"status": "success", "value": 1}


@pytest.mark.parametrize("given", ["", "a b", "x" * 65, "<script>"])
async def test_a_strange_request_id_is_replaced(given: str) -> None:
    async with running() as server:
        server.verbs.outcome = failed("FunctionError", "Uncaught x")
        text = (await post(server, "/api/query", {"path": "f"}, convex_request_id=given)).json()["errorMessage"]
    assert int(text.removeprefix("[Request ID: ").split("]")[0], 16) >= 0


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (BadRequest("BadConvexFunctionIdentifier", "x"), 400, "BadConvexFunctionIdentifier"),
        (Forbidden("NotYours", "x"), 403, "NotYours"),
        (NotFound("FileNotFound", "x"), 404, "FileNotFound"),
        (Overloaded("ExpiredInQueue", "x", retry_after=2.5), 503, "ExpiredInQueue"),
        (RuntimeError("secret"), 500, "InternalServerError"),
    ],
)
async def test_what_was_not_run_has_a_status_of_its_own(error: Exception, status: int, code: str) -> None:
    async with running() as server:
        server.verbs.outcome = error
        response = await post(server, "/api/mutation", {"path": "f"}, origin="http://elsewhere")
    assert error_of(response) == (status, code)
    assert "secret" not in response.text
    assert response.headers["access-control-allow-origin"] == "http://elsewhere"  # or JS could not read the reason
    assert response.headers.get("retry-after") == ("3" if status == 503 else None)


async def test_overload_and_our_bugs_reported_as_outcomes_are_no_answers_either() -> None:
    async with running() as server:
        server.verbs.outcome = failed("TooManyConcurrentRequests", "later", retry=True)
        assert error_of(await post(server, "/api/query", {"path": "f"})) == (503, "TooManyConcurrentRequests")
        server.verbs.outcome = failed("InternalServerError", "a secret of ours")
        response = await post(server, "/api/query", {"path": "f"})
    assert error_of(response) == (500, "InternalServerError")
    assert "secret" not in response.text


# ── who calls ─────────────────────────────────────────────────────────────────────────────────────────────────────────

ACTING = base64.b64encode(json.dumps({"subject": "ada", "issuer": "https://x", "role": "é"}).encode()).decode()


@pytest.mark.parametrize("header", [f"Convex {ADMIN_KEY}", f"convex {ADMIN_KEY}", f"CONVEX  {ADMIN_KEY}"])
async def test_the_operator_reaches_internal_functions(header: str) -> None:
    async with running() as server:
        await post(server, "/api/function", {"path": "f"}, authorization=header)
        assert (server.verbs.asked[0].identity, server.verbs.asked[0].internal) == (None, True)


async def test_the_operators_key_may_stand_in_the_address() -> None:
    async with running() as server:
        async with server.http() as http:
            await http.post("/api/query", params={"adminKey": ADMIN_KEY}, json={"path": "f"})
            await http.post(
                "/api/query",
                params={"adminKey": "wrong"},
                json={"path": "f"},
                headers={"Authorization": f"Convex {ADMIN_KEY}"},
            )
        assert [asked.internal for asked in server.verbs.asked] == [True, True]


async def test_the_operator_may_act_as_a_user() -> None:
    async with running() as server:
        await post(server, "/api/query", {"path": "f"}, authorization=f"Convex {ADMIN_KEY}:{ACTING}")
        identity = server.verbs.asked[0].identity
    assert identity is not None
    assert identity.acting_as
    assert identity.attributes["role"] == "é"


@pytest.mark.parametrize(
    ("header", "status", "code"),
    [
        ("short", 400, "InvalidHeaderFailure"),
        ("Basic dXNlcjpwYXNz", 400, "InvalidAdminKey"),
        ("Convex wrong", 403, "BadDeployKey"),
        ("Convex local|", 403, "BadDeployKey"),
        (f"Convex {ADMIN_KEY}:***", 400, "HeaderParseFailure"),
        (f"Convex {ADMIN_KEY}:", 400, "HeaderParseFailure"),
        (f"Convex {ADMIN_KEY}:" + base64.b64encode(b'{"subject":1}').decode(), 400, "HeaderParseFailure"),
        (f"Convex wrong:{ACTING}", 403, "BadDeployKey"),
        ("Bearer a.b.c", 401, "NoAuthProvider"),
        ("bearer a.b.c", 401, "NoAuthProvider"),
    ],
)
async def test_a_credential_that_does_not_hold_stops_the_call(header: str, status: int, code: str) -> None:
    async with running() as server:
        assert error_of(await post(server, "/api/query", {"path": "f"}, authorization=header)) == (status, code)
        assert server.verbs.asked == []


# ── bounds ────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_body_may_be_as_large_as_arguments_and_not_larger() -> None:
    async with running(arguments_size=10_000) as server:
        body = json.dumps({"path": "f", "args": {"a": ""}})
        fits = body.replace('""', '"' + "x" * (12_000 - len(body)) + '"').encode()
        async with server.http() as http:
            assert (await http.post("/api/query", content=fits)).status_code == 200
            assert error_of(await http.post("/api/query", content=fits + b" ")) == (413, "RequestTooLarge")

            async def drip() -> Any:
                for _ in range(200):
                    yield b" " * 100

            assert error_of(await http.post("/api/query", content=drip())) == (413, "RequestTooLarge")
        assert len(server.verbs.asked) == 1


# ── queries of one moment (reference §2.2, §2.3) ──────────────────────────────────────────────────────────────────────


async def test_the_timestamp_offered_is_the_head() -> None:
    async with running() as server:
        response = await post(server, "/api/query_ts", {})
        assert response.json() == {"ts": encode_ts(server.verbs.head)}


async def test_a_query_can_be_asked_at_a_timestamp() -> None:
    async with running() as server:
        server.verbs.outcome = succeeded(b"1", "[LOG] 'x'")
        body = {"path": "f", "args": [{"a": 1}], "ts": encode_ts(5), **ENCODED}
        response = await post(server, "/api/query_at_ts", body)
        assert server.verbs.asked == [Asked("query at 5", "f", {"a": 1}, None, False)]
    assert response.json() == {"status": "success", "value": 1, "logLines": ["[LOG] 'x'"]}


@pytest.mark.parametrize("ts", [{}, {"ts": None}, {"ts": 5}, {"ts": "5"}, {"ts": "AAAA"}])
async def test_a_timestamp_that_is_none_is_refused(ts: dict[str, object]) -> None:
    async with running() as server:
        assert error_of(await post(server, "/api/query_at_ts", {"path": "f", **ts})) == (400, "BadJsonBody")
        assert server.verbs.asked == []


async def test_a_state_that_is_gone_is_503_and_no_invitation_to_try_again() -> None:
    """Reference §2.2: "503 … out of retention"; the same request can never succeed, so no Retry-After."""
    async with running() as server:
        server.verbs.outcome = OutOfRetention("It has changed since")
        response = await post(server, "/api/query_at_ts", {"path": "f", "ts": encode_ts(5)})
        assert error_of(response) == (503, "OutOfRetention")
        assert "retry-after" not in response.headers


async def test_a_batch_answers_each_query_in_its_own_format() -> None:
    async with running() as server:
        server.verbs.outcome = succeeded(b'{"$integer":"KgAAAAAAAAA="}')
        queries = [{"path": "f", "args": {"a": 1}, **ENCODED}, {"path": "g", "format": "json"}]
        response = await post(server, "/api/query_batch", {"queries": queries}, authorization=f"Convex {ADMIN_KEY}")
        assert [(asked.path, asked.args, asked.internal) for asked in server.verbs.asked] == [
            ("f", {"a": 1}, True),
            ("g", {}, True),
        ]
    encoded = {"status": "success", "value": {"$integer": "KgAAAAAAAAA="}}
    assert response.json() == {"results": [encoded, {"status": "success", "value": "42"}]}


async def test_a_failed_query_of_a_batch_is_a_result_like_the_others() -> None:
    async with running() as server:
        server.verbs.outcome = failed("AppError", "Uncaught ConvexError: x\n", b'"x"')
        response = await post(server, "/api/query_batch", {"queries": [{"path": "f"}]})
        (result,) = response.json()["results"]
        assert (response.status_code, result["status"], result["errorData"]) == (200, "error", "x")


async def test_a_query_of_a_batch_that_was_not_run_refuses_the_batch() -> None:
    async with running() as server:
        server.verbs.outcome = failed("ExpiredInQueue", "too much", retry=True)
        response = await post(server, "/api/query_batch", {"queries": [{"path": "f"}]})
        assert error_of(response) == (503, "ExpiredInQueue")


@pytest.mark.parametrize("body", [{}, {"queries": None}, {"queries": {}}, {"queries": [{}]}, {"queries": [1]}])
async def test_a_batch_without_queries_is_refused(body: object) -> None:
    async with running() as server:
        assert error_of(await post(server, "/api/query_batch", body)) == (400, "BadJsonBody")


@pytest.mark.parametrize(
    "value", [None, 1.0, -2.5, 1e300, 1e-7, "$", 'a"$b', "ä", {"a$": [1, {"b": "$integer"}]}, Int64(7), b"x", -0.0]
)
async def test_plain_json_is_the_encoded_value_without_its_special_forms(value: Value) -> None:
    """What needs no other spelling is handed on as it came; it must be what spelling it again would give."""
    async with running() as server:
        server.verbs.outcome = succeeded(encode(value))
        response = await post(server, "/api/query", {"path": "f", "format": "json"})
    expected = orjson.dumps(to_clean_json(value))
    assert response.content == b'{"status":"success","value":%b}' % expected
