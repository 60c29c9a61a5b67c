"""Hints: what a person should know who reads the figures. Each says only what was measured, or what follows from it."""

from __future__ import annotations

from collections.abc import Iterator

from reactor.cli.bench.measured import Measured
from reactor.cli.bench.tally import HIDDEN

_BUSY = 0.9  # of a core
_TELLING = 1.0  # seconds; what is shorter has mostly begun and ended
_MANY = 200  # documents read by a run
_WASTE = 10  # times as many documents as the answer has items


def hints_of(measured: Measured) -> list[str]:
    """In order of weight."""
    return [*_trouble(measured), *_limits(measured), *_sharing(measured), *_reads(measured)]


def _trouble(measured: Measured) -> Iterator[str]:
    if measured.lost is not None:
        yield f"The server could not be reached any more: {measured.lost}."
    if measured.interrupted:
        yield "Interrupted: the figures are those of the time until then."
    if measured.unanswered:
        yield f"{_number(measured.unanswered)} had no answer when it ended, and are not counted."
    if measured.never_begun:
        due = measured.tally.answered + measured.unanswered + measured.never_begun
        yield (
            f"The rate was not kept: {_number(measured.never_begun)} of {due:,} never began, because all clients "
            "were waiting for answers; the latencies would be longer with them. Take a lower --rate, or more --clients "
            "if the server is not busy."
        )
    if HIDDEN in measured.tally.errors:
        yield "`reactor serve` keeps error texts from clients, so all kinds are counted as one: `reactor logs` has them."
    if measured.delivered is not None and measured.delivered.lost:
        yield f"{measured.delivered.lost:,} subscribers lost their connection."


def _limits(measured: Measured) -> Iterator[str]:
    if measured.client_share >= _BUSY and measured.seconds >= _TELLING:
        yield (
            f"This command itself was the limit: it needed {measured.client_share:.0%} of a core. The server can do more than "
            "it was asked for; run several at once, from other machines, to see how much."
        )
    server = measured.server
    if server is not None and server.processor >= _BUSY * server.seconds and measured.seconds >= _TELLING:
        yield "The server's own process was busy all the time: it is what limits these figures, not your functions."


def _sharing(measured: Measured) -> Iterator[str]:
    if measured.server is None or measured.function.kind != "query":
        return
    cost = measured.server.of(measured.function.path)
    count = 0 if cost is None else cost.runs
    answers = measured.tally.answered
    if count < answers / 2:
        runs = "one run before" if count == 0 else f"{count:,} runs" if count > 1 else "1 run"
        yield (
            f"{answers:,} answers came from {runs}: equal calls share a result until a write meets what it read. "
            "--fresh has every call run."
        )


def _reads(measured: Measured) -> Iterator[str]:
    items = measured.answer.items
    named = measured.query or measured.function
    cost = (measured.server.of(named.path) if measured.server is not None else None) or measured.answer.cost
    if cost is None or not cost.counted or items is None or named.kind != "query":
        return
    documents = cost.documents_read / cost.counted
    if documents >= _MANY and documents >= _WASTE * max(items, 1):
        yield (
            f"{cost.path} reads {documents:,.0f} documents a run, and the first answer had {_items(items)}. Where it "
            "throws the others away in Python, an index on the fields it looks at, or take() with an order, has it "
            "read only what it returns."
        )


def _number(calls: int) -> str:
    return "1 call" if calls == 1 else f"{calls:,} calls"


def _items(count: int) -> str:
    return "1 item" if count == 1 else f"{count:,} items"
