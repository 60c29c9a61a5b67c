"""Builds the rooms, hands each what it needs, and offers the product's verbs. It holds no logic of its own."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import shutil
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from reactor.auth.guesses import Guesses
from reactor.auth.identity import Identity
from reactor.auth.jwt import Verified
from reactor.clock import Clock, SystemClock
from reactor.database.variable import VariableChange
from reactor.definitions.manifest import Manifest
from reactor.deploy.bundle_store import BundleStore
from reactor.deploy.deployment import Deployment
from reactor.deploy.migrator import MigrationStatus
from reactor.deploy.progress import Tell
from reactor.deploy.pushing import PushPlan
from reactor.deploy.receiver import Delivery
from reactor.engine.call_log import CallLog, Stretch
from reactor.engine.engine import Done, Engine, View
from reactor.engine.function_log import FunctionLog
from reactor.engine.profile import FunctionTally
from reactor.errors import BadRequest, BundleBroken, Overloaded, SchemaViolation, Unauthenticated
from reactor.execution.frames import HttpRequest, Outcome
from reactor.execution.http_exchange import HttpExchange
from reactor.execution.newborn import Newborn
from reactor.execution.pool import RunnerPool
from reactor.execution.system_names import UPDATE_VARIABLES
from reactor.files.bucket import Bucket, BucketSettings
from reactor.files.folder import FOLDER, BlobFolder
from reactor.files.place import FilePlace
from reactor.files.upload_token import UploadKey
from reactor.footprint.write_log import WriteLog
from reactor.issuers.authenticator import Authenticator
from reactor.issuers.fetcher import HttpFetcher
from reactor.issuers.reach import PUBLIC, Reach
from reactor.keeper.keeper import FileKeeper, FoundFile, Upload
from reactor.limits import DEFAULT_LIMITS, Limits
from reactor.scheduler.scheduler import Scheduler
from reactor.storage.admin_key import AdminKey
from reactor.storage.cursor_key import cursor_key_at
from reactor.storage.lock import FileLock, make_folder
from reactor.storage.upload_key import upload_key_at
from reactor.subscriptions.subscription import QueryKey, Subscriber, Subscription
from reactor.transfer.transfers import Surroundings, Transfers
from reactor.values.value import Value, decode, encode

DATABASE = "reactor.db"

_log = logging.getLogger("reactor")


@dataclass(frozen=True, slots=True)
class Origins:
    """Where clients find this server, and its HTTP routes: what CONVEX_CLOUD_URL and CONVEX_SITE_URL say."""

    cloud: str
    site: str

    @classmethod
    def at(cls, host: str, port: int, site_port: int | None) -> Origins:
        """Of a server that listens there, seen from the same machine."""
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
        return cls(f"http://{host}:{port}", f"http://{host}:{site_port}" if site_port else f"http://{host}:{port}/http")


DEFAULT_ORIGINS = Origins.at("127.0.0.1", 3210, 3211)


class Application:
    """One server's worth of reactor: a project folder and a data folder.

    `start` comes first and `stop` last. Verbs named `call_…` are for requests, the rest for sockets (`server/`).
    """

    def __init__(
        self,
        root: Path,
        data: Path,
        *,
        limits: Limits = DEFAULT_LIMITS,
        clock: Clock | None = None,
        redact: bool = False,
        reach: Reach = PUBLIC,
        start_method: str | None = None,
        origins: Origins = DEFAULT_ORIGINS,
        bundles: BundleStore | None = None,
        bucket: BucketSettings | None = None,
        newborn: Newborn | None = None,
    ) -> None:
        """With `bundles`, where they are kept, code may be pushed to it over the network. `newborn`: see RunnerPool."""
        self.data = data
        self.limits = limits
        self.redact = redact
        self._clock = clock or SystemClock()
        self._start_method = start_method
        self._newborn = newborn  # until the first start
        self._built_in = {"CONVEX_CLOUD_URL": origins.cloud, "CONVEX_SITE_URL": origins.site}
        self._calls = CallLog(limits, self._clock)
        # Named, so that no two servers' request ids are alike
        self._functions = FunctionLog(secrets.token_hex(8), self._calls, self._clock)
        self._engine = Engine(limits, self._functions, self._clock)
        self.touch = self._engine.touch  # refresh a socket's view at the end of this step: asked for with every push
        self._pool: RunnerPool | None = None  # set by start
        self._lock: FileLock | None = None  # held from start to stop
        self._runtime = data / "runtime"  # slots and the like, of one life of the server; under its lock
        self._deployment = Deployment(root, self._engine, self._clock, self._publish, bundles)
        self._scheduler = Scheduler(self._engine, self._clock, self._deployment.kind_of)
        self._authenticator = Authenticator(HttpFetcher(reach, limits), self._clock, limits)
        self._guesses = Guesses(limits.admin_failures)
        self._bucket = bucket  # where files are kept; None: in the data folder
        self._keeper: FileKeeper | None = None  # set by start
        self._transfers: Transfers | None = None  # set by start
        self._admin_key: AdminKey | None = None  # set by start

    # ── life ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def start(self) -> None:
        """Open the data folder, load the project, run what is due.

        Raises StorageLocked when another server holds the folder, BundleBroken when the code does not load,
        SchemaViolation when existing documents do not fit the schema. Nothing is left running then: it can be called
        again.
        """
        make_folder(self.data)
        self._lock = FileLock.take(self.data / f"{DATABASE}.server", "server")
        try:
            self._admin_key = AdminKey.at(self.data)
            await self._calls.open(self.data)
            shutil.rmtree(self._runtime, ignore_errors=True)  # what a killed server left
            self._runtime.mkdir()
            files = BlobFolder(self.data / FOLDER)
            await asyncio.to_thread(files.prepare)
            key = UploadKey(upload_key_at(self.data))
            bucket = None if self._bucket is None else Bucket(self._bucket, os.environ)
            self._keeper = FileKeeper(self._engine, self._clock, files, key, bucket)
            pool = self._pool = RunnerPool(
                database=self.data / DATABASE,
                runtime_dir=self._runtime,
                limits=self.limits,
                clock=self._clock,
                listener=self._engine,
                start_method=self._start_method,
                built_in=self._built_in,
                files=FilePlace(files.root.absolute(), key),
                cursor_key=cursor_key_at(self.data),
                newborn=self._newborn,
            )
            self._newborn = None
            self._engine.attach(pool)
            await self._deployment.start()
            self._transfers = Transfers(self._engine, pool, self._keeper.hold, self._clock, self._surroundings())
            await self._transfers.start()
            self._scheduler.start()
            self._keeper.start()
        except BaseException:
            await self._end_work()
            await self._release()
            raise

    async def deploy(self) -> Manifest:
        """Load the project as it is on disk now and switch to it, atomically.

        Raises BundleBroken, SchemaViolation or WriterDied; the running code then goes on untouched.
        """
        return await self._deployment.deploy()

    async def receive_code(self, archive: bytes, *, dry_run: bool = False) -> Delivery:
        """Put pushed sources in force, atomically, or say what that would do. Raises BadRequest; nothing has changed then."""
        return await self._deployment.receive(archive, dry_run=dry_run)

    async def plan_push(self) -> PushPlan:
        """What a push of the code on disk would do. Nothing is changed. Raises BundleBroken."""
        return await self._deployment.plan()

    def expect_edits(self) -> None:
        """The code is being worked on: make the first `deploy` as quick as the others."""
        self.pool.expect_reload(self.root)

    async def stop(self) -> None:
        """Finish what is running, as far as it ends soon, and let the data folder go."""
        await self._end_work()
        await self._authenticator.close()
        await self._engine.close()
        await self._release()

    async def _end_work(self) -> None:
        """What goes on by itself; as much of it as was started."""
        await self._deployment.stop()
        await self._scheduler.stop()
        if self._transfers is not None:
            await self._transfers.stop()
        if self._keeper is not None:
            await self._keeper.stop()

    async def _release(self) -> None:
        if self._pool is not None:
            await self._pool.stop()
            self._pool = None
        await self._calls.close()
        if self._lock is not None:
            shutil.rmtree(self._runtime, ignore_errors=True)
            self._lock.release()
            self._lock = None

    def _publish(self, manifest: Manifest) -> None:
        self._authenticator.configure(manifest.auth)

    # ── what is known ────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def pool(self) -> RunnerPool:
        """The runners, while started."""
        assert self._pool is not None, "start() comes first"
        return self._pool

    @property
    def failed(self) -> asyncio.Future[None]:
        """Ends with an exception when the engine cannot go on."""
        return self.pool.failed

    @property
    def root(self) -> Path:
        """The project in force."""
        return self._deployment.root

    @property
    def on_progress(self) -> Tell:
        """Who is told how far the work on documents and indexes has come."""
        return self._deployment.on_progress

    @on_progress.setter
    def on_progress(self, tell: Tell) -> None:
        self._deployment.on_progress = tell

    @property
    def manifest(self) -> Manifest:
        """What is deployed."""
        return self._deployment.manifest

    @property
    def head(self) -> int:
        """The newest committed timestamp."""
        return self._engine.head

    @property
    def now(self) -> float:
        """Seconds since the epoch, by the wall clock."""
        return self._clock.now_ns() / 1e9

    @property
    def log(self) -> WriteLog:
        """Recent commits."""
        return self._engine.log

    @property
    def runs_made(self) -> int:
        """Query runs made so far: live queries that nothing touched add none."""
        return self._engine.runs_made

    def request_name(self, call: int) -> str:
        """What a call of this server is named in errors and logs."""
        return self._functions.request_name(call)

    def check_admin_key(self, key: str) -> bool:
        """Whether this is the operator's key."""
        return self._admin_key is not None and self._admin_key.matches(key)

    # ── requests ─────────────────────────────────────────────────────────────────────────────────────────────────────

    async def call_query(self, path: str, args: bytes, identity: Identity | None, *, internal: bool = False) -> Outcome:
        """Run a query at the head."""
        return await self._engine.query(path, args, _key(identity), internal=internal)

    def begin_query(self, path: str, args: bytes, done: Done) -> None:
        """`call_query` by nobody, without a coroutine. Raises Overloaded."""
        self._engine.submit_query(path, args, None, done)

    def begin_mutation(self, path: str, args: bytes, done: Done) -> None:
        """`call_mutation` by nobody, without a coroutine. Raises Overloaded."""
        self._engine.submit_mutation(path, args, None, done)

    async def call_query_at(
        self, path: str, args: bytes, identity: Identity | None, ts: int, *, internal: bool = False
    ) -> Outcome:
        """Run a query as of a past timestamp. Raises OutOfRetention when its data has changed since."""
        return await self._engine.query_at(path, args, _key(identity), ts, internal=internal)

    async def call_queries(
        self, calls: Sequence[tuple[str, bytes]], identity: Identity | None, *, internal: bool = False
    ) -> Sequence[Outcome]:
        """Run queries, given as path and arguments, in one snapshot."""
        return await self._engine.query_all(calls, _key(identity), internal=internal)

    async def call_mutation(
        self, path: str, args: bytes, identity: Identity | None, *, internal: bool = False
    ) -> Outcome:
        """Run a mutation; it is durable when this returns."""
        return await self._engine.mutation(path, args, _key(identity), internal=internal)

    async def call_action(
        self, path: str, args: bytes, identity: Identity | None, *, internal: bool = False
    ) -> Outcome:
        """Run an action."""
        return await self._engine.action(path, args, _key(identity), internal=internal)

    async def call_function(
        self, path: str, args: bytes, identity: Identity | None, *, internal: bool = False
    ) -> Outcome:
        """Run a function of whatever kind it is."""
        match self._deployment.kind_of(path):
            case "mutation":
                return await self.call_mutation(path, args, identity, internal=internal)
            case "action":
                return await self.call_action(path, args, identity, internal=internal)
            case _:
                return await self.call_query(path, args, identity, internal=internal)

    def open_http(self, name: str, request: HttpRequest, identity: Identity | None) -> HttpExchange:
        """Have the project's HTTP routes answer a request; `name` is what logs call it."""
        exchange = HttpExchange(request)
        self._engine.submit_http(name, _key(identity), exchange)
        return exchange

    # ── files ────────────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def keeper(self) -> FileKeeper:
        """The files, while started."""
        assert self._keeper is not None, "start() comes first"
        return self._keeper

    def check_upload_token(self, token: str) -> None:
        """Raises Unauthenticated for an upload URL that does not hold (any more)."""
        self.keeper.check_token(token)

    async def store_file(self, body: AsyncIterator[bytes], upload: Upload) -> str:
        """Store a file; its id. See FileKeeper.receive."""
        return await self.keeper.receive(body, upload)

    async def find_file(self, key: str) -> FoundFile:
        """The file of a URL. Raises NotFound."""
        return await self.keeper.find(key)

    async def read_file(self, key: str, start: int, end: int) -> AsyncGenerator[bytes, None]:
        """Its bytes. Raises NotFound, Overloaded."""
        return await self.keeper.read(key, start, end)

    # ── all the data ─────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def transfers(self) -> Transfers:
        """Exports, backups and imports, while started."""
        assert self._transfers is not None, "start() comes first"
        return self._transfers

    def _surroundings(self) -> Surroundings:
        return Surroundings(
            self.data.absolute(),
            (self.data / DATABASE).absolute(),
            self._runtime.absolute(),
            self._bucket,
            self._built_in,
            lambda: self.root,
        )

    # ── for people ───────────────────────────────────────────────────────────────────────────────────────────────────

    async def read_calls(self, cursor: int, limit: int, wait: float) -> Stretch:
        """Function calls that ended, from the cursor on; see CallLog.read."""
        return await self._calls.read(cursor, limit, wait)

    def profile(self, seconds: float) -> Sequence[FunctionTally]:
        """What functions cost since somebody looks; it is counted for so many seconds more."""
        self._functions.profile.hold(seconds)
        return self._functions.profile.tallies

    async def upkeep_finished(self) -> None:
        """Wait until documents are filled and what was dropped is gone."""
        await self._deployment.upkeep_finished()

    # ── migrations ───────────────────────────────────────────────────────────────────────────────────────────────────

    async def migrations(self) -> list[MigrationStatus]:
        """Every migration of the project, in the order in which they are run, and how far each has come."""
        return await self._deployment.migrations()

    async def migrate(self, names: Sequence[str], *, restart: bool, dry_run: bool) -> list[MigrationStatus]:
        """Run migrations online, those that are pending without names, one after another; what became of them.

        Raises BadRequest for a name that is none. A caller who goes away does not stop them.
        """
        return await self._deployment.migrate(names, restart=restart, dry_run=dry_run)

    # ── environment variables ────────────────────────────────────────────────────────────────────────────────────────

    async def change_variables(self, changes: Sequence[VariableChange]) -> None:
        """Set and remove environment variables, all or none; queries that read one run again.

        What the code read while it was imported makes it be imported again. Raises BadRequest for a name or value that
        cannot be, and for code that does not load with the new values: they are stored then, and the old code goes on.
        """
        told: list[Value] = [
            {"name": name} if value is None else {"name": name, "value": value} for name, value in changes
        ]
        outcome = await self._engine.mutation(UPDATE_VARIABLES, encode({"changes": told}), None, internal=True)
        failure = outcome.failure
        if failure is not None:
            if failure.retry:
                raise Overloaded(failure.code, failure.text)
            raise BadRequest(failure.code, failure.text.strip())
        assert outcome.value is not None
        changed = cast("list[str]", decode(outcome.value))
        if changed:
            self.pool.forget_spare()
        if self.pool.imported_with(changed):
            await self._import_again()

    async def _import_again(self) -> None:
        try:
            await self.deploy()
        except (BundleBroken, SchemaViolation) as error:
            _log.error("the code does not load with the environment as it is now", exc_info=error)
            raise BadRequest(
                "EnvironmentBreaksCode",
                "The change is stored, but the code does not load with it; what ran before runs on. "
                f"The server's log has the traceback of this {type(error).__name__}.",
            ) from None
        _log.warning("environment variables that the code reads when imported have changed: it was loaded again")

    # ── sockets ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def identify_admin(self, key: str, acting_as: bytes | None, address: str = "") -> Identity | None:
        """Who an operator's credential makes a socket: nobody, or the user it acts as. Raises Unauthenticated, BadRequest.

        Raises Overloaded when too many wrong ones came from that address: then none is looked at.
        """
        now = self._clock.monotonic()
        wait = self._guesses.wait(address, now)
        if wait:
            raise Overloaded("TooManyAuthFailures", "Too many wrong admin keys came from your address", wait)
        if not self.check_admin_key(key):
            self._guesses.failed(address, now)
            raise Unauthenticated("BadDeployKey", "The provided admin key was invalid for this instance")
        if acting_as is None:
            return None
        attributes = decode(acting_as)
        if not isinstance(attributes, dict):
            raise BadRequest("HeaderParseFailure", "The identity to act as must be an object")
        return Identity.from_attributes(attributes, acting_as=True)

    async def identify_user(self, token: str) -> Verified:
        """Who a token names; see Authenticator.identify."""
        return await self._authenticator.identify(token)

    def submit_mutation(
        self,
        path: str,
        args: bytes,
        identity: Identity | None,
        done: Done,
        *,
        internal: bool,
        session: str,
        request: int,
    ) -> None:
        """Run a socket's mutation; see Engine.submit_mutation."""
        self._engine.submit_mutation(
            path, args, _key(identity), done, internal=internal, session=session, request=request
        )

    def submit_action(self, path: str, args: bytes, identity: Identity | None, done: Done, *, internal: bool) -> None:
        """Run a socket's action."""
        self._engine.submit_action(path, args, _key(identity), done, internal=internal)

    def watch(self, key: QueryKey, subscriber: Subscriber) -> None:
        """Follow a query for a socket."""
        self._engine.watch(key, subscriber)

    def unwatch(self, subscriber: Subscriber) -> None:
        """Stop following it."""
        self._engine.unwatch(subscriber)

    def run_gang(self, view: View, identity: bytes | None, members: Iterable[Subscription]) -> None:
        """Run all of these in one snapshot."""
        self._engine.run_gang(view, identity, members)

    def forget(self, view: View) -> None:
        """The view is gone."""
        self._engine.forget(view)

    def reach(self, ts: int, view: View) -> bool:
        """Bring the head to `ts`, which a client has seen, and touch the view then; False when it is too far ahead."""
        return self._engine.reach(ts, view, self._clock.now_ns())


def _key(identity: Identity | None) -> bytes | None:
    return None if identity is None else identity.key
