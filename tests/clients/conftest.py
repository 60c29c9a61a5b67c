"""One server and one process per kind of client for each test module; every test has clients of its own.

A module says what it wants to be served: `PROJECT = {"schema": …, "functions": {…}}`, and `COMMAND = "dev"` or "serve".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.clients.clients import Client, Driver, assert_protocol_kept, node_driver, python_driver
from tests.clients.node import node_executable, packages_folder
from tests.support import Project, RunningServer, serving

EVERY_CLIENT = ("js-live", "js-http", "python-live", "python-http")
LIVE_CLIENTS = ("js-live", "python-live")


class Clients:
    """Opens clients of any kind; `close` ends them all and checks what went over their sockets."""

    def __init__(self, drivers: Callable[[str], Driver]) -> None:
        self.drivers = drivers
        self.opened: list[Client] = []  # grows in open()

    def open(self, which: str, server: RunningServer, **options: Any) -> Client:
        """`which` is one of EVERY_CLIENT."""
        language, kind = which.split("-")
        client = Client(self.drivers(language), server.url, kind, **options)  # type: ignore[arg-type]
        self.opened.append(client)
        return client

    def js(self, server: RunningServer, **options: Any) -> Client:
        return self.open("js-live", server, **options)

    def js_http(self, server: RunningServer) -> Client:
        return self.open("js-http", server)

    def python(self, server: RunningServer) -> Client:
        return self.open("python-live", server)

    def close(self) -> None:
        for client in self.opened:
            client.close()

    def check(self) -> None:
        for client in self.opened:
            assert_protocol_kept(client.wire)
        uncaught = [
            event["text"]
            for client in self.opened[:1]
            for event in client.driver.events[client.opened :]
            if event.get("level") == "uncaught"
        ]
        assert not uncaught, f"the client threw: {uncaught}"


@pytest.fixture(scope="session")
def node_packages(pytestconfig: pytest.Config) -> Path:
    """A folder with npm `convex` in its node_modules."""
    return packages_folder(Path(pytestconfig.cache.mkdir("node")))


@pytest.fixture(scope="module")
def drivers(request: pytest.FixtureRequest) -> Iterator[Callable[[str], Driver]]:
    """The process that holds the clients of a language, started when it is first asked for."""
    running: dict[str, Driver] = {}

    def driver(language: str) -> Driver:
        if language in running and (running[language].doubted or not running[language].alive):
            running.pop(language).close()
        if language not in running:
            if language == "js":
                running[language] = node_driver(node_executable(), request.getfixturevalue("node_packages"))
            else:
                running[language] = python_driver()
        return running[language]

    yield driver
    for one in running.values():
        one.close()


@pytest.fixture
def clients(drivers: Callable[[str], Driver]) -> Iterator[Clients]:
    opened = Clients(drivers)
    yield opened
    opened.close()
    opened.check()


@pytest.fixture(scope="module")
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server with the module's PROJECT, shared by its tests."""
    project = Project(tmp_path_factory.mktemp("project"), **request.module.PROJECT)
    with serving(project, getattr(request.module, "COMMAND", "dev")) as running:
        yield running
