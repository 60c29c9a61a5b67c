"""The first start in development: what a save can mend is waited for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from unittest.mock import AsyncMock

import pytest

from reactor.application import Application
from reactor.cli import host
from reactor.cli.terminal import Terminal
from reactor.deploy.writer_calls import StepFailed
from reactor.errors import BundleBroken, NotPrepared, ReactorError, SchemaViolation


@pytest.mark.parametrize(
    "failure",
    [
        BundleBroken("Traceback: ValueError"),
        SchemaViolation("documents do not fit"),
        NotPrepared("too much was written"),
        StepFailed("the process that filled the index died"),
    ],
)
async def test_a_first_start_that_comes_to_nothing_waits_for_the_next_save(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: ReactorError
) -> None:
    saved = asyncio.Event()
    start = AsyncMock(side_effect=[failure, None])
    monkeypatch.setattr(Application, "start", start)
    monkeypatch.setattr(Terminal, "failed", lambda _terminal, _error: saved.set())
    monkeypatch.setattr(host, "_leave_garbage_longer", lambda: None)  # this process is no server

    async def changes() -> AsyncGenerator[frozenset[Path], None]:
        await saved.wait()
        yield frozenset({tmp_path / "schema.py"})

    one = host.Host(host.HostOptions(tmp_path, tmp_path / ".data"), Terminal(tmp_path))
    assert await one._start_when_it_loads(changes())
    assert start.await_count == 2
