"""Housekeeper: removes the blobs of deleted files, moves new ones to the bucket, and sweeps away what is nobody's.

What is to be removed or moved is written in the rows (`execution/file_rows.py`), so nothing is forgotten whoever dies;
doing it twice does no harm. Only what never had a row must be searched for: that is the sweep, at the start and then now
and again, and it spares what is young enough to be about to get one.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, cast

from reactor.clock import Clock
from reactor.engine.engine import Engine
from reactor.engine.follower import Follower
from reactor.errors import Overloaded
from reactor.files.blob_store import BlobAge, BlobMissing, BlobStore
from reactor.files.folder import BlobFolder
from reactor.files.folder_store import FolderStore
from reactor.values.value import Value, decode, encode

BLOBS = "_system/storage:blobs"
STATES = "_system/storage:states"
MOVED = "_system/storage:moved"
FORGET = "_system/storage:forget"

_PAUSE = 1.0  # seconds after trouble before it is tried again; doubled each time
_LONGEST = 60.0
_SWEEP_EVERY = 3600.0  # seconds, or as long as an orphan may live, if that is shorter
_CHUNK = 256  # blobs whose rows are looked up at once

_log = logging.getLogger("reactor.keeper")


class Housekeeper:
    """`start` and `stop`."""

    def __init__(self, engine: Engine, clock: Clock, folder: BlobFolder, bucket: BlobStore | None) -> None:
        self._engine = engine
        self._clock = clock
        self._folder = folder
        self._bucket = bucket
        self._local = FolderStore(folder)
        self._hand = asyncio.Lock()  # one blob is moved or removed at a time, so never both
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin."""
        work = [self._remove_doomed, self._sweep_again]
        if self._bucket is not None:
            work.append(self._move_landed)
        self._tasks = [asyncio.get_running_loop().create_task(_keep_going(each)) for each in work]

    async def stop(self) -> None:
        """End, wherever it is."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def hold(self) -> AbstractAsyncContextManager[object]:
        """While the block runs no blob is removed or moved."""
        return self._hand

    # ── what the rows say ────────────────────────────────────────────────────────────────────────────────────────────

    async def _remove_doomed(self) -> None:
        async for key in self._follow("doomed"):
            async with self._hand:
                await self._local.delete(key)
                if self._bucket is not None:
                    await self._bucket.delete(key)
            await self._mutate(FORGET, {"key": key})

    async def _move_landed(self) -> None:
        assert self._bucket is not None
        async for key in self._follow("folder"):
            async with self._hand:
                try:
                    await self._bucket.put(key, self._folder.path(key))
                except (BlobMissing, FileNotFoundError):  # deleted meanwhile, or moved and not noted
                    _log.warning("a file to be moved to the bucket is not in the folder", extra={"blob": key})
                await self._mutate(MOVED, {"key": key})
                await self._local.delete(key)

    async def _follow(self, state: str) -> AsyncIterator[str]:
        """The keys of blobs in that state, as they come to be in it, for ever."""
        changed = asyncio.Event()
        done: set[str] = set()  # of those we are still told of
        with Follower(self._engine, BLOBS, encode({"state": state}), changed.set) as follower:
            while True:
                await changed.wait()
                changed.clear()
                if follower.failure is not None:  # told once, and not run again before new code: ask anew
                    raise OSError(f"could not read what is to be done: {follower.failure.text}")
                if follower.outcome is None or follower.outcome.value is None:
                    continue
                told = cast("list[str]", decode(follower.outcome.value))
                done &= set(told)
                for key in told:
                    if key not in done:
                        yield key
                        done.add(key)

    # ── what no row speaks of ────────────────────────────────────────────────────────────────────────────────────────

    async def _sweep_again(self) -> None:
        while True:
            await self._sweep()
            await asyncio.sleep(min(_SWEEP_EVERY, self._engine.limits.file_orphan_age))

    async def _sweep(self) -> None:
        before = self._clock.now_ns() / 1e9 - self._engine.limits.file_orphan_age
        await asyncio.to_thread(self._sweep_drafts, before)
        found = [blob async for blob in self._local.blobs()]
        await self._sweep_store(self._local, found, before)
        if self._bucket is not None:
            chunk: list[BlobAge] = []
            async for blob in self._bucket.blobs():
                chunk.append(blob)
                if len(chunk) >= _CHUNK:
                    await self._sweep_store(self._bucket, chunk, before)
                    chunk = []
            await self._sweep_store(self._bucket, chunk, before)

    def _sweep_drafts(self, before: float) -> None:
        for path in self._folder.drafts_before(before):
            path.unlink(missing_ok=True)

    async def _sweep_store(self, store: BlobStore, blobs: Sequence[BlobAge], before: float) -> None:
        old = iter(sorted(blob.key for blob in blobs if blob.written < before))
        swept = 0
        while chunk := list(itertools.islice(old, _CHUNK)):
            known = cast("dict[str, str]", await self._query(STATES, {"keys": list[Value](chunk)}))
            for key in chunk:
                left = store is self._local and self._bucket is not None and known.get(key) == "bucket"
                if key not in known or left:
                    async with self._hand:
                        await store.delete(key)
                    swept += 1
        if swept:
            _log.info("removed blobs that belonged to no file", extra={"blobs": swept})

    # ── the database ─────────────────────────────────────────────────────────────────────────────────────────────────

    async def _query(self, path: str, args: dict[str, Value]) -> Value:
        outcome = await self._engine.query(path, encode(args), None, internal=True)
        if outcome.failure is not None or outcome.value is None:
            raise OSError(f"{path} failed: {outcome.failure}")
        return decode(outcome.value)

    async def _mutate(self, path: str, args: dict[str, Value]) -> None:
        outcome = await self._engine.mutation(path, encode(args), None, internal=True)
        if outcome.failure is not None:
            raise OSError(f"{path} failed: {outcome.failure.text}")


async def _keep_going(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Do it for ever, again when it fails: a bucket that cannot be reached now can be later."""
    pause = _PAUSE
    while True:
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            await work()
        except (OSError, Overloaded) as error:
            _log.warning("files could not be cleared up or moved, trying again: %s", error)
        except Exception:  # noqa: BLE001  # a bug of ours ends none of the other work
            _log.exception("the housekeeper stumbled")
        pause = _PAUSE if loop.time() - began > _LONGEST else min(pause * 2, _LONGEST)
        await asyncio.sleep(pause)
