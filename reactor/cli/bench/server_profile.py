"""ServerProfile: what the server says functions cost it, between two moments."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reactor.cli.remote import Remote
from reactor.errors import NotFound, ReactorError

_KEPT = 30  # seconds a look keeps the server counting
_LOOK = 10.0  # seconds between looks
_SUMS = (
    "runs", "failed", "cpu", "counted", "documentsRead", "bytesRead", "indexRanges", "documentsWritten", "bytesWritten",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class FunctionCost:
    """One function: sums over its runs; what was read and written, over those that were `counted`."""

    path: str
    kind: str
    runs: int
    failed: int
    cpu: float  # seconds
    counted: int
    documents_read: int
    bytes_read: int
    index_ranges: int
    documents_written: int
    bytes_written: int


@dataclass(frozen=True, slots=True)
class ServerCost:
    """All functions that were run meanwhile, by whomever, and how busy the server's own process was."""

    functions: Sequence[FunctionCost]
    processor: float  # seconds
    seconds: float

    def of(self, path: str) -> FunctionCost | None:
        """The one of that path."""
        return next((each for each in self.functions if each.path == path), None)


class ServerProfile:
    """`begin`, then `end`; `close` in any case."""

    def __init__(self, remote: Remote) -> None:
        self._remote = remote
        self._before: dict[str, Any] | None = None  # the server's answer at begin(); None: it has no such endpoint
        self._began = 0.0
        self._keeping: asyncio.Task[None] | None = None  # from start() to close()

    async def start(self) -> None:
        """Have it count, warm-up included. A server that cannot is left in peace."""
        try:
            await self._look()
        except NotFound:
            return
        self._keeping = asyncio.get_running_loop().create_task(self._keep())

    async def begin(self) -> None:
        """From now on."""
        if self._keeping is not None:
            self._before = await self._look()
        self._began = time.perf_counter()

    async def end(self) -> ServerCost | None:
        """Until now. None when the server cannot say, or is gone."""
        if self._before is None:
            return None
        try:
            after = await self._look()
        except ReactorError:
            return None
        if after["processor"] < self._before["processor"]:  # another life of the server
            return None
        before = {(each["path"], each["kind"]): each for each in self._before["functions"]}
        costs = (_difference(before.get((each["path"], each["kind"]), {}), each) for each in after["functions"])
        return ServerCost(
            sorted((cost for cost in costs if cost.runs > 0), key=lambda cost: -cost.runs),
            after["processor"] - self._before["processor"],
            time.perf_counter() - self._began,
        )

    async def close(self) -> None:
        """The server stops counting by itself."""
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)

    async def _look(self) -> dict[str, Any]:
        told: dict[str, Any] = await self._remote.send(f"/api/_reactor/profile?seconds={_KEPT}")
        return told

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(_LOOK)
            try:
                await self._look()
            except ReactorError:
                return


def _difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> FunctionCost:
    return FunctionCost(after["path"], after["kind"], *(after[name] - before.get(name, 0) for name in _SUMS))
