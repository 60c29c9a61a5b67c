"""Measured: what a load came to, before anything is said of it."""

from __future__ import annotations

from dataclasses import dataclass

from reactor.cli.bench.function_list import Function
from reactor.cli.bench.latencies import Latencies
from reactor.cli.bench.plan import Plan
from reactor.cli.bench.server_profile import FunctionCost, ServerCost
from reactor.cli.bench.tally import Tally


@dataclass(frozen=True, slots=True)
class Answer:
    """What the first call of the function that was named was answered. It was run, whatever results are shared later."""

    size: int  # bytes
    items: int | None  # of a list or a page; None for anything else
    cost: FunctionCost | None  # of that call; None when the server does not say


@dataclass(frozen=True, slots=True)
class Delivered:
    """Of a live measurement. The tally's latencies are those from a write to the last subscriber."""

    latencies: Latencies  # from each write to each subscriber
    answers: Latencies  # of mutations, to their answers
    lost: int  # subscribers whose connection broke


@dataclass(frozen=True, slots=True)
class Measured:
    """The warm-up is not in it."""

    plan: Plan
    url: str
    function: Function  # that was called: of a live measurement, the mutation
    query: Function | None  # of a live measurement
    answer: Answer  # of the function that was named
    tally: Tally
    seconds: float  # from the first call to the last answer
    unanswered: int  # calls that were not waited for
    never_begun: int  # calls that were due and found every client busy until the end
    before: int  # calls made beforehand: the first one, and the warm-up
    interrupted: bool
    lost: str | None  # why the server could not be reached any more
    server: ServerCost | None  # None when it does not say
    client_share: float  # of a core, that this process needed
    delivered: Delivered | None = None
