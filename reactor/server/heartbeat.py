"""The Ping every client wants to see: JS clients reconnect when no text came for a while (reference §1.10)."""

from __future__ import annotations

import asyncio
from typing import Protocol


class Listener(Protocol):
    """A worker of a connected socket."""

    said_at: float  # loop time of the last frame

    def ping(self) -> None:
        """Say that the line is up."""
        ...


class Heartbeat:
    """One timer for all sockets: looks a few times per interval, pings those that heard nothing for most of it."""

    def __init__(self, interval: float) -> None:
        self._pause = interval / 5
        self._quiet = interval - self._pause
        self._listeners: dict[Listener, None] = {}
        self._timer: asyncio.TimerHandle | None = None  # set while there is somebody to ping

    def add(self, listener: Listener) -> None:
        """Ping this one from now on."""
        self._listeners[listener] = None
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._pause, self._beat)

    def remove(self, listener: Listener) -> None:
        """It is gone."""
        self._listeners.pop(listener, None)
        if not self._listeners and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _beat(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._pause, self._beat)
        late = loop.time() - self._quiet
        for listener in list(self._listeners):
            if listener.said_at <= late:
                listener.ping()
