"""A Transition in parts (reference §1.11): what goes over the wire, in which order, and what waits."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from reactor.server.chunks import Chunks
from reactor.sync import codec
from reactor.sync.codec import chunk_bounds, frame_payload, ws_frame

BACKLOG = 1000


def parts_of(chunks: Chunks) -> list[dict[str, Any]]:
    parts = []
    while not chunks.done:
        parts.append(json.loads(bytes(frame_payload(chunks.next()))))
    return parts


@given(st.text(st.sampled_from('aä€😀"\\'), min_size=1, max_size=60), st.integers(4, 9))
def test_parts_put_together_are_the_text(text: str, size: int) -> None:
    data = text.encode()
    whole, codec.CHUNK = codec.CHUNK, size
    try:
        parts = parts_of(Chunks(memoryview(data), BACKLOG))
    finally:
        codec.CHUNK = whole
    assert "".join(part["chunk"] for part in parts) == text
    assert [part["partNumber"] for part in parts] == list(range(len(parts)))
    assert {part["totalParts"] for part in parts} == {len(parts)}
    assert {part["transitionId"] for part in parts} == {str(len(data))}
    assert all(0 < len(part["chunk"].encode()) <= size for part in parts)


def test_a_text_of_five_million_bytes_is_one_part_and_one_more_byte_makes_two() -> None:
    assert chunk_bounds(memoryview(bytes(5_000_000))) == [0, 5_000_000]
    assert chunk_bounds(memoryview(bytes(5_000_001))) == [0, 5_000_000, 5_000_001]


def test_responses_wait_up_to_a_limit() -> None:
    chunks = Chunks(memoryview(b"text"), BACKLOG)
    assert chunks.hold(ws_frame(bytes(500)))
    assert chunks.hold(ws_frame(bytes(400)))
    assert not chunks.hold(ws_frame(bytes(100)))
    few = Chunks(memoryview(b"text"), 10**9)
    assert all(few.hold(b"") for _ in range(1000))
    assert not few.hold(b"")


def test_a_message_too_large_for_one_frame_goes_in_several() -> None:
    """The Rust library under the Python client takes frames of 16 MiB at most."""
    payload = bytes(range(256)) * (20 << 12)
    message = ws_frame(payload)
    assert message[0] == 0x01
    assert bytes(frame_payload(message)) == payload
    assert bytes(frame_payload(ws_frame(payload[: 8 << 20]))) == payload[: 8 << 20]
    assert ws_frame(payload[: 8 << 20])[0] == 0x81
