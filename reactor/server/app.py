"""The whole server as one ASGI application, and running it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from starlette.types import ASGIApp

from reactor.application import Application
from reactor.server.assembly import assemble
from reactor.server.direct_calls import DirectApp, DirectCalls
from reactor.server.heartbeat import Heartbeat
from reactor.server.http_api import HttpApi
from reactor.server.http_routes import HttpRoutes
from reactor.server.listening import Address, listening, run_until_signalled
from reactor.server.settings import ServerSettings
from reactor.server.socket import Socket
from reactor.server.sync_worker import SyncWorker
from reactor.sync.client_info import ClientInfo


def build_app(application: Application, *, settings: ServerSettings | None = None) -> ASGIApp:
    """The ASGI application that serves `application`, which must be started before the first request."""
    heartbeat = Heartbeat(application.limits.ping_interval)

    def make_worker(socket: Socket, client: ClientInfo) -> SyncWorker:
        return SyncWorker(socket, application, client, heartbeat)

    settings, limits = settings or _settings_of(application), application.limits
    submits = {b"/api/query": application.begin_query, b"/api/mutation": application.begin_mutation}
    direct = DirectCalls(HttpApi(application, settings, limits), submits)
    return DirectApp(assemble(application, make_worker, settings, limits), direct)


def build_site(application: Application, *, settings: ServerSettings | None = None) -> ASGIApp:
    """The ASGI application of the site's listener: the project's HTTP routes, and nothing else."""
    return HttpRoutes(application, settings or _settings_of(application), application.limits)


def _settings_of(application: Application) -> ServerSettings:
    return ServerSettings(dev=not application.redact, redact=application.redact)


async def run_server(
    application: Application,
    host: str,
    port: int,
    *,
    site_port: int | None = None,
    site_required: bool = True,
    settings: ServerSettings | None = None,
    on_listening: Callable[[Address, Address | None], None] | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM, or until cancelled. Raises OSError when an address cannot be had.

    `site_port` has a listener of its own for the project's HTTP routes, without which `on_listening` is told None unless
    it is `site_required`. `application` is started before and stopped
    after by the caller.
    """
    app, limits = build_app(application, settings=settings), application.limits
    async with contextlib.AsyncExitStack() as stack:
        site: Address | None = None
        if site_port is not None:
            site_app = build_site(application, settings=settings)
            try:
                site = await stack.enter_async_context(listening(site_app, host, site_port, limits=limits))
            except OSError:
                if site_required:
                    raise

        def told(address: Address) -> None:
            if on_listening is not None:
                on_listening(address, site)

        await run_until_signalled(app, host, port, limits=limits, on_listening=told)
