"""The Scheduler and the Crontab, with an engine that only remembers what it was asked and a clock that tests turn."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import datetime as dt
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from reactor.errors import Overloaded
from reactor.execution.frames import Failure, Outcome
from reactor.footprint.read_set import ReadSet
from reactor.limits import DEFAULT_LIMITS
from reactor.scheduler import crontab, due, scheduler
from reactor.scheduler.scheduler import Scheduler
from reactor.subscriptions.subscription import Observation, QueryKey
from reactor.testing import ManualClock

START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


class _Entry:
    def __init__(self) -> None:
        self.observation: Observation | None = None


class PretendEngine:
    """Its queries say what a test sets; its calls are noted, and answered as the test says or at once with null."""

    def __init__(self) -> None:
        self.limits = dataclasses.replace(DEFAULT_LIMITS, scheduled_parallelism=2)
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.answers: dict[str, Callable[[], Outcome]] = {}
        self.held: dict[str, asyncio.Event] = {}  # paths that wait
        self.ts = 1
        self.watched: list[str] = []
        self._followers: dict[str, Any] = {}
        self._said: dict[str, Any] = {scheduler.PENDING: [], crontab.NEXT: None}

    def watch(self, key: QueryKey, follower: Any) -> None:
        follower.subscription = _Entry()
        self.watched.append(key.path)
        self._followers[key.path] = follower
        self.say(key.path, self._said[key.path])

    def unwatch(self, follower: Any) -> None:
        self._followers = {path: each for path, each in self._followers.items() if each is not follower}

    def say(self, path: str, value: Any, *, ts: int | None = None) -> None:
        """The query has this result from now on."""
        self._said[path] = value
        self._tell(path, Outcome(0, json.dumps(value).encode()), self.ts + 1 if ts is None else ts)

    def fail(self, path: str) -> None:
        """The process that ran the query died."""
        self._tell(path, Outcome(0, None, Failure("FunctionCrashed", "it died")), self.ts + 1)

    def _tell(self, path: str, outcome: Outcome, ts: int) -> None:
        if (follower := self._followers.get(path)) is not None:
            self.ts = ts
            follower.subscription.observation = Observation(self.ts, ReadSet({}), b"", None, False, outcome)
            follower.updated()

    async def mutation(
        self, path: str, args: bytes, identity: None, *, internal: bool, job: str | None = None
    ) -> Outcome:
        return await self._call(path, args, job)

    async def action(
        self, path: str, args: bytes, identity: None, *, internal: bool, job: str | None = None
    ) -> Outcome:
        return await self._call(path, args, job)

    async def _call(self, path: str, args: bytes, job: str | None) -> Outcome:
        self.calls.append((path, {**json.loads(args), **({"job": job} if job else {})}))
        if path in self.held:
            await self.held[path].wait()
        if path in self.answers:
            return self.answers[path]()
        self.ts += 1
        return Outcome(
            0, {scheduler.SWEEP: b"0", crontab.START: b"0", scheduler.CLEAN: b"false"}.get(path, b"true"), ts=self.ts
        )

    def made(self, path: str) -> list[dict[str, Any]]:
        return [args for called, args in self.calls if called == path]


class House:
    def __init__(self) -> None:
        self.engine = PretendEngine()
        self.clock = ManualClock(START)
        self.kinds: dict[str, str] = {"m.js:act": "action", "m.js:add": "mutation"}
        self.scheduler = Scheduler(self.engine, self.clock, self.kinds.get)  # type: ignore[arg-type]

    @property
    def now(self) -> float:
        return self.clock.now_ns() / 1e6

    def job(self, id: str, seconds: float = 0, name: str = "m.js:add") -> dict[str, Any]:
        return {"_id": id, "name": name, "args": [{"n": 1}], "scheduledTime": self.now + seconds * 1000}

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not holds():  # noqa: ASYNC110  # of what is waited for only the list of calls tells
                await asyncio.sleep(0.001)


@pytest.fixture
async def house(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    for module, name in ((due, "LONGEST_SLEEP"), (scheduler, "RETRY"), (crontab, "RETRY")):
        monkeypatch.setattr(module, name, 0.005)
    house = House()
    house.scheduler.start()
    await house.until(lambda: bool(house.engine.made(scheduler.CLEAN)))
    yield house
    await house.scheduler.stop()


async def test_what_was_interrupted_is_settled_before_anything_starts(house: House) -> None:
    assert house.engine.calls[0] == (scheduler.SWEEP, {})


async def test_jobs_start_in_due_order_a_few_at_a_time(house: House) -> None:
    house.engine.held["m.js:add"] = asyncio.Event()
    house.engine.say(scheduler.PENDING, [house.job(name) for name in "abc"])
    await house.until(lambda: len(house.engine.made("m.js:add")) == 2)
    house.engine.held.pop("m.js:add").set()
    await house.until(lambda: len(house.engine.made("m.js:add")) == 3)
    assert [args["job"] for args in house.engine.made("m.js:add")] == ["a", "b", "c"]


async def test_a_job_that_is_done_is_not_started_again_from_an_older_reading(house: House) -> None:
    house.engine.say(scheduler.PENDING, [house.job("a")])
    await house.until(lambda: bool(house.engine.made("m.js:add")))
    house.engine.say(scheduler.PENDING, [house.job("a"), house.job("b")], ts=house.engine.ts - 1)
    await house.until(lambda: len(house.engine.made("m.js:add")) == 2)
    assert [args["job"] for args in house.engine.made("m.js:add")] == ["a", "b"]


async def test_an_action_is_claimed_run_and_finished(house: House) -> None:
    house.engine.answers["m.js:act"] = lambda: Outcome(0, None, Failure("AppError", "Uncaught ConvexError: no\n"))
    house.engine.say(scheduler.PENDING, [house.job("a", name="m.js:act")])
    await house.until(lambda: bool(house.engine.made(scheduler.FINISH)))
    assert [path for path, _ in house.engine.calls[-3:]] == [scheduler.CLAIM, "m.js:act", scheduler.FINISH]
    assert house.engine.made(scheduler.FINISH) == [{"id": "a", "error": "Uncaught ConvexError: no\n"}]


async def test_an_action_that_was_refused_for_overload_is_given_back(house: House) -> None:
    house.engine.answers["m.js:act"] = lambda: Outcome(
        0, None, Failure("TooManyConcurrentRequests", "busy", retry=True)
    )
    house.engine.say(scheduler.PENDING, [house.job("a", name="m.js:act")])
    await house.until(lambda: bool(house.engine.made(scheduler.GIVE_BACK)))
    assert house.engine.made(scheduler.FINISH) == []


async def test_overload_is_waited_out(house: House) -> None:
    refusals = iter([True, True, False])

    def answer() -> Outcome:
        if next(refusals, False):
            raise Overloaded("ExpiredInQueue", "busy")
        return Outcome(0, b"true", ts=house.engine.ts + 1)

    house.engine.answers["m.js:add"] = house.engine.answers[scheduler.FINISH] = answer
    house.engine.say(scheduler.PENDING, [house.job("a")])
    await house.until(lambda: len(house.engine.made("m.js:add")) == 3)


async def test_a_bug_in_one_job_stops_no_other(house: House) -> None:
    house.engine.answers["m.js:act"] = lambda: {}["missing"]  # type: ignore[arg-type, return-value]
    house.engine.say(scheduler.PENDING, [house.job("a", name="m.js:act"), house.job("b")])
    await house.until(lambda: bool(house.engine.made("m.js:add")))


async def test_a_mutation_that_killed_its_process_is_marked_failed(house: House) -> None:
    """Engine A4."""
    house.engine.answers["m.js:add"] = lambda: Outcome(0, None, Failure("FunctionCrashed", "it died"))
    house.engine.say(scheduler.PENDING, [house.job("a")])
    await house.until(lambda: house.engine.made(scheduler.FINISH) == [{"id": "a", "error": "it died"}])


async def test_a_clock_set_forward_is_noticed_and_one_set_back_only_delays(house: House) -> None:
    """Reliability (h); engine D8: recompute from wall time at each wake."""
    house.engine.say(scheduler.PENDING, [house.job("a", seconds=3600)])
    house.clock.set(START - dt.timedelta(hours=1))
    for _ in range(20):
        await asyncio.sleep(0)
    assert house.engine.made("m.js:add") == []
    house.clock.set(START + dt.timedelta(hours=1))
    await house.until(lambda: bool(house.engine.made("m.js:add")))


async def test_crons_are_looked_at_once_at_the_start_and_when_one_is_due(house: House) -> None:
    house.engine.say(crontab.NEXT, house.now + 60_000)
    await house.until(lambda: len(house.engine.made(crontab.START)) == 1)
    house.clock.advance(dt.timedelta(minutes=1))
    await house.until(lambda: len(house.engine.made(crontab.START)) >= 2)
    assert house.engine.made(crontab.START)[1] == {"now": house.now}


async def test_crons_are_looked_at_when_the_clock_was_set_back(house: House) -> None:
    house.engine.say(crontab.NEXT, house.now + 60_000)
    await house.until(lambda: len(house.engine.made(crontab.START)) == 1)
    house.clock.set(START - dt.timedelta(days=1))
    await house.until(lambda: len(house.engine.made(crontab.START)) == 2)


async def test_a_cron_that_was_started_is_not_started_again_from_an_older_reading(house: House) -> None:
    house.engine.answers[crontab.START] = lambda: Outcome(0, b"1.0", ts=house.engine.ts + 10)
    house.engine.say(crontab.NEXT, house.now)
    await house.until(lambda: len(house.engine.made(crontab.START)) == 1)
    house.engine.say(crontab.NEXT, house.now)
    for _ in range(20):
        await asyncio.sleep(0)
    assert len(house.engine.made(crontab.START)) == 1


async def test_jobs_that_ended_long_ago_are_forgotten(house: House) -> None:
    assert house.engine.made(scheduler.CLEAN)[0] == {"before": house.now - 7 * 86_400_000}


@pytest.mark.parametrize("path", [scheduler.PENDING, crontab.NEXT])
async def test_a_reading_that_failed_is_made_again(house: House, path: str) -> None:
    """The reader was killed in it, for instance: a query that died is not run again by itself before new code."""
    before = house.engine.watched.count(path)
    house.engine.fail(path)
    await house.until(lambda: house.engine.watched.count(path) == before + 1)
    house.engine.say(scheduler.PENDING, [house.job("a")])
    house.engine.say(crontab.NEXT, house.now)
    await house.until(lambda: bool(house.engine.made("m.js:add") and house.engine.made(crontab.START)))


async def test_it_stops_while_jobs_run(house: House) -> None:
    house.engine.held["m.js:add"] = asyncio.Event()
    house.engine.say(scheduler.PENDING, [house.job("a")])
    await house.until(lambda: bool(house.engine.made("m.js:add")))
    async with asyncio.timeout(5):
        await house.scheduler.stop()
    with contextlib.suppress(KeyError):
        house.engine.held.pop("m.js:add").set()
