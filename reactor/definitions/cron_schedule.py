"""Schedule: when a cron runs, all in UTC (reference §4.8). Pure: times are milliseconds since the epoch.

A minute that was left out is chosen by the cron's name, and a second with it, so that not everything of the world
happens at the full hour; the choice never changes. A minute that was given is kept to the second.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any, Literal, TypeAlias

from cronsim import CronSim, CronSimError

from reactor.errors import DefinitionError
from reactor.values.value import Value

Weekday: TypeAlias = Literal["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"]
WEEKDAYS: tuple[Weekday, ...] = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
CRON_FIELDS = 5

_SET_BACK = 3 * 3_600_000  # ms: of smaller steps of the clock no calendar takes notice, like the crons of old


@dataclass(frozen=True, slots=True)
class Interval:
    """At deployment, then so many seconds after each start."""

    seconds: float

    @property
    def wire(self) -> dict[str, Value]:
        """As the manifest and the cron's row have it."""
        return {"kind": "interval", "seconds": self.seconds}

    def first(self, now: float) -> float:
        """When a cron that is new at `now` runs."""
        return now

    def after(self, previous: float, now: float) -> float:
        """The first time behind `now`, of those a whole number of intervals after the run that was due at `previous`."""
        period = self.seconds * 1000
        return previous + max(1, math.floor((now - previous) / period) + 1) * period

    def corrected(self, planned: float, now: float) -> float:
        """`planned`, unless the clock was set back: an interval is never longer than itself."""
        return min(planned, now + self.seconds * 1000)


@dataclass(frozen=True, slots=True)
class Calendar:
    """At times of the clock: a cron expression of five fields, and the second at which its minutes are met."""

    kind: Literal["hourly", "daily", "weekly", "monthly", "cron"]
    expression: str
    second: int
    fields: tuple[tuple[str, Value], ...]  # as they were declared, by their official names

    @property
    def wire(self) -> dict[str, Value]:
        """As the manifest and the cron's row have it."""
        return {"kind": self.kind, **dict(self.fields), "expression": self.expression, "second": self.second}

    def first(self, now: float) -> float:
        """When a cron that is new at `now` runs."""
        base = datetime.fromtimestamp(now / 1000, UTC).replace(tzinfo=None) - timedelta(seconds=self.second)
        found = next(CronSim(self.expression, base)).replace(tzinfo=UTC)
        return (found.timestamp() + self.second) * 1000

    def after(self, previous: float, now: float) -> float:
        """The first time behind `now` and behind the run that was due at `previous`: missed ones are let go."""
        return self.first(max(previous, now))

    def corrected(self, planned: float, now: float) -> float:
        """`planned`, unless the clock was set back so far that waiting for it would be a fault of its own."""
        usual = self.first(now)
        return usual if planned - usual > _SET_BACK else planned


Schedule: TypeAlias = Interval | Calendar


def schedule_of(wire: dict[str, Any]) -> Schedule:
    """The schedule that `wire` was taken from."""
    if wire["kind"] == "interval":
        return Interval(wire["seconds"])
    fields = tuple((name, value) for name, value in wire.items() if name not in ("kind", "expression", "second"))
    return Calendar(wire["kind"], wire["expression"], int(wire["second"]), fields)


# ── as they are declared ──────────────────────────────────────────────────────────────────────────────────────────────


def interval(name: str, every: timedelta) -> Interval:
    """Every so often. Raises DefinitionError, like all of these."""
    if not isinstance(every, timedelta):
        raise _refused(name, f"needs a timedelta, for example timedelta(minutes=5), not {every!r}")
    if every <= timedelta(0):
        raise _refused(name, "must have an interval greater than zero")
    return Interval(every.total_seconds())


def hourly(name: str, minute: int | None) -> Calendar:
    """Once an hour."""
    chosen = _Chosen(name)
    fields = _given(minuteUTC=_whole(name, "a minute", minute, 0, 59))
    return _calendar(name, "hourly", f"{chosen.minute(minute)} * * * *", chosen.second(minute), fields)


def daily(name: str, at: time | int) -> Calendar:
    """Once a day."""
    clock = _clock(name, at)
    return _calendar(name, "daily", f"{clock.expression} * * *", clock.second, clock.fields)


def weekly(name: str, day: str, at: time | int) -> Calendar:
    """Once a week."""
    clock = _clock(name, at)
    if day not in WEEKDAYS:
        raise _refused(name, f'needs a day of the week, "sunday" to "saturday", not {day!r}')
    fields = (("dayOfWeek", day), *clock.fields)
    return _calendar(name, "weekly", f"{clock.expression} * * {WEEKDAYS.index(day)}", clock.second, fields)


def monthly(name: str, day: int, at: time | int) -> Calendar:
    """Once a month, in months that have the day."""
    clock = _clock(name, at)
    fields = (*_given(day=_whole(name, "a day of the month", day, 1, 31)), *clock.fields)
    return _calendar(name, "monthly", f"{clock.expression} {day} * *", clock.second, fields)


def cron(name: str, expression: str) -> Calendar:
    """When a cron expression says so."""
    if len(expression.split()) != CRON_FIELDS:
        raise _refused(name, f'needs five fields, as in "0 3 * * *", and has "{expression}"')
    return _calendar(name, "cron", expression, 0, (("cron", expression),))


@dataclass(frozen=True, slots=True)
class _Chosen:
    """What the name of a cron decides."""

    name: str

    def minute(self, given: int | None) -> int:
        return self._number % 60 if given is None else given

    def second(self, given: int | None) -> int:
        return self._number // 60 % 60 if given is None else 0

    @property
    def _number(self) -> int:
        return int.from_bytes(hashlib.blake2b(self.name.encode(), digest_size=8).digest())


@dataclass(frozen=True, slots=True)
class _Clock:
    expression: str  # minute and hour
    second: int
    fields: tuple[tuple[str, Value], ...]


def _clock(name: str, at: time | int) -> _Clock:
    chosen = _Chosen(name)
    if isinstance(at, time):
        if at.tzinfo is not None and at.utcoffset() != timedelta(0):
            raise _refused(name, f"runs by UTC, and {at!r} is a time of another zone")
        if at.second or at.microsecond:
            raise _refused(name, f"keeps to minutes, and {at} has seconds")
        return _Clock(f"{at.minute} {at.hour}", 0, _given(hourUTC=at.hour, minuteUTC=at.minute))
    hour = _whole(name, "an hour", at, 0, 23)
    return _Clock(f"{chosen.minute(None)} {hour}", chosen.second(None), _given(hourUTC=hour))


def _whole(name: str, what: str, number: int | None, least: int, most: int) -> int | None:
    if number is None and what == "a minute":
        return None
    if not isinstance(number, int) or isinstance(number, bool) or not least <= number <= most:
        raise _refused(name, f"needs {what} from {least} to {most}, not {number!r}")
    return number


def _given(**fields: Value) -> tuple[tuple[str, Value], ...]:
    return tuple(
        (name, float(value) if isinstance(value, int) else value) for name, value in fields.items() if value is not None
    )


def _calendar(name: str, kind: Any, expression: str, second: int, fields: tuple[tuple[str, Value], ...]) -> Calendar:
    found = Calendar(kind, expression, second, fields)
    try:
        found.first(0.0)
    except (CronSimError, StopIteration) as error:
        reason = f": {error}" if str(error) else ", which never comes"
        raise _refused(name, f'has the expression "{expression}"{reason}') from None
    return found


def _refused(name: str, what: str) -> DefinitionError:
    return DefinitionError(f'The cron "{name}" {what}.')
