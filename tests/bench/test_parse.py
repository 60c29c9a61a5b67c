"""Parse LiveQuery as a subject, where it is installed."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import psutil
import pytest

from bench.subjects.parse import Parse

PORT = 18_950
MISSING = Parse.missing()


@pytest.mark.skipif(MISSING is not None, reason=f"Parse cannot be run here: {MISSING}")
async def test_parse_pushes_what_is_written_to_a_channel_counts_and_leaves_nothing_running() -> None:
    with tempfile.TemporaryDirectory() as folder:  # not pytest's, where PostgreSQL's user may not go
        parse = Parse(Path(folder), PORT, "0,1")
        pushed: asyncio.Queue[bytes] = asyncio.Queue()
        try:
            await parse.start()
            processes = parse.tree()
            await parse.subscribe("here", pushed.put_nowait)
            writer = await parse.writer()
            await writer.write("elsewhere", "not for us")
            await writer.write("here", "~00000007~")
            assert b"~00000007~" in await asyncio.wait_for(pushed.get(), 10)
            assert pushed.empty()
            await writer.increment()
            await writer.increment()
            assert await parse.counter() == 2
        finally:
            parse.stop()
        assert len(processes) > 5  # Node, PostgreSQL and its children
        _, alive = psutil.wait_procs(processes, timeout=5)
        assert alive == []
