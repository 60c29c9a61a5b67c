"""PocketBase: realtime subscriptions with a filter on the channel; the counter by a hook's transaction."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar

from bench.clients.event_stream import EventStream
from bench.clients.http import Http
from bench.subjects.rest import RestWriter
from bench.subjects.subject import OnPush, Subject, Writer

HOOKS = Path(__file__).parent.parent / "apps" / "pocketbase_hooks"
COMMAND = Path(sys.executable).with_name("pocketbase")
RECORDS = "/api/collections/{}/records"
OPERATOR = ("bench@example.com", "only-on-loopback")


class PocketBase(Subject):
    """Pushes the changed record, not the query's result: what a client makes of it is its own work."""

    name: ClassVar[str] = "pocketbase"
    durable: ClassVar[str] = "not durable until SQLite's next checkpoint (WAL, synchronous=NORMAL), as shipped"

    @classmethod
    def missing(cls) -> str | None:
        return None if COMMAND.exists() else "it is not installed: pip install -e '.[bench]'"

    async def start(self) -> None:
        self.fresh_folder()
        command = str(COMMAND)
        data = str(self.folder / "pb_data")
        await asyncio.to_thread(subprocess.check_output, [command, "superuser", "upsert", *OPERATOR, "--dir", data])
        self.spawn([command, "serve", "--http", f"127.0.0.1:{self.port}", "--dir", data, "--hooksDir", str(HOOKS)])
        await self.up("/api/health")
        await self._create_collections()

    async def _create_collections(self) -> None:
        connection = await Http.open(self.port)
        identity, password = OPERATOR
        answer = await connection.call(
            "POST",
            "/api/collections/_superusers/auth-with-password",
            {"identity": identity, "password": password},
        )
        headers = {"Authorization": answer["token"]}
        anybody = dict.fromkeys(("listRule", "viewRule", "createRule", "updateRule"), "")
        texts: list[dict[str, Any]] = [{"name": name, "type": "text"} for name in ("channel", "author", "text")]
        messages = {
            "fields": [*texts, {"name": "created", "type": "autodate", "onCreate": True}],
            "indexes": ["CREATE INDEX by_channel ON messages (channel, created)"],
        }
        counters = {"fields": [{"name": "value", "type": "number"}]}
        for name, what in (("messages", messages), ("counters", counters)):
            await connection.call(
                "POST", "/api/collections", {"name": name, "type": "base", **anybody, **what}, headers
            )
        answer = await connection.call("POST", RECORDS.format("counters"), {"value": 0})
        self._counter = answer["id"]
        connection.close()

    async def subscribe(self, channel: str, on_push: OnPush) -> EventStream:
        """Follow a channel's records."""
        client = asyncio.get_running_loop().create_future()

        def on_event(event: bytes) -> None:
            if b"event:messages" in event:
                on_push(event)
            elif b"PB_CONNECT" in event and not client.done():
                client.set_result(json.loads(event[event.index(b"data:") + 5 :])["clientId"])

        stream = await EventStream.open(self.port, "/api/realtime", on_event)
        topic = "messages/*?options=" + json.dumps({"query": {"filter": f"channel='{channel}'"}})
        connection = await Http.open(self.port)
        await connection.call("POST", "/api/realtime", {"clientId": await client, "subscriptions": [topic]})
        connection.close()
        return stream

    async def writer(self) -> Writer:
        return RestWriter(
            await Http.open(self.port), RECORDS.format("messages"), f"/api/increment/{self._counter}", args={}
        )

    async def counter(self) -> int:
        connection = await Http.open(self.port)
        answer = await connection.call("GET", f"{RECORDS.format('counters')}/{self._counter}")
        connection.close()
        return int(answer["value"])
