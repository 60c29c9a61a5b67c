"""Reloads under load, and what they cost: `python bench/reloads.py [reloads] [clients]`.

Every client watches, mutates and runs actions on one socket all the while. It says how long an edit takes to reach the
last of them, and fails if a socket was dropped, a mutation lost or doubled, or a result was of two versions.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import uvloop

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tests.scenarios.reloading import Told, reload_under_load


async def main(reloads: int, clients: int) -> Told:
    """Run it in a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        return await reload_under_load(Path(folder), reloads, clients)


if __name__ == "__main__":
    counts = [int(text) for text in sys.argv[1:]]
    told = uvloop.run(main(*(counts + [100, 8][len(counts) :])))
    live = sorted(told.live)
    sent = sum(client.sent for client in told.clients)
    print(f"{len(live)} reloads, {len(told.clients)} clients, {sent} mutations and actions answered")
    print(f"save to live: median {live[len(live) // 2] * 1000:.0f} ms, worst {live[-1] * 1000:.0f} ms")
    for text in told.complaints:
        print(text)
    print(f"{'0 failed' if not told.complaints else f'{len(told.complaints)} failed'}")
    sys.exit(bool(told.complaints))
