"""How long a save of the example takes to reach a client: `python bench/edit_to_live.py [edits]`.

`reactor dev`'s own watcher, deployer and server, in this process; a client on a real socket watches a query of
functions/images.py, which is edited again and again. The median is what a developer feels; run it on a quiet machine.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import statistics
import sys
import tempfile
import time
import uuid
from pathlib import Path

import uvloop
import websockets

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from reactor.application import Application
from reactor.deploy.deployer import Deployer
from reactor.deploy.watcher import Watcher
from reactor.server.app import build_app
from reactor.server.listening import listening

ROOT = Path(__file__).resolve().parents[1]
QUERY = "\n\n@query\ndef bench_version(ctx: QueryCtx) -> int:\n    return {}\n"
PAUSE = 4.0  # seconds between edits: nobody types faster


async def main(edits: int) -> list[float]:
    """Seconds from each save to the client's new result."""
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder) / "project"
        shutil.copytree(ROOT / "functions", project / "functions")
        shutil.copy(ROOT / "schema.py", project)
        images = project / "functions" / "images.py"
        text = images.read_text()
        images.write_text(text + QUERY.format(0))
        application = Application(project, Path(folder) / "data")
        await application.start()
        application.expect_edits()
        deployer = Deployer(application.deploy, lambda _: [], lambda _: None, running=application.manifest)
        following = asyncio.create_task(deployer.follow(Watcher(project).changes()))
        took = []
        async with (
            listening(build_app(application), "127.0.0.1", 0) as address,
            websockets.connect(f"{address.url.replace('http', 'ws')}/api/1.48.0/sync") as socket,
        ):
            await _subscribe(socket)
            await _sees(socket, 0)
            for version in range(1, edits + 1):
                await asyncio.sleep(PAUSE)
                began = time.perf_counter()
                images.write_text(text + QUERY.format(version))
                await _sees(socket, version)
                took.append(time.perf_counter() - began)
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        await application.stop()
        return took


async def _subscribe(socket: websockets.ClientConnection) -> None:
    added = {"type": "Add", "queryId": 0, "udfPath": "images:benchVersion", "args": [{}]}
    hello = {"type": "Connect", "sessionId": str(uuid.uuid4()), "connectionCount": 0, "lastCloseReason": None}
    await socket.send(json.dumps(hello))
    told = {"type": "ModifyQuerySet", "baseVersion": 0, "newVersion": 1, "modifications": [added]}
    await socket.send(json.dumps(told))


async def _sees(socket: websockets.ClientConnection, version: int) -> None:
    async for text in socket:
        if any(change.get("value") == version for change in json.loads(text).get("modifications", ())):
            return


if __name__ == "__main__":
    times = uvloop.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 20))
    print(f"{len(times)} edits, save to result: median {statistics.median(times) * 1000:.0f} ms, ", end="")
    print(f"best {min(times) * 1000:.0f} ms, worst {max(times) * 1000:.0f} ms")
