"""Calls by pretend clients: what is begun when, and from when its latency counts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from reactor.cli.bench.client import Done
from reactor.cli.bench.load import Extent, Load
from reactor.cli.bench.tally import Problem
from reactor.cli.remote import Unreachable


class Pretend:
    """Answers each call after so many seconds; None: never."""

    def __init__(self, pause: Callable[[int], float | None], problem: Problem | None = None) -> None:
        self.closed = False
        self.numbers: list[int] = []
        self._pause = pause
        self._problem = problem

    async def open(self) -> None:
        self.closed = False

    def call(self, number: int, meant: float, done: Done) -> None:
        self.numbers.append(number)
        pause = self._pause(number)
        if pause is not None:
            asyncio.get_running_loop().call_later(pause, done, self._problem)

    def close(self) -> None: ...


async def test_so_many_calls_are_made_and_no_more_by_all_clients_together() -> None:
    clients = [Pretend(lambda _: 0.0) for _ in range(3)]
    load = Load(clients, Extent(None, 50), first=100)
    await load.run(1.0)
    assert (load.begun, load.tally.latencies.count, load.unanswered, load.never_begun) == (50, 50, 0, 0)
    assert sorted(number for client in clients for number in client.numbers) == list(range(100, 150))


async def test_at_a_rate_a_call_that_waits_for_a_stalled_server_counts_from_when_it_was_due() -> None:
    client = Pretend(lambda number: 0.1 if number == 0 else 0.0)
    load = Load([client], Extent(None, 10, rate=100.0))
    await load.run(1.0)
    latencies = load.tally.latencies
    assert latencies.count == 10
    assert latencies.most >= 0.1
    assert latencies.percentile(0.5) >= 0.04, "calls due while the first one stalled have waited, too"
    closed = Load([Pretend(lambda number: 0.1 if number == 0 else 0.0)], Extent(None, 10))
    await closed.run(1.0)
    assert closed.tally.latencies.percentile(0.5) < 0.04, "a closed loop asks less of a server that stalls"


async def test_calls_at_a_rate_begin_when_they_are_due() -> None:
    began: list[float] = []
    loop = asyncio.get_running_loop()
    client = Pretend(lambda _: began.append(loop.time()) or 0.0)  # type: ignore[func-returns-value]
    load = Load([client], Extent(0.2, None, rate=50.0))
    await load.run(1.0)
    assert load.tally.latencies.count == 10
    assert 0.17 < began[-1] - began[0] < 0.3


async def test_calls_for_which_there_was_no_client_are_told() -> None:
    load = Load([Pretend(lambda _: 0.05)], Extent(0.2, None, rate=100.0))
    await load.run(1.0)
    assert load.never_begun > 10
    assert load.tally.answered + load.never_begun == 20


async def test_what_is_never_answered_is_not_waited_for_for_ever() -> None:
    load = Load([Pretend(lambda number: None if number == 3 else 0.0)], Extent(0.05, None))
    await load.run(0.05)
    assert (load.tally.answered, load.unanswered) == (3, 1)


async def test_to_stop_lets_what_is_under_way_end() -> None:
    load = Load([Pretend(lambda _: 0.05)], Extent(10.0, None))
    asyncio.get_running_loop().call_later(0.07, load.stop)
    await load.run(1.0)
    assert (load.tally.answered, load.unanswered) == (2, 0)


async def test_failures_are_counted_by_code_and_are_no_latencies() -> None:
    load = Load([Pretend(lambda _: 0.0, Problem("Odd", "it is"))], Extent(None, 5))
    await load.run(1.0)
    assert (load.tally.failures, load.tally.latencies.count) == (5, 0)
    assert (load.tally.errors["Odd"].count, load.tally.errors["Odd"].first) == (5, "it is")


async def test_a_connection_that_ended_is_opened_again_before_the_next_call() -> None:
    client = Pretend(lambda _: 0.0)
    client.closed = True
    load = Load([client], Extent(None, 2))
    await load.run(1.0)
    assert (load.tally.latencies.count, load.lost) == (2, None)


async def test_a_server_that_is_gone_ends_it() -> None:
    class Gone(Pretend):
        async def open(self) -> None:
            raise Unreachable("nobody there")

    client = Gone(lambda _: 0.0)
    client.closed = True
    load = Load([client], Extent(60.0, None))
    await asyncio.wait_for(load.run(1.0), 5)
    assert "nobody there" in str(load.lost)
