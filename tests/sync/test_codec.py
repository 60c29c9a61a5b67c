"""The wire's spelling, held against what the official clients send and read (reference §1)."""

from __future__ import annotations

import contextlib
import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode
from websockets.streams import StreamReader

from reactor.errors import BadRequest
from reactor.sync.codec import (
    PING,
    encode,
    encode_modification,
    failed_body,
    json_text,
    parse,
    place,
    updated_body,
    ws_frame,
)
from reactor.sync.messages import (
    Action,
    ActionFailed,
    ActionSucceeded,
    Add,
    AuthenticateAdmin,
    AuthenticateNone,
    AuthenticateUser,
    AuthError,
    ClientMessage,
    Connect,
    Event,
    FatalError,
    ModifyQuerySet,
    Mutation,
    MutationFailed,
    MutationSucceeded,
    Ping,
    QueryFailed,
    QueryRemoved,
    QueryUpdated,
    Remove,
    ServerMessage,
    Transition,
)
from reactor.sync.version import StateVersion

SESSION = "5b0b2c0e-2f4b-4a1b-9a0e-0c3f6f7a1d11"

CONNECT: dict[str, Any] = {
    "type": "Connect",
    "sessionId": SESSION,
    "connectionCount": 2,
    "lastCloseReason": "InitialConnect",
    "maxObservedTimestamp": "AADzI4Rb1xg=",
    "clientTs": 1790000000003,
}
ADD: dict[str, Any] = {"type": "Add", "queryId": 0, "udfPath": "notes:list", "args": [{"limit": 2}], "journal": None}
MODIFY: dict[str, Any] = {
    "type": "ModifyQuerySet",
    "baseVersion": 0,
    "newVersion": 1,
    "modifications": [ADD, {"type": "Remove", "queryId": 7}],
}
MUTATION: dict[str, Any] = {"type": "Mutation", "requestId": 4, "udfPath": "notes:add", "args": [{"text": "hi"}]}
ACTION: dict[str, Any] = {**MUTATION, "type": "Action"}
USER: dict[str, Any] = {"type": "Authenticate", "tokenType": "User", "value": "a.b.c", "baseVersion": 1}
ADMIN: dict[str, Any] = {
    "type": "Authenticate",
    "tokenType": "Admin",
    "value": "key",
    "baseVersion": 0,
    "impersonating": {"subject": "ada"},
}
NONE: dict[str, Any] = {"type": "Authenticate", "tokenType": "None", "baseVersion": 2}
EVENT: dict[str, Any] = {"type": "Event", "eventType": "ClientConnect", "event": [{"name": "x"}]}
EVERYTHING = [CONNECT, MODIFY, MUTATION, ACTION, USER, ADMIN, NONE, EVENT]


def text_of(message: object) -> str:
    return json.dumps(message, separators=(",", ":"))


def refused(text: str | bytes) -> str:
    with pytest.raises(BadRequest) as caught:
        parse(text)
    assert caught.value.code == "WSMessageInvalidJson"
    return caught.value.message


# ── what clients send ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("wire", "message"),
    [
        (CONNECT, Connect(SESSION, 2, "InitialConnect", 1790000000000000000, 1790000000003)),
        (MODIFY, ModifyQuerySet(0, 1, (Add(0, "notes:list", b'{"limit":2}'), Remove(7)))),
        (MUTATION, Mutation(4, "notes:add", b'{"text":"hi"}')),
        (ACTION, Action(4, "notes:add", b'{"text":"hi"}')),
        (USER, AuthenticateUser(1, "a.b.c")),
        (ADMIN, AuthenticateAdmin(0, "key", b'{"subject":"ada"}')),
        (NONE, AuthenticateNone(2)),
        (EVENT, Event()),
    ],
    ids=lambda value: type(value).__name__,
)
def test_each_message_is_read(wire: dict[str, Any], message: ClientMessage) -> None:
    assert parse(text_of(wire)) == message
    assert parse(text_of(wire).encode()) == message


def test_the_python_clients_connect_is_read() -> None:
    wire = {
        "type": "Connect",
        "sessionId": SESSION.upper(),
        "connectionCount": 0,
        "lastCloseReason": None,
        "clientTs": 0,
    }
    assert parse(text_of(wire)) == Connect(SESSION, 0, None, None, 0)


def test_a_query_may_bring_its_journal() -> None:
    wire = {**MODIFY, "modifications": [{**ADD, "journal": "end"}]}
    assert parse(text_of(wire)) == ModifyQuerySet(0, 1, (Add(0, "notes:list", b'{"limit":2}', "end"),))


def test_an_empty_component_is_none_and_another_is_kept() -> None:
    assert parse(text_of({**MUTATION, "componentPath": ""})) == parse(text_of(MUTATION))
    named = parse(text_of({**MUTATION, "componentPath": "stats"}))
    assert isinstance(named, Mutation)
    assert named.component == "stats"


@pytest.mark.parametrize("spelling", ["impersonating", "acting_as"])
def test_an_admin_may_act_as_a_user_in_both_spellings(spelling: str) -> None:
    wire = {"type": "Authenticate", "tokenType": "Admin", "value": "key", "baseVersion": 0, spelling: {"subject": "x"}}
    assert parse(text_of(wire)) == AuthenticateAdmin(0, "key", b'{"subject":"x"}')


@pytest.mark.parametrize(
    "wire", [{**ADMIN, "impersonating": None}, {k: ADMIN[k] for k in ADMIN if k != "impersonating"}]
)
def test_a_plain_admin_acts_as_nobody(wire: dict[str, Any]) -> None:
    assert parse(text_of(wire)) == AuthenticateAdmin(0, "key", None)


@pytest.mark.parametrize("wire", EVERYTHING, ids=lambda wire: wire["type"])
def test_unknown_fields_are_ignored(wire: dict[str, Any]) -> None:
    assert parse(text_of({**wire, "fromTheFuture": {"a": [1, None]}})) == parse(text_of(wire))


def test_unknown_events_are_ignored() -> None:
    assert parse('{"type":"Event","eventType":"NeverSeen","event":null}') == Event()
    assert parse('{"type":"Event"}') == Event()


def test_the_type_may_come_last() -> None:
    assert parse('{"requestId":4,"args":[{"text":"hi"}],"udfPath":"notes:add","type":"Mutation"}') == parse(
        text_of(MUTATION)
    )


def test_arguments_stay_the_bytes_they_came_as() -> None:
    args = '{"b": 1.0,  "a": {"$integer": "AQAAAAAAAAA="}, "é": -0}'
    message = parse(text_of(MUTATION).replace('{"text":"hi"}', args))
    assert isinstance(message, Mutation)
    assert message.args == args.encode()


def test_a_small_argument_does_not_keep_a_large_message_in_memory() -> None:
    message = text_of({**MUTATION, "padding": "x" * 1_000_000})
    tracemalloc.start()
    kept = [parse(message) for _ in range(20)]
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(kept) == 20
    assert held < 500_000


def test_fifteen_megabytes_of_brackets_build_no_objects() -> None:
    message = text_of(MUTATION).replace('"hi"', "[" + ",".join(["[]"] * 5_000_000) + "]")
    tracemalloc.start()
    parse(message)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 3 * len(message)  # the UTF-8 of it and the copy of the arguments; as objects it is 334 MB


# ── what is no message ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("text", ["", " ", "{", "hello", '{"type":"Event",}', text_of(MUTATION) + "x", "\ufeff{}"])
def test_what_is_not_json_is_refused(text: str) -> None:
    assert refused(text).endswith("it is not JSON")


@pytest.mark.parametrize("text", ["null", "7", "[]", '"Connect"', "{}", '{"type":3}', '{"type":"TransitionChunk"}'])
def test_json_that_is_no_message_is_refused(text: str) -> None:
    refused(text)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "01", "1.", ".5", "+1", "0x10", "1e"])
def test_numbers_json_does_not_know_are_refused_even_inside_arguments(number: str) -> None:
    refused(text_of(MUTATION).replace('"hi"', number))


@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_nesting_without_end_is_refused_and_not_a_crash(opening: str) -> None:
    closing = {"[": "]", '{"a":': "}"}[opening]
    deep = opening * 100_000 + "1" + closing * 100_000
    assert refused(text_of(MUTATION).replace('"hi"', deep)).endswith("nested too deeply")
    assert refused(text_of({"type": "Event"}).replace("}", f',"event":{deep}}}')).endswith("nested too deeply")


@pytest.mark.parametrize("data", [b"\xff", b'{"type":"Event","x":"\xff"}', b'{"type":"Event","x":"\xed\xa0\x80"}'])
def test_bytes_that_are_not_utf8_are_refused(data: bytes) -> None:
    assert refused(data).endswith("it is not JSON")


def test_a_text_with_half_a_surrogate_pair_is_refused() -> None:
    refused(text_of(MUTATION).replace("hi", "\ud800"))


WRONG: dict[str, list[Any]] = {
    "integer": [None, True, "1", 1.0, 1.5, -1, 2**32, 2**53, 10**40, [], {}],
    "text": [None, True, 1, [], {}],
    "text or null": [True, 1, [], {}],
    "args": [None, True, 1, "x", {}, [], [{}, {}], [1], ["x"], [[]], [None]],
    "list": [None, 1, "x", {}, [1], [{}], [{"type": "Frob", "queryId": 1}]],
    "uuid": [None, 1, "", "x", SESSION + "0", SESSION[:-1], SESSION.replace("-", ""), SESSION.replace("5", "g")],
    "timestamp": [1, "", "x", "AAAAAAAAAAA", "AAAAAAAAAAAA", "AAAAAAAAAAA=\n", "++++"],
    "object or null": [1, "x", [], True],
}
FIELDS = [
    (CONNECT, "sessionId", "uuid"),
    (CONNECT, "connectionCount", "integer"),
    (CONNECT, "lastCloseReason", "text or null"),
    (CONNECT, "maxObservedTimestamp", "timestamp"),
    (MODIFY, "baseVersion", "integer"),
    (MODIFY, "newVersion", "integer"),
    (MODIFY, "modifications", "list"),
    (MUTATION, "requestId", "integer"),
    (MUTATION, "udfPath", "text"),
    (MUTATION, "args", "args"),
    (MUTATION, "componentPath", "text or null"),
    (ACTION, "requestId", "integer"),
    (ACTION, "udfPath", "text"),
    (ACTION, "args", "args"),
    (USER, "baseVersion", "integer"),
    (USER, "value", "text"),
    (USER, "tokenType", "text"),
    (ADMIN, "impersonating", "object or null"),
]


@pytest.mark.parametrize(
    ("wire", "field", "value"),
    [(wire, field, value) for wire, field, kind in FIELDS for value in WRONG[kind]],
    ids=lambda value: str(value.get("type")) if isinstance(value, dict) and "type" in value else repr(value)[:24],
)
def test_a_field_of_the_wrong_type_is_refused_by_its_name(wire: dict[str, Any], field: str, value: object) -> None:
    assert field in refused(text_of({**wire, field: value}))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("queryId", 1.0),
        ("queryId", "1"),
        ("queryId", -1),
        ("queryId", 2**53),
        ("udfPath", 3),
        ("args", []),
        ("journal", 1),
    ],
)
def test_a_wrong_field_of_an_added_query_is_named(field: str, value: object) -> None:
    assert field in refused(text_of({**MODIFY, "modifications": [{**ADD, field: value}]}))


@pytest.mark.parametrize(
    ("wire", "field"),
    [
        (CONNECT, "sessionId"),
        (CONNECT, "connectionCount"),
        (MODIFY, "modifications"),
        (MUTATION, "requestId"),
        (MUTATION, "args"),
        (USER, "value"),
        (ADMIN, "value"),
        (NONE, "baseVersion"),
    ],
)
def test_a_missing_field_is_named(wire: dict[str, Any], field: str) -> None:
    assert field in refused(text_of({name: value for name, value in wire.items() if name != field}))


def test_refusals_do_not_speak_python() -> None:
    said = [refused(text_of({**MUTATION, "requestId": value})) for value in WRONG["integer"]]
    for word in ("Error", "Exception", "Traceback", "msgspec", "NoneType", "0x"):
        assert not [text for text in said if word in text]


@given(st.text() | st.binary())
def test_any_input_is_a_message_or_refused(text: str | bytes) -> None:
    with contextlib.suppress(BadRequest):
        parse(text)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(st.sampled_from(EVERYTHING), st.dictionaries(st.sampled_from([f for _, f, _ in FIELDS]), JSON))
def test_any_field_of_any_type_is_a_message_or_refused(wire: dict[str, Any], changes: dict[str, Any]) -> None:
    with contextlib.suppress(BadRequest):
        parse(text_of({**wire, **changes}))


# ── what the server sends ─────────────────────────────────────────────────────────────────────────────────────────────

START, END = StateVersion.START, StateVersion(1, 0, 1790000000000000000)


@pytest.mark.parametrize(
    ("message", "wire"),
    [
        (
            Transition(START, END, (QueryUpdated(0, b'[{"a":1}]', ("[LOG] 'x'",), None),)),
            {
                "type": "Transition",
                "startVersion": {"querySet": 0, "identity": 0, "ts": "AAAAAAAAAAA="},
                "endVersion": {"querySet": 1, "identity": 0, "ts": "AADzI4Rb1xg="},
                "modifications": [
                    {
                        "type": "QueryUpdated",
                        "queryId": 0,
                        "value": [{"a": 1}],
                        "logLines": ["[LOG] 'x'"],
                        "journal": None,
                    }
                ],
            },
        ),
        (
            Transition(END, END),
            {
                "type": "Transition",
                "startVersion": {"querySet": 1, "identity": 0, "ts": "AADzI4Rb1xg="},
                "endVersion": {"querySet": 1, "identity": 0, "ts": "AADzI4Rb1xg="},
                "modifications": [],
            },
        ),
        (
            MutationSucceeded(4, b"null", 1),
            {
                "type": "MutationResponse",
                "requestId": 4,
                "success": True,
                "result": None,
                "ts": "AQAAAAAAAAA=",
                "logLines": [],
            },
        ),
        (
            MutationFailed(4, 'no "way"', None, ("a", "b")),
            {
                "type": "MutationResponse",
                "requestId": 4,
                "success": False,
                "result": 'no "way"',
                "ts": None,
                "logLines": ["a", "b"],
            },
        ),
        (
            MutationFailed(4, "no", b'{"code":1}'),
            {
                "type": "MutationResponse",
                "requestId": 4,
                "success": False,
                "result": "no",
                "ts": None,
                "logLines": [],
                "errorData": {"code": 1},
            },
        ),
        (
            ActionSucceeded(5, b"1.5"),
            {"type": "ActionResponse", "requestId": 5, "success": True, "result": 1.5, "logLines": []},
        ),
        (
            ActionFailed(5, "no", b"null"),
            {
                "type": "ActionResponse",
                "requestId": 5,
                "success": False,
                "result": "no",
                "logLines": [],
                "errorData": None,
            },
        ),
        (
            AuthError("expired", 3, update_attempted=False),
            {"type": "AuthError", "error": "expired", "baseVersion": 3, "authUpdateAttempted": False},
        ),
        (
            AuthError("bad", 0, update_attempted=True),
            {"type": "AuthError", "error": "bad", "baseVersion": 0, "authUpdateAttempted": True},
        ),
        (FatalError("bad json"), {"type": "FatalError", "error": "bad json"}),
        (Ping(), {"type": "Ping"}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_each_message_is_written(message: ServerMessage, wire: dict[str, Any]) -> None:
    assert json.loads(encode(message)) == wire  # equality of dicts: no key too many, none absent


@pytest.mark.parametrize(
    ("modification", "wire"),
    [
        (QueryRemoved(3), {"type": "QueryRemoved", "queryId": 3}),
        (
            QueryUpdated(3, b'"v"', (), "j"),
            {"type": "QueryUpdated", "queryId": 3, "value": "v", "logLines": [], "journal": "j"},
        ),
        (
            QueryFailed(3, "boom\n"),
            {"type": "QueryFailed", "queryId": 3, "errorMessage": "boom\n", "logLines": [], "journal": None},
        ),
        (
            QueryFailed(3, "boom", b"null"),
            {
                "type": "QueryFailed",
                "queryId": 3,
                "errorMessage": "boom",
                "logLines": [],
                "journal": None,
                "errorData": None,
            },
        ),
    ],
)
def test_each_modification_is_written(modification: QueryUpdated | QueryFailed | QueryRemoved, wire: object) -> None:
    assert json.loads(encode_modification(modification)) == wire


def test_neither_clock_field_is_ever_sent() -> None:
    assert not {"clientClockSkew", "serverTs"} & json.loads(encode(Transition(START, END))).keys()


def test_values_are_spliced_and_never_looked_at() -> None:
    value = b'{"$integer":"AQAAAAAAAAA="}  /* not even JSON */'
    assert value in encode(MutationSucceeded(0, value, 0))
    assert value in encode_modification(QueryUpdated(0, value))
    assert value in encode(ActionFailed(0, "x", value))


def test_one_body_serves_clients_that_number_the_query_differently() -> None:
    body = updated_body(b"[1]", ("log",), "j")
    assert place(1, body) == encode_modification(QueryUpdated(1, b"[1]", ("log",), "j"))
    assert place(9, body) == encode_modification(QueryUpdated(9, b"[1]", ("log",), "j"))
    failed = failed_body("x", b"1", (), None)
    assert place(2, failed) == encode_modification(QueryFailed(2, "x", b"1"))


@given(st.text(), st.lists(st.text()))
def test_texts_of_user_code_arrive_as_they_are(text: str, lines: list[str]) -> None:
    read = json.loads(encode(MutationFailed(1, text, None, tuple(lines))))
    assert (read["result"], read["logLines"]) == (text, lines)


@pytest.mark.parametrize(
    ("text", "told"),
    [("\ud800", "\ufffd"), ("a\udfffb", "a\ufffdb"), ("\ud83d\ude00", "😀"), ("", ""), ("\x00", "\x00")],
)
def test_half_a_surrogate_pair_does_not_stop_the_message(text: str, told: str) -> None:
    assert json.loads(json_text(text)) == told
    assert json.loads(json_text([text, "ok"])) == [told, "ok"]


# ── frames ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def read_frame(data: bytes) -> Frame:
    reader = StreamReader()
    reader.feed_data(data)
    parsing = Frame.parse(reader.read_exact, mask=False, max_size=None)
    try:
        while True:
            next(parsing)
    except StopIteration as done:
        assert reader.at_eof() is not None
        frame: Frame = done.value
        return frame


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535, 65_536, 200_000])
def test_a_frame_is_what_the_library_reads(size: int) -> None:
    payload = b"x" * size
    frame = read_frame(ws_frame(payload))
    assert (frame.opcode, frame.fin, bytes(frame.data)) == (Opcode.TEXT, True, payload)
    assert len(ws_frame(payload)) == size + (2 if size < 126 else 4 if size < 65_536 else 10)


def test_the_ping_is_the_message() -> None:
    assert encode(Ping()) == PING
