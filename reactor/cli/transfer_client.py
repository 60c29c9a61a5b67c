"""TransferClient: exports, backups and imports of a server, as an operator has them made (reference §5.2)."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import orjson

from reactor.cli.bar import Bar
from reactor.cli.live_query import LiveQuery
from reactor.cli.remote import Remote
from reactor.errors import TransferRefused

_PART = 8 << 20
_PARTS = 9_999
_BOM = b"\xef\xbb\xbf"


class TransferClient:
    """Of one server."""

    def __init__(self, remote: Remote, bar: Bar) -> None:
        self._remote = remote
        self._bar = bar

    # ── out ──────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def produce(self, what: str, options: dict[str, str]) -> dict[str, Any]:
        """Have an `export` or a `backup` made; its final state. Raises TransferRefused."""
        told = await self._remote.send(f"/api/_reactor/{what}?{urlencode(options)}")
        async with aclosing(self._states(told["id"])) as states:
            async for state in states:
                if state["state"] == "completed":
                    return state
                _raise_if_failed(state)
                self._bar.show_state(state)
        raise AssertionError("a live query has no end")

    async def fetch(self, state: dict[str, Any], path: Path) -> None:
        """Fetch what was produced into a new file, readable for its owner alone until it is whole."""
        ts = int.from_bytes(b64decode(state["start_ts"]["$integer"]), "little", signed=True)
        size, arrived = int(state["size"]), 0
        draft = path.with_name(f".{path.name}.part")
        draft.unlink(missing_ok=True)
        draft.touch(0o600)
        try:
            with draft.open("wb") as file:

                def take(piece: bytes) -> None:
                    nonlocal arrived
                    file.write(piece)
                    arrived += len(piece)
                    self._bar.show(f"Fetching {path.name}", arrived, size)

                await self._remote.fetch(f"/api/export/zip/{ts}", take)
            if arrived != size:
                raise TransferRefused(f"Only {arrived} of {size} bytes arrived.")
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)

    # ── in ───────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def upload(self, path: Path, wanted: dict[str, Any]) -> str:
        """Send a file to be imported; the import's id."""
        token = (await self._remote.send("/api/import/start_upload"))["uploadToken"]
        size = path.stat().st_size  # noqa: ASYNC240  # a command: nobody else is served
        part = max(_PART, -(-size // _PARTS))
        tokens: list[str] = []
        with path.open("rb") as file:
            while (piece := file.read(part)) or not tokens:
                if not tokens:
                    piece = piece.removeprefix(_BOM)
                query = urlencode({"uploadToken": token, "partNumber": len(tokens) + 1})
                tokens.append(
                    await self._remote.send(f"/api/import/upload_part?{query}", piece, "application/octet-stream")
                )
                self._bar.show(f"Sending {path.name}", file.tell(), size)
        body = {"import": wanted, "uploadToken": token, "partTokens": tokens}
        told = await self._remote.send("/api/import/finish_upload", orjson.dumps(body))
        return str(told["importId"])

    async def until(self, own_id: str, *states: str) -> dict[str, Any]:
        """Follow an import until it is in one of the states. Raises TransferRefused when it fails."""
        async with aclosing(self._states(own_id)) as told:
            async for state in told:
                if state["state"] in states:
                    return state
                _raise_if_failed(state)
                self._bar.show_state(state)
        raise AssertionError("a live query has no end")

    async def confirm(self, own_id: str) -> None:
        """Carry it out."""
        await self._remote.send("/api/perform_import", orjson.dumps({"importId": own_id}))

    async def cancel(self, own_id: str) -> None:
        """Give it up."""
        await self._remote.send("/api/cancel_import", orjson.dumps({"importId": own_id}))

    async def _states(self, own_id: str) -> AsyncGenerator[dict[str, Any], None]:
        query = LiveQuery(self._remote.socket_url, self._remote.credential(None))
        async with aclosing(query.results("_system/cli/queryImport", {"importId": own_id})) as results:
            async for result in results:
                if result.error is not None or result.value is None:
                    raise TransferRefused(result.error or "The server does not know it any more.")
                yield result.value["state"]


def _raise_if_failed(state: dict[str, Any]) -> None:
    if state["state"] == "failed":
        raise TransferRefused(str(state["error_message"]).rstrip())
