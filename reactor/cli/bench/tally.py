"""Tally: what the calls of one stretch of time came to."""

from __future__ import annotations

from dataclasses import dataclass

import orjson

from reactor.cli.bench.latencies import Latencies

HIDDEN = "ServerError"  # code of errors whose texts are kept from clients


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a call did not succeed. `code` is what equal ones are counted under."""

    code: str
    text: str

    @classmethod
    def of_function(cls, message: str, data: object = None) -> Problem:
        """The function failed; `message` is what clients are told: a head with the request id, then the error.

        `data` is that of an application's error, which is told also where texts are kept from clients.
        """
        if data is not None:
            return cls("AppError", orjson.dumps(data).decode())
        _, _, text = message.partition("\n")
        text = text.strip() or message.strip()
        name, colon, _ = text.removeprefix("Uncaught ").partition(":")
        if colon and name.isidentifier():
            return cls(name, text)
        return cls(HIDDEN if text == message.strip() else "Error", text)


@dataclass(slots=True)
class Kind:
    """Failures with one code."""

    first: str  # what the first of them said; in full later, if it was hidden
    count: int = 0  # grows in Tally.failed


class Tally:
    """Grows while calls end."""

    __slots__ = ("errors", "failures", "latencies")

    def __init__(self) -> None:
        self.latencies = Latencies()  # of calls that succeeded, in seconds
        self.errors: dict[str, Kind] = {}  # by code
        self.failures = 0

    def ended(self, seconds: float, problem: Problem | None) -> None:
        """A call that took so long was answered."""
        if problem is None:
            self.latencies.add(seconds)
        else:
            self.failed(problem)

    def failed(self, problem: Problem) -> None:
        """A call came to nothing."""
        self.failures += 1
        self.errors.setdefault(problem.code, Kind(problem.text)).count += 1

    @property
    def answered(self) -> int:
        """Calls that ended, one way or the other."""
        return self.latencies.count + self.failures
