"""Runs the application on a socket: uvicorn inside a loop that is already running. Prints nothing."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass

from starlette.types import ASGIApp
from uvicorn.config import Config
from uvicorn.server import Server

from reactor.limits import DEFAULT_LIMITS, Limits
from reactor.server.direct_calls import DirectApp
from reactor.server.http_protocol import HttpProtocol
from reactor.server.websocket_protocol import SocketProtocol

_STOP_SECONDS = 5  # for running requests to end once the server stops
_KEEP_ALIVE = 65  # seconds an idle HTTP connection is kept: above the 60 s of common proxies, which then close first
_WS_PING = 5.0


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """For browsers and clients on this machine."""
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self.host, self.host)  # noqa: S104 names, not a bind
        return (
            f"http://[{host}]:{self.port}" if ":" in host and not host.startswith("[") else f"http://{host}:{self.port}"
        )


@contextlib.asynccontextmanager
async def listening(
    app: ASGIApp, host: str = "127.0.0.1", port: int = 0, *, limits: Limits = DEFAULT_LIMITS
) -> AsyncIterator[Address]:
    """Serve `app` while the block runs. Port 0 takes a free one. Raises OSError when the address cannot be had.

    At the end no new connection is taken, sockets are closed so that their clients come back, running requests get a
    few seconds.
    """
    listener = _bind(host, port)
    bound = listener.getsockname()
    server = _Server(_config(app, limits))
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        ready = asyncio.create_task(server.ready.wait())
        await asyncio.wait((task, ready), return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            ready.cancel()
            task.result()
            raise RuntimeError("The server ended before it listened.")
        yield Address(bound[0], bound[1])
    finally:
        server.stop()
        await asyncio.shield(task)


async def run_until_signalled(
    app: ASGIApp,
    host: str,
    port: int,
    *,
    limits: Limits = DEFAULT_LIMITS,
    on_listening: Callable[[Address], None] | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM, or until the task is cancelled."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for signal_number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signal_number, stop.set)
    try:
        async with listening(app, host, port, limits=limits) as address:
            if on_listening is not None:
                on_listening(address)
            await stop.wait()
    finally:
        for signal_number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(signal_number)


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=2048)


def _config(app: ASGIApp, limits: Limits) -> Config:
    direct = app.direct if isinstance(app, DirectApp) else None
    return Config(
        app,
        http=functools.partial(HttpProtocol, limits=limits, direct=direct),  # type: ignore[arg-type] # called as the class is
        ws=functools.partial(SocketProtocol, limits=limits),  # type: ignore[arg-type]
        ws_max_size=limits.socket_message,
        ws_per_message_deflate=False,
        ws_ping_interval=_WS_PING,
        ws_ping_timeout=limits.socket_silence,
        interface="asgi3",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE,
        timeout_graceful_shutdown=_STOP_SECONDS,
        backlog=2048,
    )


class _Server(Server):
    """uvicorn's server, that says when it listens and leaves signals to the program."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Begin to end `serve`."""
        self.should_exit = True
        self._stopping.set()

    async def main_loop(self) -> None:
        """Once a second, for the Date header; the original looks ten times a second whether to stop."""
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), 1.0)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
