"""The whole server as one ASGI application, and running it."""

from __future__ import annotations

from collections.abc import Callable

from starlette.applications import Starlette

from reactor.application import Application
from reactor.server.assembly import assemble
from reactor.server.heartbeat import Heartbeat
from reactor.server.listening import Address, run_until_signalled
from reactor.server.settings import ServerSettings
from reactor.server.socket import Socket
from reactor.server.sync_worker import SyncWorker
from reactor.sync.client_info import ClientInfo


def build_app(application: Application, *, settings: ServerSettings | None = None) -> Starlette:
    """The ASGI application that serves `application`, which must be started before the first request."""
    heartbeat = Heartbeat(application.limits.ping_interval)

    def make_worker(socket: Socket, client: ClientInfo) -> SyncWorker:
        return SyncWorker(socket, application, client, heartbeat)

    settings = settings or ServerSettings(dev=not application.redact, redact=application.redact)
    return assemble(application, make_worker, settings, application.limits)


async def run_server(
    application: Application,
    host: str,
    port: int,
    *,
    settings: ServerSettings | None = None,
    on_listening: Callable[[Address], None] | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM, or until cancelled. Raises OSError when the address cannot be had.

    `application` is started before and stopped after by the caller.
    """
    app = build_app(application, settings=settings)
    await run_until_signalled(app, host, port, limits=application.limits, on_listening=on_listening)
