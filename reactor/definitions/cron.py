"""Crons: what `functions/crons.py` declares. It collects jobs; running them is not built yet."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ParamSpec

from reactor.definitions.function import AnyAction, MutationFunction
from reactor.errors import DefinitionError

P = ParamSpec("P")


@dataclass(frozen=True, slots=True)
class Cron:
    """A call to make again and again. `schedule` is the time between two, or a cron expression in UTC."""

    name: str
    schedule: timedelta | str
    function: MutationFunction[..., Any] | AnyAction[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


class Crons:
    """The jobs of a deployment, by name."""

    def __init__(self) -> None:
        self.jobs: dict[str, Cron] = {}  # filled by `interval` and `cron`

    def interval(
        self,
        name: str,
        every: timedelta,
        fn: MutationFunction[P, Any] | AnyAction[P, Any],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> None:
        """Call `fn` at deployment, and then with `every` between one start and the next."""
        if every <= timedelta(0):
            raise DefinitionError(f'The cron "{name}" must have an interval greater than zero.')
        self._add(Cron(name, every, fn, args, kwargs))

    def cron(
        self,
        name: str,
        expression: str,
        fn: MutationFunction[P, Any] | AnyAction[P, Any],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> None:
        """Call `fn` when a cron expression of five fields says so, in UTC."""
        if len(expression.split()) != 5:
            raise DefinitionError(f'The cron "{name}" needs five fields, as in "0 3 * * *", and has "{expression}".')
        self._add(Cron(name, expression, fn, args, kwargs))

    def _add(self, job: Cron) -> None:
        if job.name in self.jobs:
            raise DefinitionError(f'The cron "{job.name}" is declared twice.')
        self.jobs[job.name] = job
