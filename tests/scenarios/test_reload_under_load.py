"""Reloads while clients work: no socket is dropped, no mutation lost or doubled, no result of two versions."""

from __future__ import annotations

from pathlib import Path

from tests.scenarios.reloading import reload_under_load


async def test_new_code_under_load_costs_nobody_anything(tmp_path: Path) -> None:
    told = await reload_under_load(tmp_path, reloads=8, clients=3)
    assert told.complaints == []
    assert all(client.sent > 8 for client in told.clients), "there was load"
    assert all(client.seen[-1] == 8 for client in told.clients)
