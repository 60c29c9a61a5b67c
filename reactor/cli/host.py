"""Host: one project being served by this process, in development with every save pushed.

The assembly of Application, server, watcher and deployer for `reactor dev` and `reactor serve`; decides only their
order. First the code must load; in development a project that does not is waited for.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import os
import signal
import socket
import time
from collections.abc import AsyncGenerator, Awaitable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reactor.application import Application, Origins
from reactor.cli.address_file import AddressFile
from reactor.cli.changed_offline import CHANGED_OFFLINE
from reactor.cli.terminal import Terminal
from reactor.definitions.manifest import Manifest
from reactor.deploy.bundle_store import BundleStore
from reactor.deploy.writer_calls import StepFailed
from reactor.errors import BundleBroken, DefinitionError, NotPrepared, ReactorError, SchemaViolation
from reactor.execution.newborn import Newborn
from reactor.files.bucket import BucketSettings
from reactor.issuers.reach import Reach
from reactor.limits import DEFAULT_LIMITS, Limits
from reactor.server.app import run_server
from reactor.server.listening import Address
from reactor.storage.admin_key import FILE_NAME as ADMIN_KEY

if TYPE_CHECKING:
    from codegen import Outputs


@dataclass(frozen=True, slots=True)
class HostOptions:
    """What is served, and how."""

    root: Path
    data: Path
    host: str = "127.0.0.1"
    port: int = 3210
    site_port: int | None = None  # has the project's HTTP routes at its root; they are under /http/ in any case
    site_port_chosen: bool = False  # by the operator: serving without it will not do
    limits: Limits = DEFAULT_LIMITS
    dev: bool = True  # errors in full, every save pushed, types written
    outputs: Outputs | None = None  # what is generated with every push
    files: BucketSettings | None = None  # where files are kept; None: in the data folder
    private_hosts: tuple[str, ...] = ()  # that may be fetched from when not in development
    bundles: BundleStore | None = None  # where pushed code is kept; without it none is taken
    newborn: Newborn | None = None  # forked while there was little to fork; see RunnerPool


# Objects made before the collector looks at the young ones, and young looks before it looks at older ones. Sessions and
# subscriptions are no garbage and are many: at Python's own (700, 10, 10) looking through them cost a sixth of a query.
_COLLECT = (20_000, 20, 50)
_LOOK = 0.2  # seconds between looks whether a variable was set, while code that may want one is waited for


class AddressTaken(ReactorError):
    """Somebody else listens there, or the address is not ours to have."""

    tag = "AddressTaken"


class Host:
    """Made once per command; `serve` or `push_once`."""

    def __init__(self, options: HostOptions, terminal: Terminal) -> None:
        self._options = options
        self._terminal = terminal
        self._pending: list[str] = []  # migrations that were told to be pending
        if not options.port:  # to be known before the code is loaded, which may ask for it
            options = self._options = replace(options, port=_free_port(options.host))
        self._application = Application(
            options.root,
            options.data,
            limits=options.limits,
            redact=not options.dev,
            origins=_origins(options),
            bucket=options.files,
            reach=Reach(private=options.dev, hosts=options.private_hosts),
            bundles=options.bundles,
            newborn=options.newborn,
        )
        if options.dev:
            self._application.on_progress = terminal.progress

    async def serve(self) -> None:
        """Serve until SIGINT or SIGTERM. Raises ReactorError for what a person has to mend first."""
        options = self._options
        _check_addresses(options)
        with _terminated_by_cancelling():
            if not options.dev:
                await self._start()
                await self._run()
                return
            while not await self._develop():
                pass

    async def _develop(self) -> bool:
        """Serve and push every save, to the end; False when it has to be begun again."""
        from reactor.deploy.deployer import Deployer
        from reactor.deploy.watcher import Watcher

        options = self._options
        generated = options.outputs.sources if options.outputs is not None else frozenset[Path]()
        async with contextlib.aclosing(Watcher(options.root, generated=generated).changes()) as changes:
            if not await self._start_when_it_loads(changes):
                return False
            self._application.expect_edits()
            deployer = Deployer(self._push, self._generate, self._terminal.report, running=self._application.manifest)
            await self._run(deployer.follow(changes))
            return True

    async def push_once(self) -> None:
        """Load, bring the data folder up to it, write types; serve nothing."""
        with _terminated_by_cancelling():
            await self._start()
            await self._application.upkeep_finished()
            await self._application.stop()

    async def _start_when_it_loads(self, changes: AsyncGenerator[frozenset[Path], None]) -> bool:
        """Start, after the first save with which that is possible. False when something else than a save changed."""
        while True:
            variables = self._variables_changed()
            try:
                await self._start()
                return True
            except (BundleBroken, SchemaViolation, NotPrepared, StepFailed) as error:
                self._terminal.failed(error)
                self._terminal.warn("Waiting for the next save, or for `reactor env set` …")
            save = asyncio.ensure_future(anext(changes))
            try:
                while not save.done():
                    await asyncio.wait([save], timeout=_LOOK)
                    if self._variables_changed() != variables:
                        return False
                save.result()
            finally:
                save.cancel()
                await asyncio.gather(save, return_exceptions=True)

    def _variables_changed(self) -> int:
        """When `reactor env` last changed a variable without a server, as far as a file can tell."""
        try:
            return (self._options.data / CHANGED_OFFLINE).stat().st_mtime_ns
        except FileNotFoundError:
            return 0

    async def _start(self) -> None:
        started = time.monotonic()
        new_key = not (self._options.data / ADMIN_KEY).exists()
        await self._application.start()
        _leave_garbage_longer()
        manifest = self._application.manifest
        self._terminal.loaded(manifest, time.monotonic() - started)
        await self._tell_pending()
        self._terminal.generated(self._generate(manifest))
        if new_key:
            self._terminal.say(f"made an admin key: {self._options.data / ADMIN_KEY}")

    async def _push(self) -> Manifest:
        manifest = await self._application.deploy()
        await self._tell_pending()
        return manifest

    async def _tell_pending(self) -> None:
        """Migrations that nobody has run yet."""
        if self._application.manifest.migrations:
            statuses = await self._application.migrations()
            pending = [each.name for each in statuses if each.state != "done"]
            if pending and pending != self._pending:
                self._terminal.warn(f"not run yet: {', '.join(pending)}. `reactor migrate` runs them while you serve")
            self._pending = pending

    def _generate(self, manifest: Manifest) -> list[str]:
        outputs = self._options.outputs
        try:
            return [] if outputs is None else outputs.write(manifest)
        except DefinitionError as error:  # the code is live all the same
            self._terminal.failed(error)
            return []

    async def _run(self, *beside: Awaitable[None]) -> None:
        """Serve a started application until told to stop, or until something beside it fails; then stop it."""
        options, application = self._options, self._application
        address_file = AddressFile(options.data)

        def on_listening(address: Address, site: Address | None) -> None:
            address_file.write(address.url)
            if site is None and options.site_port is not None:
                self._terminal.warn(f"port {options.site_port} is in use: HTTP routes are served under /http/ only")
            elif site is not None and application.manifest.routes is not None:
                print(f"HTTP routes at {site.url}", flush=True)
            print(f"reactor ready at {address.url}", flush=True)

        server = run_server(
            application,
            options.host,
            options.port,
            site_port=options.site_port,
            site_required=options.site_port_chosen,
            on_listening=on_listening,
        )
        tasks: list[asyncio.Future[Any]] = [asyncio.ensure_future(each) for each in (server, *beside)]
        try:
            with address_file.cleared():
                done, _ = await asyncio.wait((*tasks, application.failed), return_when=asyncio.FIRST_COMPLETED)
                for each in done:
                    each.result()
        except OSError as error:
            _check_addresses(options)  # says which one it is
            raise AddressTaken(f"Cannot listen at {options.host}:{options.port}: {error.strerror or error}.") from error
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await application.stop()


@contextlib.contextmanager
def _terminated_by_cancelling() -> Iterator[None]:
    """SIGTERM cancels this task, as SIGINT does, so that what was started is stopped in order.

    So does SIGHUP, which says that the terminal is gone, unless `nohup` has it ignored.
    """
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    told = [number for number in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) is not signal.SIG_IGN]
    for number in told:
        loop.add_signal_handler(number, task.cancel)
    try:
        yield
    finally:
        for number in told:
            loop.remove_signal_handler(number)


def _check_addresses(options: HostOptions) -> None:
    """Fail now rather than after loading. That an address is free now is no promise: binding may still fail."""
    _check_address(options.host, options.port, f"--port {options.port + 1}, or REACTOR_PORT")
    if options.site_port is not None and options.site_port_chosen:
        _check_address(options.host, options.site_port, "--site-port off, for HTTP routes under /http/ only")


def _check_address(host: str, port: int, other: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            text = f"Port {port} is in use. Stop what listens there, or choose another: {other}."
        else:
            text = f"Cannot listen at {host}:{port}: {error.strerror or error}."
        raise AddressTaken(text) from error


def _free_port(host: str) -> int:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with contextlib.closing(socket.create_server((host, 0), family=family)) as probe:
            return int(probe.getsockname()[1])
    except OSError as error:
        raise AddressTaken(f"Cannot listen at {host}: {error.strerror or error}.") from error


def _origins(options: HostOptions) -> Origins:
    """Where clients find us: as the operator says, who knows of proxies, else where we listen."""
    here = Origins.at(options.host, options.port, options.site_port)
    return Origins(os.environ.get("CONVEX_CLOUD_ORIGIN", here.cloud), os.environ.get("CONVEX_SITE_ORIGIN", here.site))


def _leave_garbage_longer() -> None:
    """For a program that is a server only: what exists now is never looked through again, what comes is later.

    Nor is it looked through now, which would take as long as an import: what little of it is garbage stays.
    """
    gc.freeze()
    gc.enable()
    gc.set_threshold(*_COLLECT)
