"""Starting and ending to listen."""

from __future__ import annotations

import asyncio
import os
import signal
import socket

import httpx
import pytest

from reactor.auth.identity import Identity
from reactor.execution.frames import Outcome
from reactor.server.assembly import assemble
from reactor.server.listening import Address, listening, run_until_signalled
from reactor.server.settings import ServerSettings
from tests.server.pretend import Desk, PretendVerbs, running, succeeded


async def test_an_address_in_use_is_an_error_of_the_caller_and_not_an_exit() -> None:
    app = assemble(PretendVerbs(), Desk(), ServerSettings())
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
        async with listening(app, "127.0.0.1", taken.getsockname()[1]):
            pass


async def test_nobody_listens_afterwards() -> None:
    async with running() as server:
        address = server.address
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(address.host, address.port)


async def test_a_running_request_is_finished_before_the_end() -> None:
    started, release = asyncio.Event(), asyncio.Event()

    class Slow(PretendVerbs):
        async def call_query(
            self, path: str, args: bytes, identity: Identity | None, *, internal: bool = False
        ) -> Outcome:
            started.set()
            await release.wait()
            return succeeded(b"null")

    app = assemble(Slow(), Desk(), ServerSettings())
    async with httpx.AsyncClient(trust_env=False) as http:
        async with listening(app) as address:
            asking = asyncio.create_task(http.post(f"{address.url}/api/query", json={"path": "f"}))
            await started.wait()
            asyncio.get_running_loop().call_later(0.05, release.set)
        assert (await asking).json() == {"status": "success", "value": None}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_ends_it_and_nothing_else(number: signal.Signals) -> None:
    app = assemble(PretendVerbs(), Desk(), ServerSettings())
    before = signal.getsignal(number)
    heard: list[Address] = []

    def on_listening(address: Address) -> None:
        heard.append(address)
        os.kill(os.getpid(), number)

    await run_until_signalled(app, "127.0.0.1", 0, on_listening=on_listening)
    assert len(heard) == 1
    assert signal.getsignal(number) in (before, signal.SIG_DFL, signal.default_int_handler)


async def test_cancelling_ends_it_too() -> None:
    app = assemble(PretendVerbs(), Desk(), ServerSettings())
    up = asyncio.Event()
    task = asyncio.create_task(run_until_signalled(app, "127.0.0.1", 0, on_listening=lambda _: up.set()))
    await up.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    async with running() as server, server.client() as (client, _):
        await client.send("x")
        await client.recv()
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("address", "url"),
    [
        (Address("127.0.0.1", 80), "http://127.0.0.1:80"),
        (Address("0.0.0.0", 3210), "http://127.0.0.1:3210"),
        (Address("::1", 3210), "http://[::1]:3210"),
        (Address("::", 3210), "http://[::1]:3210"),
    ],
)
def test_the_url_is_one_a_browser_here_can_open(address: Address, url: str) -> None:
    assert address.url == url


async def test_it_listens_on_ipv6() -> None:
    if not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    app = assemble(PretendVerbs(), Desk(), ServerSettings())
    try:
        async with listening(app, "::1") as address, httpx.AsyncClient(trust_env=False) as http:
            assert (await http.get(address.url + "/instance_name")).text == "reactor"
    except OSError:
        pytest.skip("this machine has no IPv6")
