"""Embedded: a project served as a mount of another ASGI application, started and stopped with that one's lifespan."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from reactor.application import Application, Origins
from reactor.cli.address_file import AddressFile
from reactor.cli.settings import ProjectSettings
from reactor.deploy.deployer import Deployer, DeployReport, Refused
from reactor.deploy.watcher import Watcher
from reactor.embedding.calls import Calls, Definitions
from reactor.errors import BundleBroken, DefinitionError, StorageLocked
from reactor.issuers.reach import Reach
from reactor.server.app import build_app
from reactor.values.names import wire_name

_log = logging.getLogger("reactor")


class Embedded(Calls):
    """An ASGI application, for `app.mount("/reactor", …)`; and the way the rest of the program calls functions.

    It needs `lifespan`: Starlette does not tell mounted applications when to start. Run by itself it has its own.
    """

    def __init__(self, project: Path | str, *, data: Path | str | None, dev: bool, url: str) -> None:
        """See `reactor.asgi`. Opens nothing yet."""
        self._root = Path(project).resolve()
        if not (self._root / "schema.py").is_file() and not (self._root / "functions").is_dir():
            raise DefinitionError(f"There is neither a schema.py nor a folder functions/ in {self._root}.")
        self._data = Path(data) if data is not None else self._root / ".reactor"
        self._dev = dev
        self._url = url.rstrip("/")
        self._settings = ProjectSettings.read(self._root)
        self._started: tuple[Application, ASGIApp] | None = None  # set while lifespan runs
        super().__init__(self, Definitions(wire_name if self._settings.wire_names == "camelCase" else str), None)

    @property
    def application(self) -> Application:
        """What runs. Raises RuntimeError when nothing does."""
        return self._running_now()[0]

    @contextlib.asynccontextmanager
    async def lifespan(self, app: Any = None) -> AsyncIterator[None]:
        """Serve while the block runs: `FastAPI(lifespan=backend.lifespan)`, or inside a lifespan of your own.

        `app` is whose lifespan it is; nothing is asked of it. Raises what keeps the project from starting: StorageLocked, BundleBroken, SchemaViolation.
        """
        del app
        if self._started is not None:
            raise RuntimeError("This reactor runs already: it has one lifespan at a time.")
        application = self._assembled()
        await _start(application)
        beside = [asyncio.create_task(_end_with(application))]
        if self._dev:
            beside.append(asyncio.create_task(self._follow_saves(application)))
        self._started = application, build_app(application)
        address_file = AddressFile(self._data)
        address_file.write(self._url)  # for `reactor run` and the others beside us
        try:
            with address_file.cleared():
                yield
        finally:
            self._started = None
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
            await application.stop()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._serve_lifespan(receive, send)
        else:
            await self._running_now()[1](scope, receive, send)

    def _running_now(self) -> tuple[Application, ASGIApp]:
        if self._started is None:
            raise RuntimeError(
                "reactor is mounted but not started: give its lifespan to the application it is mounted in, "
                "`FastAPI(lifespan=backend.lifespan)`, or enter `backend.lifespan(app)` in a lifespan of your own."
            )
        return self._started

    def _assembled(self) -> Application:
        settings = self._settings
        return Application(
            self._root,
            self._data,
            limits=settings.limits,
            redact=not self._dev,
            bucket=settings.files,
            reach=Reach(private=self._dev, hosts=settings.private_hosts),
            origins=Origins(self._url, f"{self._url}/http"),
        )

    async def _serve_lifespan(self, receive: Receive, send: Send) -> None:
        """The ASGI conversation, when this is the whole application."""
        await receive()
        try:
            async with self.lifespan():
                await send({"type": "lifespan.startup.complete"})
                await receive()
        except Exception as error:
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            raise
        await send({"type": "lifespan.shutdown.complete"})

    async def _follow_saves(self, application: Application) -> None:
        outputs = self._settings.outputs(self._root)
        outputs.write(application.manifest)
        async with contextlib.aclosing(Watcher(self._root, generated=outputs.sources).changes()) as changes:
            deployer = Deployer(application.deploy, outputs.write, _report, running=application.manifest)
            await deployer.follow(changes)


async def _start(application: Application) -> None:
    try:
        await application.start()
    except StorageLocked as error:
        raise StorageLocked(
            f"{error} Under uvicorn or gunicorn that may be a second worker of this very application: run one. reactor has "
            "processes of its own, and one worker serves thousands of sockets."
        ) from None


async def _end_with(application: Application) -> None:
    """An engine that cannot go on ends the program, as a server's own would: whoever keeps it up starts it again."""
    try:
        await asyncio.shield(application.failed)
    except asyncio.CancelledError:
        raise
    except Exception:  # noqa: BLE001  # whatever it is, it has ended the engine
        _log.critical("reactor cannot go on: the process is asked to end", exc_info=True)
        os.kill(os.getpid(), signal.SIGTERM)


def _report(report: DeployReport) -> None:
    if isinstance(report, Refused):
        text = report.error.traceback if isinstance(report.error, BundleBroken) else str(report.error)
        _log.error("not live; what ran before runs on.\n%s", text)
    else:
        _log.info("live after %.0f ms", report.seconds * 1000)
