"""A socket's identity over time: decided off the socket's path, ended by the wall clock (reference §1.12, row 87)."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reactor.application import Application
from reactor.auth.identity import Identity
from reactor.auth.jwt import Verified
from reactor.errors import Overloaded, Unauthenticated
from reactor.server.heartbeat import Heartbeat
from reactor.server.sync_worker import SyncWorker
from reactor.sync.client_info import ClientInfo
from reactor.testing import ManualClock
from tests.engine.test_one_timestamp import PretendPool

ANN = Identity.from_attributes({"issuer": "https://i", "subject": "ann"})
EXPIRED = {"type": "AuthError", "error": "Convex token identity expired", "authUpdateAttempted": False}


class Line:
    """A socket that keeps what is written to it, the worker behind it, and the clock of its server."""

    on_clear = blocked_since = None

    def __init__(self) -> None:
        self.clear = True
        self.clock = ManualClock()
        self.written: list[dict[str, Any]] = []
        self.closed: tuple[int, str] | None = None
        self.pool = PretendPool()
        self.decision: asyncio.Future[Verified] = asyncio.get_running_loop().create_future()
        self.application = Application(Path("/nowhere"), Path("/nowhere"), clock=self.clock)
        self.application._engine.attach(self.pool)  # type: ignore[arg-type]
        self.application._engine.opened(100)
        self.application.identify_user = self.decide  # type: ignore[method-assign]
        self.worker = SyncWorker(self, self.application, ClientInfo(), Heartbeat(15))
        self.say(
            type="Connect", sessionId="5b0b2c0e-2f4b-4a1b-9a0e-0c3f6f7a1d11", connectionCount=0, lastCloseReason=None
        )

    async def decide(self, token: str) -> Verified:
        return await self.decision

    def close(self, code: int, reason: str) -> None:
        self.closed = (code, reason)

    def abort(self) -> None:
        raise AssertionError("cut")

    def send_frame(self, frame: bytes) -> None:
        self.written.append(json.loads(frame[{126: 4, 127: 10}.get(frame[1], 2) :]))

    def say(self, **message: Any) -> None:
        self.worker.receive(json.dumps(message))

    def authenticate(self, base: int = 0) -> None:
        self.say(type="Authenticate", tokenType="User", value="token", baseVersion=base)

    def mutate(self) -> None:
        self.say(type="Mutation", requestId=0, udfPath="set", args=[{"cell": 1, "value": 1}])

    @property
    def now(self) -> float:
        return self.clock.now_ns() / 1e9

    def pass_time(self, seconds: float) -> None:
        self.clock.advance(dt.timedelta(seconds=seconds))

    async def signed_in(self, lifetime: float = 60) -> None:
        self.authenticate()
        self.decision.set_result(Verified(ANN, self.now + lifetime))
        await settled()
        self.decision = asyncio.get_running_loop().create_future()


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


@pytest.fixture
async def line() -> Line:
    return Line()


async def test_what_comes_behind_a_token_waits_for_it_and_counts_under_it(line: Line) -> None:
    line.authenticate()
    line.mutate()
    await settled()
    assert line.pool.waiting == []
    assert line.written == []
    line.decision.set_result(Verified(ANN, line.now + 60))
    await settled()
    assert [call.identity for call in line.pool.waiting] == [ANN.key]
    assert line.written[0]["endVersion"]["identity"] == 1


async def test_a_client_that_leaves_while_its_token_is_checked_leaves_nothing_behind(line: Line) -> None:
    line.authenticate()
    await settled()
    line.worker.closed()
    await settled()
    assert line.decision.cancelled()
    assert line.written == []


async def test_a_client_whose_token_is_refused_is_told(line: Line) -> None:
    line.authenticate()
    line.decision.set_exception(Unauthenticated("NoAuthProvider", "No auth provider found"))
    await settled()
    assert line.written == [
        {"type": "AuthError", "error": "No auth provider found", "baseVersion": 0, "authUpdateAttempted": True}
    ]
    assert line.closed == (1008, "AuthError")


async def test_an_issuer_that_cannot_be_reached_is_no_auth_error(line: Line) -> None:
    line.authenticate()
    line.decision.set_exception(Overloaded("AuthProviderDiscoveryFailed", "down"))
    await settled()
    assert line.written == []
    assert line.closed == (1013, "AuthProviderDiscoveryFailed")


async def test_a_bug_in_the_check_costs_the_socket_and_says_nothing(
    line: Line, caplog: pytest.LogCaptureFixture
) -> None:
    line.authenticate()
    line.decision.set_exception(ZeroDivisionError("ours"))
    await settled()
    assert line.written == []
    assert line.closed == (1011, "InternalServerError")
    assert "a token could not be checked" in caplog.text


LATE: dict[str, Callable[[Line], None]] = {
    "a mutation": Line.mutate,
    "a query": lambda line: line.say(
        type="ModifyQuerySet",
        baseVersion=0,
        newVersion=1,
        modifications=[{"type": "Add", "queryId": 1, "udfPath": "get", "args": [{"cell": 1}]}],
    ),
    "telemetry": lambda line: line.say(type="Event", eventType="x", event=None),
    "the timer": lambda line: line.worker._sign_in._look(),
    "an update pass": lambda line: line.worker.touch(),
}


@pytest.mark.parametrize("what", LATE)
async def test_whatever_comes_first_finds_the_identity_expired(line: Line, what: str) -> None:
    await line.signed_in(lifetime=60)
    del line.written[:]
    line.pass_time(60)
    LATE[what](line)
    await settled()
    assert line.written == [EXPIRED | {"baseVersion": 1}]
    assert line.closed == (1008, "TokenExpired")
    assert line.pool.waiting == []


async def test_a_moment_before_it_holds(line: Line) -> None:
    await line.signed_in(lifetime=60)
    line.pass_time(59.999)
    line.worker._sign_in._look()
    line.mutate()
    await settled()
    assert len(line.pool.waiting) == 1
    assert line.closed is None


async def test_the_next_token_may_come_late(line: Line) -> None:
    """The client's refresh and the end of its token cross each other: nobody is sent away."""
    await line.signed_in(lifetime=60)
    line.pass_time(61)
    line.authenticate(base=1)
    line.worker._sign_in._look()
    line.mutate()
    line.decision.set_result(Verified(ANN, line.now + 60))
    await settled()
    assert line.closed is None
    assert [call.identity for call in line.pool.waiting] == [ANN.key]
    line.pass_time(59)
    line.worker._sign_in._look()
    assert line.closed is None


async def test_signing_out_ends_the_waiting_for_the_end(line: Line) -> None:
    await line.signed_in(lifetime=60)
    line.say(type="Authenticate", tokenType="None", baseVersion=1)
    assert line.worker._sign_in._end is None
    line.pass_time(100)
    line.mutate()
    await settled()
    assert line.closed is None


async def test_a_wall_clock_set_back_does_not_end_it_early(line: Line) -> None:
    await line.signed_in(lifetime=60)
    line.clock.set(dt.datetime(2025, 1, 1, tzinfo=dt.UTC))
    line.worker._sign_in._look()
    assert line.closed is None
    assert line.worker._sign_in._end is not None


async def test_the_timer_comes_by_itself(line: Line) -> None:
    await line.signed_in(lifetime=0.05)
    line.pass_time(0.05)
    async with asyncio.timeout(5):
        while line.closed is None:  # noqa: ASYNC110 it looks at what has no event
            await asyncio.sleep(0.005)
    assert line.closed == (1008, "TokenExpired")
