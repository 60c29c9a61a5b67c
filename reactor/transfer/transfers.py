"""Transfers: exports, backups and imports of a running server, from request to end.

The work is done in child processes; how it stands is in rows of `_transfers`, which whoever waits follows. An import:

    parts are sent → uploaded (being checked and staged) → waiting_for_confirmation → in_progress → completed
                              └───────────────────────── failed ──────────────────────┘

Nothing of an import is in the database before its one commit, and nothing is left of one that fails.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

from reactor.clock import Clock
from reactor.engine.engine import Engine
from reactor.errors import BadRequest, NotFound, Overloaded, ReactorError, TransferRefused, WriterDied
from reactor.execution.pool import RunnerPool
from reactor.execution.transfer_rows import BEGIN, FIND, SWEEP, TELL
from reactor.files.bucket import SECRETS, BucketSettings
from reactor.files.folder import FOLDER, BlobFolder
from reactor.transfer.change_table import change_table
from reactor.transfer.child import run_child
from reactor.transfer.options import ExportOptions, ImportOptions
from reactor.transfer.reporter import Reporter
from reactor.transfer.uploads import Uploads
from reactor.values.int64 import Int64
from reactor.values.value import Value, decode, encode

EXPORT_MAIN = "reactor.transfer.export_main"
BACKUP_MAIN = "reactor.transfer.backup_main"
STAGE_MAIN = "reactor.transfer.stage_main"
Hold = Callable[[], contextlib.AbstractAsyncContextManager[object]]
_HIDDEN = ("REACTOR_ADMIN_KEY", *SECRETS)  # from the code of the project
_PATIENCE = 1.0  # seconds between looks whether the data can be written again
_KEPT = 4  # exports that can be fetched at once

_log = logging.getLogger("reactor.transfer")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where the server's things are, and what its code finds in the environment."""

    data: Path
    database: Path
    runtime: Path  # for what is of no use after this server
    bucket: BucketSettings | None
    built_in: Mapping[str, str]
    root: Callable[[], Path]  # the project in force


@dataclass(frozen=True, slots=True)
class Product:
    """A file that can be fetched."""

    path: Path
    name: str
    made: float  # by the monotonic clock


class Transfers:
    """`start` once the engine runs, `stop` before it ends."""

    def __init__(self, engine: Engine, pool: RunnerPool, hold: Hold, clock: Clock, surroundings: Surroundings) -> None:
        """`hold` keeps the bytes of files where they are while they are copied."""
        self._engine = engine
        self._pool = pool
        self._hold = hold
        self._clock = clock
        self._around = surroundings
        self._folder = surroundings.runtime / "transfers"
        self._uploads = Uploads(self._folder, engine.limits)
        self._products: dict[int, Product] = {}  # by timestamp; grows with each export, old ones leave then
        self._exporting: asyncio.Task[None] | None = None  # the last one
        self._imports: dict[str, asyncio.Task[None]] = {}  # by id, until they end
        self._confirmed: dict[str, asyncio.Event] = {}  # by id, of those that wait

    async def start(self) -> None:
        """Say of what an earlier server left unfinished that it has failed."""
        self._folder.mkdir(mode=0o700)
        await self._mutate(SWEEP, {})

    async def stop(self) -> None:
        """End what is under way; an import that is being carried out is, to its end."""
        tasks = [*self._imports.values(), *([self._exporting] if self._exporting else [])]
        waiting = {self._imports[own_id] for own_id, confirmed in self._confirmed.items() if not confirmed.is_set()}
        for task in tasks:
            if task in waiting or task is self._exporting:
                task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # ── out ──────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def request_export(self, options: ExportOptions) -> str:
        """Begin an export; the id of its row. Raises BadRequest while there is one under way."""
        name = f"{options.table}.{options.format}" if options.table else "snapshot_{ts}.zip"
        order = {"options": asdict(options)}
        return await self._produce("export", EXPORT_MAIN, order, name, holding=options.include_files)

    async def request_backup(self) -> str:
        """Begin a backup; the id of its row. Raises BadRequest as `request_export`."""
        return await self._produce(
            "backup", BACKUP_MAIN, {"data": str(self._around.data)}, "backup_{ts}.zip", holding=True
        )

    def product(self, ts: int) -> Product:
        """A finished export or backup. Raises NotFound."""
        self._forget_old()
        found = self._products.get(ts)
        if found is None:
            raise NotFound("ExportNotFound", f"There is no export of the timestamp {ts} (any more): request one")
        return found

    async def _produce(self, kind: str, module: str, order: dict[str, Any], name: str, *, holding: bool) -> str:
        if self._exporting is not None and not self._exporting.done():
            raise BadRequest("ExportInProgress", "An export or a backup is under way: wait until it is done")
        order |= {
            "database": str(self._around.database),
            "copy": str(self._folder / f"copy-{secrets.token_hex(8)}"),
            "out": str(self._folder / f"export-{secrets.token_hex(8)}"),
            "files": str(self._around.data / FOLDER),
            "bucket": None if self._around.bucket is None else asdict(self._around.bucket),
        }
        ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._exporting = asyncio.create_task(self._run_export(kind, module, order, name, ready, holding=holding))
        return await asyncio.shield(ready)

    async def _run_export(
        self, kind: str, module: str, order: dict[str, Any], name: str, ready: asyncio.Future[str], *, holding: bool
    ) -> None:
        try:
            own_id = await self._begin({"kind": kind, "state": {"state": "in_progress"}})
        except Exception as error:  # noqa: BLE001  # whoever asked is told
            ready.set_exception(error)
            return
        ready.set_result(own_id)
        async with self._reporting(own_id, "in_progress") as reporter:
            hold = self._hold() if holding else contextlib.nullcontext()
            async with hold:
                done = await run_child(module, order, reporter.news)
            ts, now = int(done["ts"]), self._clock.monotonic()
            self._forget_old(room=1)
            self._products[ts] = Product(Path(order["out"]), name.replace("{ts}", str(ts)), now)
            await reporter.end(
                {
                    "state": "completed",
                    "start_ts": Int64(ts),
                    "complete_ts": Int64(self._clock.now_ns()),
                    "zip_object_key": str(ts),
                    "num_documents": float(done["count"]),
                    "size": float(done["size"]),
                }
            )

    def _forget_old(self, room: int = 0) -> None:
        oldest = self._clock.monotonic() - self._engine.limits.export_life
        for ts, product in sorted(self._products.items()):
            if product.made < oldest or len(self._products) + room > _KEPT:
                product.path.unlink(missing_ok=True)  # who is reading it reads on
                del self._products[ts]

    # ── in ───────────────────────────────────────────────────────────────────────────────────────────────────────────

    def start_upload(self) -> str:
        """A token for the parts of a file. Raises Overloaded."""
        return self._uploads.start()

    async def upload_part(self, token: str, number: int, body: AsyncIterator[bytes]) -> None:
        """Store a part. Raises BadRequest."""
        await self._uploads.receive(token, number, body)

    async def finish_upload(self, token: str, parts: Sequence[int], options: ImportOptions) -> str:
        """All parts are there, in this order: check what they hold. The import's id. Raises BadRequest."""
        folder = await self._uploads.finish(token, parts)
        try:
            own_id = await self._begin(
                {
                    "kind": "import",
                    "format": options.format,
                    "mode": options.mode,
                    "tableName": options.table,
                    "state": {"state": "uploaded"},
                }
            )
        except BaseException:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
            raise
        self._confirmed[own_id] = asyncio.Event()
        task = self._imports[own_id] = asyncio.create_task(self._run_import(own_id, folder, options))
        task.add_done_callback(lambda _: self._forget_import(own_id))
        return own_id

    def confirm(self, own_id: str) -> None:
        """Carry a staged import out. Raises BadRequest for one that does not wait for it."""
        waiting = self._confirmed.get(own_id)
        if waiting is None:
            raise BadRequest("ImportNotWaiting", "There is no such import that waits to be confirmed")
        waiting.set()

    def cancel(self, own_id: str) -> None:
        """Give up an import that is not carried out yet. Raises BadRequest when it is too late, or there is none."""
        task, waiting = self._imports.get(own_id), self._confirmed.get(own_id)
        if task is None or waiting is None or waiting.is_set():
            raise BadRequest("ImportNotWaiting", "There is no such import, or it is being carried out")
        task.cancel()

    def _forget_import(self, own_id: str) -> None:
        self._imports.pop(own_id, None)
        self._confirmed.pop(own_id, None)

    async def _run_import(self, own_id: str, folder: Path, options: ImportOptions) -> None:
        try:
            async with self._reporting(own_id, "uploaded") as reporter:
                staged = await self._stage(folder, options, reporter)
                message, destroys = change_table(staged["changes"])
                await reporter.say(
                    {
                        "state": "waiting_for_confirmation",
                        "message_to_confirm": message,
                        "require_manual_confirmation": destroys,
                    }
                )
                try:
                    async with asyncio.timeout(self._engine.limits.export_life):
                        await self._confirmed[own_id].wait()
                except TimeoutError:
                    raise TransferRefused("Nobody confirmed the import in time. Nothing was changed.") from None
                await reporter.say(
                    {"state": "in_progress", "progress_message": f"Importing {staged['count']} documents"}
                )
                await asyncio.shield(self._carry_out(own_id, folder, staged["blobs"]))
                _log.info("imported", extra={"documents": staged["count"]})
        finally:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    async def _stage(self, folder: Path, options: ImportOptions, reporter: Reporter) -> dict[str, Any]:
        (folder / "drafts").mkdir()
        order = {
            "root": str(self._around.root()),
            "database": str(self._around.database),
            "archive": str(folder / "upload"),
            "staging": str(folder / "staging"),
            "drafts": str(folder / "drafts"),
            "options": asdict(options),
            "limits": asdict(self._engine.limits),
            "built_in": dict(self._around.built_in),
        }
        return cast("dict[str, Any]", await run_child(STAGE_MAIN, order, reporter.news, hidden=_HIDDEN))

    async def _carry_out(self, own_id: str, folder: Path, keys: Sequence[str]) -> None:
        """Files first: a row never speaks of bytes that are not there. They go again if there is no commit."""
        blobs = BlobFolder(self._around.data / FOLDER)
        try:
            await asyncio.to_thread(_land, blobs, folder / "drafts", keys)
            try:
                await self._pool.take_staged(folder / "staging", own_id)
            except WriterDied:
                if not await self._is_completed(own_id):
                    raise TransferRefused(
                        "The writer died before the commit. Nothing was changed: import again."
                    ) from None
        except (TransferRefused, OSError):  # there is certainly no commit; else the bytes stay, and a sweep finds out
            await asyncio.to_thread(_remove, blobs, keys)
            raise

    async def _is_completed(self, own_id: str) -> bool:
        """What the database says, once a writer has opened it again: a mutation waits for that."""
        while True:
            try:
                await self._mutate(TELL, {"id": own_id, "state": {"state": "in_progress"}})
                break
            except Overloaded:
                await asyncio.sleep(_PATIENCE)
        found = cast("dict[str, Any] | None", await self._query(FIND, {"importId": own_id}))
        return found is not None and found["state"]["state"] == "completed"

    # ── rows ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    @contextlib.asynccontextmanager
    async def _reporting(self, own_id: str, state: str) -> AsyncIterator[Reporter]:
        """What happens inside is told in the row; what goes wrong, too."""
        reporter = Reporter(lambda told: self._mutate(TELL, {"id": own_id, "state": told}), state)
        try:
            yield reporter
        except asyncio.CancelledError:
            await reporter.stop()
            with contextlib.suppress(Exception):
                await self._mutate(TELL, {"id": own_id, "state": _failed("It was cancelled. Nothing was changed.")})
            raise
        except (ReactorError, OSError) as error:
            await reporter.end(_failed(str(error)))
        except Exception:  # noqa: BLE001  # a bug of ours: whoever waits is told
            _log.exception("a transfer stumbled")
            await reporter.end(_failed("An error of the server; its log has it. Nothing was changed."))
        finally:
            await reporter.stop()

    async def _begin(self, fields: dict[str, Value]) -> str:
        return cast("str", await self._mutate(BEGIN, fields))

    async def _mutate(self, path: str, args: dict[str, Value]) -> Value:
        return await self._settled(self._engine.mutation(path, encode(args), None, internal=True))

    async def _query(self, path: str, args: dict[str, Value]) -> Value:
        return await self._settled(self._engine.query(path, encode(args), None, internal=True))

    async def _settled(self, call: Awaitable[Any]) -> Value:
        outcome = await call
        if outcome.failure is not None or outcome.value is None:
            raise Overloaded(
                "StorageUnavailable", "What becomes of it cannot be written down just now, try again later"
            )
        return decode(outcome.value)


def _failed(text: str) -> Value:
    return {"state": "failed", "error_message": text}


def _land(blobs: BlobFolder, drafts: Path, keys: Sequence[str]) -> None:
    for key in keys:
        draft = drafts / key
        os.utime(draft)  # young: about to belong to a row
        blobs.land(draft, key)


def _remove(blobs: BlobFolder, keys: Sequence[str]) -> None:
    for key in keys:
        blobs.remove(key)
