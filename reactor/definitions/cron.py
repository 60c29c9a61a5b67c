"""Crons: what `functions/crons.py` declares. A record of each; execution/cron_rows.py makes rows of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import time, timedelta
from typing import Any, ParamSpec, TypeAlias

from reactor.definitions import cron_schedule
from reactor.definitions.cron_schedule import Schedule, Weekday
from reactor.definitions.function import AnyAction, MutationFunction
from reactor.errors import DefinitionError

P = ParamSpec("P")
Target: TypeAlias = MutationFunction[P, Any] | AnyAction[P, Any]


@dataclass(frozen=True, slots=True)
class Cron:
    """A call to make again and again."""

    name: str
    schedule: Schedule
    function: MutationFunction[..., Any] | AnyAction[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


class Crons:
    """The crons of a deployment, by name: `crons = Crons()` in functions/crons.py. All times are UTC.

    A time of day is a `time(8, 30)`; an hour alone, `8`, is some minute of that hour, always the same.
    """

    def __init__(self) -> None:
        self.jobs: dict[str, Cron] = {}  # filled by the methods below

    def interval(self, name: str, every: timedelta, fn: Target[P], /, *args: P.args, **kwargs: P.kwargs) -> None:
        """Call `fn` at deployment, and then with `every` between one start and the next."""
        self._add(Cron(name, cron_schedule.interval(name, every), fn, args, kwargs))

    def hourly(self, name: str, minute: int | None, fn: Target[P], /, *args: P.args, **kwargs: P.kwargs) -> None:
        """Call `fn` every hour at this minute; None is some minute, always the same."""
        self._add(Cron(name, cron_schedule.hourly(name, minute), fn, args, kwargs))

    def daily(self, name: str, at: time | int, fn: Target[P], /, *args: P.args, **kwargs: P.kwargs) -> None:
        """Call `fn` every day."""
        self._add(Cron(name, cron_schedule.daily(name, at), fn, args, kwargs))

    def weekly(
        self, name: str, day: Weekday, at: time | int, fn: Target[P], /, *args: P.args, **kwargs: P.kwargs
    ) -> None:
        """Call `fn` every week on this day."""
        self._add(Cron(name, cron_schedule.weekly(name, day, at), fn, args, kwargs))

    def monthly(self, name: str, day: int, at: time | int, fn: Target[P], /, *args: P.args, **kwargs: P.kwargs) -> None:
        """Call `fn` every month on this day; a month that does not have it is left out."""
        self._add(Cron(name, cron_schedule.monthly(name, day, at), fn, args, kwargs))

    def cron(self, name: str, expression: str, fn: Target[P], /, *args: P.args, **kwargs: P.kwargs) -> None:
        """Call `fn` when a cron expression of five fields says so: minute, hour, day of month, month, day of week."""
        self._add(Cron(name, cron_schedule.cron(name, expression), fn, args, kwargs))

    def _add(self, job: Cron) -> None:
        if not job.name or not job.name.isprintable():
            raise DefinitionError(f"A cron has a name of printable characters, not {job.name!r}.")
        if job.name in self.jobs:
            raise DefinitionError(f'The cron "{job.name}" is declared twice.')
        self.jobs[job.name] = job
