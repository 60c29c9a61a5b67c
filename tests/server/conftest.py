"""Files about the transport run on both event loops: they differ in when a write leaves the process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import pytest
import uvloop

BOTH_LOOPS = ("test_websocket.py", "test_websocket_protocol.py", "test_http_protocol.py")


@pytest.hookimpl(tryfirst=True)
def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    uv = {"uvloop": uvloop.new_event_loop}
    return {"asyncio": asyncio.new_event_loop, **uv} if item.path.name in BOTH_LOOPS else uv
