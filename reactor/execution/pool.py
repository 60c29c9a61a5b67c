"""RunnerPool: every process that runs user code, as the server sees them. Code in, calls in, outcomes out.

The pool assembles the three kinds of runner (writer_lane, reader_set, action_pool) over one nursery, watches their
deadlines, decides when the WAL is checkpointed, and carries out a push (engine D6). It knows no subscription and no
session; what a result means is its listener's business.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import uuid
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from reactor.clock import Clock
from reactor.database.variable import ALL_NAMES
from reactor.errors import BundleBroken, SchemaViolation, StorageError, WriterDied
from reactor.execution.action_pool import ActionPool
from reactor.execution.blame import wall_limit
from reactor.execution.examiner_lane import ExaminerLane
from reactor.execution.frames import Batch, Call, Outcome, Prepared, WriterHello
from reactor.execution.http_exchange import HttpExchange
from reactor.execution.installed import installed_packages
from reactor.execution.newborn import Newborn
from reactor.execution.nursery import Nursery, Surroundings
from reactor.execution.reader_set import ReaderSet
from reactor.execution.runner import Runner
from reactor.execution.seal import KEY_SIZE
from reactor.execution.writer_lane import Ledger, State, WriterLane
from reactor.files.place import FilePlace
from reactor.limits import Limits

_log = logging.getLogger("reactor.execution")

UNPREPARED = Prepared()
_WATCH = 0.05  # seconds between looks at the slots: how late a deadline may strike
_SPARE_DELAY = 0.5  # seconds after a reload: its own first work goes before
_HELD_QUERY = 2.0  # seconds a query may take while a checkpoint waits for it (engine C4)
_CHECKPOINT_PAUSE = 10.0  # seconds after a checkpoint that a foreign reader stopped


class PoolListener(Protocol):
    """Who gets results. Called on the loop, never awaits."""

    def batch_done(self, batch: Batch, outcomes: Sequence[Outcome]) -> None:
        """A batch is durable. In commit order, and exactly once per mutation, whatever died meanwhile."""
        ...

    def queries_done(self, batch_id: int, ts: int, calls: Sequence[Call], outcomes: Sequence[Outcome]) -> None:
        """Answers to calls of a submitted batch, all true at `ts`."""
        ...

    def queries_unrun(self, batch_id: int, calls: Sequence[Call]) -> None:
        """Calls of a submitted batch that were not run: queue them again."""
        ...


class RunnerPool:
    """Use: `nursery = await pool.load(root)`, `await pool.start(nursery)`; later `load` and `switch`; at last `stop`."""

    def __init__(
        self,
        *,
        database: Path,
        runtime_dir: Path,
        limits: Limits,
        clock: Clock,
        listener: PoolListener,
        start_method: str | None = None,
        built_in: Mapping[str, str] | None = None,
        files: FilePlace | None = None,
        cursor_key: bytes | None = None,
        newborn: Newborn | None = None,
    ) -> None:
        """`start_method` is "fork" or "spawn"; None takes the one that is safe on this system.

        `built_in` are environment variables this server defines; functions put `files` there;
        `cursor_key` seals their cursors (without it they are good for the life of this pool). `newborn` is the first
        nursery's process, if it fits.
        """
        self.on_reader_idle: Callable[[], None] = lambda: None  # set by the application
        self._surroundings = Surroundings(
            str(database), dict(built_in or {}), files, cursor_key or os.urandom(KEY_SIZE)
        )
        self._database = database
        self._runtime_dir = runtime_dir
        self._limits = limits
        self._clock = clock
        self._listener = listener
        self._spawns = (start_method or ("fork" if sys.platform == "linux" else "spawn")) == "spawn"
        self._wal = database.with_name(database.name + "-wal")
        self._nursery: Nursery | None = None  # of the bundle that is in force; set by start() and switch()
        self._first: Nursery | None = None  # the one the database was opened with; set by open()
        self._nurseries: set[Nursery] = set()  # may have processes; those that have none leave at the next load
        self._spare: Nursery | None = None  # has imported nothing of the user's yet; taken by the next load
        self._libraries: Sequence[str] = ()  # of the code loaded last
        self._ending: asyncio.Task[None] | None = None  # of a spare that is not wanted
        self._newborn = newborn  # until the first load
        self._loads = 0
        self._stopped = False  # set by stop()
        self._lane = WriterLane(Ledger(database, uuid.uuid4().hex), limits, self)
        self._readers = ReaderSet(database, limits, self)
        self._actions = ActionPool(limits)
        self._switching = asyncio.Lock()
        self._watch: asyncio.TimerHandle | None = None  # the next look; from start() to stop()
        self._checkpoint: asyncio.Task[None] | None = None  # the last one
        self._checkpointed = 0  # the head at it: until it moves there is nothing to do
        self._checkpoint_after = 0.0  # by the monotonic clock; later than now when the last one could not be completed

    # ── code ──────────────────────────────────────────────────────────────────────────────────────────────────────

    async def load(self, root: Path, *, again: bool = True) -> Nursery:
        """A new nursery with the code as it is on disk. Raises BundleBroken; then nothing has changed.

        `again`: the same folder may be loaded again soon, and the next time shall be quick.
        """
        self._nurseries = {nursery for nursery in self._nurseries if not nursery.over}
        self._loads += 1
        try:
            nursery = await self._take_spare(root).load()
        finally:
            if again and self._loads > 1:  # code is being worked on
                self.expect_reload(root)
        self._nurseries.add(nursery)
        self._libraries = nursery.libraries
        return nursery

    def expect_reload(self, root: Path) -> None:
        """The next load shall not wait until reactor is imported, and the libraries that the code imported last."""
        asyncio.get_running_loop().call_later(_SPARE_DELAY, self._prepare_spare, root)

    def forget_spare(self) -> None:
        """What libraries find when they are imported has changed: the next load begins from nothing."""
        spare, self._spare = self._spare, None
        if spare is not None:
            self._nurseries.add(spare)
            self._ending = asyncio.get_running_loop().create_task(spare.kill())

    def _take_spare(self, root: Path) -> Nursery:
        if self._spare is not None and self._spare.around != installed_packages():
            self.forget_spare()
        spare, self._spare = self._spare, None
        if spare is not None and spare.alive and spare.root == root:
            return spare
        if spare is not None:  # of a folder that is not loaded any more
            spare.drain()
            self._nurseries.add(spare)
        return self._new_nursery(root)

    def _new_nursery(
        self, root: Path, libraries: Sequence[str] = (), sources: Mapping[str, bytes] | None = None
    ) -> Nursery:
        newborn, self._newborn = self._newborn, None
        if newborn is not None and (self._spawns or newborn.root != root):
            newborn.abandon()
            newborn = None
        return Nursery(
            root,
            self._runtime_dir,
            self._limits,
            spawn=self._spawns,
            surroundings=self._surroundings,
            libraries=libraries,
            sources=sources,
            newborn=newborn,
        )

    def _prepare_spare(self, root: Path) -> None:
        if self._spare is None and not self._stopped:
            self._spare = self._new_nursery(root, self._libraries)

    async def open(self, nursery: Nursery) -> WriterHello:
        """Open the database under a new epoch, and start the readers if it belongs to the nursery's bundle.

        If it belongs to another, `push` comes next; until then only `_system/push:` calls can be run. Returns what the
        writer found. Raises StorageError; then `stop`.
        """
        self._first = nursery
        hello = await self._lane.open(nursery, new_epoch=True, prepared=None)
        self._look()
        return hello

    async def push(self, nursery: Nursery, prepared: Prepared) -> None:
        """Put the first bundle in force, and start the readers. Raises SchemaViolation, NotPrepared or WriterDied."""
        await self._lane.push(nursery, prepared)

    async def start(self, nursery: Nursery) -> WriterHello:
        """`open`, and `push` with nothing prepared, of which nobody is told.

        Returns what the writer found, as of after the push.
        """
        hello = await self.open(nursery)
        if hello.bundle != nursery.bundle:
            await self._lane.push(nursery, Prepared(), tell=False)
        return msgspec.structs.replace(hello, head=self._lane.head, bundle=nursery.bundle)

    def examiner(self, nursery: Nursery) -> ExaminerLane:
        """A process of a loaded bundle that looks at documents. To be closed."""
        return ExaminerLane(nursery, self._database, self._limits)

    async def switch(self, nursery: Nursery, prepared: Prepared = UNPREPARED) -> None:
        """Put the nursery's bundle in force (engine D6). Running actions finish in the code they began with.

        The push's batch goes to the listener without answers. Raises SchemaViolation, NotPrepared, or WriterDied if the
        new code cannot push itself; then the old nursery goes on.
        """
        async with self._switching:
            old = self._nursery
            assert old is not None, "start comes first"
            await self._lane.close()
            try:
                await self._lane.open(nursery, prepared=prepared)
            except BaseException:
                await self._go_back()
                raise

    async def _go_back(self) -> None:
        try:
            await self._lane.open(await self.living_nursery())  # what killed the push may have killed the old one too
        except (StorageError, WriterDied, SchemaViolation, BundleBroken) as error:
            self._lane.fail(error)

    async def discard(self, nursery: Nursery) -> None:
        """End a loaded nursery that will not be used."""
        self._nurseries.discard(nursery)
        await nursery.kill()

    def pushed(self, nursery: Nursery, batch: Batch | None) -> None:
        """LaneOwner: the database is this nursery's now; so are the readers and all new actions."""
        old, self._nursery = self._nursery, nursery
        if old is not nursery:
            self._readers.switch(nursery)
            self._actions.switch(nursery)
            if old is not None:
                old.drain()
        if batch is not None:
            self._listener.batch_done(batch, [])

    async def living_nursery(self) -> Nursery:
        """LaneOwner: the nursery in force; made anew if it died, with the code it had: what is on disk is no push."""
        lost = self._nursery or self._first
        assert lost is not None
        if lost.alive:
            return lost
        try:
            nursery = await self._new_nursery(lost.root, sources=lost.sources).load()
        except BundleBroken as error:
            _log.error("the code that was in force cannot be loaded again: trying what is on disk", exc_info=error)
            return await self.load(lost.root)
        self._nurseries.add(nursery)
        return nursery

    @property
    def nursery(self) -> Nursery:
        """The one whose bundle is in force."""
        assert self._nursery is not None, "start comes first"
        return self._nursery

    def imported_with(self, variables: Collection[str]) -> bool:
        """Whether the code in force read one of these environment variables while it was imported."""
        assert self._nursery is not None, "start comes first"
        asked = self._nursery.asked
        return bool(variables) and (ALL_NAMES in asked or not asked.isdisjoint(variables))

    # ── calls ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def submit_mutation(self, call: Call) -> None:
        """Run it; the answer comes through batch_done, after its commit."""
        self._lane.submit(call)

    async def take_staged(self, staging: Path, record: str) -> int:
        """Import what was staged; see WriterLane. Mutations wait meanwhile."""
        return await self._lane.take_staged(staging, record)

    @property
    def writable(self) -> bool:
        """False while the data folder cannot be written: mutations would wait until it can."""
        return self._lane.available

    @property
    def mutations_outstanding(self) -> int:
        """Mutations submitted and not answered: the length of the writer's queue."""
        return self._lane.outstanding

    def submit_queries(self, batch_id: int, calls: Sequence[Call], min_ts: int, *, whole: bool = False) -> bool:
        """Run the calls in one snapshot not older than `min_ts`. False when no reader is free: keep them.

        `whole`: they are of use only together, so they may take as long as one query may.
        """
        return self._readers.submit(batch_id, calls, min_ts, whole=whole)

    @property
    def readers_idle(self) -> int:
        """How many batches of queries could be submitted now."""
        return self._readers.idle

    async def run_action(
        self, call: Call, nested: Callable[[Call], Awaitable[Outcome]], exchange: HttpExchange | None = None
    ) -> Outcome:
        """Run the action in a process of its own; `nested` carries out the calls it makes. Never run twice.

        With an `exchange` it is a request to an HTTP route. Cancelling ends the action. Raises Overloaded when too many
        wait.
        """
        return await self._actions.run(call, nested, exchange)

    def batch_done(self, batch: Batch, outcomes: Sequence[Outcome]) -> None:
        """LaneOwner."""
        self._listener.batch_done(batch, outcomes)

    def queries_done(self, batch_id: int, ts: int, calls: Sequence[Call], outcomes: Sequence[Outcome]) -> None:
        """ReaderOwner."""
        self._listener.queries_done(batch_id, ts, calls, outcomes)

    def queries_unrun(self, batch_id: int, calls: Sequence[Call]) -> None:
        """ReaderOwner."""
        self._listener.queries_unrun(batch_id, calls)

    def reader_idle(self) -> None:
        """ReaderOwner."""
        self.on_reader_idle()

    @property
    def failed(self) -> asyncio.Future[None]:
        """Gets an exception when no mutation can run any more: the server should say so and end."""
        return self._lane.failed

    # ── watching ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _look(self) -> None:
        """Kill what is past its deadline; now and then look at the WAL."""
        now = self._clock.monotonic()
        for runner in self._running():
            occupant = runner.occupant
            allowed = wall_limit(runner.role, self._limits)
            if runner.role == "reader" and self._readers.held:
                allowed = min(allowed, _HELD_QUERY)
            if occupant is not None and now - occupant.started > allowed:
                runner.kill(overdue=occupant, allowed=allowed)
        self._look_at_wal(now)
        self._watch = asyncio.get_running_loop().call_later(_WATCH, self._look)

    def _running(self) -> list[Runner]:
        writer = [] if self._lane.runner is None else [self._lane.runner]
        return [*writer, *self._readers.running, *self._actions.running]

    def _look_at_wal(self, now: float) -> None:
        try:
            size = self._wal.stat().st_size  # asks for the size only: opening it would drop SQLite's locks (engine A10)
        except FileNotFoundError:
            return
        hold = size > self._limits.wal_hard
        due = hold or (size > self._limits.wal_soft and not self._lane.outstanding)
        ready = self._lane.state is State.OPEN and (self._checkpoint is None or self._checkpoint.done())
        if due and ready and self._checkpointed != self._lane.head and now >= self._checkpoint_after:
            self._checkpoint = asyncio.get_running_loop().create_task(self._run_checkpoint(hold=hold))

    async def _run_checkpoint(self, *, hold: bool) -> None:
        """Move the WAL into the database; with `hold` no reader has a snapshot that would keep it (engine C4)."""
        try:
            if hold:
                await self._readers.hold()
            self._checkpointed = self._lane.head
            left = await self._lane.checkpoint()
            if left:  # somebody else, Datasette perhaps, reads an old snapshot: trying at once again would only wait
                self._checkpoint_after = self._clock.monotonic() + _CHECKPOINT_PAUSE
            _log.info("checkpoint", extra={"wal_bytes": left})
        except WriterDied:
            self._checkpointed = 0  # its successor finds the WAL as large, and is asked again
        finally:
            self._readers.resume()

    async def stop(self) -> None:
        """End everything: mutations already sent are finished and answered, the rest is not run. Safe to repeat."""
        self._stopped = True
        if self._checkpoint is not None:
            self._checkpoint.cancel()
            await asyncio.gather(self._checkpoint, return_exceptions=True)
        await asyncio.gather(self._readers.stop(), self._actions.stop())
        await self._lane.stop()  # last, so that closing the only connection left folds the WAL into the database
        if self._watch is not None:  # until here: the last mutation had its deadline too
            self._watch.cancel()
        if self._spare is not None:
            self._nurseries.add(self._spare)
        await asyncio.gather(*(nursery.kill() for nursery in self._nurseries))
        self._nurseries.clear()
