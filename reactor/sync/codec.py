"""The wire's spelling of messages (reference §1): JSON text ↔ the records of messages.py. No state, no meaning.

Reading is one strict pass over the text: every field has one type, unknown fields are skipped, and arguments are cut
out as the bytes they came as, never built into objects (16 MiB of them cost 20 ms and no memory). Writing splices
bytes: a value that was encoded where it was computed is never decoded or looked at again.

A QueryUpdated or QueryFailed is written as a *body*, which does not depend on who watches, and the watcher's query id;
the body is made once per result and shared by all sockets.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, assert_never

import msgspec
import orjson

from reactor.errors import BadRequest, InvalidValue
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
    Modification,
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
from reactor.values.timestamp import decode_ts, wire_ts

# ── reading ───────────────────────────────────────────────────────────────────────────────────────────────────────────

_U32 = Annotated[int, msgspec.Meta(ge=0, le=0xFFFF_FFFF)]
_Uuid = Annotated[str, msgspec.Meta(pattern="^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$")]
_ABSENT = msgspec.Raw()
_Args = Annotated[list[msgspec.Raw], msgspec.Meta(min_length=1, max_length=1)]


class _Wire(msgspec.Struct, tag_field="type", rename="camel", frozen=True, gc=False):
    """A client message as it is spelt: the attribute names in camelCase, the tag is the class's."""


class _Connect(_Wire, tag="Connect", frozen=True):
    session_id: _Uuid
    connection_count: _U32
    last_close_reason: str | None = None
    max_observed_timestamp: str | None = None
    client_ts: int | float | None = None


class _Add(_Wire, tag="Add", frozen=True):
    query_id: _U32
    udf_path: str
    args: _Args
    journal: str | None = None
    component_path: str | None = None


class _Remove(_Wire, tag="Remove", frozen=True):
    query_id: _U32


class _ModifyQuerySet(_Wire, tag="ModifyQuerySet", frozen=True):
    base_version: _U32
    new_version: _U32
    modifications: list[_Add | _Remove]


class _Call(_Wire, frozen=True):
    request_id: _U32
    udf_path: str
    args: _Args
    component_path: str | None = None


class _Mutation(_Call, tag="Mutation", frozen=True):
    pass


class _Action(_Call, tag="Action", frozen=True):
    pass


class _Authenticate(_Wire, tag="Authenticate", frozen=True):
    token_type: str
    base_version: _U32
    value: str | None = None
    impersonating: msgspec.Raw = _ABSENT
    acting_as: msgspec.Raw = msgspec.field(name="acting_as", default=_ABSENT)  # an older spelling of it


class _Event(_Wire, tag="Event", frozen=True):
    pass


_decoder = msgspec.json.Decoder(_Connect | _ModifyQuerySet | _Mutation | _Action | _Authenticate | _Event)


def parse(text: str | bytes) -> ClientMessage:
    """The message in a text frame.

    Raises BadRequest, whose message names the field, for anything that is no message: the socket is then told so with
    a FatalError and closed. Arguments are well-formed JSON afterwards, not yet Values: who uses them decodes them.
    """
    try:
        wire = _decoder.decode(text if isinstance(text, str) else text.decode())
    except msgspec.ValidationError as error:
        raise _bad(str(error)) from None
    except (msgspec.DecodeError, UnicodeError):
        raise _bad("it is not JSON") from None
    except RecursionError:
        raise _bad("it is nested too deeply") from None
    # The two that come all the time first: a match looks at every class in turn
    if isinstance(wire, _ModifyQuerySet):
        changes = tuple([_modification(number, each) for number, each in enumerate(wire.modifications)])
        return ModifyQuerySet(wire.base_version, wire.new_version, changes)
    if isinstance(wire, _Mutation):
        return Mutation(wire.request_id, wire.udf_path, _object(wire.args[0], "args[0]"), wire.component_path or None)
    match wire:
        case _Connect():
            return _connect(wire)
        case _Action(request, path, args, component):
            return Action(request, path, _object(args[0], "args[0]"), component or None)
        case _Authenticate():
            return _authenticate(wire)
        case _Event():
            return Event()
        case never:
            assert_never(never)


def _connect(wire: _Connect) -> Connect:
    observed = None
    if wire.max_observed_timestamp is not None:
        try:
            observed = decode_ts(wire.max_observed_timestamp)
        except InvalidValue:
            raise _bad("Expected a timestamp - at `$.maxObservedTimestamp`") from None
    return Connect(
        session=wire.session_id.lower(),
        connection_count=wire.connection_count,
        last_close_reason=wire.last_close_reason,
        max_observed_ts=observed,
        client_ts=wire.client_ts,
    )


def _modification(number: int, wire: _Add | _Remove) -> Add | Remove:
    if isinstance(wire, _Remove):
        return Remove(wire.query_id)
    data = bytes(wire.args[0])
    if not data.startswith(b"{"):
        data = _object(wire.args[0], f"modifications[{number}].args[0]")
    return Add(wire.query_id, wire.udf_path, data, wire.journal, wire.component_path or None)


def _authenticate(wire: _Authenticate) -> AuthenticateUser | AuthenticateAdmin | AuthenticateNone:
    match wire.token_type, wire.value:
        case "None", _:
            return AuthenticateNone(wire.base_version)
        case "User" | "Admin", None:
            raise _bad("Object missing required field `value`")
        case "User", str(token):
            return AuthenticateUser(wire.base_version, token)
        case "Admin", str(key):
            return AuthenticateAdmin(wire.base_version, key, _acting_as(wire))
        case _:
            raise _bad("Expected `User`, `Admin` or `None` - at `$.tokenType`")


def _acting_as(wire: _Authenticate) -> bytes | None:
    for raw in (wire.impersonating, wire.acting_as):
        if bytes(raw) not in (b"", b"null"):
            return _object(raw, "impersonating")
    return None


def _object(raw: msgspec.Raw, field: str) -> bytes:
    """A copy, so that one small argument does not keep a large message in memory."""
    data = bytes(raw)
    if not data.startswith(b"{"):
        raise _bad(f"Expected `object` - at `$.{field}`")
    return data


def _bad(reason: str) -> BadRequest:
    return BadRequest("WSMessageInvalidJson", f"The server could not read a message from this client: {reason}")


# ── writing ───────────────────────────────────────────────────────────────────────────────────────────────────────────

PING = b'{"type":"Ping"}'


def encode(message: ServerMessage) -> bytes:
    """The JSON text of a message, as UTF-8."""
    match message:
        case Transition(start, end, modifications):
            return encode_transition(start, end, [encode_modification(m) for m in modifications])
        case MutationSucceeded(request, result, ts, lines):
            return b'{"type":"MutationResponse","requestId":%d,"success":true,"result":%b,"ts":"%b","logLines":%b}' % (
                request,
                result,
                wire_ts(ts),
                json_text(lines),
            )
        case MutationFailed(request, text, data, lines):
            return (
                b'{"type":"MutationResponse","requestId":%d,"success":false,"result":%b,"ts":null,"logLines":%b%b}'
                % (request, json_text(text), json_text(lines), _error_data(data))
            )
        case ActionSucceeded(request, result, lines):
            return b'{"type":"ActionResponse","requestId":%d,"success":true,"result":%b,"logLines":%b}' % (
                request,
                result,
                json_text(lines),
            )
        case ActionFailed(request, text, data, lines):
            return b'{"type":"ActionResponse","requestId":%d,"success":false,"result":%b,"logLines":%b%b}' % (
                request,
                json_text(text),
                json_text(lines),
                _error_data(data),
            )
        case AuthError(text, base, attempted):
            return b'{"type":"AuthError","error":%b,"baseVersion":%d,"authUpdateAttempted":%b}' % (
                json_text(text),
                base,
                b"true" if attempted else b"false",
            )
        case FatalError(text):
            return b'{"type":"FatalError","error":%b}' % json_text(text)
        case Ping():
            return PING
        case never:
            assert_never(never)


def encode_transition(start: StateVersion, end: StateVersion, modifications: Iterable[bytes]) -> bytes:
    """A Transition around modifications that are already bytes.

    `clientClockSkew` and `serverTs` are left out, both: JS clients reckon wrongly with one of them.
    """
    return b'{"type":"Transition","startVersion":%b,"endVersion":%b,"modifications":[%b]}' % (
        _version(start),
        _version(end),
        b",".join(modifications),
    )


CHUNK = 5_000_000  # bytes of a Transition's text: a longer one goes in parts, to clients that read them


def chunk_bounds(text: memoryview) -> list[int]:
    """Where to cut a long text: its start, each place where a part ends, no character being parted, and its end."""
    bounds = [0]
    while len(text) - bounds[-1] > CHUNK:
        end = bounds[-1] + CHUNK
        while text[end] & 0xC0 == 0x80:  # in the midst of a character
            end -= 1
        bounds.append(end)
    return [*bounds, len(text)]


def encode_chunk(piece: str, number: int, total: int, size: int) -> bytes:
    """A TransitionChunk. `size`, the length of the whole, is what names the Transition."""
    return b'{"type":"TransitionChunk","chunk":%b,"partNumber":%d,"totalParts":%d,"transitionId":"%d"}' % (
        json_text(piece),
        number,
        total,
        size,
    )


def encode_modification(modification: Modification) -> bytes:
    """One item of a Transition's modifications."""
    match modification:
        case QueryUpdated(query, value, lines, journal):
            return place(query, updated_body(value, lines, journal))
        case QueryFailed(query, text, data, lines, journal):
            return place(query, failed_body(text, data, lines, journal))
        case QueryRemoved(query):
            return b'{"type":"QueryRemoved","queryId":%d}' % query
        case never:
            assert_never(never)


def updated_body(value: bytes, log_lines: Sequence[str], journal: str | None) -> bytes:
    """What every watcher of a result is told alike; `place` makes it a modification."""
    return b'"type":"QueryUpdated","value":%b,"logLines":%b,"journal":%b}' % (
        value,
        json_text(log_lines),
        json_text(journal),
    )


def failed_body(text: str, data: bytes | None, log_lines: Sequence[str], journal: str | None) -> bytes:
    """The same for a query that threw. The key `errorData` is there only when the application threw it."""
    return b'"type":"QueryFailed","errorMessage":%b,"logLines":%b,"journal":%b%b}' % (
        json_text(text),
        json_text(log_lines),
        json_text(journal),
        _error_data(data),
    )


def place(query_id: int, body: bytes) -> bytes:
    """A modification: a shared body under the number one client gave the query."""
    return b'{"queryId":%d,%b' % (query_id, body)


FRAGMENT = 8 << 20  # bytes of payload in one frame: the Rust and Python clients take none above 16 MiB


def ws_frame(payload: bytes) -> bytes:
    """An unmasked WebSocket text message (RFC 6455 §5.2) as a server sends it: one frame, several if it is large."""
    if len(payload) <= FRAGMENT:
        return _frame_head(0x81, len(payload)) + payload
    parts: list[bytes] = []
    for start in range(0, len(payload), FRAGMENT):
        piece = payload[start : start + FRAGMENT]
        opcode = 0 if start else 1  # continuation, text
        parts += (_frame_head(opcode | (0x80 if start + FRAGMENT >= len(payload) else 0), len(piece)), piece)
    return b"".join(parts)


def frame_payload(message: bytes) -> memoryview:
    """What a message made by `ws_frame` carries."""
    view = memoryview(message)
    if message[0] & 0x80:
        return view[{126: 4, 127: 10}.get(message[1], 2) :]
    parts: list[memoryview] = []
    while view:
        head = {126: 4, 127: 10}.get(view[1], 2)
        size = view[1] if head == 2 else int.from_bytes(view[2:head], "big")
        parts.append(view[head : head + size])
        view = view[head + size :]
    return memoryview(b"".join(parts))


def _frame_head(first: int, size: int) -> bytes:
    if size < 126:
        return bytes((first, size))
    if size < 1 << 16:
        return bytes((first, 126)) + size.to_bytes(2, "big")
    return bytes((first, 127)) + size.to_bytes(8, "big")


def _version(version: StateVersion) -> bytes:
    return b'{"querySet":%d,"identity":%d,"ts":"%b"}' % (version.query_set, version.identity, wire_ts(version.ts))


def _error_data(data: bytes | None) -> bytes:
    return b"" if data is None else b',"errorData":' + data


def json_text(text: str | Sequence[str] | None) -> bytes:
    """A text, or a list of them, as JSON. Half a surrogate pair, which has no UTF-8, becomes U+FFFD."""
    if not text:
        return b"null" if text is None else b'""' if text == "" else b"[]"
    try:
        return orjson.dumps(text)
    except TypeError:  # user code may print or raise anything
        return orjson.dumps(_whole(text) if isinstance(text, str) else [_whole(line) for line in text])


def _whole(text: str) -> str:
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
